"""The festival with one who directs: the others do as they are told, and hear of nothing."""

import asyncio
from collections import defaultdict

from labkit.shop.festival import (
    SEATS,
    BandArrived,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    StormBroke,
    bank_pays,
)
from labkit.system.errors import CommandFailed, Refused
from labkit.system.saga import NOTHING, Saga
from labkit.system.service import Service, command, on


class Seats(Service):
    """Keeps a seat for each order, as long as there are any."""

    @command
    async def reserve(self, order_id: str) -> None:
        if self.done("taken back", order_id):
            raise Refused("the order has been taken back")
        taken = self.times("reserved") - self.times("released")
        if not self.done("reserved", order_id) and taken == SEATS:
            self.effect("sold out", order_id, once=order_id)
        if self.done("sold out", order_id):
            raise Refused("sold out")
        self.effect("reserved", order_id, once=order_id)

    @command
    async def release(self, order_id: str) -> None:
        # The reservation may still be on its way: then it must not happen any more.
        self.effect("taken back", order_id, once=order_id)
        if self.done("reserved", order_id):
            self.effect("released", order_id, once=order_id)


class Payment(Service):
    """Takes the price of a seat, and gives it back."""

    @command
    async def charge(self, order_id: str, amount: int) -> None:
        if self.done("taken back", order_id) or not bank_pays(order_id):
            raise Refused("the bank said no")
        self.effect("charged", order_id, amount, once=order_id)

    @command
    async def refund(self, order_id: str) -> None:
        self.effect("taken back", order_id, once=order_id)
        if charge := self.done("charged", order_id):
            self.effect("refunded", order_id, charge.amount, once=order_id)


class SoundCheck(Service):
    """Listens to the band."""

    @command
    async def check(self, band: str) -> None:
        self.effect("checked", band, once=band)


class Badges(Service):
    """Hands over badges."""

    @command
    async def hand_over(self, order_id: str) -> None:
        self.effect("shipped", order_id, once=order_id)


class Director(Service):
    """Knows how far each order is, whether the sound is right, and what the weather does."""

    def __init__(self) -> None:
        self.one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.news = asyncio.Condition()

    @on(BandArrived)
    async def check_sound(self, arrived: BandArrived) -> None:
        async with Saga(self, arrived.band) as saga:
            await saga.pivot(SoundCheck.check, band=arrived.band)
        await self.note("sound is right")

    @on(StormBroke)
    async def cancel(self, storm: StormBroke) -> None:
        await self.note("storm")

    @on(OrderPlaced)
    async def sell(self, order: OrderPlaced) -> None:
        order_id = order.order_id
        # A copy of the order waits: of two sagas, one would take back what the other gives.
        async with self.one_at_a_time[order_id]:
            try:
                await self.walk(order_id, order.amount)
            except CommandFailed as error:
                # What may have been decided is not rejected: the saga has told a person.
                if self.done("rejected", order_id):
                    await self.publish(OrderRejected(order_id=order_id, reason=str(error)))
            else:
                await self.publish(OrderConfirmed(order_id=order_id))

    async def walk(self, order_id: str, amount: int) -> None:
        async with Saga(self, order_id) as saga:
            # Harmless where nothing was done; and what was done before a crash is owed as well.
            saga.owe(Seats.release, order_id=order_id)
            saga.owe(Payment.refund, order_id=order_id)
            try:
                if self.done("rejected", order_id):
                    raise Refused("it has been rejected")
                if not self.done("asked for the badge", order_id):
                    await self.prepare(saga, order_id, amount)
                await saga.pivot(Badges.hand_over, order_id=order_id)
            except CommandFailed:
                if not saga.decided:
                    self.effect("rejected", order_id, once=order_id)
                raise

    async def prepare(self, saga: Saga, order_id: str, amount: int) -> None:
        await saga.step(Seats.reserve, undo=NOTHING, order_id=order_id)
        await saga.step(Payment.charge, undo=NOTHING, order_id=order_id, amount=amount)
        async with self.news:
            await self.news.wait_for(lambda: self.heard("storm") or self.heard("sound is right"))
        if self.heard("storm"):
            raise Refused("a storm broke")
        self.effect("asked for the badge", order_id, once=order_id)

    async def note(self, news: str) -> None:
        self.effect(news, "festival", once="festival")
        async with self.news:
            self.news.notify_all()

    def heard(self, news: str) -> bool:
        return self.done(news, "festival") is not None


SERVICES = [Director, Seats, Payment, SoundCheck, Badges]
STYLE = "orchestration"
