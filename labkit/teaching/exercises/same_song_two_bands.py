"""Exercise 11: a decision step in both styles, a tolerant reader, coupling, and a choice."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from labkit.comparing import Comparison, compare
from labkit.coupling import coupling
from labkit.lab import Lab
from labkit.shop import OrderPlaced, busy, careful
from labkit.shop.customs import Customs
from labkit.system.errors import CommandFailed
from labkit.system.faults import unavailable
from labkit.system.message import Event
from labkit.system.service import Service, command
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where
from labkit.trace import key_of

# A piano stool, two guitars, and a piano with ivory keys.
ORDERS = {"stool-1": 9_900, "guitar-1": 129_900, "ivory-1": 900_000, "guitar-2": 129_900}
ALLOWED = ["guitar-1", "guitar-2", "stool-1"]


def shipped(lab: Lab) -> str:
    wrong = sorted(set(ALLOWED) ^ set(lab.ledger.shipped()))
    kept = [order for order in wrong if order in ALLOWED]
    if kept:
        return f"{', '.join(kept)} may leave, and was never shipped"
    return "ivory-1 was shipped" if wrong else ""


def asked_first(lab: Lab) -> str:
    """A parcel must leave after it was cleared, not merely beside that."""
    cleared: set[str] = set()
    for entry in lab.ledger:
        if entry.effect == "cleared":
            cleared.add(entry.key)
        elif entry.effect == "shipped" and entry.key not in cleared:
            return f"{entry.key} was shipped before customs had cleared it"
    return ""


def made_good(lab: Lab) -> str:
    ledger = lab.ledger
    # Where no money was taken and nothing laid aside, there is nothing to make good.
    if "ivory-1" in set(ledger.keys("charged")) - set(ledger.keys("refunded")):
        return "ivory-1 was charged, and the money never came back"
    if "ivory-1" in set(ledger.keys("reserved")) - set(ledger.keys("released")):
        return "what was laid aside for ivory-1 lies there still"
    return ""


SHIPPED = "what may leave is shipped, and ivory is not"
FIRST = "no parcel leaves before customs has cleared it"
GOOD = "who is refused has the money back, and the goods lie on the shelf"


# customs-conducted


async def conducted(answers: Answers, seed: int) -> Lab:
    conductor = answers.OrderOrchestrator
    workers = (careful.Payment, careful.Inventory, careful.Shipping, Customs)
    async with Lab(conductor, *workers, **where(seed)) as lab:
        for order_id, amount in ORDERS.items():
            with suppress(CommandFailed):
                place = conductor.place_order
                await lab.call(place, order_id=order_id, amount=amount, timeout_seconds=60)
        await lab.quiet(at_most_messages=300)
    return lab


def told(lab: Lab) -> str:
    """Who is refused must hear so."""
    asked = {m.id: key_of(m) for m in lab.trace.sent(by="you")}
    bad = {asked[m.causationid or ""] for m in lab.trace.received(by="you") if m.reason}
    if "ivory-1" not in bad:
        return "the customer of ivory-1 was told that all is well"
    return f"the customer of {min(bad - {'ivory-1'})} heard an error" if len(bad) > 1 else ""


CONDUCTED = Task(
    id="customs-conducted",
    title="A decision step, with a conductor",
    points=2,
    names=["OrderOrchestrator"],
    trials=[
        Trial(
            conducted,
            [
                Claim(SHIPPED, shipped, "whether `Customs.clear` is asked for each order"),
                Claim(FIRST, asked_first, "the order of the steps: which of them can't be undone?"),
                Claim(
                    GOOD,
                    made_good,
                    "the steps before the refusal: does each have its way back, and does the "
                    "refusal leave the block of the saga?",
                ),
                Claim(
                    "only the customer who is refused hears a no",
                    told,
                    "what becomes of the error `Refused`: it must reach the customer",
                ),
            ],
            real=True,
        )
    ],
    hints=[
        "Which of the four steps has no way back? Must customs be asked before it or after it?",
        "`saga.step` asks for a step before the pivot. Customs has done nothing that could be "
        "undone: `undo=NOTHING`.",
        "The line is `await saga.step(Customs.clear, undo=NOTHING, order_id=order_id)`, just "
        "before `saga.pivot(Shipping.ship, …)`.",
    ],
    wrong=[
        WrongAnswer(  # not asked at all
            """
