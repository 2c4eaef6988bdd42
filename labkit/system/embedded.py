"""The lab's own broker: amqtt in this process, with what was measured wrong in it put right.

The only file that knows amqtt, whose inner ways it overrides: the version is pinned, and the
probes in tests/brokers show each repair at work. amqtt passes a message through two queues and
several tasks, and most defects come from there. Here a message goes in one step from the connection
on which it came into the sessions of all who subscribed, and is acknowledged after that.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, StreamWriterAdapter, WriterAdapter
from amqtt.broker import Broker, RetainedApplicationMessage, Server
from amqtt.contexts import ListenerType
from amqtt.errors import BrokerError as NotStarted
from amqtt.errors import MQTTError
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import MQTTFixedHeader, MQTTPacket
from amqtt.mqtt.pingreq import PingReqPacket
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.session import (
    ApplicationMessage,
    IncomingApplicationMessage,
    OutgoingApplicationMessage,
    Session,
)

from labkit.system.broker import LOOPBACK, Address, port_in_use
from labkit.system.errors import BrokerError

Packet = MQTTPacket[Any, Any, Any]

# How many messages a client may have unacknowledged before the next ones wait. (A packet's
# number has 16 bits.)
WINDOW = 10_000
# What each CONNECT says anew, whatever session it resumes.
RENEWED = "keep_alive", "will_flag", "will_topic", "will_message", "will_qos", "will_retain"
REFUSED = 0x80
SHARED = "$share/"

# What is an error to amqtt, a client that goes away for instance, is everyday life in a lab.
logging.getLogger("amqtt").setLevel(logging.CRITICAL)
logging.getLogger("transitions").setLevel(logging.CRITICAL)


class Embedded:
    """A broker in this process, on loopback, with a user and password of its own.

    Port 0 takes a free one. It keeps all in memory: a stop forgets sessions and retained messages.
    """

    name = "embedded"

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._username = f"lab-{secrets.token_hex(4)}"
        self._password = secrets.token_urlsafe(16)
        self._broker: RepairedBroker | None = None

    async def start(self) -> Address:
        """Listen, on the running loop.

        Raises:
            BrokerError: the port is in use.
        """
        if self._broker is None:
            broker = RepairedBroker(self._port, self._username, self._password)
            try:
                await broker.start()
            except NotStarted as error:
                if isinstance(error.__cause__, OSError):
                    raise BrokerError(port_in_use(self._port, error.__cause__)) from None
                raise
            self._broker, self._port = broker, broker.port
        return Address(LOOPBACK, self._port, self._username, self._password)

    async def stop(self) -> None:
        """Break off all connections and forget everything."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()


