"""A saga: steps that each have a way back, walked forward, or walked back in reverse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import Any, Final, TypeVar

from labkit.system.errors import CommandFailed, LabError, Refused
from labkit.system.message import Event
from labkit.system.service import Command, Service

R = TypeVar("R")
Undo = tuple[Command[Any, Any], dict[str, Any]]

NOTHING: Final = "nothing to undo"


class HumanTaskOpened(Event):
    """A machine can't go on by itself, and a person should look."""

    order_id: str
    task: str
    reason: str


class Saga:
    """A long transaction without a lock (Garcia-Molina and Salem 1987), as a conductor runs it.

        async with Saga(self, order_id) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=…, amount=…)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=…)
            await saga.pivot(Shipping.ship, order_id=…)
            await saga.step(Notification.notify, order_id=…)

    Leaving the block with an error before the *pivot* walks back: each undo, the last one first.
    After the pivot there is no way back, and steps are tried until they work.

    conductor: the service that runs it. key: what it is about, such as an order's id.
    timeout_seconds: how long each step is awaited. tries: how often a step is asked for, with
    back-off and jitter, under one and the same idempotency key. decided: whether it has passed its
    pivot, or may have.

    A step of which no answer comes may have been done. So its undo is registered before it is
    asked for, and must be harmless where there is nothing to undo. What can't be undone, or not
    be finished after the pivot, is handed to a person: HumanTaskOpened.
    """

    def __init__(
        self,
        conductor: Service,
        key: str,
        *,
        timeout_seconds: float = 5.0,
        tries: int = 4,
        wait_seconds: float = 0.1,
    ) -> None:
        for name, value in (("timeout_seconds", timeout_seconds), ("wait_seconds", wait_seconds)):
            if not value > 0:
                raise LabError(f"Saga: {name}={value:g} is not a time; write for example 5.")
        if tries < 1:
            raise LabError(f"Saga: tries={tries} would never ask for a step; write at least 1.")
        self._conductor, self._key = conductor, key
        self._timeout, self._tries, self._wait = timeout_seconds, tries, wait_seconds
        self._undo: list[Undo] = []
        self._wishes: dict[str, int] = {}
        self.decided = False

    async def step(
        self,
        command: Command[Any, R],
        /,
        *,
        undo: Command[Any, Any] | str | None = None,
        timeout_seconds: float | None = None,
        **arguments: Any,
    ) -> R | None:
        """Ask for one step, and return its answer; None where a person must finish it.

        undo: the command that takes it back. It is given those of the arguments that it takes.
        """
        if self.decided:
            return await self._forward(command, timeout_seconds, arguments)
        # Before, not after: of a step whose answer is lost nobody knows whether it was done.
        self._register(command, undo, arguments)
        return await self._ask(command, timeout_seconds, arguments)

    async def pivot(
        self,
        command: Command[Any, R],
        /,
        *,
        timeout_seconds: float | None = None,
        **arguments: Any,
    ) -> R:
        """Ask for the step that decides: refused, all goes back; done, all goes on.

        What has no answer in the end may have been done: nothing is undone, and a person is asked.
        """
        try:
            answer = await self._ask(command, timeout_seconds, arguments)
        except Refused:
            raise
        except CommandFailed as error:
            self.decided = True
            await self._hand_over(f"find out about {command.message_type}", error)
            raise
        self.decided = True
        return answer

    def owe(self, undo: Command[Any, Any], /, **arguments: Any) -> None:
        """Register the way back of a step that was asked for before, as by one that crashed."""
        undo.arguments(arguments)
        self._undo.append((undo, arguments))

    async def __aenter__(self) -> Saga:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not self.decided:
            while self._undo:
                await self._take_back(*self._undo.pop())

    def _register(
        self, command: Command[Any, Any], undo: object, arguments: dict[str, Any]
    ) -> None:
        if undo == NOTHING:
            return
        if not isinstance(undo, Command):
            raise LabError(
                f"{command.message_type} stands before the pivot, so it needs a way back.\n"
                f"Write undo=… with the command that takes it back, or undo=NOTHING where there is "
                f"nothing to take back.\nIf it is the step that decides, use saga.pivot(…)."
            )
        taken = {name: arguments[name] for name in undo.contract.model_fields if name in arguments}
        undo.arguments(taken)  # what it lacks is better known now than when it is needed
        self._undo.append((undo, taken))

    async def _take_back(self, undo: Command[Any, Any], arguments: dict[str, Any]) -> None:
        try:
            await self._ask(undo, None, arguments)
        except CommandFailed as error:
            await self._hand_over(undo.message_type, error)

    async def _forward(
        self, command: Command[Any, R], timeout_seconds: float | None, arguments: dict[str, Any]
    ) -> R | None:
        try:
            return await self._ask(command, timeout_seconds, arguments)
        except CommandFailed as error:
            await self._hand_over(command.message_type, error)
            return None

    async def _hand_over(self, task: str, error: Exception) -> None:
        await self._conductor.publish(
            HumanTaskOpened(order_id=self._key, task=task, reason=str(error))
        )

    async def _ask(
        self, command: Command[Any, R], timeout_seconds: float | None, arguments: dict[str, Any]
    ) -> R:
        # A key for the wish, not for the try: so a step is done once, however often it is asked.
        wish = f"{self._key}:{command.message_type}"
        nth = self._wishes[wish] = self._wishes.get(wish, 0) + 1
        key = f"{wish}:{nth}" if nth > 1 else wish
        timeout = self._timeout if timeout_seconds is None else timeout_seconds

        async def ask() -> R:
            return await self._conductor.call(
                command, timeout_seconds=timeout, idempotency_key=key, **arguments
            )

        return await patiently(ask, tries=self._tries, wait_seconds=self._wait, seed=key)


async def patiently(
    ask: Callable[[], Awaitable[R]], *, tries: int, wait_seconds: float, seed: str
) -> R:
    """Ask again while nobody answers or can answer; a no and a mistake are answers.

    Between two tries it waits twice as long each time, give or take (*exponential back-off with
    jitter*): so a crowd of callers does not return as a crowd.
    """
    try:
        return await ask()  # mostly it works, and nothing needs to be prepared for a second try
    except CommandFailed as error:
        failed: list[CommandFailed] = [error]
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

    async def first_or_again() -> R:
        if failed:
            raise failed.pop()
        return await ask()

    backoff, dice = wait_exponential(wait_seconds), Random(seed)
    again = AsyncRetrying(
        stop=stop_after_attempt(tries),
        # tenacity's own jitter comes from dice that no seed reaches.
        wait=lambda state: backoff(state) * dice.uniform(0.5, 1.5),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return await again(first_or_again)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, CommandFailed) and not isinstance(error, Refused)
