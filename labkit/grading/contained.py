"""Contained: the grader's end of a learner's process, which is asked and timed, and ended."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labkit.grading.nursery import END, NEXT, UNREADABLE, WALLS
from labkit.system.errors import LabError
from labkit.teaching.judge import LIMIT_SECONDS, Outcome, too_slow
from labkit.teaching.task import Task

MOST_BYTES = 32 << 20
START_SECONDS = 60.0
FORKS = hasattr(os, "fork")


class Gone(Exception):
    """The learner's process has ended, or has to."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Lost(LabError):
    """No process for learners' code is to be had."""


class Nursery:
    """The grader's end of a nursery; see labkit.grading.nursery for the other one."""

    def __init__(self, hidden: Sequence[str], *, forks: bool = FORKS) -> None:
        self._hidden, self._forks = list(hidden), forks
        self._process: subprocess.Popen[bytes] | None = None
        self.enclosed = False  # whether the system itself keeps learners' code in

    @contextmanager
    def child(self) -> Iterator[socket.socket]:
        """A process for one submission; when it is done with, it ends with all it has started."""
        if not self._forks:
            with self._fresh() as asked:
                yield asked
            return
        try:
            self._open()
            self._control.sendall(NEXT)
            _, handles, *_ = socket.recv_fds(self._control, 1, 1)
            asked = socket.socket(fileno=handles[0])
        except (OSError, IndexError):
            self.close()  # a new one next time
            raise Lost("The process for learners' code has ended.") from None
        with asked:
            yield asked
        try:
            self._control.sendall(END)
            ended = self._control.recv(1)
        except OSError:
            ended = b""
        if ended != END:
            self.close()

    def close(self) -> None:
        if self._process is not None:
            self._control.close()  # at which it ends by itself, if it can
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _open(self) -> None:
        if self._process is not None:
            return
        self._control, theirs = socket.socketpair()
        with theirs:
            handle = theirs.fileno()
            self._process = _python(self._hidden, f"{handle}", pass_fds=[handle])
        self._control.settimeout(START_SECONDS)
        said = self._control.recv(1)
        self.enclosed = said == WALLS
        if said == UNREADABLE:
            raise Lost(
                "Started by root, learners' code runs as a user without rights, and that one can't "
                f"read {sys.base_prefix}.\nGrade as an ordinary user, or with a Python in /usr."
            )

    @contextmanager
    def _fresh(self) -> Iterator[socket.socket]:
        word = secrets.token_hex(16).encode() + b"\n"
        with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as cwd:
            server.settimeout(START_SECONDS)
            port = server.getsockname()[1]
            process = _python(self._hidden, f"fresh:{port}", stdin=subprocess.PIPE, cwd=cwd)
            try:
                assert process.stdin is not None
                process.stdin.write(word)
                process.stdin.close()
                with server.accept()[0] as asked:
                    if asked.recv(len(word), socket.MSG_WAITALL) != word:
                        raise Lost("Another program has come in between; grade again.")
                    yield asked
            finally:
                process.kill()
                process.wait()


def _python(hidden: Sequence[str], handle: str, **more: Any) -> subprocess.Popen[bytes]:
    """A Python that inherits nothing: no secrets, no open files."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
    path = str(Path(__file__).resolve().parents[2])
    env = {"PATH": os.defpath, "HOME": str(Path.home()), "PYTHONPATH": path, **kept}
    command = [sys.executable, "-P", "-m", "labkit.grading.nursery", handle, *hidden]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=env, **{"stdin": subprocess.DEVNULL, **quiet, **more})


class Talk:
    """One conversation with a learner's process: a wish and its answer, a line of JSON each."""

    def __init__(self, asked: socket.socket) -> None:
        self.asked, self.buffer = asked, bytearray()

    def ask(self, task: Task, until: float, wish: str, *given: Any) -> dict[str, Any]:
        """The answer; Gone where there is none in time, or none that can be read."""
        try:
            self.asked.settimeout(LIMIT_SECONDS)
            self.asked.sendall(json.dumps([wish, given]).encode() + b"\n")
            while b"\n" not in self.buffer:
                self.asked.settimeout(max(until - time.monotonic(), 0.001))
                if not (part := self.asked.recv(1 << 20)):
                    raise Gone(
                        error(task, "It ends the process.", "`os._exit`, `kill`, or a crash")
                    )
                self.buffer += part
                if len(self.buffer) > MOST_BYTES:
                    raise Gone(error(task, "It gives back too much.", "how much it collects"))
            line, _, rest = bytes(self.buffer).partition(b"\n")
            self.buffer = bytearray(rest)
            answer = json.loads(line)
        except TimeoutError:
            raise Gone(Outcome("too slow", task, too_slow(LIMIT_SECONDS))) from None
        except (OSError, ValueError, RecursionError):
            raise Gone(error(task, "It ends the process.", "`os._exit`, or a crash")) from None
        return answer if isinstance(answer, dict) else {}


def error(task: Task, words: str, look: str) -> Outcome:
    return Outcome("error in your code", task, words, look)
