"""The same events and commands over bare aiomqtt, labkit and FastStream, for bus.py to measure."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiomqtt

from labkit import Event, Lab, Service, command, on
from labkit.system.broker import Broker

BYTES = 328
WINDOW = 100
PATIENCE_SECONDS = 60.0
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

Send = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """Seconds of a burst of so many events; seconds of each of so many commands in a row."""

    burst: Callable[[int], Awaitable[float]]
    ask: Callable[[int], Awaitable[list[float]]]


Opened = Callable[[Broker], AbstractAsyncContextManager[Case]]


class Countdown:
    """Arrivals that are still to come; awaited from any loop."""

    def begin(self, count: int) -> None:
        self._left = count
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()

    def arrived(self) -> None:
        self._left -= 1
        if not self._left:
            self._over.set_result(None)

    async def over(self) -> None:
        await asyncio.wait_for(asyncio.wrap_future(self._over), PATIENCE_SECONDS)


async def burst(count: int, publish: Send, arrivals: Countdown) -> float:
    """Seconds from the first publish to the last reaction, `WINDOW` publishes at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await publish(number)

    arrivals.begin(count)
    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(WINDOW)))
    await arrivals.over()
    return time.perf_counter() - began


async def in_a_row(count: int, ask: Send) -> list[float]:
    """Seconds of each of so many questions, one after another."""
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        await ask(number)
        seconds.append(time.perf_counter() - began)
    return seconds


def body(number: int) -> dict[str, Any]:
    """A CloudEvent made by hand; as JSON it is `BYTES` long."""
    more = "." * (101 - len(str(number)))
    return {
        "specversion": "1.0",
        "id": "0" * 36,
        "source": "/lab/orders",
        "type": "lab.order.created",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"number": number, "more": more},
    }


# Bare aiomqtt: what one writes without a framework


@asynccontextmanager
async def bare(broker: Broker) -> AsyncIterator[Case]:
    """One client publishes and asks, another counts and answers; acknowledged on receipt."""
    address = await broker.start()

    def client() -> aiomqtt.Client:
        made = aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            max_inflight_messages=1000,
            socket_options=[NO_DELAY],
        )
        made.pending_calls_threshold = 10_000  # else it warns of a window of 100
        return made

    arrivals = Countdown()
    asked: dict[int, asyncio.Future[None]] = {}
    async with client() as here, client() as there:
        await there.subscribe([("event", 1), ("command", 1)])
        await here.subscribe("reply", qos=1)

        async def say(who: aiomqtt.Client, topic: str, number: int) -> None:
            await who.publish(topic, json.dumps(body(number)).encode(), qos=1)

        async def ask(number: int) -> None:
            answer = asked[number] = asyncio.get_running_loop().create_future()
            await say(here, "command", number)
            await asyncio.wait_for(answer, 5.0)

        async def serve() -> None:
            async for message in there.messages:
                number = json.loads(message.payload)["data"]["number"]
                if message.topic.value == "event":
                    arrivals.arrived()
                else:
                    await say(there, "reply", number)

        async def take_replies() -> None:
            async for message in here.messages:
                asked.pop(json.loads(message.payload)["data"]["number"]).set_result(None)

        tasks = [asyncio.create_task(serve()), asyncio.create_task(take_replies())]
        yield Case(
            burst=lambda count: burst(count, lambda n: say(here, "event", n), arrivals),
            ask=lambda count: in_a_row(count, ask),
        )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await broker.stop()


# labkit, as its users have it: services in a lab, every message in its trace


class Counted(Event):
    """Said by a service, with labkit's envelope around it, it is `BYTES` long as JSON."""

    order_id: str


def counted(number: int) -> Counted:
    return Counted(order_id=f"o-{number:07}")


class Counting(Service):
    """Counts events and answers commands."""

    def __init__(self) -> None:
        self.arrivals = Countdown()

    @on(Counted)
    async def count(self, event: Counted) -> None:
        self.arrivals.arrived()

    @command
    async def answer(self, number: int) -> int:
        return number


class Asking(Service):
    """Publishes and calls as services do, within the lab's own loop."""

    def __init__(self, counting: Counting) -> None:
        self.arrivals = counting.arrivals

    @command
    async def burst(self, count: int) -> float:
        return await burst(count, lambda n: self.publish(counted(n)), self.arrivals)

    @command
    async def ask(self, count: int) -> list[float]:
        return await in_a_row(count, lambda n: self.call(Counting.answer, number=n))


@asynccontextmanager
async def labkit(broker: Broker) -> AsyncIterator[Case]:
    """One service publishes and calls, another reacts and answers."""
    counting = Counting()
    async with Lab(counting, Asking(counting), broker=broker) as lab:
        yield Case(
            burst=lambda n: lab.call(Asking.burst, count=n, timeout_seconds=PATIENCE_SECONDS),
            ask=lambda n: lab.call(Asking.ask, count=n, timeout_seconds=PATIENCE_SECONDS),
        )


@asynccontextmanager
async def labkit_from_a_cell(broker: Broker) -> AsyncIterator[Case]:
    """The same, but said by the learner: each message goes to the lab's thread, the answer back."""
    counting = Counting()
    async with Lab(counting, broker=broker) as lab:
        yield Case(
            burst=lambda count: burst(count, lambda n: lab.publish(counted(n)), counting.arrivals),
            ask=lambda count: in_a_row(count, lambda n: lab.call(Counting.answer, number=n)),
        )


# FastStream


@asynccontextmanager
async def faststream(broker: Broker) -> AsyncIterator[Case]:
    """FastStream with its default settings (MQTT 5, types applied), QoS 1, and its log off."""
    from faststream.mqtt import MQTTBroker
    from faststream.security import SASLPlaintext
    from zmqtt import QoS

    address = await broker.start()

    def client() -> MQTTBroker:
        security = SASLPlaintext(address.username, address.password, use_ssl=False)
        url = f"mqtt://{address.host}:{address.port}"
        return MQTTBroker(url, security=security, logger=None)

    here, there = client(), client()
    arrivals = Countdown()
    asked: dict[int, asyncio.Future[None]] = {}

    async def say(who: MQTTBroker, topic: str, number: int) -> None:
        await who.publish(body(number), topic, qos=QoS.AT_LEAST_ONCE)

    async def ask(number: int) -> None:
        answer = asked[number] = asyncio.get_running_loop().create_future()
        await say(here, "command", number)
        await asyncio.wait_for(answer, 5.0)

    @there.subscriber("event", qos=QoS.AT_LEAST_ONCE)
    async def count(said: dict) -> None:
        arrivals.arrived()

    @there.subscriber("command", qos=QoS.AT_LEAST_ONCE)
    async def answer(said: dict) -> None:
        await say(there, "reply", said["data"]["number"])

    @here.subscriber("reply", qos=QoS.AT_LEAST_ONCE)
    async def take_reply(said: dict) -> None:
        asked.pop(said["data"]["number"]).set_result(None)

    async with here, there:
        await here.start()
        await there.start()
        yield Case(
            burst=lambda count: burst(count, lambda n: say(here, "event", n), arrivals),
            ask=lambda count: in_a_row(count, ask),
        )
    await broker.stop()
