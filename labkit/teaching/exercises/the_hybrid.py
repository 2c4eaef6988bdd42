"""Exercise 12: draw a border, keep inner commands inside, refactor a tangle, and win a race."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from labkit.boundary import no_command_crosses
from labkit.lab import Lab
from labkit.properties import at_most_once, before, leads_to, never
from labkit.shop import (
    OrderConfirmed,
    OrderRejected,
    PaymentCharged,
    ShipmentDispatched,
    ShipmentRejected,
    hybrid,
    returns,
)
from labkit.system.errors import CommandFailed, LabError
from labkit.system.faults import Fault, duplicate, reply_lost, unavailable
from labkit.system.message import did_you_mean
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where
from labkit.trace import key_of

AMOUNT = 129_900


# draw-the-border

INSIDE, OUTSIDE = "inside", "outside"
# What is right for each message, and what to say to whoever has it the other way round.
MESSAGES = {
    "Warehouse.pick_items": (
        INSIDE,
        "a command goes to one receiver. Who outside could give it, and know what comes next?",
    ),
    "ShipmentDispatched": (
        OUTSIDE,
        "the parcel has left, and that is final. The customer waits for it, and so does Order",
    ),
    "CarrierRefused": (
        INSIDE,
        "the next carrier is asked at once. What would anybody outside do about the first one?",
    ),
    "ShipmentRejected": (
        OUTSIDE,
        "somebody must give the money back, and that is not Shipping's work",
    ),
    "ApprovalRequested": (
        INSIDE,
        "it has one receiver, who must act: what is it in truth, and whose person is asked?",
    ),
    "ItemsPicked": (
        INSIDE,
        "the step may still be taken back. Who acts on it outside may have to regret it",
    ),
    "PaymentCharged": (
        OUTSIDE,
        "it is what Shipping waits for. How would it hear of the money otherwise?",
    ),
    "CarrierDesk.call_off": (
        INSIDE,
        "a compensation is a step like any other: what is taken back here was done here",
    ),
    "DeliveryDelayed": (
        OUTSIDE,
        "the customer was promised a day. Who writes to her must hear of it",
    ),
    "ShelfMoved": (
        INSIDE,
        "where the guitars hang is known by those who fetch them. Who else would have to act?",
    ),
}


async def sorted_by(answers: Answers, seed: int) -> Any:
    return answers.where


def all_sorted(chosen: Any) -> str:
    if not isinstance(chosen, dict):
        return f"where is {chosen!r:.60}, and no dict"
    for message in MESSAGES:
        if message not in chosen:
            near = did_you_mean(message, [str(key) for key in chosen])
            return f"{message} is missing{near}"
        if not isinstance(chosen[message], str) or chosen[message] not in (INSIDE, OUTSIDE):
            return f"{message} has {chosen[message]!r:.60}"
    return ""


def wrong_side(chosen: dict[str, str]) -> str:
    return next((name for name, (side, _) in MESSAGES.items() if chosen[name] != side), "")


def on_its_side(chosen: dict[str, str]) -> str:
    name = wrong_side(chosen)
    return f"{name} is {chosen[name]}" if name else ""


def what_speaks_against_it(chosen: dict[str, str]) -> str:
    return f"{wrong_side(chosen)}: {MESSAGES[wrong_side(chosen)][1]}"


def sorting(*changed: str) -> str:
    """The right answer, with these on the wrong side."""
    other = {INSIDE: OUTSIDE, OUTSIDE: INSIDE}
    sides = {n: other[side] if n in changed else side for n, (side, _) in MESSAGES.items()}
    return f"where = {sides}"


DRAW_THE_BORDER = Task(
    id="draw-the-border",
    title="Choose and defend: inside or outside?",
    points=2,
    names=["where"],
    trials=[
        Trial(
            sorted_by,
            [
                Claim(
                    'for each of the ten messages "inside" or "outside"',
                    all_sorted,
                    "the names of the messages and the two words, letter by letter",
                ),
                Claim(
                    "each message on the side where it is needed",
                    on_its_side,
                    what_speaks_against_it,
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Who acts when this is said? Is any of them outside of Shipping?",
        "Two questions for an event: would somebody outside act on it, and is it final? "
        "A step that may be taken back stays inside. A command always does.",
        "Outside are: what Shipping waits for, its two outcomes, and what breaks a promise to the "
        "customer. All else is inside.",
    ],
    wrong=[
        # misconception 3 is ApprovalRequested
        *(WrongAnswer(sorting(name), words) for name, (_, words) in MESSAGES.items()),
        WrongAnswer("where = {'ShipmentDispatched': 'outside'}", "Warehouse.pick_items is missing"),
        WrongAnswer("where = ['inside'] * 10", "and no dict"),
        WrongAnswer(sorting().replace("'outside'", "'out'"), "has 'out'"),
    ],
    others=[
        sorting(),
        """
