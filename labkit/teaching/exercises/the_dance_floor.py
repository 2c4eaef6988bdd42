"""Exercise 03: react and publish, watch without a word, tell a wish from a fact, feed no storm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labkit.lab import Lab
from labkit.properties import before, exactly_once
from labkit.shop import Inventory, Notification, Order, Shipping
from labkit.system.faults import Fault, before_effect
from labkit.system.message import Event, Message, did_you_mean
from labkit.system.service import Service, command, on
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where

CARD, ADDRESS = "4000 0012 3456 7899", "Elm Street 12"
NEVER = float("inf")
# More than any of these days needs; a storm needs as many as it gets.
MOST_MESSAGES = 120


class OrderPlaced(Event):
    """As the notebook gives it."""

    order_id: str
    amount: int
    currency: str = "EUR"
    card: str = ""
    address: str = ""
    gift: bool = False


class PaymentCharged(Event):
    """What the listeners to the learner's event read in it."""

    order_id: str
    amount: int
    currency: str


# For the answers below, which are code of their own: what the notebook gives.
ORDER_PLACED = """
class OrderPlaced(Event):
    order_id: str
    amount: int
    currency: str = "EUR"
    card: str = ""
    address: str = ""
    gift: bool = False
"""


def said(lab: Lab, service: Any) -> list[Message]:
    """The events and the commands of one service."""
    return [m for m in lab.trace.sent(by=service) if m.kind in ("event", "command")]


# react-and-publish


class Accounting(Service):
    """Books what has been paid; it listens to nothing but PaymentCharged."""

    @on(PaymentCharged)
    async def book(self, payment: PaymentCharged) -> None:
        self.effect("booked", payment.order_id, payment.amount)


PRICES = {"o-1": (129_900, "EUR"), "o-2": (4_500, "USD"), "o-3": (89_000, "EUR")}


async def three_orders(answers: Answers, seed: int, *faults: Fault) -> Lab:
    services = answers.Payment, Accounting, Inventory
    async with Lab(*services, faults=faults, **where(seed)) as lab:
        for order_id, (amount, currency) in PRICES.items():
            await lab.publish(
                OrderPlaced(
                    order_id=order_id, amount=amount, currency=currency, card=CARD, address=ADDRESS
                )
            )
        await lab.quiet(at_most_messages=MOST_MESSAGES)
    return lab


async def a_death_before_the_charge(answers: Answers, seed: int) -> Lab:
    death = before_effect(answers.Payment, nth=2, back_after_seconds=NEVER)
    return await three_orders(answers, seed, death)


def one_fact_alone(lab: Lab) -> str:
    for message in said(lab, "Payment"):
        if (message.kind, message.type) != ("event", "PaymentCharged"):
            verb = "told" if message.kind == "command" else "published"
            return f"Payment {verb} {message.type}"
    return ""


def why_it_says_more(lab: Lab) -> str:
    other = next(m for m in said(lab, "Payment") if m.type != "PaymentCharged")
    if other.kind == "command":
        return (
            "who knows whom. Payment need not know that there are goods to lay aside: "
            "Inventory hears by itself what concerns it"
        )
    if other.type == "OrderPlaced":
        return (
            "who gets OrderPlaced. The broker gives each listener a copy of its own, and nobody "
            "takes it away from another; so nothing has to be passed on"
        )
    return (
        f"what {other.type} is: something that has happened, or something that you want of "
        "somebody? Ask who may say no to it"
    )


def what_others_need(lab: Lab) -> str:
    for message in lab.trace.sent("PaymentCharged"):
        data = message.data if isinstance(message.data, dict) else {}
        missing = [name for name in PaymentCharged.model_fields if name not in data]
        if missing:
            return f"PaymentCharged carries no {' and no '.join(missing)}"
        paid = data["amount"], data["currency"]
        if PRICES.get(str(data["order_id"])) != paid:
            return f"of {data['order_id']!r:.60} it says that {paid[0]!r:.60} {paid[1]!r:.60} came"
    return ""