from labkit.shop.careful import Inventory, Payment, Shipping

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            return await saga.pivot(Shipping.ship, order_id=order_id)
""",
            "is asked for each order",
        ),
        WrongAnswer(  # after the pivot nothing can be refused any more
            """
from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.customs import Customs

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with Saga(self, order_id) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            parcel = await saga.pivot(Shipping.ship, order_id=order_id)
            await saga.step(Customs.clear, order_id=order_id)
            return parcel
""",
            "ivory-1 was shipped",
        ),
        WrongAnswer(  # by hand, and the way back forgotten
            """
from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.customs import Customs

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        await self.call(Customs.clear, order_id=order_id)
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "the money never came back",
        ),
        WrongAnswer(  # the error is swallowed outside of the saga
            """
from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.customs import Customs

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(
                    Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount
                )
                await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
                await saga.step(Customs.clear, undo=NOTHING, order_id=order_id)
                return await saga.pivot(Shipping.ship, order_id=order_id)
        except Refused:
            return "sorry"
""",
            "it must reach the customer",
        ),
    ],
    others=[
        """
from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.customs import Customs

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Customs.clear, order_id=order_id)
        async with Saga(self, order_id) as saga:
            await saga.step(Payment.charge, undo=Payment.refund, order_id=order_id, amount=amount)
            await saga.step(Inventory.reserve, undo=Inventory.release, order_id=order_id)
            return await saga.pivot(Shipping.ship, order_id=order_id)
""",
        """
from labkit.shop.careful import Inventory, Payment, Shipping
from labkit.shop.customs import Customs

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        try:
            await self.call(Customs.clear, order_id=order_id)
        except Refused:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id)
            raise
        return await self.call(Shipping.ship, order_id=order_id)
""",
    ],
    why="One service was touched: the one that knows the order of the steps. Asked first of all, "
    "customs costs no refund; asked last before the pivot, it bothers customs with nobody whose "
    "card is declined. Where a question is cheap and often answered with no, it comes early.",
)


# customs-danced


async def danced(answers: Answers, seed: int) -> Lab:
    services = (answers.Order, careful.Payment, careful.Inventory, answers.Shipping)
    async with Lab(*services, answers.Customs, **where(seed)) as lab:
        for order_id, amount in ORDERS.items():
            await lab.publish(OrderPlaced(order_id=order_id, amount=amount))
        await lab.quiet(at_most_messages=300)
    return lab


def ended(lab: Lab) -> str:
    sent = lab.trace.sent
    ends = {
        order: {m.type for m in sent() if key_of(m) == order} & {"OrderConfirmed", "OrderRejected"}
        for order in ORDERS
    }
    for order, words in ends.items():
        if len(words) > 1:
            return f"{order} was confirmed and rejected"
        if not words:
            return f"nobody said how {order} ended"
    return ""