hidden = ["Warehouse.pick_items", "CarrierRefused", "ApprovalRequested", "ItemsPicked"]
hidden += ["CarrierDesk.call_off", "ShelfMoved"]
told = ["ShipmentDispatched", "ShipmentRejected", "PaymentCharged", "DeliveryDelayed"]
where = dict.fromkeys(hidden, "inside") | dict.fromkeys(told, "outside")
""",
    ],
    why="Across a border goes what others act on, and what will not be taken back: an outcome, a "
    "promise that is broken. What only tells how the work is done stays inside, whatever its form. "
    "It can then be changed by those who do the work.",
)


# only-events-leave

DOMAINS = {
    "Order": ["Order"],
    "Payment": ["Payment"],
    "Shipping": ["Dispatcher", "Warehouse", "CarrierDesk"],
}
OUTCOMES = {"ShipmentDispatched", "ShipmentRejected"}
ORDERS = ("o-1", "o-2", "o-3")


async def directed(
    answers: Answers, seed: int, *faults: Fault, stock: int = 100, vans: int = 100
) -> Lab:
    inside = (hybrid.Warehouse(stock=stock), hybrid.CarrierDesk(vans=vans))
    services = (hybrid.Order, hybrid.Payment, answers.Dispatcher, *inside)
    async with Lab(*services, faults=faults, **where(seed)) as lab:
        for order_id in ORDERS:
            await lab.call(hybrid.Order.place_order, order_id=order_id, amount=AMOUNT)
        await lab.quiet(at_most_messages=400)
    return lab


async def one_van(answers: Answers, seed: int) -> Lab:
    return await directed(answers, seed, vans=1)


async def one_guitar(answers: Answers, seed: int) -> Lab:
    return await directed(answers, seed, stock=1)


async def trouble_inside(answers: Answers, seed: int) -> Lab:
    return await directed(
        answers,
        seed,
        unavailable(hybrid.Warehouse.pick_items, nth=1),
        unavailable(hybrid.CarrierDesk.book_carrier, nth=2),
        reply_lost(hybrid.CarrierDesk, nth=1),
    )


def only_outcomes(lab: Lab) -> str:
    said = {m.type for m in lab.trace.sent(by="Dispatcher") if m.kind == "event"}
    # HumanTaskOpened is for a person of Shipping, and no domain listens to it.
    more = sorted(said - OUTCOMES - {"HumanTaskOpened"})
    return f"Dispatcher publishes {', '.join(more)}" if more else ""


def goods_and_vans_are_free(lab: Lab) -> str:
    ledger = lab.ledger
    gone = {*ledger.shipped()}
    if lying := sorted({*ledger.keys("picked")} - {*ledger.keys("put back")} - gone):
        return f"the goods of {', '.join(lying)} are picked, and lie in no parcel and on no shelf"
    if waiting := sorted({*ledger.keys("booked")} - {*ledger.keys("called off")} - gone):
        return f"a van is booked for {', '.join(waiting)}, and drives for nothing"
    return ""


def all_dispatched(lab: Lab) -> str:
    missing = [order for order in ORDERS if order not in lab.ledger.shipped()]
    return f"{', '.join(missing)} was not shipped" if missing else ""


def one_ships(lab: Lab) -> str:
    many = len(lab.ledger.shipped())
    return "" if many == 1 else f"{many} were shipped"


HEAD = """
from labkit.shop.hybrid import CarrierDesk, Warehouse

class Dispatcher(Service):
    @on(PaymentCharged)
    async def dispatch(self, payment: PaymentCharged) -> None:
        order_id = payment.order_id
"""
INNER_COMMANDS = Claim(
    "no command crosses the border of Shipping",
    no_command_crosses(DOMAINS),
    "whom your Dispatcher tells what to do. What Payment or Order must do, they know: they need to "
    "hear how it has ended",
)
INNER_EVENTS = Claim(
    "from Shipping one hears ShipmentDispatched or ShipmentRejected, and nothing else",
    only_outcomes,
    "the events that tell of a step in between: who is to hear them?",
)
ONE_END = [
    Claim(
        "each paid order is dispatched or rejected",
        leads_to(PaymentCharged, ShipmentDispatched, ShipmentRejected),
        "the refusal: it is an answer, so it must become an event, and not an error of your "
        "reaction, which would only be tried again",
    ),
    Claim(
        "an order is confirmed or rejected, and not both",
        never(OrderRejected, after=OrderConfirmed),
        "the last line of each way through your reaction: which event is published?",
    ),
    Claim(
        "what is called dispatched has been handed over before",
        before("shipped", ShipmentDispatched),
        "when `ShipmentDispatched` is said: is the parcel out of the house?",
    ),
    Claim(
        "what is rejected was not handed over",
        never("refunded", after="shipped"),
        "the step that can't be taken back: what comes after it?",
    ),
]

ONLY_EVENTS_LEAVE = Task(
    id="only-events-leave",
    title="Only events leave the house",
    points=3,
    names=["Dispatcher"],
    trials=[
        Trial(
            directed,
            [
                INNER_COMMANDS,
                INNER_EVENTS,
                *ONE_END,
                Claim("all three orders are shipped", all_dispatched, "the last step, `hand_over`"),
            ],
            real=True,
        ),
        Trial(
            one_van,
            [
                INNER_COMMANDS,
                INNER_EVENTS,
                *ONE_END,
                Claim(
                    "what was done for a rejected order is taken back inside",
                    goods_and_vans_are_free,
                    "the steps before the refusal: does each have its way back?",
                ),
                Claim("the one van takes one parcel", one_ships, "the order of the steps"),
            ],
        ),
        Trial(
            one_guitar,
            [
                *ONE_END,
                Claim(
                    "what was done for a rejected order is taken back inside",
                    goods_and_vans_are_free,
                    "the steps before the refusal: does each have its way back?",
                ),
            ],
        ),
        Trial(
            trouble_inside,
            [
                Claim(
                    "a failure that passes is never heard of outside: all three are shipped",
                    all_dispatched,
                    "the difference between a no and a failure: the second one may be over when "
                    "you ask again",
                ),
                *ONE_END,
            ],
        ),
    ],
    hints=[
        "There are two sorts of things for your Dispatcher to say: to whom goes each of them, and "
        "who outside has to know the steps?",
        "`async with Saga(self, order_id) as saga:` does the steps, asks again, and walks back. "
        "Around it, `try`: one event where it went well, one where it did not.",
        "Two `saga.step(…, undo=…, order_id=order_id)`, then `tracking = await "
        "saga.pivot(Warehouse.hand_over, order_id=order_id)`. Then `except CommandFailed as no:` "
        "publishes ShipmentRejected, and `else:` ShipmentDispatched.",
    ],
    wrong=[
        WrongAnswer(  # tells Payment what to do
            """
