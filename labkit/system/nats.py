"""NATS with its MQTT: another engine behind the same protocol, as a child process of this lab."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from labkit.system.broker import LOOPBACK
from labkit.system.daemon import Daemon, find

PLACES = ("nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server")
INSTALL = """\
  apt install nats-server          Debian, Ubuntu
  brew install nats-server         macOS
  winget install NATSAuthors.NATSServer   Windows"""


class Nats(Daemon):
    """NATS; what waits in sessions is kept by JetStream, its store on disk."""

    name = "nats"
    title = "NATS"

    def _program(self) -> str:
        return find("NATS", "LABKIT_NATS", PLACES, INSTALL)

    def _arguments(self, folder: Path) -> Sequence[str]:
        # NATS reads JSON as well as its own format.
        config = {
            "server_name": self._username,
            "host": LOOPBACK,
            "port": -1,  # any, for its own protocol, which nobody speaks here
            "jetstream": {"store_dir": (folder / "store").as_posix()},
            "authorization": {"users": [{"user": self._username, "password": self._password}]},
            # For each subscription; a client's subscriptions may have 65,535 together, and NATS
            # refuses those beyond.
            "mqtt": {"host": LOOPBACK, "port": self._port, "max_ack_pending": 1000},
        }
        path = folder / "nats.conf"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))
        return ["-c", str(path)]
