"""The services of the shop: told by a command or moved by an event, their work is the same."""

from labkit.shop.contracts import (
    CustomerNotified,
    InventoryReservationRejected,
    InventoryReserved,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    ShipmentDispatched,
    ShipmentRejected,
)
from labkit.system.errors import Refused
from labkit.system.service import Service, command, on


class Payment(Service):
    """Takes money, and gives it back."""

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"

    @command
    async def refund(self, order_id: str, amount: int) -> None:
        self.effect("refunded", order_id, amount)

    @on(OrderPlaced)
    async def charge_new_order(self, order: OrderPlaced) -> None:
        await self.charge(order.order_id, order.amount)
        await self.publish(PaymentCharged(order_id=order.order_id, amount=order.amount))


class Inventory(Service):
    """Lays goods aside, as long as there are any."""

    def __init__(self, stock: int = 1_000_000) -> None:
        self.stock = stock

    @command
    async def reserve(self, order_id: str) -> None:
        if self.stock < 1:
            raise Refused("nothing left on the shelf")
        self.stock -= 1
        self.effect("reserved", order_id)

    @command
    async def release(self, order_id: str) -> None:
        self.stock += 1
        self.effect("released", order_id)

    @on(PaymentCharged)
    async def reserve_for_order(self, payment: PaymentCharged) -> None:
        try:
            await self.reserve(payment.order_id)
        except Refused as no:
            rejected = InventoryReservationRejected(order_id=payment.order_id, reason=str(no))
            await self.publish(rejected)
        else:
            await self.publish(InventoryReserved(order_id=payment.order_id))


class Shipping(Service):
    """Sends parcels, as long as the carrier has vans."""

    def __init__(self, vans: int = 1_000_000) -> None:
        self.vans = vans

    @command
    async def ship(self, order_id: str) -> str:
        if self.vans < 1:
            raise Refused("the carrier has no van")
        self.vans -= 1
        self.effect("shipped", order_id)
        return f"parcel {order_id}"

    @command
    async def cancel(self, order_id: str) -> None:
        self.vans += 1
        self.effect("cancelled", order_id)

    @on(InventoryReserved)
    async def ship_reserved_goods(self, reserved: InventoryReserved) -> None:
        try:
            tracking = await self.ship(reserved.order_id)
        except Refused as no:
            await self.publish(ShipmentRejected(order_id=reserved.order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=reserved.order_id, tracking=tracking))


class Notification(Service):
    """Writes to the customer."""

    @command
    async def notify(self, order_id: str) -> None:
        self.effect("mailed", order_id)

    @on(OrderPlaced)
    async def thank_for_order(self, order: OrderPlaced) -> None:
        await self.notify(order.order_id)
        await self.publish(CustomerNotified(order_id=order.order_id))


class Order(Service):
    """In choreography: tells of new orders, and owns the word on how each has ended."""

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))

    @on(ShipmentDispatched)
    async def confirm(self, shipment: ShipmentDispatched) -> None:
        await self.publish(OrderConfirmed(order_id=shipment.order_id))

    @on(InventoryReservationRejected, ShipmentRejected)
    async def reject(self, no: InventoryReservationRejected | ShipmentRejected) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


class OrderOrchestrator(Service):
    """In orchestration: tells each service what to do, in order, and knows where each order is."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.state[order_id] = "charging"
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state[order_id] = "reserving"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state[order_id] = "shipping"
        try:
            tracking = await self.call(Shipping.ship, order_id=order_id)
        except Refused as no:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            self.state[order_id] = f"rejected: {no}"
            raise
        self.state[order_id] = "confirmed"
        return tracking
