"""The hybrid: Order, Payment and Shipping tell each other events; inside Shipping one directs.

Order and Payment are those of the careful shop. What is new is behind the border of Shipping, where
a Dispatcher tells a Warehouse, a CarrierDesk and Approvals what to do. Outside one hears how it has
ended, and nothing else.
"""

import asyncio
from collections import defaultdict

from labkit.shop.careful import Order as Order
from labkit.shop.careful import Payment as Payment
from labkit.shop.contracts import PaymentCharged, ShipmentDispatched, ShipmentRejected
from labkit.system.errors import CommandFailed, Refused
from labkit.system.saga import Saga
from labkit.system.service import Service, command, on

TAKEN_BACK = "taken back"
TO_HAND_OVER = "asked to hand over"
# What costs more than this, in minor units, is not handed over before a person agrees.
DEAR = 500_000


def is_dear(amount: int) -> bool:
    """Whether a person has to agree."""
    return amount > DEAR


class Warehouse(Service):
    """Picks the goods and hands over the parcel, once for each order; a no, once said, stays."""

    def __init__(self, stock: int = 1_000_000) -> None:
        self.stock = stock

    @property
    def left(self) -> int:
        """How many lie on the shelf."""
        return self.stock - self.times("picked") + self.times("put back")

    @command
    async def pick_items(self, order_id: str) -> None:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        if not self.done("picked", order_id) and not self.left:
            self.effect("refused", order_id, once=order_id)
        if self.done("refused", order_id):
            raise Refused("nothing left on the shelf")
        self.effect("picked", order_id, once=order_id)

    @command
    async def put_back(self, order_id: str) -> None:
        if self.done("shipped", order_id):
            raise Refused("the parcel has left")
        self.effect(TAKEN_BACK, order_id, once=order_id)
        if self.done("picked", order_id):
            self.effect("put back", order_id, once=order_id)

    @command
    async def hand_over(self, order_id: str) -> str:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        self.effect("shipped", order_id, once=order_id)
        return f"parcel {order_id}"


class CarrierDesk(Service):
    """Books a van for each parcel, as long as the carrier has some; a no, once said, stays."""

    def __init__(self, vans: int = 1_000_000) -> None:
        self.vans = vans

    @property
    def left(self) -> int:
        """How many vans are free."""
        return self.vans - self.times("booked") + self.times("called off")

    @command
    async def book_carrier(self, order_id: str) -> None:
        if self.done(TAKEN_BACK, order_id):
            raise Refused("the order has been taken back")
        if not self.done("booked", order_id) and not self.left:
            self.effect("refused", order_id, once=order_id)
        if self.done("refused", order_id):
            raise Refused("the carrier has no van")
        self.effect("booked", order_id, once=order_id)

    @command
    async def call_off(self, order_id: str) -> None:
        self.effect(TAKEN_BACK, order_id, once=order_id)
        if self.done("booked", order_id):
            self.effect("called off", order_id, once=order_id)


class Approvals(Service):
    """A person agrees, or the time runs out: the first word counts, and there is no second one."""

    def __init__(self) -> None:
        self._approved: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        """Until a person has agreed; refused when the time is over before that."""
        try:
            async with asyncio.timeout(within_seconds):
                if not self._decided(order_id):
                    await self._approved[order_id].wait()
        except TimeoutError:
            await self.withdraw(order_id)
        if not self.done("approved", order_id):
            raise Refused("nobody approved it in time")

    @command
    async def approve(self, order_id: str) -> None:
        """What the person says. Too late is a no, so that nobody believes what is not so."""
        if self.done("expired", order_id):
            raise Refused("too late, it is not sent any more")
        self.effect("approved", order_id, once=order_id)
        self._approved[order_id].set()

    @command
    async def withdraw(self, order_id: str) -> None:
        """Nobody needs to agree any more, unless somebody has."""
        # Nothing is awaited between the look and the word: so no other word fits in between.
        if not self.done("approved", order_id):
            self.effect("expired", order_id, once=order_id)

    def _decided(self, order_id: str) -> bool:
        return bool(self.done("approved", order_id) or self.done("expired", order_id))


class Dispatcher(Service):
    """Directs what happens inside Shipping; outside, one hears how it has ended."""

    def __init__(
        self, approval_seconds: float = 30.0, timeout_seconds: float = 1.0, tries: int = 4
    ) -> None:
        self.approval_seconds = approval_seconds
        self.timeout_seconds, self.tries = timeout_seconds, tries
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @on(PaymentCharged)
    async def dispatch(self, payment: PaymentCharged) -> None:
        order_id = payment.order_id
        async with self._one_at_a_time[order_id]:
            try:
                tracking = await self._send(order_id, payment.amount)
            except CommandFailed as error:
                # What was asked to be handed over may have left: that is for a person to find out.
                if not self.done(TO_HAND_OVER, order_id) or isinstance(error, Refused):
                    reason = in_our_words(error)
                    await self.publish(ShipmentRejected(order_id=order_id, reason=reason))
            else:
                await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))

    async def _send(self, order_id: str, amount: int) -> str:
        async with Saga(
            self, order_id, timeout_seconds=self.timeout_seconds, tries=self.tries
        ) as saga:
            try:
                # What it has decided, its books know, also after a crash: so it does not ask for
                # the steps again, and has to remember what there may be to take back.
                if self.done(TO_HAND_OVER, order_id) or self.done("rejected", order_id):
                    saga.owe(Warehouse.put_back, order_id=order_id)
                    saga.owe(CarrierDesk.call_off, order_id=order_id)
                else:
                    await self.prepare(saga, order_id, amount)
                    self.effect(TO_HAND_OVER, order_id, once=order_id)
                if self.done("rejected", order_id):
                    raise Refused("it has been rejected")
                return await saga.pivot(Warehouse.hand_over, order_id=order_id)
            except CommandFailed:
                if not saga.decided:
                    self.effect("rejected", order_id, once=order_id)
                raise

    async def prepare(self, saga: Saga, order_id: str, amount: int) -> None:
        """The steps before the parcel may leave, in their order."""
        await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
        await saga.step(CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id)
        await self.approval(saga, order_id, amount)

    async def approval(self, saga: Saga, order_id: str, amount: int) -> None:
        """A person's word, where the parcel is dear."""
        if is_dear(amount):
            await saga.step(
                Approvals.wait_for,
                undo=Approvals.withdraw,
                order_id=order_id,
                within_seconds=self.approval_seconds,
                timeout_seconds=self.approval_seconds + self.timeout_seconds,
            )


class Notification(Service):
    """Writes to the customer when the parcel has left, one mail an order."""

    @on(ShipmentDispatched)
    async def tell_of_parcel(self, shipment: ShipmentDispatched) -> None:
        self.effect("mailed", shipment.order_id, once=shipment.order_id)


SHIPPING: list[type[Service]] = [Dispatcher, Warehouse, CarrierDesk, Approvals]
DOMAINS: dict[str, list[type[Service]]] = {
    "Order": [Order],
    "Payment": [Payment],
    "Shipping": SHIPPING,
    "Notification": [Notification],
}


def in_our_words(error: CommandFailed) -> str:
    """Why it is not sent, for those outside: our commands' names are none of their business."""
    return str(error).partition(" said no: ")[2] or "the parcel could not be sent"