DANCED = Task(
    id="customs-danced",
    title="The same decision step, with nobody in charge",
    points=3,
    names=["Customs", "Shipping", "Order"],
    trials=[
        Trial(
            danced,
            [
                Claim(
                    FIRST, asked_first, "what Shipping reacts to: is it still InventoryReserved?"
                ),
                Claim(SHIPPED, shipped, "the last event in the story of that order: who hears it?"),
                Claim(
                    "each order ends, in one way",
                    ended,
                    "what Customs says when it refuses: who ends the order then?",
                ),
                Claim(
                    GOOD,
                    made_good,
                    "OrderRejected: Payment and Inventory make good what they did on hearing it",
                ),
            ],
            real=True,
        )
    ],
    hints=[
        "Draw the chain of events as it is now. Between which two does the new one belong?",
        "Shipping must not hear InventoryReserved any more, or it ships in any case. A method of "
        "the same name in your class takes the place of the inherited one, reaction and all.",
        "`@on(CustomsCleared) async def ship_reserved_goods(self, cleared): await "
        "super().ship_reserved_goods(cleared)`; and in Order a reaction to CustomsRefused that "
        "publishes OrderRejected.",
    ],
    wrong=[
        WrongAnswer(  # Shipping goes on as before, beside customs
            """
from labkit.shop import careful, customs
from labkit.shop.customs import CustomsCleared, CustomsRefused

class Customs(customs.Customs):
    @on(InventoryReserved)
    async def look_at(self, reserved):
        try:
            await self.clear(reserved.order_id)
        except Refused as no:
            await self.publish(CustomsRefused(order_id=reserved.order_id, reason=str(no)))
        else:
            await self.publish(CustomsCleared(order_id=reserved.order_id))

class Shipping(careful.Shipping):
    @on(CustomsCleared)
    async def ship_cleared_goods(self, cleared):
        await super().ship_reserved_goods(cleared)

class Order(careful.Order):
    @on(CustomsRefused)
    async def reject_refused(self, no):
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))
""",
            "is it still InventoryReserved",
        ),
        WrongAnswer(  # nobody says yes
            """
from labkit.shop import careful, customs
from labkit.shop.customs import CustomsCleared, CustomsRefused

class Customs(customs.Customs):
    @on(InventoryReserved)
    async def look_at(self, reserved):
        try:
            await self.clear(reserved.order_id)
        except Refused as no:
            await self.publish(CustomsRefused(order_id=reserved.order_id, reason=str(no)))

class Shipping(careful.Shipping):
    @on(CustomsCleared)
    async def ship_reserved_goods(self, cleared):
        await super().ship_reserved_goods(cleared)

class Order(careful.Order):
    @on(CustomsRefused)
    async def reject_refused(self, no):
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))
""",
            "was never shipped",
        ),
        WrongAnswer(  # the no is nobody's business
            """
from labkit.shop import careful, customs
from labkit.shop.customs import CustomsCleared, CustomsRefused

class Customs(customs.Customs):
    @on(InventoryReserved)
    async def look_at(self, reserved):
        try:
            await self.clear(reserved.order_id)
        except Refused as no:
            await self.publish(CustomsRefused(order_id=reserved.order_id, reason=str(no)))
        else:
            await self.publish(CustomsCleared(order_id=reserved.order_id))

class Shipping(careful.Shipping):
    @on(CustomsCleared)
    async def ship_reserved_goods(self, cleared):
        await super().ship_reserved_goods(cleared)

class Order(careful.Order):
    pass
""",
            "nobody said how ivory-1 ended",
        ),
    ],
    others=[
        """
from labkit.shop import careful, customs
from labkit.shop.customs import CustomsCleared

class Customs(customs.Customs):
    @on(InventoryReserved)
    async def look_at(self, reserved):
        try:
            await self.clear(reserved.order_id)
        except Refused as no:
            await self.publish(ShipmentRejected(order_id=reserved.order_id, reason=str(no)))
        else:
            await self.publish(CustomsCleared(order_id=reserved.order_id))

class Shipping(careful.Shipping):
    @on(CustomsCleared)
    async def ship_reserved_goods(self, cleared):
        await super().ship_reserved_goods(cleared)

Order = careful.Order
""",
        """
from labkit.shop import careful, customs

class ParcelMayLeave(Event):
    order_id: str

class ParcelMustStay(Event):
    order_id: str
    because: str

class Customs(customs.Customs):
    @on(InventoryReserved)
    async def look_at(self, reserved):
        try:
            await self.clear(reserved.order_id)
            await self.publish(ParcelMayLeave(order_id=reserved.order_id))
        except Refused as no:
            await self.publish(ParcelMustStay(order_id=reserved.order_id, because=str(no)))

class Shipping(careful.Shipping):
    ship_reserved_goods = None

    @on(ParcelMayLeave)
    async def send(self, leave):
        tracking = await self.ship(leave.order_id)
        await self.publish(ShipmentDispatched(order_id=leave.order_id, tracking=tracking))

class Order(careful.Order):
    @on(ParcelMustStay)
    async def end_it(self, stay):
        await self.publish(OrderRejected(order_id=stay.order_id, reason=stay.because))
""",
    ],
    why="Two services besides the new one had to change: the one that went ahead too early, and "
    "the one that owns the end. Letting Customs say ShipmentRejected spares Order the change, and "
    "makes an event mean something else than its name and its contract say.",
)


