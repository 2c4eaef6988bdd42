"""The shop after lessons 06 and 07: what comes twice is done once, and what is done can be undone.

The services have the names of the first shop, so that one can take the place of the other. They
keep nothing in memory that they could not find in their books after a crash.
"""

import asyncio
from collections import defaultdict

from labkit.shop.contracts import (
    CustomerNotified,
    InventoryReleased,
    InventoryReservationRejected,
    InventoryReserved,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    PaymentRefunded,
    ShipmentDispatched,
    ShipmentRejected,
)
from labkit.system.errors import CommandFailed, Refused
from labkit.system.saga import Saga
from labkit.system.service import Service, command, on

TAKEN_BACK = "taken back"
ASKED_TO_SHIP = "asked to ship"


class Payment(Service):
    """Takes money once for each order, and gives it back once, in whatever order it is asked."""

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"

    @command
    async def refund(self, order_id: str) -> None:
        # The charge may still be on its way: then it must not happen any more.
        self.effect(TAKEN_BACK, order_id, once=order_id)
        if charge := self.done("charged", order_id):
            self.effect("refunded", order_id, charge.amount, once=order_id)

    @on(OrderPlaced)
    async def charge_new_order(self, order: OrderPlaced) -> None:
        try:
            await self.charge(order.order_id, order.amount)
        except Refused as no:
            await self.publish(PaymentDeclined(order_id=order.order_id, reason=str(no)))
        else:
            await self.publish(PaymentCharged(order_id=order.order_id, amount=order.amount))

    @on(OrderRejected)
    async def give_back(self, order: OrderRejected) -> None:
        await self.refund(order.order_id)
        if refund := self.done("refunded", order.order_id):
            await self.publish(PaymentRefunded(order_id=order.order_id, amount=refund.amount or 0))


class Inventory(Service):
    """Lays goods aside once for each order, as long as there are any; a no, once said, stays."""

    def __init__(self, stock: int = 1_000_000) -> None:
        self.stock = stock

    @property
    def left(self) -> int:
        """How many lie on the shelf."""
        return self.stock - self.times("reserved") + self.times("released")

    @command
    async def reserve(self, order_id: str) -> None:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        if not self.done("reserved", order_id) and not self.left:
            self.effect("refused", order_id, once=order_id)
        if self.done("refused", order_id):
            raise Refused("nothing left on the shelf")
        self.effect("reserved", order_id, once=order_id)

    @command
    async def release(self, order_id: str) -> None:
        self.effect(TAKEN_BACK, order_id, once=order_id)
        if self.done("reserved", order_id):
            self.effect("released", order_id, once=order_id)

    @on(PaymentCharged)
    async def reserve_for_order(self, payment: PaymentCharged) -> None:
        try:
            await self.reserve(payment.order_id)
        except Refused as no:
            rejected = InventoryReservationRejected(order_id=payment.order_id, reason=str(no))
            await self.publish(rejected)
        else:
            await self.publish(InventoryReserved(order_id=payment.order_id))

    @on(OrderRejected)
    async def put_back(self, order: OrderRejected) -> None:
        await self.release(order.order_id)
        if self.done("released", order.order_id):
            await self.publish(InventoryReleased(order_id=order.order_id))


class Shipping(Service):
    """Sends one parcel for each order; a no, once said, stays a no."""

    def __init__(self, vans: int = 1_000_000) -> None:
        self.vans = vans

    @property
    def left(self) -> int:
        """How many vans are free."""
        return self.vans - self.times("shipped") + self.times("cancelled")

    @command
    async def ship(self, order_id: str) -> str:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        if not self.done("shipped", order_id) and not self.left:
            self.effect("refused", order_id, once=order_id)
        if self.done("refused", order_id):
            raise Refused("the carrier has no van")
        self.effect("shipped", order_id, once=order_id)
        return f"parcel {order_id}"

    @command
    async def cancel(self, order_id: str) -> None:
        self.effect(TAKEN_BACK, order_id, once=order_id)
        if self.done("shipped", order_id):
            self.effect("cancelled", order_id, once=order_id)

    @on(InventoryReserved)
    async def ship_reserved_goods(self, reserved: InventoryReserved) -> None:
        try:
            tracking = await self.ship(reserved.order_id)
        except Refused as no:
            await self.publish(ShipmentRejected(order_id=reserved.order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=reserved.order_id, tracking=tracking))


class Notification(Service):
    """Writes to the customer, one mail an order."""

    @command
    async def notify(self, order_id: str) -> None:
        self.effect("mailed", order_id, once=order_id)

    @on(OrderPlaced)
    async def thank_for_order(self, order: OrderPlaced) -> None:
        await self.notify(order.order_id)
        await self.publish(CustomerNotified(order_id=order.order_id))


class Order(Service):
    """In choreography: owns the word on how an order has ended, on which all others undo theirs."""

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))

    @on(ShipmentDispatched)
    async def confirm(self, shipment: ShipmentDispatched) -> None:
        await self.publish(OrderConfirmed(order_id=shipment.order_id))

    @on(PaymentDeclined, InventoryReservationRejected, ShipmentRejected)
    async def reject(
        self, no: PaymentDeclined | InventoryReservationRejected | ShipmentRejected
    ) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


class OrderOrchestrator(Service):
    """In orchestration: a saga, whose pivot is the parcel that leaves."""

    def __init__(self, timeout_seconds: float = 5.0, tries: int = 4) -> None:
        self.timeout_seconds, self.tries = timeout_seconds, tries
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        # A copy of the command waits: of two sagas, one would take back what the other sends.
        async with self._one_at_a_time[order_id]:
            return await self._sell(order_id, amount)

    async def _sell(self, order_id: str, amount: int) -> str:
        async with Saga(
            self, order_id, timeout_seconds=self.timeout_seconds, tries=self.tries
        ) as saga:
            try:
                # What it has decided, its books know: what it asked for before a crash is still
                # under way after it, and arrives whatever is decided then.
                if self.done(ASKED_TO_SHIP, order_id):
                    saga.owe(Payment.refund, order_id=order_id)
                    saga.owe(Inventory.release, order_id=order_id)
                else:
                    await saga.step(
                        Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount
                    )
                    await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
                    if self.done("rejected", order_id):
                        raise Refused("the order has been rejected")
                    self.effect(ASKED_TO_SHIP, order_id, once=order_id)
                return await saga.pivot(Shipping.ship, order_id=order_id)
            except CommandFailed:
                if not saga.decided:
                    self.effect("rejected", order_id, once=order_id)
                raise