from labkit.shop import hybrid
from labkit.shop.hybrid import CarrierDesk, Warehouse

class Dispatcher(Service):
    @on(PaymentCharged)
    async def dispatch(self, payment: PaymentCharged) -> None:
        order_id = payment.order_id
        try:
            async with Saga(self, order_id) as saga:
                saga.owe(hybrid.Payment.refund, order_id=order_id)
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
            "What Payment or Order must do, they know",
        ),
        WrongAnswer(  # tells everybody of each step
            """
from labkit import Event
from labkit.shop.hybrid import CarrierDesk, Warehouse

class ItemsPicked(Event):
    order_id: str

class Dispatcher(Service):
    @on(PaymentCharged)
    async def dispatch(self, payment: PaymentCharged) -> None:
        order_id = payment.order_id
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                await self.publish(ItemsPicked(order_id=order_id))
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
            "Dispatcher publishes ItemsPicked",
        ),
        WrongAnswer(  # the refusal is an error of the reaction
            HEAD
            + """
        async with Saga(self, order_id) as saga:
            await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
            await saga.step(CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id)
            tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
            "which would only be tried again",
        ),
        WrongAnswer(  # the way back is forgotten
            HEAD
            + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(Warehouse.pick_items, undo=NOTHING, order_id=order_id)
                await saga.step(CarrierDesk.book_carrier, undo=NOTHING, order_id=order_id)
                tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
            "lie in no parcel and on no shelf",
        ),
        WrongAnswer(  # one try, and a passing failure becomes a lost sale
            HEAD
            + """
        try:
            async with Saga(self, order_id, tries=1) as saga:
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
        else:
            await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
            "the second one may be over",
        ),
        WrongAnswer(  # says it before it is so
            HEAD
            + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                await self.publish(ShipmentDispatched(order_id=order_id, tracking="soon"))
                await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
""",
            "is the parcel out of the house",
        ),
        WrongAnswer(  # no parcel at all
            HEAD
            + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                raise Refused("done")
        except CommandFailed as no:
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
""",
            "the last step, `hand_over`",
        ),
    ],
    others=[
        HEAD
        + """
        try:
            async with Saga(self, order_id, timeout_seconds=1) as saga:
                await saga.step(
                    CarrierDesk.book_carrier, undo=CarrierDesk.call_off, order_id=order_id
                )
                await saga.step(Warehouse.pick_items, undo=Warehouse.put_back, order_id=order_id)
                tracking = await saga.pivot(Warehouse.hand_over, order_id=order_id)
        except CommandFailed:
            await self.publish(ShipmentRejected(order_id=order_id, reason="it can't be sent"))
        else:
            await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
        """
from labkit.shop.hybrid import CarrierDesk, Warehouse

class Dispatcher(Service):
    async def ask(self, command, order_id):
        for attempt in range(4):
            try:
                return await self.call(command, order_id=order_id, timeout_seconds=1)
            except Refused:
                raise
            except CommandFailed:
                if attempt == 3:
                    raise

    @on(PaymentCharged)
    async def dispatch(self, payment: PaymentCharged) -> None:
        order_id, undo = payment.order_id, []
        try:
            undo.append(Warehouse.put_back)
            await self.ask(Warehouse.pick_items, order_id)
            undo.append(CarrierDesk.call_off)
            await self.ask(CarrierDesk.book_carrier, order_id)
            tracking = await self.ask(Warehouse.hand_over, order_id)
        except CommandFailed as no:
            for way_back in reversed(undo):
                await self.ask(way_back, order_id)
            await self.publish(ShipmentRejected(order_id=order_id, reason=str(no)))
            return
        await self.publish(ShipmentDispatched(order_id=order_id, tracking=tracking))
""",
    ],
    why="The Dispatcher has two languages. Inside it tells, waits, asks again and takes back; "
    "outside it says once how it has ended. So Order and Payment are the same services as before, "
    "and any step can be changed without asking their owners.",
)