# both-names


def _placed(**fields: Any) -> type[Event]:
    """OrderPlaced as some version of its publisher says it."""
    kinds = {name: (type(value), ...) for name, value in fields.items()}
    from pydantic import create_model

    return create_model("OrderPlaced", __base__=Event, **kinds)  # type: ignore[call-overload,no-any-return]


VERSIONS: dict[str, dict[str, Any]] = {
    "old": {"order_id": "old-1", "amount": 129_900},
    "new": {"order_id": "new-1", "total": 129_900},
    "both": {"order_id": "both-1", "amount": 129_900, "total": 129_900},
    "free": {"order_id": "free-1", "total": 0},
    "more": {"order_id": "more-1", "total": 9_900, "gift_wrap": True},
    "none": {"order_id": "none-1"},
}
POINTS = {"old-1": 129, "new-1": 129, "both-1": 129, "free-1": 0, "more-1": 9}


async def every_version(answers: Answers, seed: int) -> Lab:
    async with Lab(answers.Loyalty, **where(seed)) as lab:
        for fields in VERSIONS.values():
            await lab.publish(_placed(**fields)(**fields))
        await lab.quiet(at_most_messages=50)
    return lab


def points(lab: Lab) -> str:
    given = {entry.key: entry.amount for entry in lab.ledger if entry.effect == "points given"}
    for order, wanted in POINTS.items():
        if order not in given:
            return f"{order} has no points at all"
        if given[order] != wanted:
            return f"{order} has {given[order]} points in place of {wanted}"
    return ""


def where_points_are_lost(lab: Lab) -> str:
    why = points(lab)
    if why.startswith("old"):
        return "the old event, which has an amount: whoever publishes it has not changed yet"
    if why.startswith("free"):
        return "a total of 0: it is there, and `or` takes it for nothing"
    return "the event of that order, and which of the two fields it has"


def not_guessed(lab: Lab) -> str:
    guessed = [entry for entry in lab.ledger if entry.key == "none-1"]
    return "none-1 says nothing of its price, and has points for it" if guessed else ""


BOTH_NAMES = Task(
    id="both-names",
    title="A reader that bears both names",
    points=2,
    names=["Loyalty"],
    trials=[
        Trial(
            every_version,
            [
                Claim(
                    "each order has its points, whatever its price is called",
                    points,
                    where_points_are_lost,
                ),
                Claim(
                    "an order without any price is given no points",
                    not_guessed,
                    "what you take where both fields are missing: tolerant is not credulous",
                ),
            ],
            real=True,
        )
    ],
    hints=[
        "Which fields can be missing from an OrderPlaced that reaches you? What does your class "
        "OrderPlaced say about them?",
        "A field that may be missing has a default: `amount: int | None = None`. Then the reaction "
        "takes whichever is there, and asks `is None`, since 0 is a price.",
        "`price = order.amount if order.total is None else order.total`, and where `price is None` "
        "an error.",
    ],
    wrong=[
        WrongAnswer(
            """
class OrderPlaced(Event):
    order_id: str
    total: int

class Loyalty(Service):
    @on(OrderPlaced)
    async def reward(self, order):
        self.effect("points given", order.order_id, order.total // 1000)
""",
            "has not changed yet",
        ),
        WrongAnswer(
            """
class OrderPlaced(Event):
    order_id: str
    amount: int | None = None
    total: int | None = None

class Loyalty(Service):
    @on(OrderPlaced)
    async def reward(self, order):
        price = order.total or order.amount
        self.effect("points given", order.order_id, price // 1000)
""",
            "takes it for nothing",
        ),
        WrongAnswer(
            """
class OrderPlaced(Event):
    order_id: str
    amount: int = 0
    total: int = 0

class Loyalty(Service):
    @on(OrderPlaced)
    async def reward(self, order):
        self.effect("points given", order.order_id, max(order.amount, order.total) // 1000)
""",
            "tolerant is not credulous",
        ),
    ],
    others=[
        """
class OrderPlaced(Event):
    order_id: str
    amount: int | None = None
    total: int | None = None

    @property
    def price(self):
        for price in (self.total, self.amount):
            if price is not None:
                return price
        raise BadMessage("neither amount nor total")

class Loyalty(Service):
    @on(OrderPlaced)
    async def reward(self, order):
        self.effect("points given", order.order_id, order.price // 1000, once=order.order_id)
""",
        """
class OrderPlaced(Event):
    order_id: str
    amount: int | str = "unknown"
    total: int | str = "unknown"

class Loyalty(Service):
    @on(OrderPlaced)
    async def reward(self, order):
        known = [price for price in (order.total, order.amount) if price != "unknown"]
        if known:
            self.effect("points given", order.order_id, known[0] // 1000)
""",
    ],
    why="A reader that bears both names can be deployed before anybody writes the new one, and "
    "that is the only safe order. It takes what it needs and ignores the rest, but what it needs "
    "it must not invent: a missing price is an error to be seen, not a zero.",
)