def nothing_private(lab: Lab) -> str:
    for message in lab.trace.sent("PaymentCharged"):
        carried = [
            what
            for what, value in (("card", CARD), ("address", ADDRESS))
            if value in message.payload.decode()
        ]
        if carried:
            return f"PaymentCharged carries the customer's {' and '.join(carried)}"
    return ""


REACT_AND_PUBLISH = Task(
    id="react-and-publish",
    title="React, and say what has happened",
    points=3,
    names=["PaymentCharged", "Payment"],
    trials=[
        Trial(
            three_orders,
            [
                Claim("PaymentCharged is all that Payment says", one_fact_alone, why_it_says_more),
                Claim(
                    "each order is charged once",
                    exactly_once("charged"),
                    "what Payment reacts to, and the effect that it writes",
                ),
                Claim(
                    "each order is followed by one PaymentCharged",
                    exactly_once(PaymentCharged),
                    "what others hear when Payment has done its work: they wait for this cue",
                ),
                Claim(
                    "PaymentCharged carries order_id, amount and currency, as they were ordered",
                    what_others_need,
                    "Accounting: it has never seen the order, and this event is all that it hears",
                ),
                Claim(
                    "PaymentCharged carries nothing that concerns no listener",
                    nothing_private,
                    "each field, and who needs it. What is in an event, everybody can read, and "
                    "somebody will come to depend on",
                ),
            ],
            seeds=range(3),
            real=True,
        ),
        Trial(
            a_death_before_the_charge,
            [
                Claim(
                    "what is said to have happened has happened",
                    before("charged", PaymentCharged),
                    "which line stands first, the effect or the event: Payment may die between "
                    "the two",
                )
            ],
            seeds=range(3),
        ),
    ],
    hints=[
        "Accounting books an amount in a currency. From which message should it know them?",
        "One class with three fields, and one method with `@on(OrderPlaced)`: first the work, "
        "then the word. Lesson 03 begins with such a Payment.",
        '`self.effect("charged", order.order_id, order.amount)`, and then `await self.publish('
        "PaymentCharged(order_id=order.order_id, amount=…, currency=…))`.",
    ],
    wrong=[
        WrongAnswer(  # a thin event
            """
class PaymentCharged(Event):
    order_id: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
        await self.publish(PaymentCharged(order_id=order.order_id))
""",
            "it has never seen the order",
        ),
        WrongAnswer(  # misconception 25: the bigger the event, the looser the coupling
            ORDER_PLACED
            + """
class PaymentCharged(OrderPlaced):
    pass

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
        await self.publish(PaymentCharged(**order.model_dump()))
""",
            "somebody will come to depend on",
        ),
        WrongAnswer(  # the word before the work
            """
class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        await self.publish(PaymentCharged(
            order_id=order.order_id, amount=order.amount, currency=order.currency))
        self.effect("charged", order.order_id, order.amount)
""",
            "which line stands first",
        ),
        WrongAnswer(  # misconception 3: a command disguised as an event
            """
class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str

class ReservationRequested(Event):
    order_id: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
        await self.publish(PaymentCharged(
            order_id=order.order_id, amount=order.amount, currency=order.currency))
        await self.publish(ReservationRequested(order_id=order.order_id))
""",
            "something that you want of somebody",
        ),
        WrongAnswer(  # the orchestrator's habit
            """
from labkit.shop import Inventory

class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
        await self.call(Inventory.reserve, order_id=order.order_id)
        await self.publish(PaymentCharged(
            order_id=order.order_id, amount=order.amount, currency=order.currency))
""",
            "Inventory hears by itself",
        ),
        WrongAnswer(  # misconception 4: who consumes an event takes it from the others
            """
class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
        await self.publish(PaymentCharged(
            order_id=order.order_id, amount=order.amount, currency=order.currency))
        await self.publish(order)
""",
            "a copy of its own",
        ),
        WrongAnswer(  # the work without the word
            """
class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)
""",
            "they wait for this cue",
        ),
    ],
    others=[
        """
class PaymentCharged(Event):
    order_id: str
    amount: int
    currency: str
    receipt: str = ""

class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"

    @on(OrderPlaced)
    async def hear(self, order):
        receipt = await self.charge(order.order_id, order.amount)
        await self.publish(PaymentCharged(
            order_id=order.order_id, amount=order.amount, currency=order.currency,
            receipt=receipt))
""",
        """
class PaymentCharged(Event):
    currency: str
    amount: int
    order_id: str

class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        known = {name: getattr(order, name) for name in PaymentCharged.model_fields}
        if self.effect("charged", order.order_id, order.amount, once=order.order_id):
            await self.publish(PaymentCharged(**known))
""",
    ],
    why="First the work, then the word; and the word carries what its listeners need to do theirs, "
    "no less and no more. Too thin, and they must ask back; too fat, and each field that you "
    "change later breaks somebody whom you do not know.",
)


