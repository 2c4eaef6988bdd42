"""Death: a service that dies at a named point of its work, and whatever it does after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labkit.system.faults import DEATHS, Death, Fault, Luck
from labkit.system.ledger import Books, Entry
from labkit.system.message import Message
from labkit.system.transport import Deliver, Transport


class Killed(asyncio.CancelledError):
    """The service is dead; to a task this is one more way to be cancelled, without a complaint."""


class Mortal:
    """A transport whose owner may die at each point at which it touches the world.

    dies: called once, at the moment of death, with the fault that brought it.
    """

    def __init__(self, inner: Transport, luck: Luck, dies: Callable[[Fault], None]) -> None:
        self._inner, self._luck, self._dies = inner, luck, dies
        self._dead = False

    async def publish(self, topic: str, message: Message) -> None:
        self.reach("before_publish", message)
        await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def mortal(message: Message) -> None:
            try:
                self.reach("kill", message)
                await deliver(message)
                self.reach(None, message)
            except (Killed, Exception):
                if not self._dead:
                    raise
                task = asyncio.current_task()
                if task is None or not task.cancelling():
                    # It neither ends nor is acknowledged: the crash that follows cuts it off.
                    await asyncio.get_running_loop().create_future()
                raise Killed from None  # cut off already, it was still about to act

        await self._inner.subscribe(topic, mortal)

    def end(self) -> None:
        """It is dead from now on: tasks that it has started touch the world no more."""
        self._dead = True

    def reach(self, point: Death | None, message: Message | None) -> None:
        """Live on past this point, or die there."""
        if self._luck.faults and not self._dead and point and message is not None:
            for fault in self._luck.strikes(message, point):
                self._dead = True
                self._dies(fault)
                break
        if self._dead:
            raise Killed


class MortalBooks:
    """A ledger into which a service writes that may die just before or just after it."""

    def __init__(self, inner: Books, mortal: Mortal, handled: Callable[[], Message | None]) -> None:
        self._inner, self._mortal, self._handled = inner, mortal, handled

    def write(self, entry: Entry) -> bool:
        self._mortal.reach("before_effect", self._handled())
        done = self._inner.write(entry)
        self._mortal.reach("after_effect", self._handled())
        return done

    def find(self, service: str, effect: str, key: str) -> Entry | None:
        return self._inner.find(service, effect, key)

    def count(self, service: str, effect: str) -> int:
        return self._inner.count(service, effect)


POINTS = {
    "kill": "crashes",
    "before_effect": "crashes before an effect",
    "after_effect": "crashes after an effect",
    "before_publish": "crashes before it speaks",
}
assert set(POINTS) == set(DEATHS)
