"""What carries messages; what wraps a transport is a transport too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Protocol

from labkit.system.message import Message

Deliver = Callable[[Message], Awaitable[None]]


class Transport(Protocol):
    """One participant's connection to a broker."""

    async def publish(self, topic: str, message: Message) -> None:
        """Return once the broker has the message."""
        ...

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Return once the subscription stands: what is published later will come.

        A message is acknowledged when `deliver` has returned; one whose `deliver` did not return
        comes again after a reconnect (at least once). `topic` may hold the wildcards `+` and `#`.
        """
        ...


class Wire(Transport, Protocol):
    """A transport that one opens and closes, in each of the ways in which services come and go."""

    async def open(self) -> None: ...

    async def unsubscribe(self, topic: str) -> None: ...

    async def close(self, *, forget: bool = False) -> None: ...

    async def sleep(self) -> None: ...

    async def die(self) -> None: ...


@lru_cache(4096)
def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription covers a topic (MQTT 3.1.1, section 4.7)."""
    if pattern == topic:
        return True
    if "+" not in pattern and "#" not in pattern:
        return False
    if topic.startswith("$") and not pattern.startswith("$"):
        return False
    wanted, found = pattern.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(found) or level not in ("+", found[place]):
            return False
    return len(wanted) == len(found)
