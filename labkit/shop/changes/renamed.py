"""The third change request, a *renamed field*: what an order costs is to be called `total`.

In orchestration it is an argument of one command, Payment.charge; in choreography a field of one
event, OrderPlaced. Both shops have Loyalty by then.
"""

from labkit.shop import careful
from labkit.shop.careful import Inventory, Shipping
from labkit.shop.changes import observer
from labkit.shop.contracts import PaymentCharged, PaymentDeclined
from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.saga import Saga
from labkit.system.service import Service, command, on


class OrderPlaced(Event):
    """As before, but for the name of one field."""

    order_id: str
    total: int
    currency: str = "EUR"


class Payment(careful.Payment):
    """Touched in both styles: it is told a total, or reads one."""

    @command
    async def charge(self, order_id: str, total: int) -> str:
        return await super().charge(order_id, total)

    @on(OrderPlaced)
    async def charge_new_order(self, order: OrderPlaced) -> None:
        try:
            await self.charge(order.order_id, order.total)
        except Refused as no:
            await self.publish(PaymentDeclined(order_id=order.order_id, reason=str(no)))
        else:
            await self.publish(PaymentCharged(order_id=order.order_id, amount=order.total))


class OrderOrchestrator(Service):
    """Touched in orchestration: it tells a total."""

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id, timeout_seconds=1, tries=2) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, total=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            parcel = await saga.pivot(Shipping.ship, order_id=order_id)
            await saga.step(observer.Loyalty.give_points, order_id=order_id, amount=amount)
            return parcel


class Order(careful.Order):
    """Touched in choreography: it publishes a total."""

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await self.publish(OrderPlaced(order_id=order_id, total=amount))


class Loyalty(observer.Loyalty):
    """Touched in choreography: it had joined for nothing, and reads the field all the same."""

    @on(OrderPlaced)
    async def reward(self, order: OrderPlaced) -> None:
        await self.give_points(order.order_id, order.total)