class RepairedBroker(Broker):
    """amqtt 0.12.1 that keeps to MQTT 3.1.1 (the clauses are named where they are kept).

    The seven measured defects: (1) from Python 3.12 on, acknowledged messages are lost when their
    publisher disconnects at once; (2) unacknowledged ones are not redelivered, and given up after
    5 s; (3) all are delivered with the subscriber's QoS; (4) retained ones reach clients that
    never asked for them; (5) two connections may use one client id; (6) `$share` is granted, but
    never delivers; (7) what waited for a client is marked as retained.
    """

    def __init__(self, port: int, username: str, password: str) -> None:
        listeners = {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}}
        super().__init__({"listeners": listeners, "plugins": {}})
        self._credentials = f"{username}:{password}".encode()
        self._connected: dict[asyncio.Task[Any], Writer] = {}

    @property
    def port(self) -> int:
        """The port on which it listens."""
        sockets = self._servers["default"].instance.sockets
        return int(next(iter(sockets)).getsockname()[1])

    async def shutdown(self) -> None:
        """Break off: amqtt would wait for clients that read slowly, or never said who they are."""
        door = self._servers["default"].instance
        for listener in door.sockets:
            self._loop.remove_reader(listener)
        # Those who have knocked already come in first: Python 3.13.0 trips over a door that closes
        # on them. They are let out at once.
        await asyncio.sleep(0)
        door.close()
        while self._connected:
            for writer in self._connected.values():
                writer.abort()
            await asyncio.wait(self._connected)
        await super().shutdown()

    async def _create_server_instance(
        self, name: str, kind: ListenerType, address: str | None, port: int, ssl_context: object
    ) -> asyncio.Server:
        # amqtt asks for SO_REUSEADDR, which on Windows lets two brokers have one port.
        connected = partial(self.stream_connected, listener_name=name)
        return await asyncio.start_server(connected, address, port)

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        # asyncio has set TCP_NODELAY already.
        task, output = asyncio.current_task(), Writer(writer)
        assert task is not None
        self._connected[task] = output
        try:
            if self._servers[listener_name].instance.is_serving():
                await self._client_connected(listener_name, StreamReaderAdapter(reader), output)
        except Exception as error:  # whatever a client sends, it harms its own connection only
            self.logger.info("Connection ended: %r", error)
        finally:
            del self._connected[task]
            writer.close()

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Session]:
        handler, session = await Connection.init_from_connect(reader, writer, self.plugins_manager)
        # amqtt asks for the password when it has already thrown out the session of that name.
        if not self._knows(session):
            writer.write(ConnackPacket.build(0, NOT_AUTHORIZED).to_bytes())
            raise MQTTError(f"{session.client_id} has a wrong user or password")
        return handler, self._resumed(session)

    def _knows(self, session: Session) -> bool:
        said = f"{session.username}:{session.password}".encode()
        return hmac.compare_digest(said, self._credentials)

    def _resumed(self, session: Session) -> Session:
        """The kept session of that client id, or this new one."""
        kept, handler = self._sessions.get(session.client_id or "", (None, None))
        if isinstance(handler, Connection):
            # Defect 5, [MQTT-3.1.4-2]: the newer connection takes over, the older one ends.
            self.leave(handler)
        if session.clean_session or kept is None or kept.clean_session:
            self._forget(session)
            return session
        for name in RENEWED:
            setattr(kept, name, getattr(session, name))
        kept.parent = 1
        return kept

    async def _handle_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        client_session: Session,
        handler: BrokerProtocolHandler,
        server: Server,
        listener_name: str,
    ) -> None:
        assert isinstance(handler, Connection)
        assert isinstance(writer, Writer)
        handler.open(self, client_session, reader, writer)
        self._sessions[client_session.client_id or ""] = client_session, handler
        try:
            await handler.serve()
        finally:
            self.leave(handler)

    def leave(self, handler: Connection) -> None:
        """The end of a connection, by whichever way; the second time nothing happens."""
        session = handler.session
        if session is None:
            return
        handler.close()
        if session.clean_session:
            # amqtt does this within a second; till then the session may be resumed by mistake.
            self._forget(session)
        if session.will_flag:
            session.will_flag = False
            will = session.will_topic or "", session.will_qos, bytes(session.will_message or b"")
            self.publish(ApplicationMessage(None, *will, retain=bool(session.will_retain)))

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.client_id or "", None)
        for topic_filter in list(self._subscriptions):
            self.unsubscribe(topic_filter, session)

    def publish(self, message: ApplicationMessage) -> None:
        """Hand a message to all who subscribed; when this returns, it is in their sessions."""
        topic, qos, payload = message.topic, message.qos or 0, message.data
        for session, granted in self._receivers(topic):
            # Defect 3, [MQTT-3.8.4-6]: the smaller QoS counts.
            self._hand_over(session, topic, payload, min(qos, granted))
        if message.retain and payload:
            self._retained_messages[topic] = RetainedApplicationMessage(None, topic, payload, qos)
        elif message.retain:
            self._retained_messages.pop(topic, None)

    def _receivers(self, topic: str) -> Iterator[tuple[Session, int]]:
        once: dict[str | None, tuple[Session, int]] = {}
        for topic_filter, members in self._subscriptions.items():
            if topic_filter.startswith(SHARED):
                # Defect 6, specified in MQTT 5 only: one of the group receives it, by turns.
                if self._matches(topic, topic_filter.split("/", 2)[2]):
                    yield self._next_of(members)
            elif self._matches(topic, topic_filter):
                for session, granted in members:
                    # [MQTT-3.3.5-1]: where subscriptions overlap, the highest QoS counts.
                    known = once.get(session.client_id)
                    once[session.client_id] = session, max(granted, known[1] if known else 0)
        yield from once.values()

    def _next_of(self, members: list[tuple[Session, int]]) -> tuple[Session, int]:
        there = [place for place, (one, _) in enumerate(members) if self._connection_of(one)]
        turn = members.pop(there[0] if there else 0)
        members.append(turn)
        return turn

    def _hand_over(
        self,
        session: Session,
        topic: str,
        payload: bytes | bytearray,
        qos: int,
        *,
        retain: bool = False,
    ) -> None:
        connection = self._connection_of(session)
        if qos or connection:
            # Defect 7, [MQTT-3.3.1-9]: what waits keeps its own retain flag.
            message = ApplicationMessage(None, topic, qos, payload, retain)
            session.retained_messages.put_nowait(message)
        if connection:
            connection.send_waiting()

    def _connection_of(self, session: Session) -> Connection | None:
        handler = self._sessions.get(session.client_id or "", (None, None))[1]
        return handler if isinstance(handler, Connection) and handler.session else None

    async def subscribe(self, topic_filter: str, qos: int, session: Session) -> int:
        """The QoS granted, or REFUSED."""
        if topic_filter.startswith(SHARED) and topic_filter.count("/") < 2:
            return REFUSED
        # [MQTT-3.8.4-3]: a second subscription replaces the first; amqtt keeps the first one's QoS.
        self.unsubscribe(topic_filter, session)
        return await self.add_subscription((topic_filter, qos), session)

    def unsubscribe(self, topic_filter: str, session: Session) -> None:
        """Without effect where there is no such subscription."""
        self._del_subscription(topic_filter, session)
        if not self._subscriptions.get(topic_filter, True):
            del self._subscriptions[topic_filter]

    def send_retained(self, topic_filter: str, granted: int, session: Session) -> None:
        """What is retained under a new subscription."""
        # Defect 4, [MQTT-3.3.1-6]: in answer to SUBSCRIBE only, not to every client that connects.
        for topic, retained in self._retained_messages.items():
            if self._matches(topic, topic_filter):
                qos = min(granted, retained.qos or 0)
                self._hand_over(session, topic, retained.data, qos, retain=True)


