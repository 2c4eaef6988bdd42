"""A broker is where messages meet: the lab's own, Mosquitto, or one that runs elsewhere."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable
from urllib.parse import SplitResult, quote, unquote, urlsplit

from labkit.system.errors import BrokerError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 1883
FORM = "mqtt://user:password@host:1883/namespace"


@dataclass(frozen=True)
class Address:
    """Where a broker listens, who one is there, and what comes first in each topic."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    namespace: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `mqtt://user:password@host:port/namespace`; only the host must be there.

        Raises:
            BrokerError: it has another form.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            raise BrokerError(_not_an_address(url, str(error))) from None
        if complaint := _what_is_wrong(url, parts):
            raise BrokerError(_not_an_address(url, complaint))
        return cls(
            host=parts.hostname or "",
            port=port,
            username=_unquoted(parts.username),
            password=_unquoted(parts.password),
            namespace=unquote(parts.path).strip("/"),
        )

    @property
    def url(self) -> str:
        """This address as one would type it, but without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{quote(self.username, safe='')}@" if self.username else ""
        path = f"/{quote(self.namespace)}" if self.namespace else ""
        return f"mqtt://{user}{host}:{self.port}{path}"

    def topic(self, topic: str) -> str:
        """The topic, with the namespace in front where there is one."""
        return f"{self.namespace}/{topic}" if self.namespace else topic

    def local(self, topic: str) -> str:
        """The topic without the namespace."""
        return topic.removeprefix(f"{self.namespace}/") if self.namespace else topic


@runtime_checkable
class Broker(Protocol):
    """What a lab asks of a broker."""

    name: str

    async def start(self) -> Address:
        """Return when it listens; after a stop, at the same address again."""
        ...

    async def stop(self) -> None:
        """Break off: clients see their connection end. Harmless when it does not run."""
        ...


class Elsewhere:
    """A broker that others run; where the URL names no namespace, this lab takes one of its own."""

    name = "elsewhere"

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        # Learners who share a broker would otherwise hear each other's orders.
        own = f"lab-{secrets.token_hex(3)}"
        self._address = replace(address, namespace=address.namespace or own)

    async def start(self) -> Address:
        """The address; whether anybody listens there, the first client finds out."""
        return self._address

    async def stop(self) -> None:
        """Nothing: it belongs to others."""


def broker_for(which: str | Broker | None = None) -> Broker:
    """The broker that is meant: a name, a URL, a broker, or None for `$LABKIT_BROKER`.

    Raises:
        BrokerError: no broker is meant by that.
    """
    wanted = which if which is not None else os.environ.get("LABKIT_BROKER") or "embedded"
    if isinstance(wanted, Broker):
        return wanted
    if wanted == "embedded":
        from labkit.system.embedded import Embedded  # takes 150 ms, so only where it is wanted

        return Embedded()
    if wanted == "mosquitto":
        from labkit.system.mosquitto import Mosquitto

        return Mosquitto()
    if wanted == "rabbitmq":
        from labkit.system.rabbitmq import RabbitMQ

        return RabbitMQ()
    if wanted == "nats":
        from labkit.system.nats import Nats

        return Nats()
    if isinstance(wanted, str) and "://" in wanted:
        return Elsewhere(wanted)
    source = " (from LABKIT_BROKER)" if which is None else ""
    raise BrokerError(
        f"No broker is called {wanted!r}{source}. There are:\n"
        '  "embedded"      the lab\'s own; also what you get when you leave out `broker=`\n'
        '  "mosquitto"     Mosquitto, started for this lab; it has to be installed\n'
        '  "rabbitmq"      RabbitMQ with its MQTT plug-in, likewise\n'
        '  "nats"          NATS with its MQTT, likewise\n'
        f'  "mqtt://…"      one that is running: {FORM}'
    )


def port_in_use(port: int, error: OSError) -> str:
    """What to say when a broker can't have the port that it wants."""
    return (
        f"A broker was to listen at {LOOPBACK}:{port}, but can't: {error.strerror or error}.\n"
        "Stop what listens there, or leave out the port to get a free one."
    )


def _what_is_wrong(url: str, parts: SplitResult) -> str:
    if parts.scheme != "mqtt":
        return f"it begins with {parts.scheme!r}" if parts.scheme else "mqtt:// is missing"
    if not parts.hostname:
        return "the host is missing"
    if any(sign in url.rpartition("@")[2] for sign in "?#+"):
        return "a namespace can't hold ?, # or +"
    return ""


def _not_an_address(url: str, complaint: str) -> str:
    # What stands before the @ may be a password, and errors get shown around.
    shown = f"…@{url.rpartition('@')[2]}" if "@" in url else url
    return (
        f"{shown!r} is no address of a broker: {complaint}.\n"
        f"Write {FORM}; only mqtt://host must be there."
    )


def _unquoted(part: str | None) -> str | None:
    return None if part is None else unquote(part)
