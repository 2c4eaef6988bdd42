"""What a broker does, asked of it as any client would: one function a feature, over paho-mqtt.

A probe reports what it saw and judges nothing. Where it has to see that something does *not* come,
it lets something come that would have to come later.
"""

import contextlib
import queue
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from labkit.system.broker import Address

SOON_SECONDS = 5.0
AMQTT_GIVES_UP_AFTER_SECONDS = 5.0


class NotSeen(AssertionError):
    """What a probe waited for did not come."""


@dataclass
class Client:
    """A client of which one sees what comes and says when it leaves, or crashes."""

    address: Address
    name: str = ""
    clean: bool = True
    manual: bool = False
    will: dict[str, Any] | None = None
    keepalive: int = 60
    arrived: "queue.Queue[paho.MQTTMessage]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.name = self.name or f"probe-{secrets.token_hex(4)}"
        self._granted: queue.Queue[list[int]] = queue.Queue()
        self._welcomed: queue.Queue[tuple[bool, str]] = queue.Queue()
        self.gone = threading.Event()
        self.mqtt = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.name,
            clean_session=self.clean,
            manual_ack=self.manual,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(1000)
        client.username_pw_set(self.address.username, self.address.password)
        if self.will:
            client.will_set(**self.will)
        client.on_socket_open = _no_delay
        client.on_message = lambda *seen: self.arrived.put(seen[2])
        client.on_connect = lambda *seen: self._welcomed.put(
            (seen[2].session_present, str(seen[3]))
        )
        client.on_disconnect = lambda *seen: self.gone.set()
        client.on_subscribe = lambda *seen: self._granted.put([code.value for code in seen[3]])
        client.connect(self.address.host, self.address.port, self.keepalive)
        client.loop_start()
        self.session_present, self.answer = self._welcomed.get(timeout=SOON_SECONDS)

    def __enter__(self) -> "Client":
        assert self.answer == "Success", f"{self.name}: {self.answer}"
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def subscribe(self, topic: str, qos: int = 1) -> int:
        self.mqtt.subscribe(topic, qos)
        return self._granted.get(timeout=SOON_SECONDS)[0]

    def publish(
        self, topic: str, payload: str | bytes, qos: int = 1, *, retain: bool = False
    ) -> paho.MQTTMessageInfo:
        said = self.mqtt.publish(topic, payload, qos, retain)
        if qos:
            said.wait_for_publish(SOON_SECONDS)
            if not said.is_published():
                raise NotSeen(f"{topic} was not acknowledged")
        return said

    def publish_all(self, topic: str, payloads: Iterable[str], qos: int = 1) -> None:
        """Publish without waiting in between, then wait for the last acknowledgement."""
        said = [self.mqtt.publish(topic, payload, qos) for payload in payloads]
        for one in said:
            one.wait_for_publish(SOON_SECONDS)

    def receive(
        self, count: int = 1, within_seconds: float = SOON_SECONDS
    ) -> list[paho.MQTTMessage]:
        """The next messages; fewer, where no more come in time."""
        seen: list[paho.MQTTMessage] = []
        deadline = time.monotonic() + within_seconds
        with contextlib.suppress(queue.Empty):
            while len(seen) < count:
                seen.append(self.arrived.get(timeout=max(0.0, deadline - time.monotonic())))
        return seen

    def receive_until(self, last: str) -> list[paho.MQTTMessage]:
        """The messages that come before the one with that payload."""
        seen: list[paho.MQTTMessage] = []
        while message := next(iter(self.receive()), None):
            if message.payload == last.encode():
                return seen
            seen.append(message)
        raise NotSeen(f"{last!r} did not come; before it came {texts(seen)}")

    def acknowledge(self, *messages: paho.MQTTMessage) -> None:
        """Return when the broker has seen it: it answers what comes after."""
        for message in messages:
            self.mqtt.ack(message.mid, message.qos)
        self.publish(fresh(), "seen?")

    def fall_silent(self) -> None:
        """Neither read nor write any more, with the connection left as it is."""
        self.mqtt.loop_stop()

    def crash(self) -> None:
        """Break off without a goodbye, as a killed process does."""
        connection = self.mqtt.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.gone.wait(SOON_SECONDS)
        self.mqtt.loop_stop()

    def leave(self) -> None:
        if not self.gone.is_set() and self.mqtt.is_connected():
            self.mqtt.disconnect()
            self.gone.wait(SOON_SECONDS)
        self.mqtt.loop_stop()


