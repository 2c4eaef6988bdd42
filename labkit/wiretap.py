"""The wiretap: hears what the services in other processes say, and what they tell of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from labkit.system.broker import Address
from labkit.system.message import Message
from labkit.system.mqtt import Connection
from labkit.system.process import Process
from labkit.system.transport import Deliver, Transport

# How far the wiretap, which hears all, may be behind a service, which hears what it asked for.
BEHIND_SECONDS = 1.0


class Wiretap:
    """Listens to everything in a lab's namespace (the *wire tap* pattern), and notes it.

    process: the process of the service of that name, if it has one.
    """

    def __init__(
        self,
        address: Address,
        session: str,
        note: Callable[..., None],
        process: Callable[[str], Process | None],
    ) -> None:
        self._line = Connection(address, "wiretap", session)
        self._note, self._process = note, process
        self._said: set[tuple[str, str]] = set()
        self._asked_by: dict[str, str] = {}
        self._awaited: dict[tuple[str, str], asyncio.Event] = {}

    async def open(self) -> None:
        await self._line.subscribe("#", self._hear)
        await self._line.open()

    async def reopen(self) -> None:
        """Be there before all others when a broker is back that has forgotten everything."""
        await self._line.leave()
        await self._line.open()

    async def close(self, *, forget: bool) -> None:
        await self._line.drop_work()
        await self._line.leave()
        if forget:
            await self._line.forget()

    def seen(self, topic: str, message: Message) -> None:
        """Note that a process has said something, when it is seen for the first time.

        Its receiver may have it before the wiretap hears of it.
        """
        identity = message.source, message.id
        if identity not in self._said and self._process(message.sender) is not None:
            self._said.add(identity)
            self._note("sent", message.sender, topic, message)
            if (awaited := self._awaited.pop(identity, None)) is not None:
                awaited.set()

    def before(self, inner: Transport) -> Transport:
        """Be before a service in hearing what a process said, or effects would precede causes."""
        return Behind(inner, self)

    async def heard(self, message: Message) -> None:
        """Return when what a process has said is noted; not for ever, a broker may forget."""
        identity = message.source, message.id
        if identity not in self._said and self._process(message.sender) is not None:
            awaited = self._awaited.setdefault(identity, asyncio.Event())
            with suppress(TimeoutError):
                await asyncio.wait_for(awaited.wait(), BEHIND_SECONDS)

    async def _hear(self, message: Message) -> None:
        if message.kind == "command":
            self._asked_by[message.id] = message.replyto or ""
        process = self._process(message.sender)
        if process is None:
            return
        if message.kind != "status":
            self.seen(self._topic(message), message)
        elif message.type == "Status":
            process.is_online(message.data == "online")
        else:
            self._take_moment(message.sender, process, message.data)

    def _take_moment(self, owner: str, process: Process, moment: dict[str, object]) -> None:
        process.told(moment)
        if moment["what"] != "ready":
            said = moment.get("message")
            message = None if said is None else Message.model_validate(said)
            self._note(moment["what"], owner, moment["topic"], message, moment["note"])

    def _topic(self, message: Message) -> str:
        """Where it was said: a receiver is handed the message alone."""
        if message.kind == "reply":
            return f"reply/{self._asked_by.get(message.causationid or '', '')}"
        if message.kind == "dead":
            return f"dead/{message.sender}"
        return f"{message.kind}/{message.type.replace('.', '/')}"


class Behind:
    """A transport that delivers what a process said only when the wiretap has heard it too."""

    def __init__(self, inner: Transport, wiretap: Wiretap) -> None:
        self._inner, self._wiretap = inner, wiretap

    async def publish(self, topic: str, message: Message) -> None:
        await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def later(message: Message) -> None:
            await self._wiretap.heard(message)
            await deliver(message)

        await self._inner.subscribe(topic, later)