# refactor-a-tangle

RETURNED = {"guitar-1": 129_900, "scratched-1": 89_900, "guitar-2": 99_900}
SOUND = ["guitar-1", "guitar-2"]
RETURNS_DOMAINS = {"Payment": ["Payment"], "Returns": ["ReturnsDesk", "Inspector", "Shelf"]}
RETURN_OUTCOMES = {"ReturnAccepted", "ReturnRefused", "HumanTaskOpened"}


async def sent_back(answers: Answers, seed: int, *faults: Fault, room: int = 100) -> Lab:
    inside = (answers.ReturnsDesk, returns.Inspector, returns.Shelf(room=room))
    async with Lab(*inside, answers.Payment, faults=faults, **where(seed)) as lab:
        for order_id, amount in RETURNED.items():
            await lab.publish(returns.ReturnAnnounced(order_id=order_id, amount=amount))
        await lab.quiet(at_most_messages=300)
    return lab


async def full_shelf(answers: Answers, seed: int) -> Lab:
    return await sent_back(answers, seed, room=1)


async def twice_in_returns(answers: Answers, seed: int) -> Lab:
    return await sent_back(
        answers, seed, duplicate(answers.ReturnsDesk), duplicate(answers.Payment)
    )


async def trouble_in_returns(answers: Answers, seed: int) -> Lab:
    """Whoever asks Inspector for the first time finds nobody there."""
    first = [unavailable(returns.Inspector.inspect, nth=nth) for nth in range(1, 4)]
    return await sent_back(answers, seed, *first)


def only_ends_of_returns(lab: Lab) -> str:
    said = {
        m.type
        for name in RETURNS_DOMAINS["Returns"]
        for m in lab.trace.sent(by=name)
        if m.kind == "event"
    }
    more = sorted(said - RETURN_OUTCOMES)
    return f"one hears {', '.join(more)}" if more else ""


def sound_ones_refunded(lab: Lab) -> str:
    back = set(lab.ledger.keys("refunded"))
    if missing := [order for order in SOUND if order not in back]:
        return f"{', '.join(missing)} is as good as new, and was not paid back"
    return "scratched-1 was paid back" if "scratched-1" in back else ""


def refunds_for_what_is_shelved(lab: Lab) -> str:
    back, shelved = set(lab.ledger.keys("refunded")), set(lab.ledger.keys("shelved"))
    if more := sorted(back - shelved):
        return f"{', '.join(more)} was paid back, and lies on no shelf"
    less = sorted(shelved - back)
    return f"{', '.join(less)} lies on the shelf, and was not paid back" if less else ""


def as_much_as_was_paid(lab: Lab) -> str:
    for entry in lab.ledger:
        if entry.effect == "refunded" and entry.amount != RETURNED.get(entry.key):
            return f"for {entry.key} {entry.amount} was paid back"
    return ""


TWO_ENDS = [
    Claim(
        "no command crosses the border between Returns and Payment",
        no_command_crosses(RETURNS_DOMAINS),
        "who tells whom what to do: your desk may tell Inspector and Shelf. What follows from an "
        "accepted return, Payment knows by itself",
    ),
    Claim(
        "from Returns one hears ReturnAccepted or ReturnRefused, and nothing else",
        only_ends_of_returns,
        "what your desk publishes in between: `inspect` and `shelve` are commands, and answered",
    ),
    Claim(
        "each announced return is accepted or refused",
        leads_to(returns.ReturnAnnounced, returns.ReturnAccepted, returns.ReturnRefused),
        "the refusal of Inspector or Shelf: an error of your reaction is only tried again",
    ),
    Claim(
        "nothing is accepted and refused",
        never(returns.ReturnRefused, after=returns.ReturnAccepted),
        "when your desk says ReturnAccepted: may a step that comes after it still be refused?",
    ),
    Claim(
        "money goes back when a return was accepted, and not before",
        before(returns.ReturnAccepted, "refunded"),
        "what your Payment reacts to: is that an outcome, or a step on the way?",
    ),
]
ANNOUNCED = """
class ReturnsDesk(Service):
    @on(returns.ReturnAnnounced)
    async def take_back(self, wish):
        order_id = wish.order_id
"""
PAYS = """
class Payment(Service):
    @on(returns.ReturnAccepted)
    async def refund(self, accepted):
        self.effect("refunded", accepted.order_id, accepted.amount, once=accepted.order_id)
"""
DESK = (
    ANNOUNCED
    + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(returns.Inspector.inspect, undo=NOTHING, order_id=order_id)
                await saga.pivot(returns.Shelf.shelve, order_id=order_id)
        except CommandFailed as no:
            await self.publish(returns.ReturnRefused(order_id=order_id, reason=str(no)))
        else:
            await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))