def every_qos_delivers_in_order_once(at: Address) -> dict[int, tuple[bool, set[int]]]:
    """By QoS: whether 20 messages came once each and in order; and with which QoS."""
    seen: dict[int, tuple[bool, set[int]]] = {}
    for qos in (0, 1, 2):
        with Client(at) as listener, Client(at) as speaker:
            topic = fresh()
            listener.subscribe(topic, qos)
            speaker.publish_all(topic, numbers(20), qos)
            speaker.publish(topic, "end", qos)
            came = listener.receive_until("end")
            seen[qos] = texts(came) == numbers(20), {message.qos for message in came}
    return seen


def the_smaller_qos_counts(at: Address) -> dict[str, int]:
    """With which QoS a message arrives, by how it was published and subscribed to."""
    seen = {}
    with Client(at) as listener, Client(at) as speaker:
        for said, wanted in ((0, 1), (1, 0), (2, 1), (1, 2)):
            topic = fresh()
            listener.subscribe(topic, wanted)
            speaker.publish(topic, "x", said)
            seen[f"{said} to {wanted}"] = listener.receive()[0].qos
    return seen


def a_second_subscription_replaces_the_first(at: Address) -> list[int]:
    """The QoS of a message to one who subscribed with QoS 0, then with QoS 1: one copy."""
    with Client(at) as listener, Client(at) as speaker:
        topic = fresh()
        listener.subscribe(topic, 0)
        listener.subscribe(topic, 1)
        speaker.publish(topic, "x")
        speaker.publish(topic, "end")
        return [message.qos for message in listener.receive_until("end")]


def retained_messages(at: Address) -> dict[str, list[tuple[str, bool]]]:
    """Payload and retain flag, to those who subscribe before, after, and after it is cleared."""
    topic, seen = fresh(), {}
    with Client(at) as speaker, Client(at) as early:
        early.subscribe(topic)
        speaker.publish(topic, "kept", retain=True)
        seen["before"] = flags(early.receive())
        for when in ("after", "cleared"):
            with Client(at) as late:
                late.subscribe(topic)
                speaker.publish(topic, "end")
                seen[when] = flags(late.receive_until("end"))
            speaker.publish(topic, "", retain=True)
    return seen


def retained_messages_under_a_wildcard(at: Address) -> list[str]:
    """What one gets who subscribes to all of five retained topics at once."""
    topic = fresh()
    with Client(at) as speaker, Client(at) as late:
        for number in numbers(5):
            speaker.publish(f"{topic}/{number}", number, retain=True)
        late.subscribe(f"{topic}/+")
        seen = sorted(texts(late.receive(5)))
        for number in numbers(5):
            speaker.publish(f"{topic}/{number}", "", retain=True)
        return seen


def retained_messages_of_others(at: Address) -> list[str]:
    """What a client gets that never asked for what is retained."""
    secret, own = fresh(), fresh()
    with Client(at) as speaker, Client(at) as other:
        other.subscribe(secret)
        speaker.publish(secret, "secret", retain=True)
        with Client(at) as newcomer:
            newcomer.subscribe(own)
            speaker.publish(own, "end")
            seen = texts(newcomer.receive_until("end"))
        speaker.publish(secret, "", retain=True)
        return seen


