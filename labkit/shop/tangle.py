"""A tangle: the same work as in the hybrid, wired by events alone, one listener at a time.

Nobody has designed it. Each wire was the shortest way on the day on which it was laid, and each of
the four mistakes that are marked below is met in real systems. The work itself is inherited: what
differs is who knows what.
"""

from labkit.shop import hybrid
from labkit.shop.contracts import (
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    ShipmentDispatched,
    ShipmentRejected,
)
from labkit.shop.hybrid import Payment, is_dear
from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.service import Service, command, on

PACKINGS = 3


class ItemsPicked(Event):
    """The goods are in a parcel; it carries the amount, which only a later step needs."""

    order_id: str
    amount: int
    packing: int = 1


class CarrierBooked(Event):
    """There is a van for the parcel."""

    order_id: str
    amount: int


class CarrierRefused(Event):
    """There is no van for a parcel as large as this one."""

    order_id: str
    amount: int
    packing: int


class ItemsPutBack(Event):
    """The goods are on the shelf again."""

    order_id: str
    reason: str


class ApprovalRequested(Event):
    """In truth a command: one service is meant by it, and must obey."""

    order_id: str


class ShipmentApproved(Event):
    """A person has agreed."""

    order_id: str


class ApprovalExpired(Event):
    """Nobody has agreed in time."""

    order_id: str


class HandOverRequested(Event):
    """In truth a command as well."""

    order_id: str


class Warehouse(hybrid.Warehouse):
    """Knows that picking comes after the money, and what a failed booking or approval means."""

    @on(PaymentCharged)
    async def pick_paid_order(self, payment: PaymentCharged) -> None:
        try:
            await self.pick_items(payment.order_id)
        except Refused as no:
            await self.publish(ShipmentRejected(order_id=payment.order_id, reason=str(no)))
        else:
            await self.publish(ItemsPicked(order_id=payment.order_id, amount=payment.amount))

    # Mistake: events in a circle. A refusal leads to a smaller parcel, which leads to a refusal.
    @on(CarrierRefused)
    async def pack_again(self, no: CarrierRefused) -> None:
        if no.packing < PACKINGS:
            await self.publish(
                ItemsPicked(order_id=no.order_id, amount=no.amount, packing=no.packing + 1)
            )
        else:
            await self._give_up(no.order_id, "the carrier has no van")

    @on(ApprovalExpired)
    async def put_back_unapproved(self, no: ApprovalExpired) -> None:
        await self._give_up(no.order_id, "nobody approved it in time")

    @on(HandOverRequested)
    async def hand_over_parcel(self, wish: HandOverRequested) -> None:
        tracking = await self.hand_over(wish.order_id)
        await self.publish(ShipmentDispatched(order_id=wish.order_id, tracking=tracking))

    async def _give_up(self, order_id: str, reason: str) -> None:
        await self.put_back(order_id)
        await self.publish(ItemsPutBack(order_id=order_id, reason=reason))


class CarrierDesk(hybrid.CarrierDesk):
    """Knows that a van comes after the parcel, and that no approval means no van."""

    @on(ItemsPicked)
    async def book_for_parcel(self, parcel: ItemsPicked) -> None:
        try:
            await self.book_carrier(parcel.order_id)
        except Refused:
            no = CarrierRefused(
                order_id=parcel.order_id, amount=parcel.amount, packing=parcel.packing
            )
            await self.publish(no)
        else:
            await self.publish(CarrierBooked(order_id=parcel.order_id, amount=parcel.amount))

    @on(ApprovalExpired)
    async def call_off_unapproved(self, no: ApprovalExpired) -> None:
        await self.call_off(no.order_id)


class Approvals(hybrid.Approvals):
    """Obeys an event."""

    def __init__(self, approval_seconds: float = 30.0) -> None:
        super().__init__()
        self.approval_seconds = approval_seconds

    @on(ApprovalRequested)
    async def wait_for_person(self, wish: ApprovalRequested) -> None:
        try:
            await self.wait_for(wish.order_id, self.approval_seconds)
        except Refused:
            await self.publish(ApprovalExpired(order_id=wish.order_id))
        else:
            await self.publish(ShipmentApproved(order_id=wish.order_id))


class Order(Service):
    """Knows the steps of Shipping, since somebody had to; it was meant to know how orders end."""

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))

    @on(ShipmentDispatched)
    async def confirm(self, shipment: ShipmentDispatched) -> None:
        await self.publish(OrderConfirmed(order_id=shipment.order_id))

    # Mistake: commands in disguise. What is "requested" has one receiver, who may not refuse.
    @on(CarrierBooked)
    async def go_on_with_parcel(self, booked: CarrierBooked) -> None:
        if is_dear(booked.amount):
            await self.publish(ApprovalRequested(order_id=booked.order_id))
        else:
            await self.publish(HandOverRequested(order_id=booked.order_id))

    # Mistake: the order of the steps is known here, and in Warehouse, and in CarrierDesk.
    @on(ShipmentApproved)
    async def go_on_with_approved(self, approved: ShipmentApproved) -> None:
        await self.publish(HandOverRequested(order_id=approved.order_id))

    @on(PaymentDeclined, ShipmentRejected, ItemsPutBack)
    async def reject(self, no: PaymentDeclined | ShipmentRejected | ItemsPutBack) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


class Notification(Service):
    """Writes to the customer as early as it can."""

    # Mistake: it tells the world of a step that may be taken back.
    @on(CarrierBooked)
    async def tell_of_parcel(self, booked: CarrierBooked) -> None:
        self.effect("mailed", booked.order_id, once=booked.order_id)


DOMAINS: dict[str, list[type[Service]]] = {
    "Order": [Order],
    "Payment": [Payment],
    "Shipping": [Warehouse, CarrierDesk, Approvals],
    "Notification": [Notification],
}