"""
)

REFACTOR_A_TANGLE = Task(
    id="refactor-a-tangle",
    title="Refactor a tangle",
    points=3,
    names=["ReturnsDesk", "Payment"],
    trials=[
        Trial(
            sent_back,
            [
                *TWO_ENDS,
                Claim(
                    "what is as good as new is paid back, and what is scratched is not",
                    sound_ones_refunded,
                    "the last event of that return, and who hears it",
                ),
                Claim(
                    "as much goes back as was paid",
                    as_much_as_was_paid,
                    "where your Payment has the amount from",
                ),
            ],
            real=True,
        ),
        Trial(
            full_shelf,
            [
                Claim(
                    "paid back is what lies on the shelf, no more and no less",
                    refunds_for_what_is_shelved,
                    "the day on which the shelf is full: which step must have been done before "
                    "a return is accepted?",
                ),
                *TWO_ENDS,
            ],
        ),
        Trial(
            twice_in_returns,
            [
                Claim(
                    "also when messages come twice, money goes back once",
                    at_most_once("refunded"),
                    "the key under which your Payment pays back: what does `once=` do?",
                )
            ],
            seeds=range(2),
        ),
        Trial(
            trouble_in_returns,
            [
                Claim(
                    "a failure that passes is no reason to refuse a return",
                    sound_ones_refunded,
                    "the difference between a no and a failure: the second one may be over when "
                    "you ask again",
                ),
            ],
        ),
    ],
    hints=[
        "In the tangle, which event means *somebody please inspect this*? Who should ask for it, "
        "and how, if Returns has a desk of its own?",
        "The desk reacts to ReturnAnnounced, tells Inspector and Shelf by commands, and says one "
        "of two events. Payment reacts to one of these two.",
        "`await saga.step(returns.Inspector.inspect, undo=NOTHING, order_id=order_id)`, then "
        "`await saga.pivot(returns.Shelf.shelve, order_id=order_id)`, in a `try` as in task 2. "
        "Payment: `@on(returns.ReturnAccepted)` and the effect `refunded`, with `once=`.",
    ],
    wrong=[
        WrongAnswer(  # Payment stays as it was
            DESK
            + """
class Payment(returns.Payment):
    pass
""",
            "and who hears it",
        ),
        WrongAnswer(  # the desk pays back itself
            ANNOUNCED
            + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(returns.Inspector.inspect, undo=NOTHING, order_id=order_id)
                await saga.pivot(returns.Shelf.shelve, order_id=order_id)
                await saga.step(Payment.refund, order_id=order_id, amount=wish.amount)
        except CommandFailed as no:
            await self.publish(returns.ReturnRefused(order_id=order_id, reason=str(no)))
        else:
            await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))


class Payment(Service):
    @command
    async def refund(self, order_id: str, amount: int) -> None:
        self.effect("refunded", order_id, amount, once=order_id)
""",
            "Payment knows by itself",
        ),
        WrongAnswer(  # misconception 3: asks by an event
            """
class ReturnsDesk(Service):
    @on(returns.ReturnAnnounced)
    async def take_back(self, wish):
        await self.publish(
            returns.InspectionRequested(order_id=wish.order_id, amount=wish.amount)
        )

    @on(returns.ItemsInspected)
    async def decide(self, seen):
        if seen.flaw:
            await self.publish(returns.ReturnRefused(order_id=seen.order_id, reason=seen.flaw))
        else:
            await self.publish(
                returns.ReturnAccepted(order_id=seen.order_id, amount=seen.amount)
            )
"""
            + PAYS,
            "`inspect` and `shelve` are commands",
        ),
        WrongAnswer(  # accepted before it lies on the shelf
            ANNOUNCED
            + """
        try:
            async with Saga(self, order_id) as saga:
                await saga.step(returns.Inspector.inspect, undo=NOTHING, order_id=order_id)
                await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))
                await saga.pivot(returns.Shelf.shelve, order_id=order_id)
        except CommandFailed as no:
            await self.publish(returns.ReturnRefused(order_id=order_id, reason=str(no)))
"""
            + PAYS,
            "the day on which the shelf is full",
        ),
        WrongAnswer(  # pays back as soon as it is announced
            DESK
            + """
class Payment(Service):
    @on(returns.ReturnAnnounced)
    async def refund(self, wish):
        self.effect("refunded", wish.order_id, wish.amount, once=wish.order_id)
""",
            "is that an outcome, or a step on the way",
        ),
        WrongAnswer(  # no key
            DESK
            + """
class Payment(Service):
    @on(returns.ReturnAccepted)
    async def refund(self, accepted):
        self.effect("refunded", accepted.order_id, accepted.amount)
""",
            "the key under which your Payment pays back",
        ),
        WrongAnswer(  # the refusal is an error of the reaction
            ANNOUNCED
            + """
        async with Saga(self, order_id) as saga:
            await saga.step(returns.Inspector.inspect, undo=NOTHING, order_id=order_id)
            await saga.pivot(returns.Shelf.shelve, order_id=order_id)
        await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))
"""
            + PAYS,
            "an error of your reaction is only tried again",
        ),
        WrongAnswer(  # does not ask again
            ANNOUNCED
            + """
        try:
            await self.call(returns.Inspector.inspect, order_id=order_id)
            await self.call(returns.Shelf.shelve, order_id=order_id)
        except CommandFailed as no:
            await self.publish(returns.ReturnRefused(order_id=order_id, reason=str(no)))
        else:
            await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))
"""
            + PAYS,
            "a failure that passes is no reason",
        ),
        WrongAnswer(  # a part of the money
            DESK
            + """
class Payment(Service):
    @on(returns.ReturnAccepted)
    async def refund(self, accepted):
        self.effect("refunded", accepted.order_id, 100, once=accepted.order_id)
""",
            "has the amount from",
        ),
    ],
    others=[
        DESK + PAYS,
        ANNOUNCED
        + """
        for command in (returns.Inspector.inspect, returns.Shelf.shelve):
            for attempt in range(4):
                try:
                    await self.call(command, order_id=order_id)
                    break
                except Refused as no:
                    refused = returns.ReturnRefused(order_id=order_id, reason=str(no))
                    return await self.publish(refused)
                except CommandFailed:
                    if attempt == 3:
                        raise
        await self.publish(returns.ReturnAccepted(order_id=order_id, amount=wish.amount))


class Payment(Service):
    @on(returns.ReturnAccepted)
    async def refund(self, accepted):
        if not self.done("refunded", accepted.order_id):
            self.effect("refunded", accepted.order_id, accepted.amount)
""",
    ],
    why="The steps are in one place now, so the full shelf is no surprise any more: nothing is "
    "accepted before it lies there. Payment knows one event in place of a step, and Order, which "
    "only passed things on, is out of it.",
)