def last_will(at: Address) -> dict[str, list[tuple[str, bool]]]:
    """What is said of a client that crashes, that says goodbye, and that had a will to be kept."""
    topic, seen = fresh(), {}
    with Client(at) as heir, Client(at) as speaker:
        heir.subscribe(topic)
        Client(at, will={"topic": topic, "payload": "gone", "qos": 1}).crash()
        seen["crash"] = flags(heir.receive())
        polite = Client(at, will={"topic": topic, "payload": "gone", "qos": 1})
        polite.leave()
        # Once the name is welcome again, its earlier connection is over and done with.
        Client(at, polite.name).leave()
        speaker.publish(topic, "end")
        seen["goodbye"] = flags(heir.receive_until("end"))
        Client(at, will={"topic": topic, "payload": "kept", "qos": 1, "retain": True}).crash()
        heir.receive()
        with Client(at) as late:
            late.subscribe(topic)
            seen["kept"] = flags(late.receive())
        speaker.publish(topic, "", retain=True)
    return seen


def the_will_of_one_who_falls_silent(at: Address) -> list[str]:
    """What is said of a client that sends nothing for 1.5 times its keep alive."""
    topic = fresh()
    with Client(at) as heir:
        heir.subscribe(topic)
        silent = Client(at, keepalive=1, will={"topic": topic, "payload": "gone", "qos": 1})
        silent.fall_silent()
        # Mosquitto looks for silent clients every five seconds only.
        return texts(heir.receive(within_seconds=3 * SOON_SECONDS))


def wildcards(at: Address) -> dict[str, list[str]]:
    """Which of five topics each pattern covers."""
    topic, seen = fresh(), {}
    with Client(at) as speaker:
        listeners = {pattern: Client(at) for pattern in ("/+", "/+/c", "/#")}
        for pattern, listener in listeners.items():
            listener.subscribe(topic + pattern)
        for below in ("", "/b", "/b/c", "/b/d", "/b/c/d"):
            speaker.publish(topic + below, below or "itself")
        for pattern, listener in listeners.items():
            listener.subscribe(f"{topic}-end")
            speaker.publish(f"{topic}-end", "end")
            seen[pattern] = texts(listener.receive_until("end"))
            listener.leave()
    return seen


def dollar_topics(at: Address) -> dict[str, list[str]]:
    """What one hears of a topic that begins with $, under `#` and under its own name."""
    topic, hidden = fresh(), f"$probe/{secrets.token_hex(4)}"
    with Client(at) as speaker, Client(at) as curious, Client(at) as informed:
        curious.subscribe("#")
        informed.subscribe(hidden)
        speaker.publish(hidden, "hidden")
        speaker.publish(topic, "end")
        all_heard = curious.receive_until("end")
        return {
            "#": [message.topic for message in all_heard if message.topic.startswith("$")],
            "itself": texts(informed.receive()),
        }


def topic_characters(at: Address) -> list[str]:
    """Which unusual topics are carried."""
    with Client(at) as client:
        carried = []
        for unusual in ("a.b", "a b", "żółć", "a//b", "a*b"):
            topic = f"{fresh()}/{unusual}"
            client.subscribe(topic)
            client.publish(topic, "x")
            carried += [unusual for message in client.receive() if message.topic == topic]
        return carried


def unsubscribing(at: Address) -> list[str]:
    """What still comes after it."""
    with Client(at) as client:
        topic, other = fresh(), fresh()
        client.subscribe(topic)
        client.subscribe(other)
        client.mqtt.unsubscribe(topic)
        client.publish(topic, "x")
        client.publish(other, "end")
        return texts(client.receive_until("end"))


