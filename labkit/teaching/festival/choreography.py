"""The festival with nobody in charge: each reacts to what has happened."""

from labkit.shop.festival import (
    SEATS,
    BadgeHandedOver,
    BadgeRefused,
    BandArrived,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    PaymentRefunded,
    SeatRefused,
    SeatReleased,
    SeatReserved,
    SoundCheckPassed,
    StormBroke,
    bank_pays,
)
from labkit.system.service import Service, on


class Seats(Service):
    """Keeps a seat for each order, as long as there are any."""

    @on(OrderPlaced)
    async def reserve(self, order: OrderPlaced) -> None:
        order_id = order.order_id
        taken = self.times("reserved") - self.times("released")
        if not self.done("reserved", order_id) and taken == SEATS:
            self.effect("sold out", order_id, once=order_id)
        if self.done("sold out", order_id):
            await self.publish(SeatRefused(order_id=order_id, reason="sold out"))
        else:
            self.effect("reserved", order_id, once=order_id)
            await self.publish(SeatReserved(order_id=order_id, amount=order.amount))

    @on(OrderRejected)
    async def release(self, order: OrderRejected) -> None:
        if self.done("reserved", order.order_id):
            self.effect("released", order.order_id, once=order.order_id)
            await self.publish(SeatReleased(order_id=order.order_id))


class Payment(Service):
    """Takes the price of a seat, and gives it back."""

    @on(SeatReserved)
    async def charge(self, seat: SeatReserved) -> None:
        order_id = seat.order_id
        if not bank_pays(order_id):
            await self.publish(PaymentDeclined(order_id=order_id, reason="the bank said no"))
        else:
            self.effect("charged", order_id, seat.amount, once=order_id)
            await self.publish(PaymentCharged(order_id=order_id, amount=seat.amount))

    @on(OrderRejected)
    async def refund(self, order: OrderRejected) -> None:
        if charge := self.done("charged", order.order_id):
            amount = charge.amount or 0
            self.effect("refunded", order.order_id, amount, once=order.order_id)
            await self.publish(PaymentRefunded(order_id=order.order_id, amount=amount))


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


class Tickets(Service):
    """Owns the word on how an order has ended, on which the others undo theirs."""

    @on(BadgeHandedOver)
    async def confirm(self, badge: BadgeHandedOver) -> None:
        await self.publish(OrderConfirmed(order_id=badge.order_id))

    @on(SeatRefused, PaymentDeclined, BadgeRefused)
    async def reject(self, no: SeatRefused | PaymentDeclined | BadgeRefused) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


SERVICES = [Tickets, Seats, Payment, SoundCheck, Badges]
STYLE = "choreography"
