"""The festival of two domains: in the box office one directs, at the gate nobody does."""

import asyncio
from collections import defaultdict
from contextlib import suppress

from labkit.shop.festival import (
    SEATS,
    BadgeHandedOver,
    BadgeRefused,
    BandArrived,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    SoundCheckPassed,
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


class BoxOffice(Service):
    """Directs what is sold; the gate hears who has paid, and says who is in."""

    def __init__(self) -> None:
        self.one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @on(OrderPlaced)
    async def sell(self, order: OrderPlaced) -> None:
        order_id, amount = order.order_id, order.amount
        # A copy of the order waits: of two sagas, one would take back what the other gives.
        async with self.one_at_a_time[order_id]:
            if self.done("rejected", order_id):
                return await self.reject(order_id, "it has been rejected")
            # From here on the gate decides: a copy of the order takes nothing back.
            if not self.done("handed to the gate", order_id):
                try:
                    async with Saga(self, order_id) as saga:
                        await self.prepare(saga, order_id, amount)
                except CommandFailed as no:
                    return await self.reject(order_id, str(no))
            await self.publish(PaymentCharged(order_id=order_id, amount=amount))

    async def prepare(self, saga: Saga, order_id: str, amount: int) -> None:
        self.owe_all(saga, order_id)
        await saga.step(Seats.reserve, undo=NOTHING, order_id=order_id)
        await saga.step(Payment.charge, undo=NOTHING, order_id=order_id, amount=amount)
        self.effect("handed to the gate", order_id, once=order_id)

    @on(BadgeHandedOver)
    async def confirm(self, badge: BadgeHandedOver) -> None:
        await self.publish(OrderConfirmed(order_id=badge.order_id))

    @on(BadgeRefused)
    async def take_back(self, no: BadgeRefused) -> None:
        with suppress(Refused):
            async with Saga(self, no.order_id) as saga:
                self.owe_all(saga, no.order_id)
                raise Refused(no.reason)
        await self.reject(no.order_id, no.reason)

    def owe_all(self, saga: Saga, order_id: str) -> None:
        """Harmless where nothing was done; and what was done before a crash is owed as well."""
        saga.owe(Seats.release, order_id=order_id)
        saga.owe(Payment.refund, order_id=order_id)

    async def reject(self, order_id: str, reason: str) -> None:
        self.effect("rejected", order_id, once=order_id)
        await self.publish(OrderRejected(order_id=order_id, reason=reason))


class SoundCheck(Service):
    """Listens to the band."""

    @on(BandArrived)
    async def check(self, arrived: BandArrived) -> None:
        self.effect("checked", arrived.band, once=arrived.band)
        await self.publish(SoundCheckPassed(band=arrived.band))


class Badges(Service):
    """Decides: a badge needs the money and the sound, and comes before the storm or never."""

    @on(PaymentCharged)
    async def hear_of_money(self, payment: PaymentCharged) -> None:
        # Numbered, so that all who have paid are found again after a crash.
        self.effect("paid", str(self.times("paid") + 1), once=payment.order_id)
        await self.decide(payment.order_id)

    @on(SoundCheckPassed, StormBroke)
    async def hear_news(self, news: SoundCheckPassed | StormBroke) -> None:
        self.effect(type(news).__name__, "festival", once="festival")
        for number in range(1, self.times("paid") + 1):
            if paid := self.done("paid", str(number)):
                await self.decide(paid.once)

    async def decide(self, order_id: str) -> None:
        if not self.done("shipped", order_id) and not self.done("turned away", order_id):
            if self.done("StormBroke", "festival"):
                self.effect("turned away", order_id, once=order_id)
            elif self.done("SoundCheckPassed", "festival"):
                self.effect("shipped", order_id, once=order_id)
        # Said again if need be: it may have died between the deed and the word.
        if self.done("shipped", order_id):
            await self.publish(BadgeHandedOver(order_id=order_id))
        elif self.done("turned away", order_id):
            await self.publish(BadgeRefused(order_id=order_id, reason="a storm broke"))


SERVICES = [BoxOffice, Seats, Payment, SoundCheck, Badges]
STYLE = "hybrid"
DOMAINS = {"box office": [BoxOffice, Seats, Payment], "gate": [SoundCheck, Badges]}