# loyalty-joins


class Payment(Service):
    """The shop's, but for its event, which also suits the one that the first task asks for."""

    @command
    async def refund(self, order_id: str, amount: int) -> None:
        self.effect("refunded", order_id, amount)

    @on(OrderPlaced)
    async def charge_new_order(self, order: OrderPlaced) -> None:
        self.effect("charged", order.order_id, order.amount)
        known = {name: getattr(order, name) for name in PaymentCharged.model_fields}
        await self.publish(PaymentCharged(**known))


async def a_shop_with_three_guitars(answers: Answers, seed: int) -> Lab:
    staff = Payment, Notification, Inventory(stock=3), Shipping, Order
    async with Lab(*staff, answers.Loyalty, **where(seed)) as lab:
        for number in range(1, 6):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=129_900))
        await lab.quiet(at_most_messages=MOST_MESSAGES)
    return lab


def loyalty_is_silent(lab: Lab) -> str:
    words = said(lab, "Loyalty")
    return f"Loyalty said {words[0].type}" if words else ""


def why_not_silent(lab: Lab) -> str:
    word = said(lab, "Loyalty")[0]
    if word.kind == "command":
        return (
            f"whom Loyalty tells what to do. Since it sends {word.type}, it needs somebody else, "
            "and an observer needs nobody"
        )
    if lab.trace.sent(word.type, by="Order") or lab.trace.sent(word.type, by="Payment"):
        return (
            f"who gets {word.type}. Each listener has a copy of its own already: nothing has to "
            "be passed on, and whoever says it again has invented a second one"
        )
    return f"who listens to {word.type}: all those will act now, because of some points"


def given(lab: Lab) -> list[tuple[str, int | None, str]]:
    """For which order how many points were given, and on hearing what."""
    types = {message.id: message.type for message in lab.trace.sent()}
    return [
        (entry.key, entry.amount, types.get(entry.cause, "?"))
        for entry in lab.ledger
        if entry.service == "Loyalty" and entry.effect == "points given"
    ]


def orders_of(lab: Lab, type: str) -> list[str]:
    return [message.data["order_id"] for message in lab.trace.sent(type)]


def none_for_rejected(lab: Lab) -> str:
    confirmed = orders_of(lab, "OrderConfirmed")
    for order_id, _, heard in given(lab):
        if order_id not in confirmed:
            lines = [str(many) for key, many, _ in given(lab) if key == order_id]
            if len(lines) > 1:
                return f"{order_id} was never confirmed, and has points twice: {', '.join(lines)}"
            return f"{order_id} was never confirmed, and got its points because of {heard}"
    return ""


def why_points_too_early(lab: Lab) -> str:
    if any(isinstance(many, int) and many < 0 for _, many, _ in given(lab)):
        return (
            "the points that are given and then taken back. The ledger shows both, and so will the "
            "customer's account: nothing was undone, something was added"
        )
    return (
        "all that is said of this order until its end. Which event is the first that a rejected "
        "order never has?"
    )


