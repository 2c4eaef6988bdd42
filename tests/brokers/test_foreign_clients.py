"""Clients that know nothing of labkit take part: they speak, listen, and send rubbish."""

import asyncio
import json
import subprocess

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from labkit import Lab, Service, command, on
from labkit.shop import Inventory, Notification, Order, OrderPlaced, Payment, Shipping

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
DANCERS = [Payment, Notification, Inventory, Shipping, Order]


def order(**data):
    """An OrderPlaced as another program would write it, with what CloudEvents requires."""
    attributes = {"specversion": "1.0", "id": "17", "source": "/till/3", "type": "OrderPlaced"}
    return json.dumps({**attributes, "data": data})


def client(program, at, *more):
    login = ["-h", at.host, "-p", str(at.port), "-u", at.username, "-P", at.password]
    return [program, *login, *more]


def publish(program, at, topic, payload):
    """Publish as `mosquitto_pub` does, in a process of its own."""
    arguments = client(program("mosquitto_pub"), at, "-q", "1", "-t", topic, "-s")
    subprocess.run(arguments, input=payload, check=True, timeout=20)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (the lab lives on another loop)
            await asyncio.sleep(0.01)


@on_each_broker
@pytest.mark.needs("mosquitto_pub")
def test_an_order_from_a_foreign_client_is_shipped(broker, program):
    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            payload = order(order_id="o-1", amount=30, colour="red").encode()
            await asyncio.to_thread(publish, program, lab.address, "event/OrderPlaced", payload)
            await until(lambda: lab.ledger.keys("shipped"))
            trace = await lab.quiet()
            return trace.text().splitlines(), lab.ledger.keys("shipped")

    lines, shipped = asyncio.run(run())
    assert shipped == ["o-1"]
    assert lines[0] == "/till/3 → Payment, Notification: OrderPlaced"


class Grumbler(Service):
    @command
    async def fail(self) -> None:
        raise ValueError("no")

    @on(OrderPlaced)
    async def drop(self, order):
        raise ValueError("no")


@on_each_broker
@pytest.mark.needs("mosquitto_sub")
def test_a_foreign_listener_reads_every_message_as_a_cloud_event(broker, program):
    async def run():
        async with Lab(*DANCERS, Grumbler, broker=broker) as lab:
            listener = subprocess.Popen(  # noqa: ASYNC220  (starting it takes no time)
                client(program("mosquitto_sub"), lab.address, "-q", "1", "-t", "#", "-F", "%p"),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert listener.stdout is not None
            # What is retained, each service's status, comes first: then it listens.
            heard = [await asyncio.to_thread(listener.stdout.readline) for _ in range(7)]
            await lab.call(Order.place_order, order_id="o-1", amount=30)
            with pytest.raises(Exception, match="no"):
                await lab.call(Grumbler.fail)
            trace = await lab.quiet()
            missing = len(trace)
            heard += [await asyncio.to_thread(listener.stdout.readline) for _ in range(missing)]
            listener.kill()
            listener.communicate()
            return heard, trace

    heard, trace = asyncio.run(run())
    events = [JSONFormat().read(CloudEvent, line) for line in heard]
    assert {event.get_extension("kind") for event in events} == {
        "status",
        "event",
        "command",
        "reply",
        "dead",
    }
    assert {event.get_id() for event in events} >= {message.id for message in trace.sent()}
    assert all(event.get_specversion() == "1.0" for event in events)


RUBBISH = {
    "no JSON": (b"hello", "not JSON"),
    "no CloudEvent": (b'{"order_id": "o-1"}', "no CloudEvent 1.0"),
    "a list": (b"[1, 2]", "no CloudEvent"),
    "another version": (order().replace('"1.0"', '"0.3"').encode(), "no CloudEvent 1.0"),
    "bytes": (b"\xff\xfe\x00", "not JSON"),
    "very deep": (b"[" * 100_000, "not JSON"),
    "too large": (b"x" * 2_000_000, "2,000,000 bytes"),
    "a missing field": (order(order_id="o-1").encode(), "amount is missing"),
    "a wrong field": (order(order_id="o-1", amount="much").encode(), "amount='much'"),
    "another type": (order().replace("OrderPlaced", "Gossip").encode(), "it says that it is"),
}


@on_each_broker
@pytest.mark.needs("mosquitto_pub")
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_becomes_a_dead_letter_and_harms_no_other_message(broker, rubbish, program, capsys):
    payload, words = RUBBISH[rubbish]

    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            await asyncio.to_thread(publish, program, lab.address, "event/OrderPlaced", payload)
            await until(lambda: len([m for m in lab.trace.sent() if m.kind == "dead"]) == 2)
            await lab.publish(OrderPlaced(order_id="o-2", amount=30))
            trace = await lab.quiet()
            return trace, lab.ledger.keys("shipped")

    trace, shipped = asyncio.run(run())
    assert shipped == ["o-2"]
    buried = {m.sender: m.reason for m in trace.sent() if m.kind == "dead"}
    assert set(buried) == {"Payment", "Notification"}
    assert all(words in reason for reason in buried.values())
    assert f"Payment could not handle OrderPlaced: {words}"[:30] in capsys.readouterr().out
    assert all(words in line for line in trace.problems())


@on_each_broker
@pytest.mark.needs("mosquitto_pub")
def test_an_unknown_command_is_answered_with_those_that_there_are(broker, program):
    async def run():
        async with Lab(Payment, broker=broker) as lab:
            asked = order().replace("OrderPlaced", "refnd").encode()
            await asyncio.to_thread(publish, program, lab.address, "command/Payment/refnd", asked)
            await until(lambda: lab.trace.failed())
            await lab.call(Payment.charge, order_id="o-1", amount=3)
            return lab.trace.problems(), lab.ledger.keys("charged")

    problems, charged = asyncio.run(run())
    assert charged == ["o-1"]
    assert problems == [
        "Payment could not handle Payment.refnd: "
        "Payment has no command refnd (did you mean refund?); it has charge, refund."
    ]