# who-knows-whom


class Newsletter(Service):
    """Asks the customers' service for an address when an order ends: a command and an event."""

    @command
    async def subscribe(self, order_id: str) -> None:
        self.effect("subscribed", order_id, once=order_id)


class Order(careful.Order):
    """Choreographed, but for one command."""

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await super().place_order(order_id, amount)
        await self.call(Newsletter.subscribe, order_id=order_id)


SHOPS: dict[str, tuple[type[Service], ...]] = {
    "with a conductor": (
        careful.OrderOrchestrator,
        careful.Payment,
        careful.Inventory,
        careful.Shipping,
    ),
    "with nobody in charge": (
        careful.Order,
        careful.Payment,
        careful.Inventory,
        careful.Shipping,
        careful.Notification,
    ),
    "in a mixture": (Order, careful.Payment, Newsletter),
}


async def three_shops(answers: Answers, seed: int) -> dict[str, Any]:
    """What the learner finds in three traces, beside what there is to find."""
    told = {}
    for name, services in SHOPS.items():
        async with Lab(*services, simulate=seed) as lab:
            await lab.call(services[0].commands["place_order"], order_id="o-1", amount=30)
            await lab.quiet()
        wanted = {who: sorted(known) for who, known in coupling(lab).knows.items() if known}
        told[name] = {"found": answers.knows(lab.trace), "wanted": wanted}
    return told


def _found(each: Mapping[str, Any]) -> tuple[dict[str, list[str]], str]:
    """What was found, without those who know nobody; or what is wrong with its form."""
    found = each["found"]
    if not isinstance(found, Mapping):
        return {}, f"`knows` returned {found!r:.60}, and not a dict"
    sound = all(isinstance(known, set | list | tuple | frozenset) for known in found.values())
    if not sound:
        return {}, "the values of the dict are not sets of names"
    return {str(who): sorted(map(str, known)) for who, known in found.items() if known}, ""


def same_as_wanted(told: Mapping[str, Any]) -> str:
    for name, each in told.items():
        found, unfit = _found(each)
        if unfit:
            return unfit
        for who in sorted({*found, *each["wanted"]}):
            mine, right = found.get(who, []), each["wanted"].get(who, [])
            if mine != right:
                return f"{name}, {who} knows {_names(mine)}; it must know {_names(right)}"
    return ""


def where_it_differs(told: Mapping[str, Any]) -> str:
    for each in told.values():
        found, _ = _found(each)
        if found == each["wanted"]:
            continue
        if any("you" in (who, *known) for who, known in found.items()):
            return "`you`: whoever sits in front of the shop is no part of it"
        wanted = {who: set(known) for who, known in each["wanted"].items()}
        if any(set(known) - wanted.get(who, set()) for who, known in found.items()):
            return (
                "the direction for each kind of message: who sends a command must know the "
                "receiver; who reacts to an event must know who says it; an answer binds nobody new"
            )
    return "which messages you leave out: commands *and* events bind"


