"""A connection can be left at every moment, also while it is being made."""

import asyncio
from collections.abc import AsyncIterator

import aiomqtt
import pytest

from labkit.system.broker import Address
from labkit.system.errors import BrokerError
from labkit.system.mqtt import Connection


class Stubborn:
    """A client that is still at one point of its way, and may take a cancellation for an answer."""

    def __init__(self, stays_at: str) -> None:
        self.stays_at, self.there = stays_at, asyncio.Event()
        self._client = self
        self._pending_publishes: dict[int, asyncio.Event] = {}
        self._disconnected = asyncio.get_running_loop().create_future()

    async def pass_by(self, point: str) -> None:
        if point == self.stays_at:
            self.there.set()
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                if point == "refused":
                    raise aiomqtt.MqttError("The client is not currently connected.") from None

    async def __aenter__(self) -> "Stubborn":
        await self.pass_by("connecting")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def subscribe(self, _: str, qos: int) -> tuple[int]:
        await self.pass_by("subscribing")
        await self.pass_by("refused")
        return (qos,)

    def socket(self) -> None:
        """There is none that could be cut."""

    @property
    async def messages(self) -> AsyncIterator[None]:
        if self.stays_at == "listening":
            self.there.set()
        await asyncio.get_running_loop().create_future()
        yield


@pytest.mark.parametrize("point", ["connecting", "subscribing", "refused", "listening"])
@pytest.mark.parametrize("abruptly", [True, False])
def test_who_leaves_while_it_connects_is_gone_and_nobody_waits_for_it(point, abruptly):
    async def leave_at_once():
        connection, client = Connection(Address("here", 1883), "Payment", "lab"), Stubborn(point)
        connection._new_client = lambda: client
        await connection.subscribe("event/OrderPlaced", print)
        opening = asyncio.create_task(connection.open())
        await client.there.wait()
        supervisor = connection._supervisor
        async with asyncio.timeout(5):
            await connection.leave(abruptly=abruptly)
            await opening
        return supervisor.done()

    assert asyncio.run(leave_at_once())


def test_who_can_not_even_make_a_client_is_told():
    async def open_it():
        connection = Connection(Address("here", 1883), "Payment", "lab")

        def fail():
            raise ValueError("no such topic")

        connection._new_client = fail
        async with asyncio.timeout(5):
            await connection.open()

    with pytest.raises(BrokerError, match="no such topic"):
        asyncio.run(open_it())