# approval-race

RACING = tuple(f"o-{number}" for number in range(1, 13))
SHORT_SECONDS, LONG_SECONDS = 0.001, 2.0


def decides(answers: Answers) -> Any:
    return with_commands(answers.Approvals, "wait_for", "approve")


def with_commands(service: Any, *names: str) -> Any:
    """The learner's service, if it has these commands still; else what it has lost is told."""
    for name in names:
        if name not in getattr(service, "commands", {}):
            raise LabError(
                f"{getattr(service, '__name__', 'what you wrote')} has no command {name}. Keep the "
                "head of each method as it was given, with `@command` above it."
            )
    return service


async def ask(lab: Lab, command: Any, order_id: str, **more: Any) -> None:
    with suppress(CommandFailed):
        await lab.call(command, order_id=order_id, timeout_seconds=30, **more)


async def at_the_time_out(answers: Answers, seed: int, *, times: int = 1) -> Lab:
    """Twelve parcels; for each a person and the clock speak within some milliseconds."""
    approvals = decides(answers)
    async with Lab(approvals, **where(seed)) as lab:
        said = []
        for order in RACING:
            said.append(ask(lab, approvals.wait_for, order, within_seconds=SHORT_SECONDS))
            said += [ask(lab, approvals.approve, order) for _ in range(times)]
        await asyncio.gather(*said)
        await lab.quiet(at_most_messages=300)
    return lab


async def twice(answers: Answers, seed: int) -> Lab:
    return await at_the_time_out(answers, seed, times=2)


async def in_good_time(answers: Answers, seed: int) -> Lab:
    """o-1 is approved at once, o-2 before anybody waits for it, o-3 never."""
    approvals = decides(answers)
    async with Lab(approvals, **where(seed)) as lab:
        await ask(lab, approvals.approve, "o-2")
        told = {"within_seconds": LONG_SECONDS}
        await asyncio.gather(
            *(ask(lab, approvals.wait_for, order, **told) for order in ("o-1", "o-2", "o-3")),
            ask(lab, approvals.approve, "o-1"),
        )
        await lab.quiet(at_most_messages=100)
    return lab


async def late(answers: Answers, seed: int) -> Lab:
    approvals = decides(answers)
    async with Lab(approvals, **where(seed)) as lab:
        await ask(lab, approvals.wait_for, "o-1", within_seconds=SHORT_SECONDS)
        await ask(lab, approvals.approve, "o-1")
        await lab.quiet(at_most_messages=100)
    return lab


async def dies_in_between(answers: Answers, seed: int) -> Lab:
    """Both words are spoken, then Approvals dies, and both are asked for once more."""
    approvals = decides(answers)
    async with Lab(approvals, **where(seed)) as lab:
        await ask(lab, approvals.approve, "o-1")
        await ask(lab, approvals.wait_for, "o-2", within_seconds=SHORT_SECONDS)
        await lab.crash(approvals)
        await lab.wake(approvals)
        await ask(lab, approvals.wait_for, "o-1", within_seconds=SHORT_SECONDS)
        await ask(lab, approvals.approve, "o-2")
        await lab.quiet(at_most_messages=100)
    return lab


def answered(lab: Lab, name: str) -> dict[str, list[str]]:
    """What each one who asked for this heard, by the order: "" for a yes, or why it was none."""
    asked = {m.id: key_of(m) for m in lab.trace.sent(f"Approvals.{name}", by="you")}
    heard: dict[str, list[str]] = {order: [] for order in asked.values()}
    for reply in lab.trace.received(by="you"):
        if reply.causationid in asked:
            heard[asked[reply.causationid]].append(reply.reason or "")
    return heard


def one_word(lab: Lab) -> str:
    approved, expired = (set(lab.ledger.keys(word)) for word in ("approved", "expired"))
    if both := approved & expired:
        return f"{min(both)} is approved and expired"
    asked = set(answered(lab, "wait_for"))
    silent = sorted(asked - approved - expired)
    return f"of {silent[0]} the ledger says neither" if silent else ""