def a_persistent_session(at: Address) -> dict[str, Any]:
    """What one finds who comes back, after ten messages of QoS 1 and one of QoS 0."""
    topic = fresh()
    with session(at) as name, Client(at) as speaker:
        with Client(at, name, clean=False) as first:
            first.subscribe(topic)
        # The broker has seen it go when it welcomes the name anew.
        Client(at, name, clean=False).leave()
        speaker.publish_all(topic, numbers(10))
        speaker.publish(topic, "fleeting", 0)
        with Client(at, name, clean=False) as again:
            speaker.publish(topic, "end")
            came = again.receive_until("end")
            return {
                "session present": (first.session_present, again.session_present),
                "in order": [text for text in texts(came) if text != "fleeting"] == numbers(10),
                "retain flags": {message.retain for message in came},
            }


def a_clean_session(at: Address) -> dict[str, bool]:
    """Whether a session is there that was ended by a clean one; and whether a clean one is kept."""
    with session(at) as name:
        Client(at, name, clean=False).leave()
        Client(at, name, clean=True).leave()
        with Client(at, name, clean=False) as after:
            pass
        with Client(at, name, clean=False) as again:
            return {"after a clean one": after.session_present, "again": again.session_present}


def unacknowledged_messages(at: Address) -> dict[str, list[Any]]:
    """Of three messages the first is acknowledged, then the client crashes: what comes again."""
    topic = fresh()
    with session(at) as name, Client(at) as speaker:
        with Client(at, name, clean=False, manual=True) as first:
            first.subscribe(topic)
            speaker.publish_all(topic, numbers(3))
            came = first.receive(3)
            first.acknowledge(came[0])
            first.crash()
        with Client(at, name, clean=False) as again:
            speaker.publish(topic, "end")
            repeated = again.receive_until("end")
        return {
            "first": texts(came),
            "again": texts(repeated),
            "marked": [message.dup for message in repeated],
        }


def order_across_a_crash(at: Address) -> bool:
    """Whether 250 unacknowledged messages and 250 later ones come in their order."""
    topic = fresh()
    with session(at) as name, Client(at) as speaker:
        with Client(at, name, clean=False, manual=True) as first:
            first.subscribe(topic)
            speaker.publish_all(topic, numbers(500)[:250])
            first.receive(250)
            first.crash()
        speaker.publish_all(topic, numbers(500)[250:])
        with Client(at, name, clean=False) as again:
            speaker.publish(topic, "end")
            return texts(again.receive_until("end")) == numbers(500)


def a_slow_acknowledgement(at: Address) -> dict[str, list[str]]:
    """What comes while a message is in hand for longer than amqtt waits, and after a reconnect."""
    topic = fresh()
    with session(at) as name, Client(at) as speaker:
        with Client(at, name, clean=False, manual=True) as slow:
            slow.subscribe(topic)
            speaker.publish(topic, "slow")
            in_hand = slow.receive()
            meanwhile = slow.receive(1, within_seconds=AMQTT_GIVES_UP_AFTER_SECONDS + 0.5)
            slow.crash()
        with Client(at, name, clean=False, manual=True) as again:
            repeated = again.receive()
            again.acknowledge(*repeated)
            speaker.publish(topic, "end")
            after = again.receive_until("end")
        return {
            "in hand": texts(in_hand),
            "meanwhile": texts(meanwhile),
            "again": texts(repeated),
            "acknowledged": texts(after),
        }


def messages_in_hand(at: Address) -> int:
    """How many of 500 a client gets that acknowledges none."""
    topic = fresh()
    with Client(at, manual=True) as client, Client(at) as speaker:
        client.subscribe(topic)
        speaker.publish_all(topic, numbers(500))
        return len(client.receive(500, within_seconds=2))


def take_over(at: Address) -> dict[str, tuple[bool, list[str]]]:
    """Two clients of one name: whether the first is thrown out, and what the second hears."""
    seen = {}
    for kind, clean in (("clean", True), ("persistent", False)):
        with session(at) as name, Client(at) as speaker:
            topic = fresh()
            first = Client(at, name, clean=clean)
            first.subscribe(topic)
            with Client(at, name, clean=clean) as second:
                thrown_out = first.gone.wait(SOON_SECONDS)
                if clean:
                    second.subscribe(topic)
                speaker.publish(topic, "x")
                speaker.publish(topic, "end")
                seen[kind] = thrown_out, texts(second.receive_until("end"))
            first.leave()
    return seen


