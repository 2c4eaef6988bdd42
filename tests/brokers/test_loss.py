"""A consumer that really dies in the middle of its work loses nothing, on each broker."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.system.broker import Address, broker_for
from labkit.system.message import say
from labkit.system.mqtt import Mqtt
from tests.brokers.hosting import background

CONSUMER = Path(__file__).with_name("consumer.py")


def consumer(at: Address, dies_after: int) -> subprocess.Popen[str]:
    url = f"mqtt://{at.username}:{at.password}@{at.host}:{at.port}"
    return subprocess.Popen(
        [sys.executable, str(CONSUMER), url, "s-1", str(dies_after)],
        stdout=subprocess.PIPE,
        text=True,
    )


async def publish(at: Address, numbers: range) -> None:
    wire = Mqtt(at, "publisher", "s-2")
    await wire.open()
    for number in numbers:
        message = say("event", "Counted", "publisher", {"number": number}, nth=number)
        await wire.publish("event/Counted", message)
    await wire.close()


@pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))]
)
def test_of_a_hundred_messages_a_consumer_that_dies_after_ten_loses_none(broker):
    with background() as here:
        one = broker_for(broker)
        at = here.run(one.start())
        first = consumer(at, dies_after=10)
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        here.run(publish(at, range(100)))
        handled = [int(line) for line in first.communicate(timeout=20)[0].split()]
        assert first.returncode == 9
        assert len(handled) == 10

        second = consumer(at, dies_after=1000)
        assert second.stdout is not None
        while len(set(handled)) < 100:
            line = second.stdout.readline()
            handled += [int(line)] if line != "ready\n" else []
        second.kill()
        second.communicate()
        here.run(one.stop())
        here.run(asyncio.sleep(0))
    assert sorted(set(handled)) == list(range(100))