def waits_for_the_word(lab: Lab) -> str:
    approved = set(lab.ledger.keys("approved"))
    for order, heard in answered(lab, "wait_for").items():
        for word in heard:
            if word == "" and order not in approved:
                return f"wait_for said yes for {order}, which nobody has approved"
            if word != "" and order in approved:
                return f"wait_for said no for {order}, which is approved"
    return ""


def told_as_it_is(lab: Lab) -> str:
    approved = set(lab.ledger.keys("approved"))
    for order, heard in answered(lab, "approve").items():
        for word in heard:
            if word == "" and order not in approved:
                return f"who approved {order} heard a yes, and it is not approved"
            if word != "" and order in approved:
                return f"who approved {order} heard a no, and it is approved"
    return ""


def all_answered(lab: Lab) -> str:
    for name in ("wait_for", "approve"):
        for order, heard in answered(lab, name).items():
            asked = [m for m in lab.trace.sent(f"Approvals.{name}", by="you") if key_of(m) == order]
            if len(heard) < len(asked):
                return f"{name} for {order} has no answer"
    return ""


def approved_are(*orders: str) -> Any:
    def judged(lab: Lab) -> str:
        found = sorted(set(lab.ledger.keys("approved")))
        told = ", ".join(found) or "none"
        return "" if found == list(orders) else f"approved: {told}"

    return judged


def no_longer_than_needed(lab: Lab) -> str:
    """The yes for o-1 and o-2 comes when they are approved, not when the time is over."""
    asked = {m.id: key_of(m) for m in lab.trace.sent("Approvals.wait_for", by="you")}
    for moment in lab.trace:
        message = moment.message
        if moment.what == "received" and message is not None and message.kind == "reply":
            order = asked.get(message.causationid or "", "")
            if order in ("o-1", "o-2") and moment.seconds > LONG_SECONDS / 2:
                return f"{order} is approved at once, and wait_for answers when the time is over"
    return ""


def who_spoke_second(lab: Lab) -> str:
    """Where to look, by whose word it was that came although there was one."""
    first: dict[str, str] = {}
    for entry in lab.ledger:
        if first.setdefault(entry.key, entry.effect) != entry.effect:
            if entry.effect == "approved":
                return (
                    "the moment in `approve` between its look at the books and its word: what may "
                    "happen in it?"
                )
            return (
                "the moment in which the time is over: does the clock look at the books just "
                "before it speaks?"
            )
    return "the ways through `wait_for`: on which of them is nothing written?"


ONE_WORD = Claim("each order has one word, approved or expired", one_word, who_spoke_second)
AS_IT_IS = [
    Claim(
        "wait_for says yes where it is approved, and raises Refused where it is not",
        waits_for_the_word,
        "what the books say when `wait_for` ends, whichever way it ends",
    ),
    Claim(
        "the person hears what is so: a yes, or a no where the time is over",
        told_as_it_is,
        "what `approve` answers: each time that it is asked, for one and the same order",
    ),
]
WAITS = """
class Approvals(Service):
    def __init__(self):
        self.waiting = {}

    def said_yes(self, order_id):
        return self.waiting.setdefault(order_id, asyncio.Event())

    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        if not self.done("approved", order_id):
            try:
                await asyncio.wait_for(self.said_yes(order_id).wait(), within_seconds)
            except TimeoutError:
                pass
        if not self.done("approved", order_id):
            self.effect("expired", order_id, once=order_id)
            raise Refused("nobody approved it in time")
"""
APPROVES = """
    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("too late")
        self.effect("approved", order_id, once=order_id)
        self.said_yes(order_id).set()
"""

