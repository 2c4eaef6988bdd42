"""The festival: the contracts that its services keep, and the world around them.

What happens outside is told in events: an order comes (OrderPlaced), the band arrives, a storm
breaks. What an order comes to is told outside in OrderConfirmed or OrderRejected.
"""

import asyncio
from contextlib import suppress
from contextvars import Context

from labkit.shop.contracts import (
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    PaymentRefunded,
)
from labkit.system.message import Event
from labkit.system.service import Service, command, on

SEATS, PRICE = 2, 9_900
# The effects that the world sees, and whose they are.
OWNERS = {
    "reserved": "Seats",
    "released": "Seats",
    "charged": "Payment",
    "refunded": "Payment",
    "checked": "SoundCheck",
    "shipped": "Badges",
}
# The commands for those who direct, with what each takes.
COMMANDS = {
    "Seats.reserve": ("order_id",),
    "Seats.release": ("order_id",),
    "Payment.charge": ("order_id", "amount"),
    "Payment.refund": ("order_id",),
    "SoundCheck.check": ("band",),
    "Badges.hand_over": ("order_id",),
}
# How long a visitor who queues waits for an answer before the next one has a turn.
QUEUE_SECONDS = 20.0


def bank_pays(order_id: str) -> bool:
    """Whether the visitor's bank pays; it doesn't for those who are broke."""
    return "broke" not in order_id


class BandArrived(Event):
    """The band stands on the stage, and the sound can be checked."""

    band: str


class SoundCheckPassed(Event):
    """It sounds as it should: from now on badges are handed over."""

    band: str


class StormBroke(Event):
    """The festival is cancelled: who has no badge by now gets none."""

    warning: str


class SeatReserved(Event):
    """A seat is kept for this order; it carries what the next one needs."""

    order_id: str
    amount: int


class SeatRefused(Event):
    """There is no seat left."""

    order_id: str
    reason: str


class SeatReleased(Event):
    """The seat can be sold again."""

    order_id: str


class BadgeHandedOver(Event):
    """The visitor is in."""

    order_id: str


class BadgeRefused(Event):
    """The visitor stays outside."""

    order_id: str
    reason: str


class Visitors(Service):
    """They want tickets, and hear what has come of it."""

    def __init__(self) -> None:
        self._told: dict[str, asyncio.Event] = {}

    @command
    async def come(self, at_seconds: dict[str, float]) -> None:
        """Each of them orders at a time of its own."""
        began = asyncio.get_running_loop().time()
        for order_id, seconds in sorted(at_seconds.items(), key=lambda each: each[1]):
            await asyncio.sleep(began + seconds - asyncio.get_running_loop().time())
            await said(self, OrderPlaced(order_id=order_id, amount=PRICE))

    @command
    async def queue(self, order_ids: list[str]) -> None:
        """The next one orders when the one before has been told."""
        for order_id in order_ids:
            told = self._told[order_id] = asyncio.Event()
            await said(self, OrderPlaced(order_id=order_id, amount=PRICE))
            with suppress(TimeoutError):
                async with asyncio.timeout(QUEUE_SECONDS):
                    await told.wait()

    @on(OrderConfirmed, OrderRejected)
    async def hear(self, end: OrderConfirmed | OrderRejected) -> None:
        """What has come of an order."""
        if end.order_id in self._told:
            self._told[end.order_id].set()


class Band(Service):
    """It arrives some time."""

    @command
    async def arrive(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        await said(self, BandArrived(band="The Resets"))


class Weather(Service):
    """It holds, or it doesn't."""

    @command
    async def turn(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        await said(self, StormBroke(warning="gusts of 110 km/h"))

    @command
    async def hold(self, seconds: float) -> None:
        """Stay as it is for a while."""
        await asyncio.sleep(seconds)


WORLD = (Visitors, Band, Weather)


async def said(by: Service, event: Event) -> None:
    """Publish in a context of its own: what comes from outside begins a story."""
    await asyncio.get_running_loop().create_task(by.publish(event), context=Context())


__all__ = [
    "COMMANDS",
    "OWNERS",
    "PRICE",
    "SEATS",
    "WORLD",
    "BadgeHandedOver",
    "BadgeRefused",
    "Band",
    "BandArrived",
    "OrderConfirmed",
    "OrderPlaced",
    "OrderRejected",
    "PaymentCharged",
    "PaymentDeclined",
    "PaymentRefunded",
    "SeatRefused",
    "SeatReleased",
    "SeatReserved",
    "SoundCheckPassed",
    "StormBroke",
    "Visitors",
    "Weather",
    "bank_pays",
]
