"""The second change request, a *decision step*: no money is taken before a fraud check.

Both shops have Loyalty by then; the fraud check goes before Payment.
"""

from labkit.shop import careful
from labkit.shop.careful import Inventory, Shipping
from labkit.shop.changes.observer import Loyalty
from labkit.shop.contracts import (
    InventoryReservationRejected,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    ShipmentRejected,
)
from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.saga import NOTHING, Saga
from labkit.system.service import Service, command, on

SUSPICIOUS = 1_000_000


class OrderCleared(Event):
    """Nothing speaks against this order; it carries what Payment needs."""

    order_id: str
    amount: int


class OrderSuspected(Event):
    """Somebody should not get what this order asks for."""

    order_id: str
    reason: str


class FraudCheck(Service):
    """New in both styles: says no to orders that are too good to be true."""

    def __init__(self, limit: int = SUSPICIOUS) -> None:
        self.limit = limit

    @command
    async def examine(self, order_id: str, amount: int) -> None:
        if amount >= self.limit:
            raise Refused("too good to be true")

    @on(OrderPlaced)
    async def look_at(self, order: OrderPlaced) -> None:
        try:
            await self.examine(order.order_id, order.amount)
        except Refused as no:
            await self.publish(OrderSuspected(order_id=order.order_id, reason=str(no)))
        else:
            await self.publish(OrderCleared(order_id=order.order_id, amount=order.amount))


# In orchestration Payment stays as it is.
charge, refund = careful.Payment.charge, careful.Payment.refund


class OrderOrchestrator(Service):
    """Touched in orchestration: one step more, before the others."""

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id, timeout_seconds=1, tries=2) as saga:
            await saga.step(FraudCheck.examine, undo=NOTHING, order_id=order_id, amount=amount)
            await saga.step(charge, undo=refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            parcel = await saga.pivot(Shipping.ship, order_id=order_id)
            await saga.step(Loyalty.give_points, order_id=order_id, amount=amount)
            return parcel


class Payment(careful.Payment):
    """Touched in choreography: what it waits for is no longer OrderPlaced."""

    @on(OrderCleared)
    async def charge_new_order(self, order: OrderCleared) -> None:
        try:
            await self.charge(order.order_id, order.amount)
        except Refused as no:
            await self.publish(PaymentDeclined(order_id=order.order_id, reason=str(no)))
        else:
            await self.publish(PaymentCharged(order_id=order.order_id, amount=order.amount))


class Order(careful.Order):
    """Touched in choreography: one more *no* by which an order ends."""

    @on(OrderSuspected, PaymentDeclined, InventoryReservationRejected, ShipmentRejected)
    async def reject(
        self,
        no: OrderSuspected | PaymentDeclined | InventoryReservationRejected | ShipmentRejected,
    ) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))
