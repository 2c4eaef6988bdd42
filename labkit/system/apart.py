"""What runs in a service's own process, started by its lab: `python -m labkit.system.apart`."""

from __future__ import annotations

import asyncio
import os
import pickle
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from labkit.system.books import LastingBooks
from labkit.system.death import Mortal, MortalBooks
from labkit.system.faults import Fault, Faulty, Luck, What
from labkit.system.message import LIMIT_BYTES, Message
from labkit.system.mqtt import Mqtt
from labkit.system.process import DIED_OF, LEDGER, Letter, deaths
from labkit.system.service import Service, handled, reason
from labkit.system.transport import Deliver, Transport


class Telling:
    """A transport that tells what only its process knows, as moments on `trace/<Service>`.

    What its owner says, it does not tell: that, a wiretap hears. Each moment is with the broker
    before its owner goes on, so that none is lost by a `kill -9`, nor comes after what followed.
    """

    def __init__(self, inner: Faulty, wire: Transport, owner: str) -> None:
        self._inner, self._wire, self._owner = inner, wire, owner
        self._opened, self._in_hand, self._number = False, 0, 0
        self._life = secrets.token_hex(6)
        self._untold: list[Message] = []
        self._telling: set[asyncio.Task[None]] = set()

    async def publish(self, topic: str, message: Message) -> None:
        await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def told(message: Message) -> None:
            self._in_hand += 1
            await self.tell("received", topic, message)
            what, note = "done", ""
            try:
                await deliver(message)
            except Exception as error:
                what, note = "failed", " ".join(reason(error).split())
            self._in_hand -= 1
            await self.tell(what, topic, message, note)

        await self._inner.subscribe(topic, told)
        await self.tell("listens", topic)

    async def ready(self) -> None:
        """Tell that all is as it should be; from now on there is a connection."""
        self._opened = True
        await self.tell("ready")

    def struck(self, topic: str, message: Message, note: str) -> None:
        """Tell what a fault has done, as soon as may be."""
        self._untold.append(self._moment("struck", topic, message, note))
        task = asyncio.get_running_loop().create_task(self._tell_all())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def tell(
        self, what: str, topic: str = "", message: Message | None = None, note: str = ""
    ) -> None:
        self._untold.append(self._moment(what, topic, message, note))
        if self._opened:
            await self._tell_all()

    async def _tell_all(self) -> None:
        while self._untold:
            await self._wire.publish(f"trace/{self._owner}", self._untold.pop(0))

    def _moment(self, what: str, topic: str, message: Message | None, note: str) -> Message:
        self._number += 1
        data: dict[str, Any] = {"what": what, "topic": topic, "note": note}
        data["busy"] = self._in_hand + self._inner.holding
        if message is not None:
            # As large as the largest message, it would not fit into one any more.
            unsaid = {"data"} if len(message.payload) > LIMIT_BYTES // 2 else None
            data["message"] = message.model_dump(mode="json", exclude_none=True, exclude=unsaid)
        return Message(
            id=f"{self._life}-{self._number}",
            source=f"/{self._owner}",
            type="Moment",
            kind="status",
            data=data,
        )


class RememberedLuck(Luck):
    """Luck that outlives a `kill -9`: what it was asked is in a file, and is asked again."""

    def __init__(self, owner: str, faults: Iterable[Fault], seed: int, file: Path) -> None:
        super().__init__(owner, faults, seed)
        if file.exists():
            with file.open("rb") as asked:
                try:
                    while True:
                        message, what = pickle.load(asked)
                        super().strikes(message, *what)
                except EOFError:
                    pass
        self._file = file.open("ab", buffering=0)

    def strikes(self, message: Message, *what: What) -> list[Fault]:
        if any(fault.what in what for fault in self.faults):
            known = {"id": message.id, "source": message.source, "type": message.type}
            self._file.write(pickle.dumps((Message(**known, kind=message.kind), what)))
        return super().strikes(message, *what)


async def live(letter: Letter) -> None:
    """Serve until the lab says a word of farewell."""
    loop = asyncio.get_running_loop()
    words: asyncio.Queue[str] = asyncio.Queue()

    def hear(word: str) -> None:
        loop.call_soon_threadsafe(words.put_nowait, word)

    threading.Thread(target=_listen, args=(letter.folder, hear), daemon=True).start()
    made = pickle.loads(letter.recipe)
    service: Service = made() if isinstance(made, type) else made
    name = service.name
    wire = Mqtt(letter.address, name, letter.session)
    luck = RememberedLuck(name, letter.faults, letter.seed, letter.folder / f"{name}.luck")
    faulty = Faulty(wire, luck, lambda *what: telling.struck(*what))
    faulty.opened(loop.time() - (time.time() - letter.opened))
    telling = Telling(faulty, wire, name)
    mortal = Mortal(telling, luck, partial(_die, luck))
    books = LastingBooks(letter.folder / LEDGER)
    await service.join(mortal, MortalBooks(books, mortal, handled))
    await wire.open()
    await telling.ready()
    while (word := await words.get()) in ("mute", "unmute"):
        luck.faults = [fault for fault in luck.faults if fault.what != "mute"]
        luck.faults += [Fault("mute", name)] if word == "mute" else []
        await telling.ready()
    await (wire.sleep() if word == "sleep" else wire.close(forget=word == "forget"))


def _die(luck: Luck, fault: Fault) -> None:
    os._exit(DIED_OF + deaths(luck).index(fault))


def _listen(folder: Path, hear: Callable[[str], None]) -> None:
    """Hear the lab's words. A pipe ends with whoever holds it, on every system: no orphan stays."""
    heard = b""
    while data := os.read(0, 1024):
        *words, heard = (heard + data).split(b"\n")
        for word in words:
            hear(word.decode())
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        # Not sys.stdin: it would read on, into what the lab says later.
        more = os.read(0, count - len(data))
        if not more:
            sys.exit("The lab was gone before it had said what to do.")
        data += more
    return data


if __name__ == "__main__":
    size = int.from_bytes(_read(8))
    # By name, since aiomqtt can't work on the loop that Windows prefers.
    asyncio.SelectorEventLoop().run_until_complete(live(pickle.loads(_read(size))))
    # Nothing is left to be done, and a handler that was cut off shall not keep it.
    sys.stdout.flush()
    os._exit(0)
