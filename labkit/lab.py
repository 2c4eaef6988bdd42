"""The lab: the one place where broker, faults, trace and services are put together."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import Counter
from collections.abc import Coroutine, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.music.listening import listen
from labkit.running import Running
from labkit.system.broker import Address, Broker, broker_for
from labkit.system.errors import LabError, NotAService
from labkit.system.faults import Fault
from labkit.system.ledger import Ledger
from labkit.system.loop import Loop, the_loop
from labkit.system.message import Event
from labkit.system.process import Apart
from labkit.system.service import Command, Service, name_of
from labkit.system.simulation import Simulation, VirtualTime
from labkit.trace import Trace
from labkit.views.card import Card
from labkit.views.sequence import sequence

if TYPE_CHECKING:
    from pydantic import BaseModel

R = TypeVar("R")
T = TypeVar("T")

Trace.drawn_by, Trace.heard_by = sequence, listen


class Lab:
    """A running system: services on a real broker, and the record of what they say and do.

    services: classes, or instances where one needs settings; `process(Payment)` runs in a process
        of its own.
    broker: None for the lab's own, "mosquitto", or "mqtt://user:password@host:port/namespace".
    faults: what goes wrong, see labkit.system.faults.
    seed: of the dice that the faults throw; 1, or that of the simulation, where none is given.
    simulate: a seed; the lab then runs in memory on virtual time, where waiting costs nothing, and
        the seed decides how long each message takes: the same seed is the same run, always.

    Use it as `async with Lab(Payment, Shipping) as lab:`, or across cells with
    `lab = await Lab(Payment, Shipping).open()`; it then closes with the kernel.
    """

    def __init__(
        self,
        *services: type[Service] | Service | Apart,
        broker: str | Broker | None = None,
        faults: Fault | Iterable[Fault] = (),
        seed: int | None = None,
        simulate: int | None = None,
    ) -> None:
        if simulate is not None and broker is not None:
            raise LabError(
                f"A simulated lab has no broker: leave out broker={broker!r}, or simulate=."
            )
        members = [_service(service) for service in services]
        for member in members:
            if simulate is not None and isinstance(member, Apart):
                name = name_of(member.service)
                raise LabError(
                    f"A simulated lab is all in memory, and can't have {name} in a process of its "
                    f"own.\nGive it {name} without process(…), or leave out simulate=."
                )
        faults = [faults] if isinstance(faults, Fault) else list(faults)
        world = broker_for(broker) if simulate is None else Simulation(simulate)
        if seed is None:
            seed = 1 if simulate is None else simulate
        self._system = Running(members, world, faults, seed)
        # Its parts know each other in a ring, which Python only finds when it looks for garbage.
        # The record, by far the most of it, goes with the lab.
        weakref.finalize(self, self._system.moments.clear).atexit = False
        self._loop: Loop | VirtualTime | None = None
        self._end: weakref.finalize[[Loop | VirtualTime, Running], Lab] | None = None
        self._told = self._blocks_told = 0

    async def open(self) -> Lab:
        """Start the broker and the services; return when all of them listen."""
        if self._closed:
            raise LabError("This lab is closed. Make a new one: `lab = await Lab(…).open()`.")
        if self._loop is None:
            world = self._system.broker
            self._loop = world.loop if isinstance(world, Simulation) else the_loop()
            self._blocks_told = len(self._loop.blocked)
            try:
                await self._run(self._system.open())
            except BaseException:
                self._loop = None
                raise
            self._end = weakref.finalize(self, _close, self._loop, self._system)
        return self

    async def close(self) -> None:
        """Stop the services and the broker. The trace and the ledger stay."""
        if self._loop is None or self._end is None or not self._end.detach():
            return
        if self._loop.stuck:
            print(
                "The lab could not be stopped, a handler blocks it; the next lab has a new start."
            )
        else:
            await self._loop.run(self._system.close())
        self._tell()

    async def __aenter__(self) -> Lab:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What you say and do

    async def publish(self, event: Event) -> None:
        """Tell everybody who wants to know that something has happened."""
        await self._run(self._system.you.publish(event))

    async def call(
        self,
        command: Command[Any, R],
        /,
        *,
        timeout_seconds: float = 5.0,
        idempotency_key: str | None = None,
        **arguments: Any,
    ) -> R:
        """Tell one service to do something, and wait for its answer."""
        return await self._run(
            self._system.you.call(
                command,
                timeout_seconds=timeout_seconds,
                idempotency_key=idempotency_key,
                **arguments,
            )
        )

    async def quiet(
        self, *, at_most_seconds: float = 30.0, at_most_messages: int | None = None
    ) -> Trace:
        """Wait until every message is handled and nobody says any more; return the trace."""
        still = await self._run(self._system.quiet(at_most_seconds, at_most_messages))
        self._tell()
        if still:
            print(f"Not quiet yet: {still}")
        return self.trace

    async def crash(self, service: type[Service]) -> None:
        """Kill a service in mid-work: what it knew is gone, what it had not handled comes back."""
        await self._run(self._system.crash(name_of(service)))

    async def sleep(self, service: type[Service]) -> None:
        """Let a service leave for a while; the broker keeps what is meant for it."""
        await self._run(self._system.sleep(name_of(service)))

    async def wake(self, service: type[Service]) -> None:
        """Bring a service back after `crash`, `sleep` or `mute`."""
        await self._run(self._system.wake(name_of(service)))

    async def mute(self, service: type[Service]) -> None:
        """Let nothing arrive that this service says; it still hears and works."""
        await self._run(self._system.mute(name_of(service)))

    async def join(self, service: type[Service] | Service | Apart) -> None:
        """Let one more service take part; one of the same name is replaced."""
        await self._run(self._system.join(_service(service)))

    async def replay_dead(self, service: type[Service]) -> int:
        """Send a service again what it gave up and buried as a *dead letter*; how many these were.

        Nobody else gets them: whoever could handle them has done so already.
        """
        return await self._run(self._system.replay_dead(name_of(service)))

    async def restart_broker(self) -> None:
        """Stop the lab's broker and start it again; the services reconnect by themselves."""
        await self._run(self._system.restart_broker())

    # What is known of the run

    @property
    def trace(self) -> Trace:
        """What has happened so far."""
        return Trace(self._system.moments)

    @property
    def ledger(self) -> Ledger:
        """What the services have done to the world so far."""
        return self._system.ledger

    @property
    def contracts(self) -> dict[str, type[BaseModel]]:
        """What each message of these services must look like, by its type."""
        services = [member.service for member in self._system.members.values()]
        known: dict[str, type[BaseModel]] = {}
        for service in services:
            known.update({c.message_type: c.contract for c in service.commands.values()})
            known.update({e.__name__: e for pairs in service.reactions.values() for e, _ in pairs})
        return known

    @property
    def broker(self) -> Broker | Simulation:
        """The broker that carries the messages."""
        return self._system.broker

    @property
    def address(self) -> Address:
        """Where a foreign client finds the broker."""
        if self._system.address is None:
            raise LabError("The lab is not open. Use `async with Lab(…) as lab:`.")
        return self._system.address

    def card(self) -> Card:
        """The run in numbers."""
        return Card.of(self.trace, self.ledger)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "not open" if self._loop is None else "open"
        names = ", ".join(self._system.members) or "no services"
        return f"Lab ({state}): {names}"

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._closed:
            work.close()
            raise LabError(
                f"The lab is {'closed' if self._closed else 'not open'}. What you say belongs "
                "inside `async with Lab(…) as lab:`,\nor after `lab = await Lab(…).open()`."
            )
        return await self._loop.run(work, meanwhile=self._tell_of_blocks)

    @property
    def _closed(self) -> bool:
        return self._end is not None and not self._end.alive

    def _tell(self) -> None:
        """Print, in the cell that asks, what went wrong since the last time."""
        self._tell_of_blocks()
        moments = self._system.moments[self._told :]
        self._told += len(moments)
        failures = Counter(
            f"{moment.where} could not handle {moment.message.type}: {moment.note}"
            for moment in moments
            if moment.what == "failed" and moment.message and moment.message.kind != "command"
        )
        for failure, times in sorted(failures.items()):
            print(failure + (f" (×{times})" if times > 1 else ""))

    def _tell_of_blocks(self) -> None:
        if self._loop is not None:
            for block in self._loop.blocked[self._blocks_told :]:
                print(f"Warning: {block}")
            self._blocks_told = len(self._loop.blocked)


def _close(loop: Loop | VirtualTime, system: Running) -> None:
    """End a lab that nobody holds any more: its cell was run again, or the kernel ends."""
    ending = loop.start(system.close())
    if threading.current_thread() is threading.main_thread() and not loop.stuck:
        # When Python itself ends, it may refuse the threads that a polite stop needs.
        with suppress(TimeoutError, RuntimeError, CancelledError):
            ending.result(2.0)


def _service(service: object) -> type[Service] | Service | Apart:
    if isinstance(service, Service):
        return service
    if isinstance(service, Apart):
        _service(service.service)
        return service
    if not (inspect.isclass(service) and issubclass(service, Service)):
        raise NotAService(
            f"Lab takes services and was given {service!r:.60}.\n"
            "Write `class Payment(Service):` and give the lab the class: `Lab(Payment)`."
        )
    if service.__init__ is object.__init__:
        return service
    try:
        inspect.signature(service).bind()
    except TypeError as error:
        raise NotAService(
            f"{service.__name__} needs settings ({error}).\n"
            f"Give the lab an instance: `Lab({service.__name__}(…))`."
        ) from None
    return service
