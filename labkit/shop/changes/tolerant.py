"""The way to rename a field in peace: first its readers learn both names (*tolerant reader*).

Fowler, *TolerantReader* (2011). Once all of them do, whoever says it may say it anew.
"""

from labkit.shop import careful
from labkit.shop.changes import observer
from labkit.shop.contracts import PaymentCharged, PaymentDeclined
from labkit.system.errors import BadMessage, Refused
from labkit.system.message import Event
from labkit.system.service import command, on


class OrderPlaced(Event):
    """What an order costs stands in one field or the other."""

    order_id: str
    amount: int | None = None
    total: int | None = None
    currency: str = "EUR"


class Payment(careful.Payment):
    """It takes either name, from whoever tells it and from whatever it reads."""

    @command
    async def charge(
        self, order_id: str, amount: int | None = None, total: int | None = None
    ) -> str:
        return await super().charge(order_id, either(amount, total))

    @on(OrderPlaced)
    async def charge_new_order(self, order: OrderPlaced) -> None:
        price = either(order.amount, order.total)
        try:
            await self.charge(order.order_id, price)
        except Refused as no:
            await self.publish(PaymentDeclined(order_id=order.order_id, reason=str(no)))
        else:
            await self.publish(PaymentCharged(order_id=order.order_id, amount=price))


class Loyalty(observer.Loyalty):
    """It reads either name."""

    @on(OrderPlaced)
    async def reward(self, order: OrderPlaced) -> None:
        await self.give_points(order.order_id, either(order.amount, order.total))


def either(amount: int | None, total: int | None) -> int:
    """The one of the two that is there."""
    price = amount if total is None else total
    if price is None:
        raise BadMessage("This order has neither an amount nor a total; it needs one of them.")
    return price