APPROVAL_RACE = Task(
    id="approval-race",
    title="A person against the clock",
    points=3,
    names=["Approvals"],
    trials=[
        Trial(
            in_good_time,
            [
                Claim("each question is answered", all_answered, "whom nobody wakes"),
                Claim(
                    "o-1 and o-2 are approved, o-3 is not",
                    approved_are("o-1", "o-2"),
                    "whose word it is: each order has its own",
                ),
                ONE_WORD,
                *AS_IT_IS,
                Claim(
                    "wait_for ends as soon as there is a word",
                    no_longer_than_needed,
                    "what wakes the one who waits: `asyncio.Event` can be awaited, with a time-out "
                    "around it; and who comes when all is said needs not wait at all",
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            late,
            [
                Claim(
                    "what has expired stays expired",
                    never("approved", after="expired"),
                    "what `approve` does when the time is over already",
                ),
                *AS_IT_IS,
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(at_the_time_out, [ONE_WORD, *AS_IT_IS]),
        Trial(
            twice,
            [
                ONE_WORD,
                Claim(
                    "approved twice, it is written once",
                    at_most_once("approved"),
                    "the second approval: what does `once=` do?",
                ),
                *AS_IT_IS,
            ],
        ),
        Trial(
            dies_in_between,
            [
                Claim(
                    "also after a crash the first word counts",
                    approved_are("o-1"),
                    "where the words are kept: an attribute dies with the service, its books do "
                    "not",
                ),
                ONE_WORD,
                *AS_IT_IS,
            ],
            seeds=range(2),
        ),
    ],
    hints=[
        "Two speak: the person and the clock. Where is it written who was first, and who looks "
        "there before the second one speaks?",
        "Whatever is between two `await` nobody can interrupt. So look at the books and write into "
        "them without an `await` in between, in `approve` and after the time-out.",
        'After the waiting, however it ended: `if not self.done("approved", order_id): '
        'self.effect("expired", order_id, once=order_id); raise Refused(…)`. And `approve` '
        'begins with `if self.done("expired", order_id): raise Refused(…)`.',
    ],
    wrong=[
        WrongAnswer(  # who is late is told yes
            WAITS
            + """
    @command
    async def approve(self, order_id: str) -> None:
        self.effect("approved", order_id, once=order_id)
        self.said_yes(order_id).set()
""",
            "when the time is over already",
        ),
        WrongAnswer(  # a look, a moment, a word
            WAITS
            + """
    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("too late")
        await asyncio.sleep(0.003)
        self.effect("approved", order_id, once=order_id)
        self.said_yes(order_id).set()
""",
            "between its look at the books and its word",
        ),
        WrongAnswer(  # the clock does not look
            """
class Approvals(Service):
    def __init__(self):
        self.waiting = {}

    def said_yes(self, order_id):
        return self.waiting.setdefault(order_id, asyncio.Event())

    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        if self.done("approved", order_id):
            return
        try:
            await asyncio.wait_for(self.said_yes(order_id).wait(), within_seconds)
        except TimeoutError:
            await asyncio.sleep(0.003)
            self.effect("expired", order_id, once=order_id)
            raise Refused("nobody approved it in time")
"""
            + APPROVES,
            "does the clock look at the books",
        ),
        WrongAnswer(  # sleeps through the approval
            """
class Approvals(Service):
    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        await asyncio.sleep(within_seconds)
        if not self.done("approved", order_id):
            self.effect("expired", order_id, once=order_id)
            raise Refused("nobody approved it in time")

    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("too late")
        self.effect("approved", order_id, once=order_id)
""",
            "what wakes the one who waits",
        ),
        WrongAnswer(  # one word for all orders
            """
class Approvals(Service):
    def __init__(self):
        self.yes = asyncio.Event()

    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        try:
            await asyncio.wait_for(self.yes.wait(), within_seconds)
        except TimeoutError:
            self.effect("expired", order_id, once=order_id)
            raise Refused("nobody approved it in time")
        self.effect("approved", order_id, once=order_id)

    @command
    async def approve(self, order_id: str) -> None:
        self.yes.set()
""",
            "each order has its own",
        ),
        WrongAnswer(  # a memory that dies
            """
class Approvals(Service):
    def __init__(self):
        self.word, self.waiting = {}, {}

    def said_yes(self, order_id):
        return self.waiting.setdefault(order_id, asyncio.Event())

    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        try:
            if order_id not in self.word:
                await asyncio.wait_for(self.said_yes(order_id).wait(), within_seconds)
        except TimeoutError:
            pass
        if self.word.setdefault(order_id, "expired") == "expired":
            self.effect("expired", order_id, once=order_id)
            raise Refused("nobody approved it in time")

    @command
    async def approve(self, order_id: str) -> None:
        if self.word.setdefault(order_id, "approved") == "expired":
            raise Refused("too late")
        self.effect("approved", order_id, once=order_id)
        self.said_yes(order_id).set()
""",
            "an attribute dies with the service",
        ),
        WrongAnswer(  # a second yes is refused
            WAITS
            + """
    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id) or self.done("approved", order_id):
            raise Refused("too late")
        self.effect("approved", order_id, once=order_id)
        self.said_yes(order_id).set()
""",
            "each time that it is asked",
        ),
        WrongAnswer(  # two lines for one word
            WAITS
            + """
    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("too late")
        self.effect("approved", order_id)
        self.said_yes(order_id).set()
""",
            "it is written once",
        ),
        WrongAnswer(  # a no that nobody hears
            WAITS.replace('            raise Refused("nobody approved it in time")\n', "")
            + APPROVES,
            "whichever way it ends",
        ),
    ],
    others=[
        WAITS + APPROVES,
        """
class Approvals(Service):
    @command
    async def wait_for(self, order_id: str, within_seconds: float) -> None:
        end = asyncio.get_running_loop().time() + within_seconds
        while not self.done("approved", order_id):
            if asyncio.get_running_loop().time() >= end or self.done("expired", order_id):
                self.effect("expired", order_id, once=order_id)
                raise Refused("the time is over")
            await asyncio.sleep(0.002)

    @command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("the time is over")
        self.effect("approved", order_id, once=order_id)
""",
        """
class Approvals(hybrid.Approvals):
    pass
""",
    ],
    why="A race has no right winner. It needs one place where the first word is written, and "
    "nobody who speaks without looking there; between the look and the word nothing may be "
    "awaited. The person hears what is so, and the books outlive the service.",
)


TASKS = [DRAW_THE_BORDER, ONLY_EVENTS_LEAVE, REFACTOR_A_TANGLE, APPROVAL_RACE]
