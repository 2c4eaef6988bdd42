"""MQTT: a transport over a real broker, in the only file that knows aiomqtt."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.enums import MQTTErrorCode

from labkit.system.broker import Address
from labkit.system.errors import BrokerError
from labkit.system.loop import HANDLING
from labkit.system.message import Message, read
from labkit.system.message import status as status_of
from labkit.system.transport import Deliver, matches

PATIENCE_SECONDS = 20.0
REFUSED = 0x80  # a return code of a SUBACK (MQTT 3.1.1, section 3.9.3)
KEEP_ALIVE_SECONDS = 30
# A library's log: silent, unless somebody listens.
LOGGER = logging.getLogger("labkit.mqtt")
LOGGER.addHandler(logging.NullHandler())
# Without it a request and its reply take 88 ms instead of 0.9 (Nagle meets delayed ACK).
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Mqtt:
    """A participant's transport: QoS 1, acknowledged after the handler, reconnecting.

    `session` names the lab. The broker keeps the participant's session under both names, so what
    is published while it is away waits for it (MQTT 3.1.1, section 3.1.2.4).
    """

    def __init__(self, address: Address, name: str, session: str) -> None:
        self._name = name
        status = f"status/{name}", partial(_status, name)
        self._main = Connection(address, name, session, status)
        # Brokers stop sending when some 20 messages are unacknowledged. Twenty commands which
        # wait for replies would so keep out these very replies: they get a connection of their own.
        self._replies = Connection(address, f"{name}-replies", session)
        self._dead = False

    async def open(self) -> None:
        """Connect, and stay connected until `close`; BrokerError where there is no way in."""
        await self._main.open()

    async def publish(self, topic: str, message: Message) -> None:
        if self._dead:  # a handler's `finally:`; what a dead process still does, nobody sees
            raise asyncio.CancelledError
        await self._main.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        if topic.startswith("reply/"):
            await self._replies.subscribe(topic, deliver)
            await self._replies.open()
        else:
            await self._main.subscribe(topic, deliver)

    async def unsubscribe(self, topic: str) -> None:
        """Listen to a topic no more, in the kept session too."""
        await self._main.unsubscribe(topic)

    async def close(self, *, forget: bool = False) -> None:
        """Leave; `forget` makes the broker drop the session with all that waits in it."""
        for connection in (self._main, self._replies):
            await connection.drop_work()
            await connection.leave()
            if forget:
                await connection.forget()

    async def sleep(self) -> None:
        """Finish the work in hand and leave politely; the broker keeps what comes meanwhile."""
        await self._main.finish_work()
        await self._main.leave()

    async def die(self) -> None:
        """Break off as a killed process does: in mid-work, without a word to the broker."""
        self._dead = True
        for connection in (self._main, self._replies):
            await connection.drop_work()
            await connection.leave(abruptly=True)


@dataclass(eq=False)
class Receipt:
    """What is needed to acknowledge a message, once, on the connection on which it came."""

    client: aiomqtt.Client
    packet: int
    qos: int

    def acknowledge(self) -> None:
        # aiomqtt has no public way to acknowledge (its issue 345).
        self.client._client.ack(self.packet, self.qos)


Status = tuple[str, Callable[[str], Message]]
# What makes a message itself (CloudEvents: source and id), and where it came in.
Identity = tuple[str, str, str]


class Connection:
    """One MQTT connection that comes back when the broker does."""

    def __init__(
        self, address: Address, name: str, session: str, status: Status | None = None
    ) -> None:
        self._address, self._name, self._status = address, name, status
        self._identifier = f"{session}-{name}"
        self._subscriptions: list[tuple[str, Deliver]] = []
        self._at_work: set[asyncio.Task[None]] = set()
        self._receipts: dict[Identity, Receipt] = {}
        self._takes_work = True
        self._known = False  # whether the broker has ever seen it
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return when connected; from then on a supervisor keeps it so."""
        self._takes_work = True
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._stay_connected(first), name=self._identifier)
        await first

    async def publish(self, topic: str, message: Message) -> None:
        payload, where = message.payload, self._address.topic(topic)
        while True:
            client = await self._now_connected()
            acknowledged = await _acknowledged(client, where, payload)
            if self._client is client:
                if acknowledged:
                    return
                _cut(client)
                self._connected.clear()
            # The connection broke. Whether the broker has it is not known: say it again.

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Before `open` it is only noted: what waits in the session needs its receiver."""
        self._subscriptions.append((topic, deliver))
        if self._supervisor is not None:
            await self._subscribe(await self._now_connected(), topic)

    async def unsubscribe(self, topic: str) -> None:
        self._subscriptions = [kept for kept in self._subscriptions if kept[0] != topic]
        client = await self._now_connected()
        await client.unsubscribe(self._address.topic(topic))

    async def finish_work(self) -> None:
        """Begin nothing new: what arrives now is not acknowledged, and comes again."""
        self._takes_work = False
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def drop_work(self) -> None:
        # First the door, then the room: else what arrives meanwhile would be begun again.
        self._takes_work = False
        await _cancelled(self._at_work)

    async def leave(self, *, abruptly: bool = False) -> None:
        """Disconnect; abruptly is without a word, so that the broker publishes the last will."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        if abruptly and self._client is not None and _cut(self._client):
            await asyncio.wait([supervisor], timeout=2.0)
        elif self._status and self._connected.is_set() and self._client is not None:
            with suppress(aiomqtt.MqttError):
                await self._announce(self._client, "offline")
        await _cancelled([supervisor])

    async def forget(self) -> None:
        """Connect once with a clean session, which ends the kept one."""
        if not self._known:
            return
        with suppress(aiomqtt.MqttError):
            async with self._new_client(clean_session=True):
                pass

    async def _stay_connected(self, first: asyncio.Future[None]) -> None:
        wait = 0.05
        while self._supervisor is not None:
            try:
                async with self._new_client() as client:
                    # One that leaves while it connects may not hear that it is cancelled: before
                    # Python 3.12 `wait_for` can swallow that (CPython's issue 86296).
                    if self._supervisor is not None:
                        await self._resume(client)
                    wait = 0.05
                    if not first.done():
                        first.set_result(None)
                    if self._supervisor is not None:
                        async for _ in client.messages:  # the inbox hands them over: it only waits
                            pass
            except Exception as error:
                if self._supervisor is not None and not first.done():
                    first.set_exception(self._no_way_in(error))
                    return
                if not isinstance(error, aiomqtt.MqttError):
                    raise
            finally:
                self._lost()
                if self._supervisor is None and not first.done():  # it died before it was there
                    first.set_result(None)
            if self._supervisor is not None:
                await asyncio.sleep(wait)
            wait = min(2 * wait, 1.0)

    def _lost(self) -> None:
        """Let nobody wait for what this connection will not bring any more."""
        client, self._client = self._client, None
        self._connected.clear()
        if client is not None:
            for confirmation in list(client._pending_publishes.values()):
                confirmation.set()

    async def _resume(self, client: aiomqtt.Client) -> None:
        self._client = client  # from here on it can be cut off
        for topic, _ in self._subscriptions:
            await self._subscribe(client, topic)
        if self._status:
            await self._announce(client, "online")
        self._known = True
        self._connected.set()

    async def _subscribe(self, client: aiomqtt.Client, topic: str) -> None:
        granted = await client.subscribe(self._address.topic(topic), qos=1)
        codes = [code if isinstance(code, int) else code.value for code in granted]
        if any(code >= REFUSED for code in codes):
            raise BrokerError(
                f"The broker at {self._address.url} forbids {self._identifier} to hear {topic}.\n"
                "Ask whoever runs it for the right to subscribe, or leave out `broker=` to use the "
                "lab's own."
            )

    async def _announce(self, client: aiomqtt.Client, state: str) -> None:
        if self._status:
            topic, message = self._status
            payload = message(state).payload
            await client.publish(self._address.topic(topic), payload, qos=1, retain=True)

    async def _now_connected(self) -> aiomqtt.Client:
        if not self._connected.is_set():
            try:
                await asyncio.wait_for(self._connected.wait(), PATIENCE_SECONDS)
            except TimeoutError:
                raise BrokerError(
                    f"The broker at {self._address.url} went away and did not return within "
                    f"{PATIENCE_SECONDS:g} s.\nStart it again, or open a new lab."
                ) from None
        assert self._client is not None
        return self._client

    def _new_client(self, *, clean_session: bool = False) -> aiomqtt.Client:
        will = None
        if self._status:
            topic, message = self._status
            will = aiomqtt.Will(
                self._address.topic(topic), message("offline").payload, qos=1, retain=True
            )
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            identifier=self._identifier,
            clean_session=clean_session,
            will=will,
            queue_type=self._inbox(lambda: client),
            keepalive=KEEP_ALIVE_SECONDS,
            max_inflight_messages=1000,
            logger=LOGGER,
            socket_options=[NO_DELAY],
        )
        client.pending_calls_threshold = 10_000
        client._disconnected.add_done_callback(_known)
        # By default aiomqtt acknowledges on receipt: a crash then loses what waits in its queue.
        client._client.manual_ack_set(True)
        return client

    def _inbox(self, client: Callable[[], aiomqtt.Client]) -> Any:
        """A queue that hands over at once; reading aiomqtt's own costs two tasks a message."""
        arrived = self._arrived

        class Inbox(asyncio.Queue[aiomqtt.Message]):
            def put_nowait(self, item: aiomqtt.Message) -> None:
                arrived(item, client())

        return Inbox

    def _arrived(self, arrival: aiomqtt.Message, client: aiomqtt.Client) -> None:
        if not self._takes_work:
            return
        topic = self._address.local(arrival.topic.value)
        payload = arrival.payload if isinstance(arrival.payload, bytes) else b""
        message = read(topic, payload)
        receipt = Receipt(client, arrival.mid, arrival.qos)
        identity = topic, message.source, message.id
        earlier = self._receipts.get(identity)
        if earlier is not None and earlier.client is not client:
            # It comes again after a reconnect, while its handler is still at work: the handler's
            # end acknowledges the new one. A crash would have ended the handler.
            earlier.client, earlier.packet = client, arrival.mid
            return
        deliver = next((d for pattern, d in self._subscriptions if matches(pattern, topic)), None)
        if deliver is None:  # a subscription of an earlier life of this session
            return receipt.acknowledge()
        self._receipts[identity] = receipt
        task = asyncio.create_task(
            self._work(identity, message, deliver, receipt),
            name=f"{self._name}{HANDLING}{message.type}",
        )
        self._at_work.add(task)

    async def _work(
        self, identity: Identity, message: Message, deliver: Deliver, receipt: Receipt
    ) -> None:
        try:
            await deliver(message)
            receipt.acknowledge()
        finally:
            if (task := asyncio.current_task()) is not None:
                self._at_work.discard(task)
            if self._receipts.get(identity) is receipt:
                del self._receipts[identity]

    def _no_way_in(self, error: Exception) -> BrokerError:
        where = self._address.url
        if isinstance(error, BrokerError):
            return error
        if isinstance(error, MqttConnectError):
            return BrokerError(
                f"The broker at {where} refused {self._identifier} ({error}).\n"
                "Check the user and password: Lab(broker='mqtt://user:password@host:1883')."
            )
        return BrokerError(
            f"No MQTT broker at {where} ({error}).\n"
            "Start one with `mosquitto -p 1883`, or leave out `broker=` to use the lab's own."
        )


async def _acknowledged(client: aiomqtt.Client, topic: str, payload: bytes) -> bool:
    """Publish at QoS 1; return when the broker has it, or when the connection is lost.

    aiomqtt's own publish makes a task and a timer for each message and looks through all that are
    under way: with a hundred of these, an eighth of the time of an event goes there.
    """
    info = client._client.publish(topic, payload, qos=1)
    if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
        return False
    confirmation = client._pending_publishes[info.mid] = asyncio.Event()
    await confirmation.wait()
    return True


def _known(end: asyncio.Future[None]) -> None:
    """That the connection broke is known by now; asyncio would complain that nobody asked."""
    if not end.cancelled():
        end.exception()


def _status(name: str, state: str) -> Message:
    return status_of(name, state, secrets.token_hex(6))


def _cut(client: aiomqtt.Client) -> bool:
    connection = client._client.socket()
    if not isinstance(connection, socket.socket):
        return False
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    return True


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
