"""Mosquitto: the broker that people run in earnest, as a child process of this lab alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from labkit.system.broker import LOOPBACK, Address, port_in_use
from labkit.system.errors import BrokerError

GUARD = Path(__file__).with_name("guard.py")
PATIENCE_SECONDS = 5.0
# Daemons are often installed where a plain user's PATH does not look.
FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/sbin",
    "/opt/homebrew/opt/mosquitto/sbin",
    r"C:\Program Files\mosquitto",
)
CONFIG = """\
listener {port} {host}
allow_anonymous false
password_file {folder}/passwords
# Without it a request and its reply take 88 ms instead of 0.9 (Nagle meets delayed ACK).
set_tcp_nodelay true
# No limit to what a client may leave unacknowledged, or what may wait for it.
max_inflight_messages 0
max_queued_messages 0
# Sessions and retained messages outlive a restart; also one that gives no time to save (Windows).
persistence true
persistence_location {folder}/
autosave_interval 1
log_type error
log_type warning
log_dest stderr
"""


class Mosquitto:
    """Mosquitto on loopback, with a user and password of its own; port 0 takes a free one.

    Sessions, what waits in them and retained messages outlive a stop; they end with this object.
    """

    name = "mosquitto"

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
            program = find_mosquitto()
            self._port = _free_port(self._port)
            self._guard = self._launch(program, self._prepare())
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

    def _prepare(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="labkit-mosquitto-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        config = CONFIG.format(host=LOOPBACK, port=self._port, folder=self._folder.as_posix())
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Started by root it would become the user "mosquitto", who may not read our folder.
            config += "user root\n"
        (self._folder / "mosquitto.conf").write_text(config)
        passwords = self._folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(f"{self._username}:{_hashed(self._password)}\n")
        return self._folder

    def _launch(self, program: str, folder: Path) -> subprocess.Popen[bytes]:
        # -I and -S: the guard needs the standard library only, and starts in half the time.
        guard = [sys.executable, "-I", "-S", str(GUARD), str(folder)]
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*guard, program, "-c", str(folder / "mosquitto.conf")],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Jupyter interrupts and kills a kernel with its whole process group.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    async def _listening(self) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self._guard is None or self._guard.poll() is not None:
                raise BrokerError(self._did_not_start("It ended at once"))
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self._port)
            except OSError:
                await asyncio.sleep(0.005)
            else:
                writer.close()
                return
        raise BrokerError(self._did_not_start(f"It did not listen within {PATIENCE_SECONDS:g} s"))

    def _did_not_start(self, what: str) -> str:
        log = self._folder / "log" if self._folder else None
        lines = log.read_text(errors="replace").splitlines() if log and log.exists() else []
        said = f", and said: {lines[-1]}" if lines else ""
        return (
            f"Mosquitto was to listen at {LOOPBACK}:{self._port}. {what}{said}.\n"
            "Try again, or leave out `broker=` to use the lab's own."
        )


def find_mosquitto() -> str:
    """The path of the program: `$LABKIT_MOSQUITTO`, or where it is usually installed.

    Raises:
        BrokerError: it is not installed.
    """
    named = os.environ.get("LABKIT_MOSQUITTO")
    if named:
        found = shutil.which(named)
        if found is None:
            raise BrokerError(
                f"LABKIT_MOSQUITTO names {named!r}, which is no program that can be run.\n"
                "Correct it, or unset it to have Mosquitto looked for."
            )
        return found
    for folder in (None, *FOLDERS):
        if found := shutil.which("mosquitto", path=folder):
            return found
    raise BrokerError(
        "Mosquitto is not installed (nor named in LABKIT_MOSQUITTO). To install it:\n"
        "  apt install mosquitto                        Debian, Ubuntu\n"
        "  brew install mosquitto                       macOS\n"
        "  winget install EclipseFoundation.Mosquitto   Windows\n"
        "  conda install -c conda-forge mosquitto       Linux with conda\n"
        "Or leave out `broker=` to use the lab's own."
    )


def _free_port(port: int) -> int:
    try:
        with socket.create_server((LOOPBACK, port)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise BrokerError(port_in_use(port, error)) from None


def _hashed(password: str) -> str:
    # The format of mosquitto_passwd: PBKDF2 with SHA-512, 101 rounds, 12 bytes of salt. Few rounds,
    # but the password is random, and lives as long as the lab.
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
