"""Returns, wired as a tangle: what a customer sends back goes round by events that all may hear.

Exercise 12 gives them a desk, behind which the steps are nobody else's business.
"""

from labkit.shop.contracts import PaymentRefunded
from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.service import Service, command, on


class ReturnAnnounced(Event):
    """A customer sends something back; it carries what was paid for it."""

    order_id: str
    amount: int


class ReturnAccepted(Event):
    """It has come back as good as new, and lies on the shelf."""

    order_id: str
    amount: int


class ReturnRefused(Event):
    """It is not taken back."""

    order_id: str
    reason: str


# These three are steps, and other domains have come to know them.


class InspectionRequested(Event):
    """In truth a command."""

    order_id: str
    amount: int


class ItemsInspected(Event):
    """Somebody has looked at it."""

    order_id: str
    amount: int
    flaw: str = ""


class ItemsShelved(Event):
    """It lies on the shelf."""

    order_id: str


class Inspector(Service):
    """Looks at what comes back, and takes no guitar with a scratch."""

    @command
    async def inspect(self, order_id: str) -> None:
        self.effect("inspected", order_id, once=order_id)
        if "scratched" in order_id:
            raise Refused("it has a scratch")

    @on(InspectionRequested)
    async def inspect_returned(self, wish: InspectionRequested) -> None:
        flaw = ""
        try:
            await self.inspect(wish.order_id)
        except Refused as no:
            flaw = str(no)
        seen = ItemsInspected(order_id=wish.order_id, amount=wish.amount, flaw=flaw)
        await self.publish(seen)


class Shelf(Service):
    """Has room for so many; what lies there is sold again."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room

    @command
    async def shelve(self, order_id: str) -> None:
        if not self.done("shelved", order_id) and self.times("shelved") >= self.room:
            raise Refused("the shelf is full")
        self.effect("shelved", order_id, once=order_id)

    @on(ItemsInspected)
    async def shelve_sound_items(self, seen: ItemsInspected) -> None:
        if not seen.flaw:
            await self.shelve(seen.order_id)
            await self.publish(ItemsShelved(order_id=seen.order_id))


class Order(Service):
    """Directs the inspector, in disguise."""

    @on(ReturnAnnounced)
    async def request_inspection(self, wish: ReturnAnnounced) -> None:
        request = InspectionRequested(order_id=wish.order_id, amount=wish.amount)
        await self.publish(request)


class Payment(Service):
    """Knows that no flaw means money back; it does not know that the shelf may be full."""

    @on(ItemsInspected)
    async def refund_sound_items(self, seen: ItemsInspected) -> None:
        if not seen.flaw:
            self.effect("refunded", seen.order_id, seen.amount, once=seen.order_id)
            await self.publish(PaymentRefunded(order_id=seen.order_id, amount=seen.amount))


DOMAINS: dict[str, list[str]] = {
    "Order": ["Order"],
    "Payment": ["Payment"],
    "Returns": ["ReturnsDesk", "Inspector", "Shelf"],
}