def _names(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


KNOWS = Task(
    id="who-must-know-whom",
    title="Who must know whom, from a trace",
    points=3,
    names=["knows"],
    trials=[
        Trial(
            three_shops,
            [Claim("each service with those that it must know", same_as_wanted, where_it_differs)],
            seeds=range(1),
        )
    ],
    hints=[
        "Two arrows: a command from A to B, an event from A that B hears. If B's team changes "
        "something, does A have to know? And the other way round?",
        "Go through `trace` and look at the moments with `moment.what == 'received'`: "
        "`moment.where` is who received it, `moment.message.sender` who said it, and "
        "`moment.message.kind` is 'command', 'event' or 'reply'.",
        "For a command: `knows[message.sender].add(moment.where)`; for an event: "
        "`knows[moment.where].add(message.sender)`; all else, and `you`, is left out.",
    ],
    wrong=[
        WrongAnswer(  # events decouple
            """
def knows(trace):
    found = {}
    for moment in trace:
        message = moment.message
        if moment.what == "received" and message.kind == "command" and message.sender != "you":
            found.setdefault(message.sender, set()).add(moment.where)
    return found
""",
            "commands *and* events bind",
        ),
        WrongAnswer(  # who speaks knows who hears
            """
def knows(trace):
    found = {}
    for moment in trace:
        message = moment.message
        if moment.what == "received" and message.kind != "reply" and message.sender != "you":
            found.setdefault(message.sender, set()).add(moment.where)
    return found
""",
            "for each kind of message",
        ),
        WrongAnswer(  # you are no service
            """
def knows(trace):
    found = {}
    for moment in trace:
        message = moment.message
        if moment.what == "received" and message.kind == "command":
            found.setdefault(message.sender, set()).add(moment.where)
        elif moment.what == "received" and message.kind == "event":
            found.setdefault(moment.where, set()).add(message.sender)
    return found
""",
            "is no part of it",
        ),
    ],
    others=[
        """
from labkit.coupling import coupling

def knows(trace):
    class Run:
        contracts = {}
    Run.trace = trace
    return {who: set(known) for who, known in coupling(Run).knows.items()}
""",
        """
def knows(trace):
    pairs = set()
    for moment in trace:
        if moment.what == "received":
            says, hears = moment.message.sender, moment.where
            if moment.message.kind == "command":
                pairs.add((says, hears))
            if moment.message.kind == "event":
                pairs.add((hears, says))
    names = {name for pair in pairs for name in pair} - {"you"}
    return {name: [whom for who, whom in pairs if who == name and whom != "you"] for name in names}
""",
    ],
    why="A dependency points to whoever may not change without asking. A command points where it "
    "goes, an event points back to where it came from. So an event takes no dependency away; it "
    "turns it round, and that may be just what you want.",
)


# a-choice-by-numbers

SITUATION: dict[str, Any] = {"orders": 60, "per_second": 10, "seed": 4}
BETTER_HIGH = ("confirmed",)
BETTER_LOW = ("rejected", "stuck", "silent", "messages")
MEASURES = BETTER_HIGH + BETTER_LOW
_measured: dict[str, dict[str, int]] = {}


def figures(comparison: Comparison) -> dict[str, dict[str, int]]:
    """What one may argue with, by style."""
    return {
        style: {
            **{name: getattr(result.card, name) for name in MEASURES if name != "silent"},
            "silent": result.silent,
        }
        for style, result in comparison.results.items()
    }


async def the_choice(answers: Answers, seed: int) -> dict[str, Any]:
    if not _measured:  # the same each time, so it is measured once
        workers = (busy.Payment, busy.Inventory, busy.Shipping)
        faults = [unavailable(worker, 0.5) for worker in workers]
        _measured.update(figures(await compare(**SITUATION, faults=faults)))
    return {"choice": answers.choice, "measured": dict(_measured)}


def well_formed(day: Mapping[str, Any]) -> str:
    choice = day["choice"]
    if not isinstance(choice, Mapping):
        return f"`choice` is {choice!r:.60}, and not a dict"
    missing = [name for name in ("style", "for", "price") if name not in choice]
    if missing:
        return f"`choice` has no {missing[0]!r}"
    if choice["style"] not in ("orchestrated", "choreographed"):
        return f"the style is {choice['style']!r:.40}"
    for name in ("for", "price"):
        given = choice[name]
        if not isinstance(given, tuple | list) or len(given) != 3 or given[0] not in MEASURES:
            return f"{name!r} is {given!r:.60}"
        if not all(isinstance(number, int | float) for number in given[1:]):
            return f"{name!r} is {given!r:.60}, and two of these should be numbers"
    return ""


def _argument(day: Mapping[str, Any], name: str) -> tuple[str, float, float, float, float]:
    """A measure, what was written down of either style, and what was measured."""
    choice, measured = day["choice"], day["measured"]
    other = "choreographed" if choice["style"] == "orchestrated" else "orchestrated"
    measure, own, others = choice[name]
    return measure, own, others, measured[choice["style"]][measure], measured[other][measure]


def as_measured(day: Mapping[str, Any]) -> str:
    for name in ("for", "price"):
        measure, own, others, real, reals = _argument(day, name)
        if (own, others) != (real, reals):
            if (own, others) == (reals, real):
                return f"{name!r}: the two numbers of {measure} are in the wrong order"
            return f"{name!r}: {measure} was not {own} and {others} in this run"
    return ""


def _speaks_for(measure: str, own: float, other: float) -> bool:
    return own > other if measure in BETTER_HIGH else own < other


def speaks_for_it(day: Mapping[str, Any]) -> str:
    measure, _, _, own, other = _argument(day, "for")
    good = _speaks_for(measure, own, other)
    return "" if good else f"{measure} is {own} in your style and {other} in the other"


def has_its_price(day: Mapping[str, Any]) -> str:
    measure, _, _, own, other = _argument(day, "price")
    bad = _speaks_for(measure, other, own)
    return "" if bad else f"{measure} is {own} in your style and {other} in the other: no price"


CHOICE = Task(
    id="a-choice-by-numbers",
    title="A choice, and its price",
    points=2,
    names=["choice"],
    trials=[
        Trial(
            the_choice,
            [
                Claim(
                    "a dict with a style, a number for it, and its price",
                    well_formed,
                    'the form: {"style": …, "for": (measure, yours, the other\'s), "price": (…)}; '
                    f"the measures are {', '.join(MEASURES)}",
                ),
                Claim(
                    "numbers that were measured",
                    as_measured,
                    "`measured` once more; your style's number comes first",
                ),
                Claim(
                    "a number that speaks for your style",
                    speaks_for_it,
                    "in which of the measures your style is the better one",
                ),
                Claim(
                    "a price: a number that speaks against your style",
                    has_its_price,
                    "in which of the measures your style is the worse one; each has one",
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "What would hurt your shop most: an order refused, an order forgotten, or a busy broker?",
        "`measured` has each number for both styles. Of `confirmed` more is better, of all the "
        "others less.",
        'For example `"for": ("silent", measured["orchestrated"]["silent"], '
        'measured["choreographed"]["silent"])`, and as the price the messages.',
    ],
    wrong=[
        WrongAnswer(  # a winner by conviction
            'choice = {"style": "choreographed", "for": "it is decoupled", "price": "none"}',
            "the form:",
        ),
        WrongAnswer(  # numbers from somewhere
            'choice = {"style": "orchestrated", "for": ("silent", 0, 99), '
            '"price": ("messages", 800, 300)}',
            "was not 0 and 99 in this run",
        ),
        WrongAnswer(  # a number that speaks for the other one
            'choice = {"style": "orchestrated", "for": ("messages", 850, 283), '
            '"price": ("rejected", 7, 0)}',
            "your style is the better one",
        ),
        WrongAnswer(  # no price at all
            'choice = {"style": "orchestrated", "for": ("silent", 0, 8), '
            '"price": ("silent", 0, 8)}',
            "each has one",
        ),
    ],
    others=[
        'choice = {"style": "choreographed", "for": ("confirmed", 52, 49), '
        '"price": ("stuck", 8, 4)}',
        'choice = dict(style="orchestrated", price=["confirmed", 49, 52])\n'
        'choice["for"] = ["silent", 0, 8]',
    ],
    why="Either style can be defended, and neither without a price. A decision that names its "
    "price in numbers can be looked at again when they change; lesson 13 makes a record of it.",
)


TASKS = [CONDUCTED, DANCED, BOTH_NAMES, KNOWS, CHOICE]
