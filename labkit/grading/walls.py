"""Walls around a learner's code: what it can't see, can't reach, and can't use up."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MEGABYTE = 1 << 20
MEMORY, FILE, FILES, PROCESSES = 1536 * MEGABYTE, 16 * MEGABYTE, 128, 64
# linux/sched.h, linux/mount.h
NEW_USER, NEW_PID, NEW_NET, NEW_MOUNTS = 0x10000000, 0x20000000, 0x40000000, 0x20000
BIND, REC, PRIVATE = 0x1000, 0x4000, 0x40000
SET_MOUNT_ATTRIBUTES, READ_ONLY, RECURSIVE, HERE = 442, 1, 0x8000, -100
FIRST_UID, UIDS = 61_184, 4_000  # systemd's range for users that exist for a while


def enclosed(hidden: Sequence[str]) -> bool:
    """Leave this machine's network, processes and the hidden folders behind; False if refused.

    On Linux only. It goes on in a child, which is the first process of its own world: when that
    ends, the kernel ends all in it.
    """
    if sys.platform != "linux" or _kernel() < (5, 14):  # the first that counts processes apart
        return False
    # Tried first: half enclosed, there would be no way back.
    if (trial := os.fork()) == 0:
        with suppress(BaseException):
            _enclose(hidden)
            os._exit(0)
        os._exit(1)
    if os.waitpid(trial, 0)[1]:
        return False
    _enclose(hidden)
    return True


def _enclose(hidden: Sequence[str]) -> None:
    root, uid, gid = os.geteuid() == 0, os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_PID | NEW_NET | NEW_MOUNTS | (0 if root else NEW_USER)):
        raise OSError(ctypes.get_errno(), "unshare")
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    if child := os.fork():
        os._exit(1 if os.waitpid(child, 0)[1] else 0)
    libc.prctl(1, signal.SIGKILL)  # ends with its parent
    _hide(libc, hidden)
    _bring_up_loopback()


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def _hide(libc: Any, hidden: Sequence[str]) -> None:
    """Empty folders in place of those hidden and of the home; a new one to write in, no other."""

    def mount(source: str, target: str, kind: str | None, flags: int, more: str | None) -> None:
        words = [word if word is None else word.encode() for word in (source, target, kind, more)]
        if libc.mount(words[0], words[1], words[2], flags, words[3]):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)

    def read_only(folder: str, more: int, yes: int, no: int) -> None:
        change = struct.pack("QQQQ", yes, no, 0, 0)
        if libc.syscall(SET_MOUNT_ATTRIBUTES, HERE, folder.encode(), more, change, len(change)):
            raise OSError(ctypes.get_errno(), "mount_setattr", folder)

    mount("none", "/", None, REC | PRIVATE, None)
    # What runs here must be seen, wherever it stands: Python, its packages, labkit.
    needed = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    opened = {path: os.open(path, os.O_PATH) for path in sorted(needed) if os.path.isdir(path)}
    temporary = os.path.realpath(tempfile.gettempdir())
    for folder in filter(os.path.isdir, {temporary, os.path.realpath(Path.home())} - {"/"}):
        mount("none", folder, "tmpfs", 0, "size=64m,mode=755")
    for path, handle in opened.items():
        if not os.path.isdir(path) or not os.path.samestat(os.stat(path), os.fstat(handle)):
            os.makedirs(path, exist_ok=True)
            mount(f"/proc/self/fd/{handle}", path, None, BIND | REC, None)
        os.close(handle)
    for folder in filter(os.path.isdir, hidden):
        mount("none", folder, "tmpfs", 0, "size=1m,mode=755")
    read_only("/", RECURSIVE, READ_ONLY, 0)
    read_only(temporary, 0, 0, READ_ONLY)
    try:
        mount("none", "/proc", "proc", 0, None)
    except OSError:  # some containers refuse it
        mount("none", "/proc", "tmpfs", 0, "size=1m,mode=755")


def _bring_up_loopback() -> None:
    import fcntl

    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def limit(uid: int | None, alone: bool) -> None:
    """Let this process, and what it starts, use so much and no more; where there are limits."""
    if os.name != "posix":
        return
    import resource

    os.setsid()
    limits = {"AS": MEMORY, "DATA": MEMORY, "FSIZE": FILE, "NOFILE": FILES, "CORE": 0}
    if uid is not None or alone:
        limits["NPROC"] = PROCESSES  # counted by user, so only where no other program is his
    for name, most in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    if uid is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def own_uid(nursery: int) -> int | None:
    """Where root grades: a user without rights, of its own for each nursery. Else None."""
    return FIRST_UID + nursery % UIDS if os.name == "posix" and os.geteuid() == 0 else None


def readable() -> bool:
    """Whether any user may read Python and its packages."""
    files = Path(os.path.realpath(os.__file__)), Path(__file__)
    return all(folder.stat().st_mode & 1 for file in files for folder in file.parents)


def sweep(child: int, uid: int | None, alone: bool) -> None:
    """End a child with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if alone:  # the first process of its own world spares itself
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(child, signal.SIGKILL)
    if uid is not None and not alone:
        if (helper := os.fork()) == 0:
            os.setuid(uid)
            os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(helper, 0)


def fence(hidden: Sequence[str]) -> None:
    """Refuse what no answer needs. It holds on every system, and only against Python code."""
    folders = tuple(os.path.join(os.path.realpath(folder), "") for folder in hidden)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROGRAMS:
            raise PermissionError("an answer starts no other program, and no other process")
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            if str(arguments[1][0]) not in ("127.0.0.1", "::1", "localhost"):
                raise PermissionError("an answer uses no network")
        elif event == "socket.getaddrinfo" and arguments[0] not in LOCAL:
            raise PermissionError("an answer uses no network")
        elif event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str):
            inside = os.path.join(os.path.realpath(arguments[0]), "").startswith(folders)
            if inside:
                raise PermissionError("an answer does not read what others have handed in")

    sys.addaudithook(refuse)


LOCAL = ("127.0.0.1", "::1", "localhost", None)
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"}
PROGRAMS |= {"os.forkpty", "os.startfile", "os.kill", "os.killpg", "pty.spawn"}
