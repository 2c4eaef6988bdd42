"""Probes: what a broker does where brokers differ, asked of it as any client would."""

from __future__ import annotations

import asyncio
import queue
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from labkit.system.broker import Address, Broker, broker_for
from labkit.system.errors import BrokerError

PATIENCE_SECONDS = 5.0
# How long a probe waits for what may never come.
SILENCE_SECONDS = 0.5
NOT_INSTALLED = "not installed"
NO_ANSWER = "no answer"
BROKEN_OFF = "broke off"
# How often a probe is tried whose connection the broker ended before it could ask.
ATTEMPTS = 3


class Guest:
    """A client of which one sees what comes; one after the other, in a `with`."""

    def __init__(
        self,
        at: Address,
        name: str = "",
        *,
        keeps: bool = False,
        will: str = "",
        by_hand: bool = False,
    ) -> None:
        self.arrived: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self.name = name or f"probe-{secrets.token_hex(4)}"
        self.mqtt = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.name,
            clean_session=not keeps,
            manual_ack=by_hand,
            reconnect_on_failure=False,
        )
        self.mqtt.username_pw_set(at.username, at.password)
        if will:
            self.mqtt.will_set(will, "gone", qos=1)
        self.mqtt.on_message = lambda *seen: self.arrived.put(seen[2])
        self.mqtt.on_connect = lambda *_: self._answers.put(None)
        self.mqtt.on_subscribe = lambda *seen: self._answers.put(seen[3][0].value)
        self.mqtt.on_disconnect = lambda *_: self._answers.put(self._broken_off())
        self.mqtt.connect(at.host, at.port)
        self.mqtt.loop_start()
        self._next_answer()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def subscribe(self, topic: str, qos: int = 1) -> int:
        """The QoS that is granted; 128 where none is.

        Raises:
            ConnectionError: the connection has ended.
        """
        self.mqtt.subscribe(topic, qos)
        return int(self._next_answer())

    def publish(self, topic: str, *payloads: str, qos: int = 1, retain: bool = False) -> bool:
        """Whether the broker has confirmed the last of them.

        Raises:
            ConnectionError: the connection had ended before.
        """
        said = [self.mqtt.publish(topic, payload, qos, retain) for payload in payloads]
        if said[-1].rc == MQTTErrorCode.MQTT_ERR_NO_CONN:
            raise self._broken_off()
        said[-1].wait_for_publish(PATIENCE_SECONDS if qos < 2 else SILENCE_SECONDS)
        return said[-1].is_published()

    def receive(self, most: int, seconds: float = SILENCE_SECONDS) -> list[str]:
        """The next messages; fewer, where there is silence before."""
        found: list[str] = []
        with suppress(queue.Empty):
            while len(found) < most:
                found.append(self.arrived.get(timeout=seconds).payload.decode())
        return found

    def _next_answer(self) -> Any:
        answer = self._answers.get(timeout=PATIENCE_SECONDS)
        if isinstance(answer, ConnectionError):
            raise answer
        return answer

    def _broken_off(self) -> ConnectionError:
        return ConnectionError(f"The broker ended the connection of {self.name}")

    def crash(self) -> None:
        """Break off without a goodbye, as a killed process does."""
        connection = self.mqtt.socket()
        if isinstance(connection, socket.socket):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.mqtt.loop_stop()


def exactly_once(at: Address) -> str:
    """QoS 2: is it granted, and is a message of it confirmed?"""
    with Guest(at) as guest:
        granted = guest.subscribe(topic := _fresh(), 2)
        if not guest.publish(topic, "x", qos=2):
            return "never confirmed"
        return "yes" if granted == 2 else f"made QoS {granted}"


def kept_for_latecomers(at: Address) -> str:
    """Five retained messages, and one who then subscribes to all of them with a wildcard."""
    topic = _fresh()
    with Guest(at) as speaker, Guest(at) as late:
        for number in range(5):
            speaker.publish(f"{topic}/{number}", "kept", retain=True)
        late.subscribe(f"{topic}/+")
        found = late.receive(5)
        for number in range(5):
            speaker.publish(f"{topic}/{number}", "", retain=True)
    return f"{len(found)} of 5"


