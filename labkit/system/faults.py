"""Faults: what can befall a service, as plain values, put around its transport."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from labkit.system.errors import LabError
from labkit.system.message import Message
from labkit.system.service import Service, name_of
from labkit.system.transport import Deliver, Transport


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong at one service, for each of its messages with a chance."""

    what: Literal["unavailable", "slow", "mute"]
    service: str
    chance: float = 1.0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise LabError(
                f"{self.what}: a chance lies between 0 and 1; this one is {self.chance}."
            )
        if not 0 <= self.seconds < math.inf:
            raise LabError(f"{self.what}: {self.seconds} seconds is not a time to wait.")


def unavailable(service: type[Service], chance: float = 1.0) -> Fault:
    """The service can't be asked: its handler fails before it has done anything."""
    return Fault("unavailable", name_of(service), chance)


def slow(service: type[Service], seconds: float, chance: float = 1.0) -> Fault:
    """The service waits that many seconds before it handles a message."""
    return Fault("slow", name_of(service), chance, seconds)


def mute(service: type[Service]) -> Fault:
    """The service hears and works, but nothing that it says arrives."""
    return Fault("mute", name_of(service))


class Faulty:
    """A transport with faults around it."""

    def __init__(self, inner: Transport, owner: str, faults: Iterable[Fault], seed: int) -> None:
        self._inner, self._owner, self._seed = inner, owner, seed
        self.faults = [fault for fault in faults if fault.service == owner]
        self.holding = 0  # messages held back just now

    async def publish(self, topic: str, message: Message) -> None:
        if not any(fault.what == "mute" for fault in self.faults):
            await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def struck(message: Message) -> None:
            for fault in self.faults:
                message = await self._strike(fault, message)
            await deliver(message)

        await self._inner.subscribe(topic, struck)

    async def _strike(self, fault: Fault, message: Message) -> Message:
        # Dice of its own for each message and receiver: the fate of one
        # hangs on no other, so a seed means the same over any broker.
        dice = random.Random(f"{self._seed} {fault.what} {message.id} {self._owner}")
        if message.kind not in ("command", "event") or dice.random() >= fault.chance:
            return message
        if fault.what == "slow":
            self.holding += 1
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                self.holding -= 1
        elif fault.what == "unavailable":
            return message.model_copy(update={"struck": f"{self._owner} was not available"})
        return message