class Writer(StreamWriterAdapter):
    """Writes to a connection for as long as it has another end."""

    def write(self, data: bytes) -> None:
        # asyncio would log each write to a connection that is gone.
        if not self._writer.is_closing():
            self._writer.write(data)

    def finish(self) -> None:
        """Close when all is sent."""
        self._writer.close()

    def abort(self) -> None:
        """Close at once; what is not sent yet is lost."""
        self._writer.transport.abort()


class Connection(BrokerProtocolHandler):
    """One client's connection: takes its packets one by one, and sends what waits for it."""

    def open(
        self, broker: RepairedBroker, session: Session, reader: ReaderAdapter, writer: Writer
    ) -> None:
        """Welcome the client; first comes again what it has not acknowledged, then what waited."""
        self.attach(session, reader, writer)
        self._broker, self._output = broker, writer
        self._heard = self._loop.time()
        self._say(ConnackPacket.build(session.parent, 0))
        # Defect 2, [MQTT-4.4.0-1] and [MQTT-4.6.0-1]: again, as a duplicate, in the old order.
        for number, message in session.inflight_out.items():
            if message.pubrec_packet:
                self._say(PubrelPacket.build(number))
            else:
                self._say(message.build_publish_packet(dup=True))
        self.send_waiting()
        if session.keep_alive:
            self._watch(1.5 * session.keep_alive)

    def close(self) -> None:
        """End the connection; what has been said still gets out."""
        self.detach()
        if self._keepalive_task:
            self._keepalive_task.cancel()
        self._output.finish()

    def _watch(self, limit_seconds: float) -> None:
        # [MQTT-3.1.2-24]: who has been silent for one and a half times the keep alive, is gone.
        silent = self._loop.time() - self._heard
        if silent >= limit_seconds:
            self._output.abort()
        else:
            rest = limit_seconds - silent
            self._keepalive_task = self._loop.call_later(rest, self._watch, limit_seconds)

    async def serve(self) -> None:
        """Take packets until the client says goodbye or goes away without."""
        reader = self.reader
        while self.session is not None and reader is not None:
            header = await MQTTFixedHeader.from_stream(reader)
            if header is None:
                return
            packet = await packet_class(header).from_stream(reader, fixed_header=header)
            self._heard = self._loop.time()
            # Taken over while the packet came in: it belongs to nobody now.
            if self.session is not None:
                await self._take(packet, self.session)
            # A burst that is already here must not keep the others on this loop waiting.
            await asyncio.sleep(0)

    async def _take(self, packet: Packet, session: Session) -> None:
        match packet:
            case PublishPacket():
                self._take_message(packet, session)
            case PubackPacket() | PubcompPacket():
                session.inflight_out.pop(packet.packet_id, None)
                self.send_waiting()
            case PubrecPacket():
                if message := session.inflight_out.get(packet.packet_id):
                    message.pubrec_packet = packet
                self._say(PubrelPacket.build(packet.packet_id))
            case PubrelPacket():
                self._take_second_half(packet, session)
            case SubscribePacket():
                await self._take_subscriptions(packet, session)
            case UnsubscribePacket():
                self._drop_subscriptions(packet, session)
            case PingReqPacket():
                self._say(PingRespPacket.build())
            case DisconnectPacket():
                session.will_flag = False  # [MQTT-3.14.4-3]: a goodbye takes the will back
                self._broker.leave(self)
            case _:
                raise MQTTError(f"{type(packet).__name__} is nothing that a client may say here")

    def _take_message(self, packet: PublishPacket, session: Session) -> None:
        number, topic, qos = packet.packet_id or 0, packet.topic_name, packet.qos or 0
        if not topic or qos == 3:
            raise MQTTError("[MQTT-4.7.3-1] or [MQTT-3.3.1-4]: no topic, or a QoS of 3")
        message = IncomingApplicationMessage(
            number, topic, qos, packet.data or b"", packet.retain_flag
        )
        if qos == 2:
            # Kept till PUBREL comes, so that a repetition of it is known as one.
            session.inflight_in[number] = message
            return self._say(PubrecPacket.build(number))
        self._broker.publish(message)
        # Defect 1: acknowledged when it is in the sessions of its receivers, and no sooner.
        if qos == 1:
            self._say(PubackPacket.build(number))

    def _take_second_half(self, packet: PubrelPacket, session: Session) -> None:
        if message := session.inflight_in.pop(packet.packet_id, None):
            self._broker.publish(message)
        self._say(PubcompPacket.build(packet.packet_id))

    async def _take_subscriptions(self, packet: SubscribePacket, session: Session) -> None:
        assert packet.payload is not None
        assert packet.variable_header is not None
        wanted = packet.payload.topics
        granted = [await self._broker.subscribe(filter, qos, session) for filter, qos in wanted]
        self._say(SubackPacket.build(packet.variable_header.packet_id, granted))
        for (topic_filter, _), qos in zip(wanted, granted, strict=True):
            if qos != REFUSED:
                self._broker.send_retained(topic_filter, qos, session)

    def _drop_subscriptions(self, packet: UnsubscribePacket, session: Session) -> None:
        assert packet.payload is not None
        assert packet.variable_header is not None
        for topic_filter in packet.payload.topics:
            self._broker.unsubscribe(topic_filter, session)
        self._say(UnsubackPacket.build(packet.variable_header.packet_id))

    def send_waiting(self) -> None:
        """Send what waits in the session, in its order, as far as the window is open.

        amqtt gives each message a task of its own (so their order is luck), and gives up after 5 s.
        Here a message stays in flight until the client acknowledges it, however long that takes.
        """
        session = self.session
        if session is None:
            return
        waiting = session.retained_messages
        while not waiting.empty() and len(session.inflight_out) < WINDOW:
            what = waiting.get_nowait()
            number = session.next_packet_id if what.qos else None
            message = OutgoingApplicationMessage(
                number, what.topic, what.qos, what.data, what.retain
            )
            if number:
                session.inflight_out[number] = message
            self._say(message.build_publish_packet())

    def _say(self, packet: Packet) -> None:
        self._output.write(packet.to_bytes())