def sharing(at: Address) -> tuple[int, int]:
    """How many of 100 messages each of two gets who share a subscription."""
    topic = fresh()
    with Client(at) as one, Client(at) as other, Client(at) as speaker:
        for client in (one, other):
            client.subscribe(f"$share/workers/{topic}")
            client.subscribe(f"{topic}-end")
        speaker.publish_all(topic, numbers(100))
        speaker.publish(f"{topic}-end", "end")
        return len(one.receive_until("end")), len(other.receive_until("end"))


def overlapping_subscriptions(at: Address) -> int:
    """How many copies one gets whose two subscriptions cover a topic."""
    topic = fresh()
    with Client(at) as client:
        client.subscribe(f"{topic}/#")
        client.subscribe(f"{topic}/a")
        client.publish(f"{topic}/a", "x")
        client.publish(f"{topic}/end", "end")
        return len(client.receive_until("end"))


def large_payloads(at: Address) -> list[int]:
    """Which sizes arrive whole, in kB."""
    topic, arrived = fresh(), []
    with Client(at) as listener, Client(at) as speaker:
        listener.subscribe(topic)
        for size in (64, 256, 1000, 2000):
            payload = secrets.token_bytes(1000) * size
            speaker.publish(topic, payload)
            arrived += [size for message in listener.receive() if message.payload == payload]
    return arrived


def publish_and_exit(at: Address) -> dict[str, int]:
    """How many of 200 messages arrive whose publisher leaves at once."""
    seen = {}
    for qos in (0, 1):
        with Client(at) as listener:
            topic = fresh()
            listener.subscribe(topic)
            with Client(at) as hasty:
                hasty.publish_all(topic, numbers(200), qos)
            seen[f"QoS {qos}"] = len(listener.receive(200, within_seconds=2))
    return seen


def a_burst(at: Address) -> bool:
    """Whether 500 messages, published without a pause, come in their order."""
    topic = fresh()
    with Client(at) as listener, Client(at) as speaker:
        listener.subscribe(topic)
        speaker.publish_all(topic, numbers(500))
        return texts(listener.receive(500)) == numbers(500)


def strangers(at: Address) -> dict[str, str]:
    """What a client is told that has no password, or a wrong one."""
    wrong = Address(at.host, at.port, at.username, "wrong")
    nobody = Address(at.host, at.port)
    seen = {}
    for kind, address in (("anonymous", nobody), ("wrong password", wrong)):
        client = Client(address)
        seen[kind] = client.answer
        client.leave()
    return seen


def a_stranger_with_a_known_name(at: Address) -> tuple[bool, list[str]]:
    """Whether one without the password throws out whose name it takes; what that one still gets."""
    topic = fresh()
    with Client(at) as client:
        client.subscribe(topic)
        Client(Address(at.host, at.port), client.name).leave()
        client.publish(topic, "still here")
        return client.gone.is_set(), texts(client.receive())


@contextlib.contextmanager
def session(at: Address) -> Iterator[str]:
    """The name of a session that is forgotten in the end."""
    name = f"probe-{secrets.token_hex(4)}"
    yield name
    Client(at, name, clean=True).leave()


def fresh() -> str:
    """A topic that nobody has used."""
    return f"probe/{secrets.token_hex(4)}"


def numbers(count: int) -> list[str]:
    return [f"{number}" for number in range(count)]


def texts(messages: Iterable[paho.MQTTMessage]) -> list[str]:
    return [message.payload.decode() for message in messages]


def flags(messages: Iterable[paho.MQTTMessage]) -> list[tuple[str, bool]]:
    return [(message.payload.decode(), message.retain) for message in messages]


def _no_delay(_client: paho.Client, _userdata: object, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