def ten_for_confirmed(lab: Lab) -> str:
    points = Counter(order_id for order_id, _, _ in given(lab))
    for order_id in orders_of(lab, "OrderConfirmed"):
        if points[order_id] != 1:
            return f"{order_id} was confirmed, and got points {points[order_id]} times"
    wrong = [f"{order_id} got {many}" for order_id, many, _ in given(lab) if many != 10]
    return wrong[0] if wrong else ""


LOYALTY_JOINS = Task(
    id="loyalty-joins",
    title="Somebody joins, and nobody notices",
    points=2,
    names=["Loyalty"],
    trials=[
        Trial(
            a_shop_with_three_guitars,
            [
                Claim(
                    "Loyalty watches, and says nothing to anybody",
                    loyalty_is_silent,
                    why_not_silent,
                ),
                Claim(
                    "no points for an order that is not confirmed",
                    none_for_rejected,
                    why_points_too_early,
                ),
                Claim(
                    "ten points, once, for each confirmed order",
                    ten_for_confirmed,
                    "the event that Loyalty reacts to, and the name and the amount of the effect",
                ),
            ],
            seeds=range(4),
            real=True,
        )
    ],
    hints=[
        "Five customers, three guitars. Which events do the two who get none see all the same?",
        "One service owns the word on how an order has ended. The chain of lesson 03 ends with it.",
        "`@on(OrderConfirmed)` above a method with one line in it: "
        '`self.effect("points given", order.order_id, 10)`.',
    ],
    wrong=[
        WrongAnswer(  # too early
            """
class Loyalty(Service):
    @on(OrderPlaced)
    async def give_points(self, order):
        self.effect("points given", order.order_id, 10)
""",
            "because of OrderPlaced",
        ),
        WrongAnswer(  # still too early: who has paid may yet be refused
            """
class Loyalty(Service):
    @on(PaymentCharged)
    async def give_points(self, payment):
        self.effect("points given", payment.order_id, 10)
""",
            "because of PaymentCharged",
        ),
        WrongAnswer(  # points as an order of their own
            """
class Loyalty(Service):
    @on(OrderConfirmed)
    async def give_points(self, order):
        self.effect("points given", order.order_id, 10)
        if not order.order_id.endswith("-points"):
            await self.publish(OrderPlaced(order_id=f"{order.order_id}-points", amount=0))
""",
            "all those will act now",
        ),
        WrongAnswer(  # an observer that directs
            """
from labkit.shop import Payment

class Loyalty(Service):
    @on(OrderConfirmed)
    async def give_points(self, order):
        self.effect("points given", order.order_id, 10)
        await self.call(Payment.refund, order_id=order.order_id, amount=10)
""",
            "an observer needs nobody",
        ),
        WrongAnswer(  # misconception 4: what Loyalty has consumed, nobody else gets
            """
class Loyalty(Service):
    def __init__(self):
        self.seen = set()

    @on(OrderConfirmed)
    async def give_points(self, order):
        if order.order_id not in self.seen:
            self.seen.add(order.order_id)
            self.effect("points given", order.order_id, 10)
            await self.publish(order)
""",
            "a copy of its own already",
        ),
        WrongAnswer(  # misconception 6: what is taken back has never been
            """
class Loyalty(Service):
    @on(OrderPlaced)
    async def give_points(self, order):
        self.effect("points given", order.order_id, 10)

    @on(OrderRejected)
    async def take_points(self, order):
        self.effect("points given", order.order_id, -10)
""",
            "nothing was undone, something was added",
        ),
    ],
    others=[
        """
class Loyalty(Service):
    points = 10

    @on(OrderConfirmed)
    async def hear(self, confirmed):
        self.give(confirmed.order_id)

    def give(self, order_id):
        self.effect("points given", order_id, self.points, once=order_id)
""",
        """
class Loyalty(Service):
    def __init__(self):
        self.rejected = set()

    @on(OrderConfirmed, OrderRejected)
    async def hear_the_end(self, end):
        if isinstance(end, OrderRejected):
            self.rejected.add(end.order_id)
        else:
            self.effect("points given", end.order_id, 10)
""",
    ],
    why="An observer joins without a change to anybody, as long as it only watches. Where many "
    "events tell of an order, it waits for the one whose meaning it needs, said by the service "
    "that owns that meaning.",
)


