"""RabbitMQ with its MQTT plug-in: another engine behind the same protocol, for this lab alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.system.broker import LOOPBACK, Address
from labkit.system.daemon import Daemon, find, kept_port

# Debian's /usr/sbin/rabbitmq-server insists on the system's own node; these do not.
PLACES = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
    "rabbitmq-server",
)
INSTALL = """\
  apt install rabbitmq-server      Debian, Ubuntu
  brew install rabbitmq            macOS"""
CONFIG = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = {host}:{port}
mqtt.allow_anonymous = false
mqtt.tcp_listen_options.nodelay = true
mqtt.prefetch = 1000
default_user = {user}
default_pass = {password}
"""


class RabbitMQ(Daemon):
    """RabbitMQ; its MQTT plug-in knows QoS 0 and 1, and keeps retained messages."""

    name = "rabbitmq"
    title = "RabbitMQ"
    patience_seconds = 60.0  # Erlang starts, then a database, then the plug-in

    async def start(self) -> Address:
        """Return when it listens; BrokerError as any daemon."""
        with kept_port() as self._port_of_erlang:
            return await super().start()

    def _program(self) -> str:
        return find("RabbitMQ", "LABKIT_RABBITMQ", PLACES, INSTALL)

    def _arguments(self, folder: Path) -> Sequence[str]:
        config = CONFIG.format(
            host=LOOPBACK, port=self._port, user=self._username, password=self._password
        )
        path = folder / "rabbitmq.conf"
        path.touch(mode=0o600)
        path.write_text(config)
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        return []

    def _environment(self, folder: Path) -> Mapping[str, str]:
        return {
            **os.environ,
            "HOME": str(folder),  # where Erlang keeps its cookie
            "RABBITMQ_NODENAME": f"{self._username}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_DIST_PORT": str(self._port_of_erlang),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),  # not where the learner works
        }

    def _did_not_start(self, what: str) -> str:
        logs = list((self._folder / "logs").glob("*.log")) if self._folder else []
        said = "".join(log.read_text(errors="replace") for log in logs)
        if "plugin" in said and "rabbitmq_mqtt" in said and "not found" in said:
            return "This RabbitMQ has no MQTT plug-in (rabbitmq_mqtt). Install one that has."
        return super()._did_not_start(what)
