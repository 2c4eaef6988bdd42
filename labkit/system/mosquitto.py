"""Mosquitto: the broker that people run in earnest, as a child process of this lab alone."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from labkit.system.broker import LOOPBACK
from labkit.system.daemon import Daemon, find

# Daemons are often installed where a plain user's PATH does not look.
PLACES = (
    "mosquitto",
    "/usr/sbin/mosquitto",
    "/usr/local/sbin/mosquitto",
    "/opt/homebrew/sbin/mosquitto",
    "/opt/homebrew/opt/mosquitto/sbin/mosquitto",
    r"C:\Program Files\mosquitto\mosquitto.exe",
)
INSTALL = """\
  apt install mosquitto                        Debian, Ubuntu
  brew install mosquitto                       macOS
  winget install EclipseFoundation.Mosquitto   Windows
  conda install -c conda-forge mosquitto       Linux with conda"""
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


class Mosquitto(Daemon):
    """Mosquitto; sessions, what waits in them and retained messages outlive a stop."""

    name = "mosquitto"
    title = "Mosquitto"

    def _program(self) -> str:
        return find_mosquitto()

    def _arguments(self, folder: Path) -> Sequence[str]:
        config = CONFIG.format(host=LOOPBACK, port=self._port, folder=folder.as_posix())
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Started by root it would become the user "mosquitto", who may not read our folder.
            config += "user root\n"
        (folder / "mosquitto.conf").write_text(config)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(f"{self._username}:{_hashed(self._password)}\n")
        return ["-c", str(folder / "mosquitto.conf")]


def find_mosquitto() -> str:
    """The path of the program: `$LABKIT_MOSQUITTO`, or where it is usually installed.

    Raises:
        BrokerError: it is not installed.
    """
    return find("Mosquitto", "LABKIT_MOSQUITTO", PLACES, INSTALL)


def _hashed(password: str) -> str:
    # The format of mosquitto_passwd: PBKDF2 with SHA-512, 101 rounds, 12 bytes of salt. Few rounds,
    # but the password is random, and lives as long as the lab.
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
