"""A change request to both shops of lesson 12: book the carrier first, then pick the goods.

Picking costs a walk, and vans are what is short. What the parcel is paid for, who must agree and
how an order ends stays as it was.
"""

from typing import Any

from labkit.shop import hybrid, tangle
from labkit.shop.contracts import (
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    ShipmentRejected,
)
from labkit.shop.hybrid import CarrierDesk as Desk
from labkit.shop.hybrid import Warehouse as Shelf
from labkit.shop.tangle import (
    ApprovalExpired,
    CarrierBooked,
    ItemsPicked,
    ItemsPutBack,
)
from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.saga import Saga
from labkit.system.service import Service, on

# In the hybrid: two lines change places.


class Dispatcher(hybrid.Dispatcher):
    """Touched in the hybrid."""

    async def prepare(self, saga: Saga, order_id: str, amount: int) -> None:
        await saga.step(Desk.book_carrier, undo=Desk.call_off, order_id=order_id)
        await saga.step(Shelf.pick_items, undo=Shelf.put_back, order_id=order_id)
        await self.approval(saga, order_id, amount)


# In the tangle: each event of the chain gets another reader, and a new one is needed.


class ItemsMissing(Event):
    """There is a van, and nothing to put into it."""

    order_id: str
    reason: str


class CarrierDesk(hybrid.CarrierDesk):
    """Touched: it begins now, where it came second, and there is more for which it calls off."""

    @on(PaymentCharged)
    async def book_for_paid_order(self, payment: PaymentCharged) -> None:
        try:
            await self.book_carrier(payment.order_id)
        except Refused as no:
            await self.publish(ShipmentRejected(order_id=payment.order_id, reason=str(no)))
        else:
            await self.publish(CarrierBooked(order_id=payment.order_id, amount=payment.amount))

    @on(ApprovalExpired, ItemsMissing)
    async def call_off_parcel(self, no: ApprovalExpired | ItemsMissing) -> None:
        await self.call_off(no.order_id)


class Warehouse(hybrid.Warehouse):
    """Touched: it comes second now, where it began."""

    @on(CarrierBooked)
    async def pick_booked_order(self, booked: CarrierBooked) -> None:
        try:
            await self.pick_items(booked.order_id)
        except Refused as no:
            await self.publish(ItemsMissing(order_id=booked.order_id, reason=str(no)))
        else:
            await self.publish(ItemsPicked(order_id=booked.order_id, amount=booked.amount))

    @on(ApprovalExpired)
    async def put_back_unapproved(self, no: ApprovalExpired) -> None:
        await self.put_back(no.order_id)
        reason = "nobody approved it in time"
        await self.publish(ItemsPutBack(order_id=no.order_id, reason=reason))

    hand_over_parcel = tangle.Warehouse.hand_over_parcel


class Order(tangle.Order):
    """Touched: it goes on after the goods now, not after the van, and knows one more failure."""

    @on(ItemsPicked)
    async def go_on_with_parcel(self, parcel: Any) -> None:
        await super().go_on_with_parcel(parcel)

    @on(PaymentDeclined, ShipmentRejected, ItemsPutBack, ItemsMissing)
    async def reject(
        self, no: PaymentDeclined | ShipmentRejected | ItemsPutBack | ItemsMissing
    ) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


# The shops before and after, as a lab takes them.
Shop = list[type[Service]]
IN_THE_HYBRID: tuple[Shop, Shop] = (
    [hybrid.Order, hybrid.Payment, *hybrid.SHIPPING, hybrid.Notification],
    [hybrid.Order, hybrid.Payment, Dispatcher, *hybrid.SHIPPING[1:], hybrid.Notification],
)
IN_THE_TANGLE: tuple[Shop, Shop] = (
    [service for services in tangle.DOMAINS.values() for service in services],
    [Order, hybrid.Payment, Warehouse, CarrierDesk, tangle.Approvals, tangle.Notification],
)
