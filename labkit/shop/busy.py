"""The careful shop on a busy day: work takes time, and each service has only so many hands.

Both styles try four times, so that they differ in nothing but who asks whom.
"""

import asyncio
from typing import ClassVar

from labkit.shop import careful
from labkit.system.service import command

WORK_SECONDS, HANDS = 0.2, 4
RETRIES = 3  # a conductor asks four times; so does a reaction, with three retries


class Payment(careful.Payment):
    """Takes money, and some time for it."""

    at_once: ClassVar[int] = HANDS
    retries: ClassVar[int] = RETRIES

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        await asyncio.sleep(WORK_SECONDS)
        return await super().charge(order_id, amount)


class Inventory(careful.Inventory):
    """Lays goods aside, which takes some time."""

    at_once: ClassVar[int] = HANDS
    retries: ClassVar[int] = RETRIES

    @command
    async def reserve(self, order_id: str) -> None:
        await asyncio.sleep(WORK_SECONDS)
        await super().reserve(order_id)


class Shipping(careful.Shipping):
    """Sends parcels, each of which takes some time."""

    at_once: ClassVar[int] = HANDS
    retries: ClassVar[int] = RETRIES

    @command
    async def ship(self, order_id: str) -> str:
        await asyncio.sleep(WORK_SECONDS)
        return await super().ship(order_id)


class Order(careful.Order):
    """Says how each order has ended; that takes no time."""

    retries: ClassVar[int] = RETRIES


class OrderOrchestrator(careful.OrderOrchestrator):
    """Conducts as many orders at once as there are: it only waits, and that takes no hands."""

    at_once: ClassVar[int] = 10_000