# intent-or-fact

MESSAGES = {
    "Payment.charge": "command",
    "Inventory.reserve": "command",
    "Shipping.cancel": "command",
    "Notification.notify": "command",
    "PaymentRequested": "command",
    "ShipmentOrdered": "command",
    "RefundInitiated": "command",
    "StockCountTriggered": "command",
    "FraudCheckNeeded": "command",
    "MailToBeSent": "command",
    "OrderPlaced": "event",
    "PaymentCharged": "event",
    "PaymentDeclined": "event",
    "InventoryReserved": "event",
    "ShipmentDispatched": "event",
    "OrderCancelled": "event",
    "CustomerComplained": "event",
    "StockRanLow": "event",
    "PaymentOverdue": "event",
    "ClosingTime": "event",
}
PLAIN_COMMANDS = [name for name in MESSAGES if "." in name]
DEFENDED = ("PaymentRequested", "OrderCancelled", "StockRanLow")
FITTING = {"command": ("refusable", "expected"), "event": ("happened", "optional")}
IDLE = {
    "past tense": "the name. Call it otherwise: does anything else change?",
    "no answer": "what waiting has to do with it. Whether the sender waits, and whether the "
    "message is a wish, are two questions",
    "one listener": "what a second listener, who joins tomorrow, would make of the message",
}
REASONS = (*FITTING["command"], *FITTING["event"], *IDLE)


async def what_was_sorted(answers: Answers, seed: int) -> tuple[object, object]:
    return answers.kinds, answers.reasons


Sorted = tuple[Any, Any]


def word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else f"{value!r:.60}"


def all_are_sorted(run: Sorted) -> str:
    return _unlike(run[0], "kinds", MESSAGES, FITTING)


def all_are_defended(run: Sorted) -> str:
    return _unlike(run[1], "reasons", DEFENDED, REASONS)


def _unlike(found: object, name: str, keys: Any, values: Any) -> str:
    if not isinstance(found, Mapping):
        return f"{name} is {found!r:.60}, and no dict"
    for key in keys:
        if key not in found:
            return f"{name} says nothing of {key}"
        if word(found[key]) not in values:
            return f"{name} says of {key}: {found[key]!r:.60}"
    for key in found:
        if key not in keys:
            return f"{name} speaks of {key!r:.60}{did_you_mean(str(key), keys)}"
    return ""


def misplaced(run: Sorted) -> list[str]:
    return [name for name, kind in MESSAGES.items() if word(run[0][name]) != kind]


def in_their_place(run: Sorted) -> str:
    wrong = len(misplaced(run))
    return f"{wrong} of {len(MESSAGES)} lie in the wrong pile" if wrong else ""


def why_misplaced(run: Sorted) -> str:
    wrong = misplaced(run)
    if set(wrong) & set(PLAIN_COMMANDS):
        return "those that name their receiver. One service is told something: may it say no?"
    if all(MESSAGES[name] == "command" for name in wrong):
        return (
            "your events, and not at their grammar. For each of them: if nobody does anything, is "
            "that a mistake? Then it was a wish"
        )
    if all(MESSAGES[name] == "event" for name in wrong):
        return (
            "your commands. Somebody will act on many of them; but can anybody say no, and undo "
            "that it is so?"
        )
    return "both piles, with one question: can the receiver say no to it?"


