"""A style: which services there are, and with which message an order enters among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from labkit.lab import Lab
from labkit.shop import OrderPlaced, busy
from labkit.system.errors import CommandFailed
from labkit.system.message import Event
from labkit.system.service import Command, Service, command

AMOUNT = 129_900
# How long a customer waits for an answer, and a day for its last customer.
CUSTOMER_SECONDS, DAY_SECONDS = 3600.0, 36_000.0


@dataclass(frozen=True)
class Style:
    """One way to wire the same work.

    name: as it stands above a column. services: classes, or instances where one needs settings.
    enters: the command or the event with which an order begins; it takes order_id and amount.
    """

    name: str
    services: tuple[type[Service] | Service, ...]
    enters: Command[Any, Any] | type[Event]


WORKERS = (busy.Payment, busy.Inventory, busy.Shipping)
ORCHESTRATED = Style(
    "orchestrated", (busy.OrderOrchestrator, *WORKERS), busy.OrderOrchestrator.place_order
)
CHOREOGRAPHED = Style("choreographed", (busy.Order, *WORKERS), OrderPlaced)


class Customers(Service):
    """They come one after the other, so many a second, and each of them waits for an answer."""

    def __init__(
        self, style: Style, orders: int, per_second: float, one_more: Callable[[], object]
    ) -> None:
        self.enters, self.orders, self.per_second = style.enters, orders, per_second
        self.one_more = one_more

    @command
    async def come(self) -> None:
        """Place all orders; done when each of those who wait for an answer has one."""
        placed = []
        for number in range(1, self.orders + 1):
            # In a context of its own: each order begins a story, and is caused by no other.
            order = self._order(f"o-{number}")
            placed.append(asyncio.get_running_loop().create_task(order, context=Context()))
            await asyncio.sleep(1 / self.per_second)
            self.one_more()
        await asyncio.gather(*placed)

    async def _order(self, order_id: str) -> None:
        if not isinstance(self.enters, Command):
            return await self.publish(self.enters(order_id=order_id, amount=AMOUNT))
        with suppress(CommandFailed):
            await self.call(
                self.enters, order_id=order_id, amount=AMOUNT, timeout_seconds=CUSTOMER_SECONDS
            )


async def day(
    style: Style,
    orders: int,
    per_second: float,
    one_more: Callable[[], object] = lambda: None,
    **lab: Any,
) -> Lab:
    """One day of a shop, until all is quiet; `lab` says where it is and what goes wrong.

    one_more: called after each order that is placed.
    """
    customers = Customers(style, orders, per_second, one_more)
    async with Lab(*style.services, customers, **lab) as running:
        await running.call(Customers.come, timeout_seconds=DAY_SECONDS)
        await running.quiet(at_most_seconds=DAY_SECONDS)
    return running
