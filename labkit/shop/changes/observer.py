"""The first change request, an *observer*: Loyalty gives points for each order."""

from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.contracts import OrderPlaced
from labkit.system.saga import Saga
from labkit.system.service import Service, command, on

CENTS_A_POINT = 1000


class Loyalty(Service):
    """New in both styles: gives a point for each ten euros, whoever asks it."""

    @command
    async def give_points(self, order_id: str, amount: int) -> None:
        self.effect("points given", order_id, amount // CENTS_A_POINT, once=order_id)

    @on(OrderPlaced)
    async def reward(self, order: OrderPlaced) -> None:
        await self.give_points(order.order_id, order.amount)


class OrderOrchestrator(Service):
    """Touched in orchestration: one step more, after the parcel has left."""

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id, timeout_seconds=1, tries=2) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            parcel = await saga.pivot(Shipping.ship, order_id=order_id)
            await saga.step(Loyalty.give_points, order_id=order_id, amount=amount)
            return parcel