def reasons_fit(run: Sorted) -> str:
    for name in DEFENDED:
        if unfit(name, run):
            return f"“{word(run[1][name])}” does not tell why {name} is what you say it is"
    return ""


def unfit(name: str, run: Sorted) -> bool:
    return word(run[1][name]) not in FITTING[MESSAGES[name]]


def why_unfit(run: Sorted) -> str:
    name = next(name for name in DEFENDED if unfit(name, run))
    speaks_for = "for the other pile: hold it against your own"
    return IDLE.get(
        word(run[1][name]), f"which pile that reason speaks for. It speaks {speaks_for}"
    )


def _answer(kinds: Mapping[str, str], **reasons: str) -> str:
    chosen = dict(zip(DEFENDED, ("refusable", "happened", "optional"), strict=True)) | reasons
    return f"kinds = {dict(kinds)!r}\nreasons = {chosen!r}"


INTENT_OR_FACT = Task(
    id="intent-or-fact",
    title="Intent or fact: choose, and defend",
    points=3,
    names=["kinds", "reasons"],
    trials=[
        Trial(
            what_was_sorted,
            [
                Claim(
                    'each of the twenty names has "command" or "event"',
                    all_are_sorted,
                    "the names in the table, and how you spelled them",
                ),
                Claim("each message lies in its pile", in_their_place, why_misplaced),
                Claim(
                    "three messages have a reason out of the list",
                    all_are_defended,
                    "the list of reasons, and the three names",
                ),
                Claim("each reason tells why", reasons_fit, why_unfit),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Who may say no to it? And is anything wrong if nobody does anything about it?",
        "Do not trust the past tense. Read what the sender wants: whoever wants something done has "
        "a wish, whatever the wish is called.",
        "Ten are commands: the four that name a receiver, and six others that look like facts.",
    ],
    wrong=[
        WrongAnswer(  # misconception 3: named in the past tense, so an event
            _answer(
                {
                    name: "command" if name in (*PLAIN_COMMANDS, "MailToBeSent") else "event"
                    for name in MESSAGES
                }
            ),
            "not at their grammar",
        ),
        WrongAnswer(  # misconception 1: events only, for the sake of loose coupling
            _answer(dict.fromkeys(MESSAGES, "event")),
            "those that name their receiver",
        ),
        WrongAnswer(  # whatever somebody acts on
            _answer(
                MESSAGES
                | dict.fromkeys(("OrderCancelled", "StockRanLow", "PaymentOverdue"), "command")
            ),
            "undo that it is so",
        ),
        WrongAnswer(  # by the ear
            _answer(MESSAGES | {"ClosingTime": "command", "RefundInitiated": "event"}),
            "both piles, with one question",
        ),
        WrongAnswer(  # the right pile, because of the name
            _answer(MESSAGES, OrderCancelled="past tense"),
            "does anything else change",
        ),
        WrongAnswer(  # misconception 5: asynchronous, so an event
            _answer(MESSAGES, StockRanLow="no answer"),
            "are two questions",
        ),
        WrongAnswer(  # as many receivers as there are today
            _answer(MESSAGES, PaymentRequested="one listener"),
            "who joins tomorrow",
        ),
        WrongAnswer(  # a reason that speaks for the other side
            _answer(MESSAGES, PaymentRequested="happened"),
            "hold it against your own",
        ),
        WrongAnswer(  # one is left over
            _answer({name: kind for name, kind in MESSAGES.items() if name != "ClosingTime"}),
            "how you spelled them",
        ),
    ],
    others=[
        _answer(MESSAGES, PaymentRequested="expected", OrderCancelled="optional"),
        f"facts = {[name for name, kind in MESSAGES.items() if kind == 'event']}\n"
        f"wishes = {[name for name, kind in MESSAGES.items() if kind == 'command']}\n"
        "kinds = {n: 'event' for n in facts} | {n: 'Command' for n in wishes}\n"
        f"reasons = dict(zip({DEFENDED}, ('expected', 'happened', 'happened')))",
    ],
    why="A wish can be refused, and something is wrong when nobody obeys. A fact cannot be "
    "refused, and nothing is wrong when nobody cares. The name decides nothing: a wish in the past "
    "tense couples two services as firmly as a command does, and hides it.",
)


# loop-guard


class Packing(Service):
    """As the notebook gives it."""

    @command
    async def add_strings(self, order_id: str) -> None:
        self.effect("strings packed", order_id)


class Stickers(Service):
    """Another campaign: a sticker with each order, its own stickers excepted."""

    @on(OrderPlaced)
    async def add_sticker(self, order: OrderPlaced) -> None:
        if not order.order_id.endswith("-sticker"):
            sticker = OrderPlaced(order_id=f"{order.order_id}-sticker", amount=0, gift=True)
            await self.publish(sticker)


PACKING = """
class Packing(Service):
    @command
    async def add_strings(self, order_id: str) -> None:
        self.effect("strings packed", order_id)
"""
# A guitar, something that a voucher pays for, and a plectrum.
CUSTOMERS = {"o-1": 129_900, "o-2": 0, "o-3": 1}


async def gifts_alone(answers: Answers, seed: int, *more: type[Service]) -> Lab:
    async with Lab(answers.Gifts, Packing, *more, **where(seed)) as lab:
        for order_id, amount in CUSTOMERS.items():
            await lab.publish(OrderPlaced(order_id=order_id, amount=amount))
        await lab.quiet(at_most_messages=MOST_MESSAGES)
    return lab


async def gifts_and_stickers(answers: Answers, seed: int) -> Lab:
    return await gifts_alone(answers, seed, Stickers)


def no_storm(lab: Lab) -> str:
    many = len(lab.trace)
    return f"{MOST_MESSAGES} messages, and it goes on" if many >= MOST_MESSAGES else ""


def why_a_storm(lab: Lab) -> str:
    if lab.trace.sent(by="Stickers"):
        return (
            "how Gifts tells a gift from an order. It knows its own gifts, but others give gifts, "
            "too; and the order itself says what it is"
        )
    return "who hears what Gifts publishes: all who listen to OrderPlaced. Who is among them?"


def gifts(lab: Lab) -> Counter[str]:
    """How many gifts were given for each order: told to Packing, or placed on hearing of it."""
    orders = {message.id: message.data["order_id"] for message in lab.trace.sent("OrderPlaced")}
    words = said(lab, "Gifts")
    told = [m.data["order_id"] for m in words if m.type == "Packing.add_strings"]
    placed = [orders.get(m.causationid or "", "?") for m in words if m.type == "OrderPlaced"]
    return Counter(told + placed)


def a_gift_for_each(lab: Lab) -> str:
    for order_id, amount in CUSTOMERS.items():
        if gifts(lab)[order_id] != 1:
            return f"{order_id}, over {amount} cents, got {gifts(lab)[order_id]} gifts"
    return ""


def why_no_gift(lab: Lab) -> str:
    strange = [message for message in said(lab, "Gifts") if message in lab.trace.unheard()]
    missing = [order_id for order_id in CUSTOMERS if not gifts(lab)[order_id]]
    if strange and missing:
        return (
            f"who listens to {strange[0].type}. Its name says that something has happened, but you "
            "want something done, and nobody was told"
        )
    if not gifts(lab):
        return "how strings leave the house: by a command to Packing, or as an order of their own"
    if missing == ["o-2"]:
        return "order o-2. A voucher pays for it; is it a gift of Gifts for that reason?"
    return "what Gifts keeps in mind from one order to the next"


def none_for_gifts(lab: Lab) -> str:
    for order_id in gifts(lab):
        if order_id not in CUSTOMERS:
            return f"{order_id} is a gift, and got a gift"
    return ""


def storm_or_gifts(look: str) -> list[Claim]:
    return [
        Claim("three orders come to an end", no_storm, why_a_storm),
        Claim("each order of a customer gets one gift", a_gift_for_each, why_no_gift),
        Claim("a gift gets none", none_for_gifts, look),
    ]


LOOP_GUARD = Task(
    id="loop-guard",
    title="A gift that does not feed itself",
    points=2,
    names=["Gifts"],
    trials=[
        Trial(
            gifts_alone,
            storm_or_gifts(
                "how many rounds your guard lets pass. The first gift of a gift is one too many"
            ),
            seeds=range(3),
            real=True,
        ),
        Trial(
            gifts_and_stickers,
            storm_or_gifts(
                "whose order that was. Stickers gives gifts as well, and says so in the order"
            ),
            seeds=range(3),
        ),
    ],
    hints=[
        "Gifts publishes an order. Who hears it? And what does Gifts do with what Stickers says?",
        "`order.gift` says what the order is, whoever has published it. Or give up publishing: "
        "strings in a parcel are a wish to Packing.",
        "`if not order.gift:` and then either `await self.call(Packing.add_strings, "
        "order_id=order.order_id)` or an OrderPlaced with `gift=True`.",
    ],
    wrong=[
        WrongAnswer(  # the storm
            ORDER_PLACED
            + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        await self.publish(OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True))
""",
            "Who is among them",
        ),
        WrongAnswer(  # the lesson's first repair
            ORDER_PLACED
            + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        if order.amount > 0:
            await self.publish(
                OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True))
""",
            "A voucher pays for it",
        ),
        WrongAnswer(  # knows only its own
            ORDER_PLACED
            + """
class Gifts(Service):
    def __init__(self):
        self.mine = set()

    @on(OrderPlaced)
    async def give(self, order):
        if order.order_id not in self.mine:
            gift = OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True)
            self.mine.add(gift.order_id)
            await self.publish(gift)
""",
            "the order itself says what it is",
        ),
        WrongAnswer(  # enough is enough
            ORDER_PLACED
            + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        if order.order_id.count("-gift") < 3:
            await self.publish(
                OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True))
""",
            "how many rounds your guard lets pass",
        ),
        WrongAnswer(  # misconception 3: a wish dressed up as a fact
            ORDER_PLACED
            + """
class GiftRequested(Event):
    order_id: str

class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        if not order.gift:
            await self.publish(GiftRequested(order_id=order.order_id))
""",
            "and nobody was told",
        ),
        WrongAnswer(  # a command makes no storm, and still gives to everybody
            ORDER_PLACED
            + PACKING
            + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        await self.call(Packing.add_strings, order_id=order.order_id)
""",
            "Stickers gives gifts as well",
        ),
        WrongAnswer(  # one gift, and then the guard never opens again
            ORDER_PLACED
            + """
class Gifts(Service):
    busy = False

    @on(OrderPlaced)
    async def give(self, order):
        if not self.busy and not order.gift:
            self.busy = True
            await self.publish(
                OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True))
""",
            "from one order to the next",
        ),
    ],
    others=[
        ORDER_PLACED
        + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        if not order.gift:
            await self.publish(
                OrderPlaced(order_id=f"{order.order_id}-gift", amount=0, gift=True))
""",
        ORDER_PLACED
        + PACKING
        + """
class Gifts(Service):
    @on(OrderPlaced)
    async def give(self, order):
        if order.gift:
            return
        await self.strings(order.order_id)

    async def strings(self, order_id):
        await self.call(Packing.add_strings, order_id=order_id, timeout_seconds=1)
""",
    ],
    why="Whoever publishes what it listens to must be able to recognise it, also by way of others: "
    "by a mark that travels with the event, and not by a memory of one's own. Better still is no "
    "loop at all: what you want of one service, tell it to that one.",
)


TASKS = [REACT_AND_PUBLISH, LOYALTY_JOINS, INTENT_OR_FACT, LOOP_GUARD]
