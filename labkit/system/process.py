"""A service in an operating-system process of its own, as its lab sees it: `process(Payment)`."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit.system.broker import Address
from labkit.system.errors import LabError, NotAService
from labkit.system.faults import DEATHS, Fault, Luck
from labkit.system.service import Command, Service, name_of

PATIENCE_SECONDS = 20.0
# How long a killed process's last words may be on their way, and a polite end may take.
LAST_WORDS_SECONDS, FAREWELL_SECONDS = 2.0, 2.0
# A process that a fault ends says by its exit code which one: this, plus its number.
DIED_OF = 100
LEDGER = "ledger.db"


@dataclass(frozen=True)
class Apart:
    """A service that is to run in a process of its own; `recipe` makes it there."""

    service: type[Service] | Service
    recipe: bytes

    @property
    def face(self) -> Service:
        """What it is called and listens to is known without making it: that, its process does."""
        made = self.service
        return made.__new__(made) if isinstance(made, type) else made


def process(service: type[Service] | Service) -> Apart:
    """Let a service run in a process of its own: `Lab(OrderOrchestrator, process(Payment))`.

    `lab.crash(Payment)` is then a real `kill -9`. The service is sent there as it is now, by value
    where its class stands in a notebook; of a class, `__init__` runs there.

    Raises:
        NotAService: it is none, or holds what can't be sent, such as a lock or a connection.
    """
    name = name_of(service)
    import cloudpickle

    try:
        return Apart(service, cloudpickle.dumps(service))
    except Exception as error:
        raise NotAService(
            f"{name} can't be sent to a process of its own: {_culprit(service, error)}.\n"
            f"Make that in its __init__, which then runs there, and give the class: "
            f"process({name})."
        ) from None


@dataclass(frozen=True)
class Letter:
    """All that a process needs to know, sent to its stdin: a command line could be read by all.

    opened: when the lab was opened, in seconds since 1970.
    """

    recipe: bytes
    address: Address
    session: str
    seed: int
    opened: float
    folder: Path
    faults: tuple[Fault, ...] = ()


class Process:
    """The process of a service, which comes and goes as a wire does.

    busy: how many messages it has in hand, as it tells.
    ended: called when it ends unasked, with the fault that ended it, if that is known.
    """

    def __init__(
        self, name: str, letter: Letter, luck: Luck, ended: Callable[[Fault | None], None]
    ) -> None:
        self._name, self._letter, self._luck, self._ended = name, letter, luck, ended
        self._program: subprocess.Popen[bytes] | None = None
        self._gone, self._offline, self._ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._expected = True
        self._died_of: Fault | None = None
        self.busy = 0

    @property
    def pid(self) -> int | None:
        """Its number in the operating system, while it runs."""
        return None if self._program is None else self._program.pid

    async def open(self) -> None:
        """Start it; return when it listens. LabError, with its last words, where it does not."""
        self._died_of = None
        self._gone.clear()
        self._ready.clear()
        self._offline.set()  # until the broker says that it is there
        program = self._program = self._launch()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(program, loop), daemon=True).start()
        try:
            letter = pickle.dumps(replace(self._letter, faults=tuple(self._luck.faults)))
            await asyncio.to_thread(self._send, len(letter).to_bytes(8) + letter)
            await self._until(self._ready, PATIENCE_SECONDS)
            if not self._ready.is_set() and self._died_of is None:
                raise LabError(self._did_not_start())
            if self._gone.is_set():
                # A fault may strike as soon as it lives: an outbox speaks before all is ready.
                return self._ended(self._died_of)
        except BaseException:
            await self.die()
            raise
        self._expected = False

    async def tell(self, word: str) -> None:
        """Tell it to be mute, say, and return when it is."""
        if self._program is None:
            return
        self._ready.clear()
        self._send(f"{word}\n".encode())
        await self._until(self._ready, PATIENCE_SECONDS)

    def told(self, moment: dict[str, Any]) -> None:
        """It has told something of itself."""
        if self._program is not None:
            self.busy = moment["busy"]
        if moment["what"] == "ready":
            self._ready.set()

    def is_online(self, online: bool) -> None:
        """The broker says whether it is there."""
        if online:
            self._offline.clear()
        else:
            self._offline.set()

    async def sleep(self) -> None:
        """Let it finish its work and end."""
        await self._leave("sleep", None)

    async def close(self, *, forget: bool = False) -> None:
        """Let it end at once; `forget` makes the broker drop its session."""
        await self._leave("forget" if forget else "close", FAREWELL_SECONDS)

    async def die(self) -> None:
        """`kill -9`; return when it is gone, and what it said at the last is heard."""
        self._expected = True
        if self._program is None:
            return
        self._program.kill()
        await self._gone.wait()
        self._program, self.busy = None, 0
        with suppress(TimeoutError):
            await asyncio.wait_for(self._offline.wait(), LAST_WORDS_SECONDS)

    async def _leave(self, word: str, patience_seconds: float | None) -> None:
        self._expected = True
        if self._program is not None:
            self._send(f"{word}\n".encode())
            await self._until(self._gone, patience_seconds)
            await self.die()

    async def _until(self, event: asyncio.Event, patience_seconds: float | None) -> None:
        """Wait for something that will not happen once the process has ended."""
        waiting = [asyncio.ensure_future(one.wait()) for one in (event, self._gone)]
        try:
            await asyncio.wait(
                waiting, timeout=patience_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for one in waiting:
                one.cancel()

    def _launch(self) -> subprocess.Popen[bytes]:
        # It imports what this program can import, and prints what it likes on any system.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "labkit.system.apart"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=env,
                # Jupyter interrupts and kills a kernel with its whole process group.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def _send(self, data: bytes) -> None:
        if self._program is not None and self._program.stdin is not None:
            with suppress(OSError, ValueError):  # it has ended, which is noticed elsewhere
                self._program.stdin.write(data)
                self._program.stdin.flush()

    def _watch(self, program: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        code = program.wait()
        with suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(self._has_ended, program, code)

    def _has_ended(self, program: subprocess.Popen[bytes], code: int) -> None:
        if program.stdin is not None:
            with suppress(OSError):
                program.stdin.close()
        if program is not self._program:
            return
        deadly, number = deaths(self._luck), code - DIED_OF
        self._died_of = deadly[number] if 0 <= number < len(deadly) else None
        self._gone.set()
        if not self._expected:
            self._ended(self._died_of)

    @property
    def _log(self) -> Path:
        return self._letter.folder / f"{self._name}.log"

    def _did_not_start(self) -> str:
        log = self._log.read_text("utf-8", errors="replace")
        # Of a traceback, where it happened and what.
        lines = log[max(log.rfind("  File "), 0) :].splitlines()
        words = [line for line in lines if line.strip(" ^~")][-5:]
        ended = "ended" if self._gone.is_set() else f"was not ready in {PATIENCE_SECONDS:g} s"
        said = ", and said at the last:\n" + "\n".join(words) if words else ", without a word."
        return (
            f"{self._name} was to run in a process of its own, which {ended}{said}\n"
            f"Mend that, or try it without a process: Lab({self._name})."
        )


def deaths(luck: Luck) -> list[Fault]:
    """The faults that end it; a number among them says which one did."""
    return [fault for fault in luck.faults if fault.what in DEATHS]


def _culprit(service: type[Service] | Service, error: Exception) -> str:
    """Which part of a service can't be sent, and why."""
    import cloudpickle

    for name, part in _parts(service):
        try:
            cloudpickle.dumps(part)
        except Exception as why:
            return f"its {name} can't travel ({why})"
    return str(error)


def _parts(service: type[Service] | Service) -> Iterator[tuple[str, object]]:
    own = service if isinstance(service, type) else type(service)
    if not isinstance(service, type):
        yield from vars(service).items()
    for name, member in vars(own).items():
        function = member.method if isinstance(member, Command) else member
        if not inspect.isfunction(function):
            if not name.startswith("__"):
                yield name, member
            continue
        known = inspect.getclosurevars(function)
        yield from ((n, v) for n, v in {**known.globals, **known.nonlocals}.items() if v is not own)