def again_after_a_crash(at: Address) -> str:
    """A client that crashes with a message in its hands, and comes back under its name."""
    topic = _fresh()
    with Guest(at) as speaker:
        first = Guest(at, keeps=True, by_hand=True)
        first.subscribe(topic)
        speaker.publish(topic, "in hand")
        first.receive(1, PATIENCE_SECONDS)
        first.crash()
        with Guest(at, first.name, keeps=True) as again:
            found = again.receive(1)
        Guest(at, first.name).__exit__()
    return "comes again" if found else "not at once"


def a_shared_subscription(at: Address) -> str:
    """Two workers share a subscription, and ten messages are published."""
    topic = _fresh()
    with Guest(at) as one, Guest(at) as other, Guest(at) as speaker:
        for worker in (one, other):
            worker.subscribe(f"$share/crew/{topic}")
        speaker.publish(topic, *map(str, range(10)))
        found = [len(worker.receive(10)) for worker in (one, other)]
    return f"{found[0]} + {found[1]}"


def a_dot_in_a_topic(at: Address) -> str:
    """A message to a topic with a dot in its name."""
    with Guest(at) as guest:
        guest.subscribe(topic := f"{_fresh()}/a.b")
        try:
            # Not QoS 1: where it is not carried, nobody confirms it either.
            guest.publish(topic, "x", qos=0)
            return "carried" if guest.receive(1) else "not carried"
        except (ConnectionError, RuntimeError, ValueError, queue.Empty):
            return "not carried"


def two_subscriptions_that_overlap(at: Address) -> str:
    """One message, and a client with two subscriptions that cover it."""
    topic = _fresh()
    with Guest(at) as guest:
        guest.subscribe(f"{topic}/+")
        guest.subscribe(f"{topic}/x")
        guest.publish(f"{topic}/x", "x")
        found = guest.receive(2)
    return "1 copy" if len(found) == 1 else f"{len(found)} copies"


def a_last_will(at: Address) -> str:
    """What others hear of a client that crashes."""
    topic = _fresh()
    with Guest(at) as heir:
        heir.subscribe(topic)
        Guest(at, will=topic).crash()
        return "is told" if heir.receive(1, PATIENCE_SECONDS) else "is not told"


PROBES: dict[str, Callable[[Address], str]] = {
    "QoS 2": exactly_once,
    "retained, by a wildcard": kept_for_latecomers,
    "crash with a message in hand": again_after_a_crash,
    "ten messages, two share": a_shared_subscription,
    "a dot in a topic": a_dot_in_a_topic,
    "two subscriptions, one message": two_subscriptions_that_overlap,
    "last will": a_last_will,
}


class Conformance(dict[str, dict[str, str]]):
    """What each broker answered to each probe: `found["nats"]["QoS 2"]`; shown as a table."""

    def __repr__(self) -> str:
        rows = [["", *self]]
        for probe in PROBES:
            rows.append([probe, *(said.get(probe, NOT_INSTALLED) for said in self.values())])
        wide = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = ("  ".join(cell.ljust(wide[at]) for at, cell in enumerate(row)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


async def conformance(*brokers: str | Broker) -> Conformance:
    """Ask each broker all that they differ in; one that is not installed answers nothing.

    Raises:
        BrokerError: one is installed, and does not start.
    """
    found = Conformance()
    for which in brokers or ("embedded", "mosquitto", "rabbitmq", "nats"):
        broker = broker_for(which)
        try:
            address = await broker.start()
        except BrokerError as error:
            if NOT_INSTALLED not in str(error):
                raise
            found[broker.name] = {}
            continue
        try:
            found[broker.name] = await asyncio.to_thread(_asked, address, PROBES.items())
        finally:
            await broker.stop()
    return found


def _asked(at: Address, probes: Iterable[tuple[str, Callable[[Address], str]]]) -> dict[str, str]:
    return {name: _answer(probe, at) for name, probe in probes}


def _answer(probe: Callable[[Address], str], at: Address) -> str:
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

    # A broker that has just started may break off its first connections, which tells nothing yet.
    attempts = Retrying(
        retry=retry_if_exception_type(ConnectionError), stop=stop_after_attempt(ATTEMPTS)
    )
    try:
        return attempts(probe, at)
    except RetryError:
        return BROKEN_OFF
    except queue.Empty:
        return NO_ANSWER


def _fresh() -> str:
    return f"probe-{secrets.token_hex(4)}"
