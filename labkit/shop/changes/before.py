"""The conductor before any change: three steps, as lesson 07 left it; all others are careful's."""

from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.system.saga import Saga
from labkit.system.service import Service, command


class OrderOrchestrator(Service):
    """Conducts three steps, of which the last one decides."""

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id, timeout_seconds=1, tries=2) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            return await saga.pivot(Shipping.ship, order_id=order_id)
