"""What a scene with a lab needs: both brokers, an event loop of its own, and patience that ends."""

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from labkit.system.broker import Address
from tests.brokers.probes import Client

PATIENCE_SECONDS = 30.0
BROKERS = ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))]

Scene = Callable[..., Coroutine[Any, Any, None]]


def scene(test: Scene) -> Callable[..., None]:
    """Run an asynchronous test as a notebook does: on a loop that is not labkit's."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), PATIENCE_SECONDS))

    return run


def on_both_brokers(test: Scene) -> Callable[..., None]:
    """A scene that is the same on the embedded broker and on Mosquitto."""
    return pytest.mark.parametrize("broker", BROKERS)(scene(test))


async def until(condition: Callable[[], Any]) -> None:
    """Return as soon as the condition holds; fail when the patience ends first."""
    async with asyncio.timeout(PATIENCE_SECONDS / 2):
        while not condition():  # noqa: ASYNC110 -- what is looked at lives in another thread
            await asyncio.sleep(0.005)


async def tell(address: Address, topic: str, payload: str | bytes | dict[str, Any]) -> None:
    """Publish as a foreign client does, and return when the broker has it."""
    body = json.dumps(payload) if isinstance(payload, dict) else payload

    def publish() -> None:
        with Client(address) as client:
            client.publish(address.topic(topic), body)

    await asyncio.to_thread(publish)


def cloud_event(type: str, /, data: object = None, **attributes: Any) -> dict[str, Any]:
    """The least that CloudEvents 1.0 asks for."""
    return {
        "specversion": "1.0",
        "id": "erp-1",
        "source": "/erp",
        "type": type,
        "data": data,
        **attributes,
    }
