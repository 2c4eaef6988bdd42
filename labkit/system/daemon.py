"""A daemon: a broker's program as a child process of this lab alone."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.system.broker import LOOPBACK, Address, port_in_use
from labkit.system.errors import BrokerError

GUARD = Path(__file__).with_name("guard.py")


class Daemon:
    """A program on loopback, with a user and password of its own; port 0 takes a free one.

    Subclasses say where the program is and how it is started. What it keeps outlives a stop, and
    ends with this object.
    """

    name: str
    title: str
    patience_seconds = 5.0

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._username = f"lab-{secrets.token_hex(4)}"
        self._password = secrets.token_urlsafe(16)
        self._folder: Path | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    async def start(self) -> Address:
        """Return when it listens.

        Raises:
            BrokerError: it is not installed, its port is in use, or it does not start.
        """
        if self._guard is None:
            program = self._program()
            with kept_port(self._port) as self._port:
                self._guard = self._launch(program)
                try:
                    await self._listening()
                except BaseException:
                    await self.stop()
                    raise
        return Address(LOOPBACK, self._port, self._username, self._password)

    async def stop(self) -> None:
        """End it; it saves its sessions before."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        if guard.stdin is not None:
            with suppress(OSError):  # it has ended by itself
                os.write(guard.stdin.fileno(), b".")
        await asyncio.to_thread(guard.wait)
        if guard.stdin is not None:
            guard.stdin.close()

    # What a subclass says

    def _program(self) -> str:
        """Where the program is; BrokerError where it is not installed."""
        raise NotImplementedError

    def _arguments(self, folder: Path) -> Sequence[str]:
        """Write its configuration into the folder, and say with what it is started."""
        raise NotImplementedError

    def _environment(self, folder: Path) -> Mapping[str, str]:
        return os.environ

    async def _is_ready(self) -> bool:
        """Whether it is ready, now that it listens."""
        return True

    def _launch(self, program: str) -> subprocess.Popen[bytes]:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"labkit-{self.name}-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        folder = self._folder
        # -I and -S: the guard needs the standard library only, and starts in half the time.
        guard = [sys.executable, "-I", "-S", str(GUARD), str(folder)]
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*guard, program, *self._arguments(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self._environment(folder)),
                # Jupyter interrupts and kills a kernel with its whole process group.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    async def _listening(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.patience_seconds
        while asyncio.get_running_loop().time() < deadline:
            if self._guard is None or self._guard.poll() is not None:
                raise BrokerError(self._did_not_start("It ended at once"))
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self._port)
            except OSError:
                await asyncio.sleep(0.005)
            else:
                writer.close()
                if await self._is_ready():
                    return
        raise BrokerError(
            self._did_not_start(f"It did not listen within {self.patience_seconds:g} s")
        )

    def _did_not_start(self, what: str) -> str:
        log = self._folder / "log" if self._folder else None
        lines = log.read_text(errors="replace").splitlines() if log and log.exists() else []
        said = f", and said: {lines[-1]}" if lines else ""
        return (
            f"{self.title} was to listen at {LOOPBACK}:{self._port}. {what}{said}.\n"
            "Try again, or leave out `broker=` to use the lab's own."
        )


@contextmanager
def kept_port(port: int = 0) -> Iterator[int]:
    """This port, or for 0 one that is free, while a daemon starts that is to listen there.

    Linux gives it to nobody else meanwhile: a port that is bound, but not listened on, can be had
    by who names it (with SO_REUSEADDR, as daemons do), and not by who asks for any. Other systems
    would not let the daemon have it either, so there it is let go at once.

    Raises:
        BrokerError: it is in use.
    """
    with socket.socket() as keeper:
        if os.name == "posix":  # on Windows it would let two have one port
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            keeper.bind((LOOPBACK, port))
        except OSError as error:
            raise BrokerError(port_in_use(port, error)) from None
        kept = int(keeper.getsockname()[1])
        if sys.platform != "linux":
            keeper.close()
        yield kept


def find(title: str, variable: str, names: Sequence[str], install: str) -> str:
    """The path of a program: the one named in a variable, or where it is usually installed.

    Raises:
        BrokerError: it is not installed.
    """
    named = os.environ.get(variable)
    if named:
        found = shutil.which(named)
        if found is None:
            raise BrokerError(
                f"{variable} names {named!r}, which is no program that can be run.\n"
                f"Correct it, or unset it to have {title} looked for."
            )
        return found
    for name in names:
        if found := shutil.which(name):
            return found
    raise BrokerError(
        f"{title} is not installed (nor named in {variable}). To install it:\n{install}\n"
        "Or leave out `broker=` to use the lab's own."
    )
