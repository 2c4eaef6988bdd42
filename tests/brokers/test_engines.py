"""RabbitMQ and NATS by their MQTT: the same services, the same stories, and told differences."""

import asyncio
import functools
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from labkit import BrokerError, Lab, process
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    Payment,
    Shipping,
    careful,
)
from labkit.system.broker import Address, Elsewhere, broker_for
from labkit.system.daemon import kept_port
from labkit.system.nats import Nats
from labkit.system.probes import PROBES, Guest, conformance
from labkit.system.rabbitmq import RabbitMQ
from tests.brokers.hosting import running

CHOREOGRAPHED = (Order, Payment, Inventory, Shipping, Notification)
ORCHESTRATED = (OrderOrchestrator, Payment, Inventory, Shipping)
AS_THE_PROTOCOL_SAYS = {
    "QoS 2": "yes",
    "retained, by a wildcard": "5 of 5",
    "crash with a message in hand": "comes again",
    "ten messages, two share": "5 + 5",
    "a dot in a topic": "carried",
    "two subscriptions, one message": "1 copy",
    "last will": "is told",
}
# Debian 12's RabbitMQ 3.10.8 and NATS 2.9.10; later ones can do more.
DIFFERENCES = {
    "embedded": {},
    "mosquitto": {},
    "rabbitmq": {
        "QoS 2": "made QoS 1",
        "retained, by a wildcard": "0 of 5",
        "ten messages, two share": "0 + 0",
    },
    "nats": {
        "QoS 2": "never confirmed",
        "crash with a message in hand": "not at once",
        "ten messages, two share": "0 + 0",
        "a dot in a topic": "not carried",
        "two subscriptions, one message": "2 copies",
    },
}
PROGRAMS = {"rabbitmq": "rabbitmq-server", "nats": "nats-server", "mosquitto": "mosquitto"}


def runs(test):
    """A test that awaits."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


def needing(name: str):
    return pytest.param(name, marks=pytest.mark.needs(PROGRAMS[name]))


@pytest.fixture(scope="module", params=[needing("rabbitmq"), needing("nats")])
def engine(request: pytest.FixtureRequest) -> Iterator[Address]:
    with running(broker_for(request.param)) as address:
        yield address


def at(address: Address) -> Elsewhere:
    """The engine, for one lab with a namespace of its own."""
    password = address.password
    return Elsewhere(f"mqtt://{address.username}:{password}@{address.host}:{address.port}")


async def story(services: Sequence, broker) -> str:
    place = services[0].place_order
    async with Lab(*services, broker=broker) as lab:
        for nth in range(3):
            await lab.call(place, order_id=f"o-{nth}", amount=30)
            await lab.quiet()
        return lab.trace.text()


@pytest.mark.parametrize("services", [ORCHESTRATED, CHOREOGRAPHED], ids=["told", "danced"])
@runs
async def test_the_same_services_tell_the_same_story(engine, services):
    assert await story(services, at(engine)) == await story(services, "embedded")


@runs
async def test_a_service_in_a_process_is_killed_and_no_order_is_charged_twice(engine):
    shop = (
        careful.OrderOrchestrator,
        process(careful.Payment),
        careful.Inventory,
        careful.Shipping,
    )
    place = careful.OrderOrchestrator.place_order
    async with Lab(*shop, broker=at(engine)) as lab:
        await lab.call(place, order_id="o-0", amount=30)
        await lab.crash(careful.Payment)
        await lab.wake(careful.Payment)
        await lab.call(place, order_id="o-1", amount=30, timeout_seconds=20)
        assert lab.ledger.keys("charged") == ["o-0", "o-1"]


@pytest.mark.parametrize("name", ["embedded", *map(needing, PROGRAMS)])
@runs
async def test_the_probes_find_the_differences_that_are_told(name):
    found = await conformance(name)
    assert found[name] == AS_THE_PROTOCOL_SAYS | DIFFERENCES[name]
    assert set(found[name]) == set(PROBES)


def says(guest: Guest) -> str:
    return "yes" if guest.publish("asked", "x") else "never confirmed"


def listens(guest: Guest) -> str:
    return "yes" if guest.subscribe("asked") == 1 else "refused"


def breaking_off(often: int, asks):
    """A probe whose connection the broker ends so many times before anything is asked."""
    tries = iter(range(often))

    def probe(at: Address) -> str:
        with Guest(at) as guest:
            if next(tries, None) is not None:
                ended, told = threading.Event(), guest.mqtt.on_disconnect
                guest.mqtt.on_disconnect = lambda *seen: (told(*seen), ended.set())
                guest.mqtt.socket().shutdown(socket.SHUT_RDWR)
                assert ended.wait(5)
            return asks(guest)

    return probe


@pytest.mark.parametrize("asks", [says, listens])
@pytest.mark.parametrize(("often", "answer"), [(0, "yes"), (2, "yes"), (3, "broke off")])
def test_a_connection_that_ends_before_the_probe_asks_is_made_anew(
    often, answer, asks, monkeypatch
):
    monkeypatch.setattr("labkit.system.probes.PROBES", {"asked": breaking_off(often, asks)})
    assert asyncio.run(conformance("embedded")) == {"embedded": {"asked": answer}}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no port can be kept")
def test_a_port_is_kept_while_a_daemon_starts():
    with kept_port() as port:
        with socket.create_server(("127.0.0.1", port)):  # as daemons do, with SO_REUSEADDR
            pass
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


@runs
async def test_a_broker_that_is_not_installed_answers_nothing(monkeypatch):
    monkeypatch.setattr("labkit.system.nats.PLACES", ("no-such-program",))
    monkeypatch.delenv("LABKIT_NATS", raising=False)
    found = await conformance("nats")
    assert repr(found).count("not installed") == len(PROBES)
    with pytest.raises(BrokerError, match=r"NATS is not installed(.|\n)*apt install nats-server"):
        await broker_for("nats").start()


@pytest.mark.parametrize(
    ("broker", "variable"), [(Nats, "LABKIT_NATS"), (RabbitMQ, "LABKIT_RABBITMQ")]
)
@runs
async def test_an_engine_that_does_not_start_is_reported(broker, variable, monkeypatch):
    monkeypatch.setenv(variable, "false")
    with pytest.raises(BrokerError, match=f"{broker.title} was to listen at .* It ended at once"):
        await broker().start()


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for RabbitMQ")
@runs
async def test_a_rabbitmq_without_the_plug_in_says_so(tmp_path, monkeypatch):
    program = tmp_path / "rabbitmq-server"
    said = "Error: plugin rabbitmq_mqtt not found"
    program.write_text(
        f'#!/bin/sh\nmkdir -p "$RABBITMQ_LOG_BASE"\necho "{said}" > "$RABBITMQ_LOG_BASE/r.log"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("LABKIT_RABBITMQ", str(program))
    with pytest.raises(BrokerError, match="has no MQTT plug-in"):
        await RabbitMQ().start()


@pytest.mark.needs("nats-server")
@runs
async def test_a_subscription_that_is_refused_is_an_error():
    class Strict(Nats):
        """The first subscription of a client takes all that a client may have."""

        def _arguments(self, folder: Path) -> Sequence[str]:
            arguments = super()._arguments(folder)
            path = folder / "nats.conf"
            config = json.loads(path.read_text())
            config["mqtt"]["max_ack_pending"] = 65_535
            path.write_text(json.dumps(config))
            return arguments

    with pytest.raises(BrokerError, match=r"forbids .*Order to hear event/"):
        async with Lab(Order, Payment, broker=Strict()):
            pass
