"""Exercise 07: an undo that does no harm, a saga with a pivot, one owner, a lock, and who looks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from labkit.lab import Lab
from labkit.properties import at_most_once, before, exactly_once, leads_to, never
from labkit.seven_invariants import nothing_undone_after, stock_is_conserved
from labkit.shop import (
    InventoryReserved,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    careful,
)
from labkit.system.errors import CommandFailed, LabError, Refused
from labkit.system.faults import after_effect, delay, kill, reply_lost, slow, unavailable
from labkit.system.message import Event, did_you_mean
from labkit.system.saga import HumanTaskOpened
from labkit.system.service import Service, command, on
from labkit.teaching.task import Answers, Claim, Day, Task, Trial, WrongAnswer, where
from labkit.trace import key_of

AMOUNT = 129_900


class Payment(careful.Payment):
    """The card of order o-1 is blocked."""

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if order_id == "o-1":
            raise Refused("the card is blocked")
        return await super().charge(order_id, amount)


class Inventory(careful.Inventory):
    """Has nothing on the shelf for order o-2."""

    @command
    async def reserve(self, order_id: str) -> None:
        if order_id == "o-2":
            raise Refused("nothing left on the shelf")
        await super().reserve(order_id)


class Shipping(careful.Shipping):
    """Has no van for order o-3."""

    @command
    async def ship(self, order_id: str) -> str:
        if order_id == "o-3":
            raise Refused("the carrier has no van")
        return await super().ship(order_id)


def with_commands(service: Any, *names: str) -> Any:
    """The learner's service, if it has these commands still; else a word on which it has lost."""
    for name in names:
        if name not in getattr(service, "commands", {}):
            called = getattr(service, "__name__", "what you wrote")
            raise LabError(
                f"{called} has no command {name}. Keep the head of each method as it was given, "
                "with `@command` above it."
            )
    return service


# harmless-undo


async def acts(answers: Answers, seed: int, *wanted: tuple[str, str], faults: Any = ()) -> Lab:
    """Ask Payment for one act after another, a second of patience for each."""
    payment = with_commands(answers.Payment, "charge", "refund")
    async with Lab(payment, faults=faults, **where(seed)) as lab:
        for act, order_id in wanted:
            told: dict[str, Any] = {"order_id": order_id, "timeout_seconds": 1}
            with suppress(CommandFailed):
                if act == "charge":
                    await lab.call(payment.charge, amount=AMOUNT, **told)
                else:
                    await lab.call(payment.refund, **told)
        await lab.quiet(at_most_messages=100)
    return lab


CHARGE, REFUND = ("charge", "o-1"), ("refund", "o-1")


async def given_back(answers: Answers, seed: int) -> Lab:
    return await acts(answers, seed, CHARGE, REFUND, REFUND)


async def nothing_charged(answers: Answers, seed: int) -> Lab:
    return await acts(answers, seed, REFUND, ("charge", "o-2"))


async def late_charge(answers: Answers, seed: int, *deaths: Any) -> Lab:
    late = delay(careful.Payment.charge, seconds=3)
    return await acts(answers, seed, CHARGE, REFUND, faults=[late, *deaths])


async def late_charge_and_a_death(answers: Answers, seed: int) -> Lab:
    return await late_charge(answers, seed, kill(careful.Payment.charge))


async def death_in_a_refund(answers: Answers, seed: int) -> Lab:
    dies = after_effect(careful.Payment.refund)
    return await acts(answers, seed, CHARGE, REFUND, REFUND, faults=[dies])


def refunds_answered(lab: Lab) -> str:
    asked = {message.id for message in lab.trace.sent("Payment.refund", by="you")}
    done = {m.causationid for m in lab.trace.sent("Payment.refund.done", by="Payment")}
    return "" if asked <= done else "; ".join(lab.trace.problems()) or "a refund has no answer"


def as_much_as_was_taken(lab: Lab) -> str:
    back = [entry.amount for entry in lab.ledger if entry.effect == "refunded"]
    return "" if back == [AMOUNT] else f"{AMOUNT} was charged, and refunded was {back[0]}"


def no_receipt(lab: Lab) -> str:
    told = lab.trace.sent("Payment.charge.done", by="Payment")
    return "a receipt was written for a charge that did not happen" if told else ""


CHARGES = """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if self.done("closed", order_id):
            raise Refused("taken back")
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"
"""
REFUNDS = """
    @command
    async def refund(self, order_id: str) -> None:
        self.effect("closed", order_id, once=order_id)
        if charge := self.done("charged", order_id):
            self.effect("refunded", order_id, charge.amount, once=order_id)
"""


HARMLESS_UNDO = Task(
    id="harmless-undo",
    title="A refund that does no harm",
    points=2,
    names=["Payment"],
    trials=[
        Trial(
            given_back,
            [
                Claim(
                    "there is one charge in the ledger",
                    exactly_once("charged"),
                    "the line `charged`, and how often it stands in the ledger. An undo is an act "
                    "by itself, with a name of its own: `refunded`",
                ),
                Claim(
                    "the charge stands in the ledger, and after it a refund",
                    leads_to("charged", "refunded"),
                    "the ledger: a statement has no eraser. What was taken is given back by one "
                    "more line",
                ),
                Claim(
                    "asked twice for a refund, Payment pays back once",
                    exactly_once("refunded"),
                    "the refund that was asked for twice: what does `once=` do?",
                ),
                Claim(
                    "what was taken is paid back, no more and no less",
                    as_much_as_was_taken,
                    "the amount: `self.done` returns the entry, and that has an `.amount`",
                ),
                Claim(
                    "a second refund is answered like the first",
                    refunds_answered,
                    "what your `refund` raises when the money is back already",
                ),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            nothing_charged,
            [
                Claim(
                    "no money goes back that was never taken",
                    before("charged", "refunded"),
                    "what your books say about the charge, before you give money back",
                ),
                Claim(
                    "a refund with nothing to refund does nothing, and is answered",
                    refunds_answered,
                    "what your `refund` raises. Who walks back does not know whether the charge "
                    "has happened, and must not be stopped by it",
                ),
                Claim(
                    "order o-2 is charged, whatever was taken back for o-1",
                    lambda lab: "" if lab.ledger.keys("charged") == ["o-2"] else "it was not",
                    "whose refund it was: the mark belongs to one order",
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            late_charge,
            [
                Claim(
                    "a charge that arrives after its refund does not happen any more",
                    never("charged"),
                    "what `refund` leaves behind when nothing was charged yet, for the charge "
                    "that is still on its way",
                ),
                Claim(
                    "who asks too late hears a no, and gets no receipt",
                    no_receipt,
                    "what your `charge` answers when it finds the mark: `raise Refused(…)` says no",
                ),
            ],
            seeds=range(3),
        ),
        Trial(
            late_charge_and_a_death,
            [
                Claim(
                    "also after a crash, a charge that was taken back does not happen",
                    never("charged"),
                    "where you noted the refund: an attribute of the service dies with it, its "
                    "books do not",
                )
            ],
            seeds=range(3),
        ),
        Trial(
            death_in_a_refund,
            [
                Claim(
                    "a refund that was broken off by a crash is finished when it comes again",
                    leads_to("charged", "refunded"),
                    "the crash between two lines of your `refund`: when it runs again, does it "
                    "still come to the line that pays?",
                ),
                Claim(
                    "also after a crash, Payment pays back once",
                    exactly_once("refunded"),
                    "the refund that came again after the crash: it needs a key",
                ),
            ],
            seeds=range(3),
        ),
    ],
    hints=[
        "When `refund` is called, has the charge happened, has it not, or is it still on its way? "
        "What must each of the three leave in the books?",
        '`self.done("charged", order_id)` asks the books. And any word may be an effect: a mark '
        "such as `closed` lives as long as the ledger.",
        '`refund` first writes `self.effect("closed", order_id, once=order_id)`, and then, if '
        'there is a charge, `self.effect("refunded", order_id, charge.amount, once=order_id)`. '
        "`charge` begins with a look at the mark.",
    ],
    wrong=[
        WrongAnswer(  # gives away what it never took
            CHARGES
            + """
    @command
    async def refund(self, order_id: str) -> None:
        self.effect("closed", order_id, once=order_id)
        self.effect("refunded", order_id, 129_900, once=order_id)
""",
            "before you give money back",
        ),
        WrongAnswer(  # the late charge comes through
            """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"
"""
            + REFUNDS,
            "still on its way",
        ),
        WrongAnswer(  # a memory that dies
            """
class Payment(Service):
    def __init__(self):
        self.closed = set()

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if order_id in self.closed:
            raise Refused("taken back")
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"

    @command
    async def refund(self, order_id: str) -> None:
        self.closed.add(order_id)
        if charge := self.done("charged", order_id):
            self.effect("refunded", order_id, charge.amount, once=order_id)
""",
            "dies with it",
        ),
        WrongAnswer(  # misconception 6: back to the old state
            """
class Payment(Service):
    def __init__(self):
        self.paid = {}

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.paid[order_id] = amount
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"

    @command
    async def refund(self, order_id: str) -> None:
        self.paid.pop(order_id, None)
""",
            "no eraser",
        ),
        WrongAnswer(  # misconception 6: the first line is to look as if it had not been
            CHARGES
            + """
    @command
    async def refund(self, order_id: str) -> None:
        self.effect("closed", order_id, once=order_id)
        if charge := self.done("charged", order_id):
            self.effect("charged", order_id, -charge.amount, once=f"{order_id} back")
""",
            "with a name of its own",
        ),
        WrongAnswer(  # an undo that complains
            CHARGES
            + """
    @command
    async def refund(self, order_id: str) -> None:
        self.effect("closed", order_id, once=order_id)
        charge = self.done("charged", order_id)
        if charge is None:
            raise Refused("nothing was charged")
        self.effect("refunded", order_id, charge.amount, once=order_id)
""",
            "must not be stopped by it",
        ),
        WrongAnswer(  # does nothing, and says that it did
            """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if not self.done("closed", order_id):
            self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"
"""
            + REFUNDS,
            "when it finds the mark",
        ),
        WrongAnswer(  # half a refund
            CHARGES
            + """
    @command
    async def refund(self, order_id: str) -> None:
        if self.effect("closed", order_id, once=order_id):
            if charge := self.done("charged", order_id):
                self.effect("refunded", order_id, charge.amount)
""",
            "the line that pays",
        ),
    ],
    others=[
        CHARGES + REFUNDS,
        """
class Payment(Service):
    def is_over(self, order_id):
        return self.done("refunded", order_id) or self.done("called off", order_id)

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if self.is_over(order_id):
            raise Refused("too late")
        self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"

    @command
    async def refund(self, order_id: str) -> None:
        if self.is_over(order_id):
            return
        if charge := self.done("charged", order_id):
            self.effect("refunded", order_id, charge.amount)
        else:
            self.effect("called off", order_id)
""",
        """
from labkit.shop import careful

class Payment(careful.Payment):
    pass
""",
    ],
    why="To undo is not to erase: the charge stands, and the refund stands below it. Whoever walks "
    "back does not know what has happened, so the undo must bear all three cases: it was done, it "
    "was not, it is still on its way. For the last one it leaves a mark, in the books, where no "
    "crash takes it.",
)


# saga-compensates

PLACE = "OrderOrchestrator.place_order.done"


async def order(
    answers: Answers, seed: int, *faults: Any, vans: int = 9, instead: Sequence[Any] = ()
) -> Lab:
    """One order. instead: services that stand in for careful ones of the same name."""
    orchestrator = with_commands(answers.OrderOrchestrator, "place_order")
    services: dict[str, Any] = {
        "Payment": careful.Payment,
        "Inventory": careful.Inventory,
        "Shipping": careful.Shipping(vans=vans),
        "Notification": careful.Notification,
    } | {service.__name__: service for service in instead}
    async with Lab(orchestrator, *services.values(), faults=faults, **where(seed)) as lab:
        with suppress(CommandFailed):
            await lab.call(
                orchestrator.place_order, order_id="o-1", amount=AMOUNT, timeout_seconds=120
            )
        await lab.quiet(at_most_seconds=120, at_most_messages=300)
    return lab


def a_day(*faults: Any, **more: Any) -> Day:
    async def one_order(answers: Answers, seed: int) -> Lab:
        return await order(answers, seed, *faults, **more)

    return one_order


all_well = a_day()
no_van = a_day(vans=0)
blocked_card = a_day(instead=[Payment])
charge_unanswered = a_day(reply_lost(careful.Payment.charge))
reserve_unanswered = a_day(reply_lost(careful.Inventory.reserve))
charge_too_late = a_day(slow(careful.Payment.charge, seconds=45))
pivot_unanswered = a_day(reply_lost(careful.Shipping.ship))
no_mail = a_day(unavailable(careful.Notification))
no_refund = a_day(unavailable(careful.Payment.refund), vans=0)
a_hiccup_in_the_undo = a_day(unavailable(careful.Inventory.release, nth=1), vans=0)


def told_no(lab: Lab) -> str:
    told = lab.trace.sent(PLACE, by="OrderOrchestrator")
    return f"nothing was shipped, and place_order returned {told[0].data!r:.60}" if told else ""


def told_yes(lab: Lab) -> str:
    told = [message.data for message in lab.trace.sent(PLACE, by="OrderOrchestrator")]
    if told == ["parcel o-1"]:
        return ""
    return f"the answer was {told[0]!r:.40}" if told else "the parcel has left, the answer was a no"


def a_person_knows(lab: Lab) -> str:
    return "" if lab.trace.sent(HumanTaskOpened) else "no HumanTaskOpened was published"


def person(look: str) -> Claim:
    return Claim("what can't be finished is put before a person", a_person_knows, look)


TRUTH = Claim(
    "who placed the order hears the no",
    told_no,
    "the end of your `except`: undone is one thing, told is another. `raise` passes the no on",
)


def made_good(look: str) -> list[Claim]:
    return [
        Claim("no money stays without a parcel", leads_to("charged", "shipped", "refunded"), look),
        Claim("no goods stay aside", leads_to("reserved", "shipped", "released"), look),
    ]


def unanswered(step: str) -> list[Claim]:
    return [
        *made_good(
            f"{step} was done, only nobody heard of it. When is its way back noted: before it is "
            "asked for, or after it has answered?"
        ),
        TRUTH,
    ]


def only_forward(look: str) -> Claim:
    return Claim(
        "after the pivot nothing is undone: the parcel has left", nothing_undone_after(), look
    )


HEAD = """
from labkit import NOTHING, HumanTaskOpened, Saga
from labkit.shop import careful

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
"""
STEPS = """
        async with Saga(self, order_id, timeout_seconds=1, tries=3) as saga:
            await saga.step(
                careful.Inventory.reserve, undo=careful.Inventory.release, order_id=order_id)
            await saga.step(
                careful.Payment.charge, undo=careful.Payment.refund, order_id=order_id,
                amount=amount)
"""
BY_HAND = """
        undo = []
        try:
            undo.append(careful.Inventory.release)
            await self.call(careful.Inventory.reserve, order_id=order_id)
            undo.append(careful.Payment.refund)
            await self.call(careful.Payment.charge, order_id=order_id, amount=amount)
"""
SHIP = """
            parcel = await self.call(careful.Shipping.ship, order_id=order_id)
"""
WALK_BACK = """
        except CommandFailed:
            for way_back in reversed(undo):
                await self.call(way_back, order_id=order_id)
            raise
"""
MAIL = """
        await self.call(careful.Notification.notify, order_id=order_id)
        return parcel
"""
PATIENT_MAIL = """
        try:
            await self.call(careful.Notification.notify, order_id=order_id)
        except CommandFailed as error:
            await self.publish(
                HumanTaskOpened(order_id=order_id, task="notify", reason=str(error)))
        return parcel
"""


SAGA_COMPENSATES = Task(
    id="saga-compensates",
    title="An orchestrator that takes back",
    points=3,
    names=["OrderOrchestrator"],
    trials=[
        Trial(
            all_well,
            [
                Claim(
                    f"on a good day the order is {done}",
                    exactly_once(done),
                    f"the step after which the order should be {done}",
                )
                for done in ("reserved", "charged", "shipped", "mailed")
            ]
            + [Claim("the answer is the parcel", told_yes, "what `place_order` returns")],
            seeds=range(2),
        ),
        Trial(
            no_van,
            [
                *made_good("the steps before the pivot, one by one: which has no way back?"),
                Claim(
                    "what was done last is taken back first",
                    before("refunded", "released"),
                    "the order in which you walk back: from the end of the list",
                ),
                Claim(
                    "nobody is thanked for an order that was rejected",
                    never("mailed"),
                    "behind which step the mail stands: a mail can't be unwritten",
                ),
                TRUTH,
            ],
            seeds=range(3),
        ),
        Trial(
            blocked_card,
            [*made_good("the steps before the one that was refused: are they taken back?"), TRUTH],
            seeds=range(2),
        ),
        Trial(charge_unanswered, unanswered("Payment.charge"), seeds=range(2)),
        Trial(reserve_unanswered, unanswered("Inventory.reserve"), seeds=range(2)),
        Trial(
            charge_too_late,
            made_good(
                "the charge that comes 45 s late. It does not happen when a refund was asked for "
                "before; who asks, if its way back is noted after the answer?"
            ),
            seeds=range(1),
        ),
        Trial(
            no_mail,
            [
                only_forward(
                    "what follows when Notification fails. The guitar is hers and the money is "
                    "ours: is a missing mail a reason to undo that?"
                ),
                Claim(
                    "the order is a success, although the mail is missing",
                    told_yes,
                    "what your code returns when a step after the pivot fails",
                ),
                person("the mail that can't be written: after some tries publish HumanTaskOpened"),
            ],
            seeds=range(2),
        ),
        Trial(
            pivot_unanswered,
            [
                only_forward(
                    "the pivot that gave no answer. A no is an answer, a silence is none: the "
                    "parcel may have left"
                ),
                person(
                    "the pivot of which nobody knows whether it was done: a person can find out"
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            no_refund,
            [
                Claim(
                    "one way back that fails does not keep the others from being walked",
                    leads_to("reserved", "shipped", "released"),
                    "what happens to the rest of your list when one way back raises an error",
                ),
                person("the refund that fails each time: the customer's money is still here"),
            ],
            seeds=range(2),
        ),
        Trial(
            a_hiccup_in_the_undo,
            [
                Claim(
                    "a way back that fails once is asked for again, or put before a person",
                    lambda lab: "" if lab.ledger.keys("released") else a_person_knows(lab),
                    "the undo that fails once: an undo needs tries like any other step",
                )
            ],
            seeds=range(2),
        ),
    ],
    hints=[
        "Which step decides? What can be said about the steps before it, and about those after it?",
        "`Saga` from the lesson does most of it: `saga.step(…, undo=…)` before the pivot, "
        "`saga.pivot(…)`, and `saga.step(…)` after it. By hand: note the way back, *then* ask.",
        "`async with Saga(self, order_id, timeout_seconds=1, tries=3) as saga:` and in it "
        "`await saga.step(careful.Inventory.reserve, undo=careful.Inventory.release, "
        "order_id=order_id)`; the same for `charge` with its amount; then "
        "`parcel = await saga.pivot(careful.Shipping.ship, order_id=order_id)`.",
    ],
    wrong=[
        WrongAnswer(  # misconception 15: the way back is noted after the answer
            HEAD
            + """
        undo = []
        try:
            await self.call(careful.Inventory.reserve, order_id=order_id)
            undo.append(careful.Inventory.release)
            await self.call(careful.Payment.charge, order_id=order_id, amount=amount)
            undo.append(careful.Payment.refund)
"""
            + SHIP
            + WALK_BACK
            + MAIL,
            "before it is asked for, or after it has answered",
        ),
        WrongAnswer(  # walks back from the beginning
            HEAD + BY_HAND + SHIP + WALK_BACK.replace("reversed(undo)", "undo") + MAIL,
            "from the end of the list",
        ),
        WrongAnswer(  # misconception 17: every failure is undone, also after the pivot
            HEAD
            + BY_HAND
            + """
            undo.append(careful.Shipping.cancel)
            parcel = await self.call(careful.Shipping.ship, order_id=order_id)
            await self.call(careful.Notification.notify, order_id=order_id)
            return parcel
"""
            + WALK_BACK,
            "is a missing mail a reason",
        ),
        WrongAnswer(  # misconception 17: a silence of the pivot is taken for a no
            HEAD
            + STEPS
            + """
            parcel = await saga.step(careful.Shipping.ship, undo=NOTHING, order_id=order_id)
"""
            + PATIENT_MAIL,
            "a silence is none",
        ),
        WrongAnswer(  # one step has no way back
            HEAD
            + STEPS.replace("careful.Inventory.release", "NOTHING")
            + """
            parcel = await saga.pivot(careful.Shipping.ship, order_id=order_id)
            await saga.step(careful.Notification.notify, order_id=order_id)
            return parcel
""",
            "which has no way back",
        ),
        WrongAnswer(  # the no is swallowed, and the caller believes that it worked
            HEAD + BY_HAND + SHIP + WALK_BACK.replace("raise", "return 'rejected'") + PATIENT_MAIL,
            "passes the no on",
        ),
        WrongAnswer(  # misconception 16: a way back does not fail
            HEAD
            + BY_HAND
            + SHIP
            + """
        except CommandFailed as error:
            if len(undo) == 2 and isinstance(error, NoReply) and "Shipping" in str(error):
                await self.publish(
                    HumanTaskOpened(order_id=order_id, task="parcel?", reason=str(error)))
                raise
            for way_back in reversed(undo):
                await self.call(way_back, order_id=order_id)
            raise
"""
            + PATIENT_MAIL,
            "the rest of your list",
        ),
        WrongAnswer(  # misconception 22: somebody will miss the mail
            HEAD
            + STEPS
            + """
            parcel = await saga.pivot(careful.Shipping.ship, order_id=order_id)
        try:
            await self.call(careful.Notification.notify, order_id=order_id)
        except CommandFailed:
            pass
        return parcel
""",
            "the mail that can't be written",
        ),
        WrongAnswer(  # the mail before the pivot, where it can't be taken back
            HEAD
            + STEPS
            + """
            await saga.step(careful.Notification.notify, undo=NOTHING, order_id=order_id)
            return await saga.pivot(careful.Shipping.ship, order_id=order_id)
""",
            "a mail can't be unwritten",
        ),
    ],
    others=[
        HEAD
        + """
        async with Saga(self, order_id) as saga:
            return await self.sell(saga, {"order_id": order_id}, amount)

    async def sell(self, saga, order, amount):
        await saga.step(careful.Inventory.reserve, undo=careful.Inventory.release, **order)
        await saga.step(
            careful.Payment.charge, undo=careful.Payment.refund, amount=amount, **order)
        parcel = await saga.pivot(careful.Shipping.ship, **order)
        await saga.step(careful.Notification.notify, **order)
        return parcel
""",
        HEAD
        + """
        undo, decided = [], False
        try:
            undo.append(careful.Inventory.release)
            await self.ask(careful.Inventory.reserve, order_id=order_id)
            undo.append(careful.Payment.refund)
            await self.ask(careful.Payment.charge, order_id=order_id, amount=amount)
            decided = None
            parcel = await self.ask(careful.Shipping.ship, order_id=order_id)
            decided = True
            await self.ask(careful.Notification.notify, order_id=order_id)
            return parcel
        except CommandFailed as error:
            if decided:
                await self.tell_a_person(order_id, "write the mail", error)
                return parcel
            if decided is None and not isinstance(error, Refused):
                await self.tell_a_person(order_id, "did the parcel leave?", error)
                raise
            while undo:
                way_back = undo.pop()
                try:
                    await self.ask(way_back, order_id=order_id)
                except CommandFailed as failed:
                    await self.tell_a_person(order_id, way_back.message_type, failed)
            raise

    async def ask(self, act, order_id, **more):
        for seconds in (0.1, 0.2, 0.4, 0.8):
            try:
                return await self.call(
                    act, order_id=order_id, timeout_seconds=1, **more,
                    idempotency_key=f"{order_id} {act.message_type}")
            except Refused:
                raise
            except CommandFailed as error:
                last = error
                await asyncio.sleep(seconds)
        raise last

    async def tell_a_person(self, order_id, task, error):
        await self.publish(HumanTaskOpened(order_id=order_id, task=task, reason=str(error)))
""",
        HEAD
        + """
        from contextlib import AsyncExitStack
        async with AsyncExitStack() as ways_back:
            ways_back.push_async_callback(self.surely, careful.Inventory.release, order_id)
            await self.call(careful.Inventory.reserve, order_id=order_id)
            ways_back.push_async_callback(self.surely, careful.Payment.refund, order_id)
            await self.call(careful.Payment.charge, order_id=order_id, amount=amount)
            try:
                parcel = await self.call(careful.Shipping.ship, order_id=order_id)
            except NoReply as silence:
                ways_back.pop_all()
                await self.publish(HumanTaskOpened(
                    order_id=order_id, task="find the parcel", reason=str(silence)))
                raise
            ways_back.pop_all()
        await self.surely(careful.Notification.notify, order_id)
        return parcel

    async def surely(self, act, order_id):
        try:
            await self.call(act, order_id=order_id)
        except CommandFailed as error:
            await self.publish(HumanTaskOpened(
                order_id=order_id, task=act.message_type, reason=str(error)))
""",
    ],
    why="The way back is noted before the step, for a step without an answer may have been done. "
    "Before the pivot a no is walked back from, the last step first. After it there is only "
    "forward. And what fails in spite of all tries, forward or back, goes to a person: a saga that "
    "believes in its compensations ends in silence.",
)


# owner-event


class ParcelSeized(Event):
    """A new kind of no, which no service of the learner's has ever heard of."""

    order_id: str
    reason: str


class Customs(Service):
    """Stands in the place of the carrier, and lets nothing through."""

    @on(InventoryReserved)
    async def look_inside(self, goods: InventoryReserved) -> None:
        await self.publish(ParcelSeized(order_id=goods.order_id, reason="forbidden wood"))


class Order(careful.Order):
    """The owner has learnt of the customs; nobody else had to."""

    @on(ParcelSeized)
    async def reject_seized(self, no: ParcelSeized) -> None:
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))


async def placed(services: list[Any], seed: int, *orders: int, faults: Any = ()) -> Lab:
    async with Lab(*services, faults=faults, **where(seed)) as lab:
        for number in orders:
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=AMOUNT))
        await lab.quiet(at_most_messages=200)
    return lab


def chain(answers: Answers) -> list[Any]:
    return [answers.Order, answers.Insurance, Payment, Inventory, Shipping]


async def a_good_order(answers: Answers, seed: int) -> Lab:
    return await placed(chain(answers), seed, 4)


async def three_noes(answers: Answers, seed: int) -> Lab:
    return await placed(chain(answers), seed, 1, 2, 3)


async def a_new_no(answers: Answers, seed: int) -> Lab:
    services = [Order, answers.Insurance, careful.Payment, careful.Inventory, Customs]
    return await placed(services, seed, 5)


async def late_news(answers: Answers, seed: int) -> Lab:
    late = delay(answers.Insurance, seconds=2, message=PaymentCharged)
    return await placed(chain(answers), seed, 2, 3, faults=[late])


FAILURES = {
    "o-1": "PaymentDeclined (o-1, no money taken)",
    "o-2": "InventoryReservationRejected (o-2, no goods)",
    "o-3": "ShipmentRejected (o-3, no van)",
}


def one_owner(lab: Lab) -> str:
    others = {message.sender for message in lab.trace.sent(OrderRejected)} - {"Order"}
    return f"{' and '.join(sorted(others))} said OrderRejected as well" if others else ""


def unrejected(lab: Lab) -> str:
    known = {key_of(message) for message in lab.trace.sent(OrderRejected)}
    missing = [failure for order_id, failure in FAILURES.items() if order_id not in known]
    return f"how each failure reaches the owner: nobody says OrderRejected after {missing[0]}"


def still_insured(lab: Lab) -> str:
    left = sorted(set(lab.ledger.keys("insured")) - set(lab.ledger.keys("uninsured")))
    missed = FAILURES[left[0]] if left else "the end of the order in time"
    return (
        f"what Insurance listens to: it did not hear of {missed}. Which one event would have told "
        "it, whatever fails?"
    )


def ended(look: Any) -> Claim:
    words = "no rejected order stays insured"
    return Claim(words, leads_to("insured", "uninsured"), look)


ORDER = """
class Order(Service):
    @on(ShipmentDispatched)
    async def confirm(self, parcel):
        await self.publish(OrderConfirmed(order_id=parcel.order_id))

    @on(PaymentDeclined, InventoryReservationRejected, ShipmentRejected)
    async def reject(self, no):
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))
"""
INSURE = """
class Insurance(Service):
    @on(PaymentCharged)
    async def insure(self, payment):
        self.effect("insured", payment.order_id, once=payment.order_id)
"""
END = """
    @on(OrderRejected)
    async def end(self, order):
        if self.done("insured", order.order_id):
            self.effect("uninsured", order.order_id, once=order.order_id)
"""


OWNER_EVENT = Task(
    id="owner-event",
    title="One owner says how it ends",
    points=3,
    names=["Order", "Insurance"],
    trials=[
        Trial(
            a_good_order,
            [
                Claim(
                    "a paid order is insured once",
                    exactly_once("insured"),
                    "the reaction to PaymentCharged, and its effect `insured`",
                ),
                Claim(
                    "a dispatched order is confirmed",
                    leads_to(OrderPlaced, OrderConfirmed),
                    "the reaction to ShipmentDispatched",
                ),
                Claim(
                    "an order that goes well stays insured",
                    never("uninsured"),
                    "the event on which Insurance ends a policy: does it come on a good day?",
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            three_noes,
            [
                Claim(
                    "only Order says OrderRejected",
                    one_owner,
                    "who says how an order ends: an outcome with two owners may end in two ways",
                ),
                Claim(
                    "each failure leads to OrderRejected",
                    leads_to(OrderPlaced, OrderRejected),
                    unrejected,
                ),
                Claim(
                    "an order is rejected once",
                    at_most_once(OrderRejected),
                    "the reactions of Order: does one failure reach two of them?",
                ),
                ended(still_insured),
                Claim(
                    "what was never insured is not uninsured",
                    before("insured", "uninsured"),
                    "o-1, whose card was blocked: everybody hears OrderRejected, also who has "
                    "nothing to make good. What do your books say?",
                ),
            ],
            seeds=range(5),
            real=True,
        ),
        Trial(
            a_new_no,
            [
                ended(
                    "a no that did not exist when you wrote Insurance: the customs said "
                    "ParcelSeized, and Order said OrderRejected. Which of the two can you know?"
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            late_news,
            [
                ended(
                    "PaymentCharged, which reached Insurance 2 s after OrderRejected: what do you "
                    "leave behind for an event that comes too late?"
                ),
            ],
            seeds=range(3),
        ),
    ],
    hints=[
        "Four services, and each listens to all later failures: six subscriptions, and a new "
        "failure touches three services. With an owner, how many does it touch?",
        "Order listens to `PaymentDeclined`, `InventoryReservationRejected` and "
        "`ShipmentRejected`, in one reaction. Insurance listens to `PaymentCharged` and to the "
        "owner's word, and asks its books both times.",
        'In `@on(OrderRejected)`: `self.effect("over", order.order_id, once=order.order_id)`, and '
        'if `self.done("insured", order.order_id)`, the effect `uninsured`. In '
        '`@on(PaymentCharged)`: insure only if not `self.done("over", payment.order_id)`.',
    ],
    wrong=[
        WrongAnswer(  # misconception 7: each failure by itself, and one is missed
            ORDER + INSURE + END.replace("OrderRejected", "ShipmentRejected"),
            "it did not hear of InventoryReservationRejected",
        ),
        WrongAnswer(  # misconception 7: all the failures that there are today
            ORDER
            + INSURE
            + END.replace("OrderRejected", "InventoryReservationRejected, ShipmentRejected"),
            "did not exist when you wrote Insurance",
        ),
        WrongAnswer(  # makes good what was not done
            ORDER
            + INSURE
            + """
    @on(OrderRejected)
    async def end(self, order):
        self.effect("uninsured", order.order_id, once=order.order_id)
""",
            "also who has nothing to make good",
        ),
        WrongAnswer(  # misconception 14: somebody has to lead, and here it is whoever hears it
            ORDER.replace(", ShipmentRejected", "")
            + INSURE
            + END
            + """
    @on(ShipmentRejected)
    async def give_up(self, no):
        await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))
""",
            "an outcome with two owners",
        ),
        WrongAnswer(  # the owner does not hear of one failure
            ORDER.replace("PaymentDeclined, ", "") + INSURE + END,
            "nobody says OrderRejected after PaymentDeclined",
        ),
        WrongAnswer(ORDER + INSURE + END, "an event that comes too late"),  # insures the dead
    ],
    others=[
        """
from labkit.shop import careful

class Order(careful.Order):
    pass

class Insurance(Service):
    def __init__(self):
        self.insured, self.over = set(), set()

    @on(PaymentCharged)
    async def insure(self, payment):
        if payment.order_id not in self.over:
            self.insured.add(payment.order_id)
            self.effect("insured", payment.order_id)

    @on(OrderRejected)
    async def end(self, order):
        self.over.add(order.order_id)
        if order.order_id in self.insured:
            self.insured.remove(order.order_id)
            self.effect("uninsured", order.order_id)
""",
        """
class Order(Service):
    @on(ShipmentDispatched)
    async def confirm(self, parcel):
        await self.publish(OrderConfirmed(order_id=parcel.order_id))

    @on(PaymentDeclined)
    async def no_money(self, no):
        await self.reject(no)

    @on(InventoryReservationRejected)
    async def no_goods(self, no):
        await self.reject(no)

    @on(ShipmentRejected)
    async def no_van(self, no):
        await self.reject(no)

    async def reject(self, no):
        if self.effect("rejected", no.order_id, once=no.order_id):
            await self.publish(OrderRejected(order_id=no.order_id, reason=no.reason))

class Insurance(Service):
    @on(PaymentCharged, OrderRejected)
    async def hear(self, event):
        order_id = event.order_id
        if isinstance(event, OrderRejected):
            self.effect("over", order_id, once=order_id)
        if not self.done("over", order_id):
            self.effect("insured", order_id, once=order_id)
        elif self.done("insured", order_id):
            self.effect("uninsured", order_id, once=order_id)
""",
        # insures late, and ends it at once
        ORDER
        + """
class Insurance(Service):
    def __init__(self):
        self.rejected = set()

    @on(PaymentCharged)
    async def insure(self, payment):
        self.effect("insured", payment.order_id, once=payment.order_id)
        self.settle(payment.order_id)

    @on(OrderRejected)
    async def end(self, order):
        self.rejected.add(order.order_id)
        self.settle(order.order_id)

    def settle(self, order_id):
        if order_id in self.rejected and self.done("insured", order_id):
            self.effect("uninsured", order_id, once=order_id)
""",
    ],
    why="A saga needs no conductor, but its end needs an owner. Each failure is told to Order, and "
    "all others listen to Order's one word: n−1 subscriptions in place of n(n−1)/2, and a new "
    "failure touches one service. Each asks its own books what there is to make good.",
)


# pending

SHELF = """
class Bank(Service):
    @command
    async def approve(self, order_id: str) -> None:
        await asyncio.sleep(0.003)

class Shelf(Service):
    def __init__(self, stock: int = 1):
        self.stock, self.pending, self.lock = stock, set(), asyncio.Lock()

    @command
    async def sell(self, order_id: str) -> None:
"""
LOOK = """
        if self.stock < 1:
            raise Refused("nothing left on the shelf")
"""


class Bank(Service):
    """What stands between the look at the shelf and the taking; it may say no to some orders."""

    def __init__(self, *blocked: str) -> None:
        self.blocked = blocked

    @command
    async def approve(self, order_id: str) -> None:
        await asyncio.sleep(0.003)
        self.effect("asked", order_id)
        if order_id in self.blocked:
            raise Refused("the card is blocked")


async def customers(
    answers: Answers, seed: int, stock: int, bank: Bank, *groups: list[str], faults: Any = ()
) -> Lab:
    """Who is in one group comes at the same time; one group after the other."""
    shelf = with_commands(answers.Shelf, "sell")
    if "stock" not in inspect.signature(shelf).parameters:
        raise LabError("Shelf takes no stock=. Keep the head of its `__init__` as it was given.")

    async def sell(order_id: str) -> None:
        with suppress(CommandFailed):
            await lab.call(shelf.sell, order_id=order_id, timeout_seconds=30)

    async with Lab(shelf(stock=stock), bank, faults=faults, **where(seed)) as lab:
        for group in groups:
            await asyncio.gather(*map(sell, group))
        await lab.quiet(at_most_messages=100)
    return lab


async def two_for_one(answers: Answers, seed: int) -> Lab:
    return await customers(answers, seed, 1, Bank(), ["o-1", "o-2"])


async def three_for_two(answers: Answers, seed: int) -> Lab:
    return await customers(answers, seed, 2, Bank(), ["o-1", "o-2", "o-3"])


async def blocked_then_good(answers: Answers, seed: int) -> Lab:
    return await customers(answers, seed, 1, Bank("o-1"), ["o-1"], ["o-2"])


async def unavailable_then_good(answers: Answers, seed: int) -> Lab:
    fault = unavailable(Bank, nth=1)
    return await customers(answers, seed, 1, Bank(), ["o-1"], ["o-2"], faults=[fault])


def sold(lab: Lab) -> list[str]:
    return [
        key_of(asked)
        for asked in lab.trace.sent("Shelf.sell")
        for answer in lab.trace.sent("Shelf.sell.done")
        if answer.causationid == asked.id
    ]


def has_the_guitar(lab: Lab) -> str:
    yes, aside = sorted(sold(lab)), set(lab.ledger.keys("reserved"))
    left = sorted(aside - set(lab.ledger.keys("released")))
    if yes == left:
        return ""
    said, have = (" and ".join(orders) or "nobody" for orders in (yes, left))
    return f"a yes was said to {said}, and a guitar lies aside for {have}"


def bank_was_asked(lab: Lab) -> str:
    unasked = sorted(set(sold(lab)) - set(lab.ledger.keys("asked")))
    return f"{unasked[0]} has the guitar, and the bank was not asked" if unasked else ""


def sells(number: int) -> Any:
    def all_sold(lab: Lab) -> str:
        found = len(sold(lab))
        return "" if found == number else f"{found} of {number} guitars were sold"

    return all_sold


def second_served(lab: Lab) -> str:
    return "" if "o-2" in sold(lab) else "the guitar is on the shelf, and o-2 heard a no"


LOCK = (
    "what another customer sees while you wait for the bank. Mark the guitar as taken *before* "
    "the first `await`"
)


PENDING = Task(
    id="pending",
    title="The last guitar",
    points=2,
    names=["Shelf"],
    trials=[
        Trial(
            two_for_one,
            [
                Claim("one guitar is set aside once", stock_is_conserved(1), LOCK),
                Claim(
                    "who hears a yes has the guitar",
                    has_the_guitar,
                    "the effect `reserved`: one for each yes, and none that stays for a no",
                ),
                Claim(
                    "one of two customers gets the guitar",
                    sells(1),
                    "why both hear a no, with a guitar on the shelf",
                ),
                Claim(
                    "nobody gets a guitar unasked by the bank",
                    bank_was_asked,
                    "whether each yes waits for `Bank.approve`",
                ),
            ],
            seeds=range(30),
            real=True,
        ),
        Trial(
            three_for_two,
            [
                Claim("two guitars are set aside twice", stock_is_conserved(2), LOCK),
                Claim(
                    "of two guitars both are sold",
                    sells(2),
                    "whom a pending guitar keeps away: one guitar is pending, and not the shelf",
                ),
            ],
            seeds=range(5),
        ),
        Trial(
            blocked_then_good,
            [
                Claim(
                    "what the bank refuses goes back on the shelf",
                    second_served,
                    "the pending guitar after the bank's no: who lets go of it?",
                ),
                Claim(
                    "who hears a yes has the guitar",
                    has_the_guitar,
                    "o-1, whose card is blocked: what do you do with the bank's no?",
                ),
            ],
            seeds=range(3),
        ),
        Trial(
            unavailable_then_good,
            [
                Claim(
                    "a guitar stays pending no longer than somebody waits for it",
                    second_served,
                    "the failures that are no refusal: Unavailable and NoReply leave your code by "
                    "another way, and a guitar behind",
                ),
            ],
            seeds=range(3),
        ),
    ],
    hints=[
        "At which line of `sell` can another customer come in between? Only where it waits.",
        "Take the guitar off the count before you ask the bank, and put it back when the bank does "
        "not say yes. `try: … except …: … raise` has a place for that.",
        "`self.stock -= 1` stands directly after the look. Then `try: await "
        "self.call(Bank.approve, order_id=order_id)`, and in `except CommandFailed:` comes "
        "`self.stock += 1` and `raise`.",
    ],
    wrong=[
        WrongAnswer(  # misconception 18: nobody comes in between the steps of a saga
            SHELF
            + LOOK
            + """
        await self.call(Bank.approve, order_id=order_id)
        self.stock -= 1
        self.effect("reserved", order_id, once=order_id)
""",
            "*before* the first `await`",
        ),
        WrongAnswer(  # pending for ever
            SHELF
            + LOOK
            + """
        self.stock -= 1
        await self.call(Bank.approve, order_id=order_id)
        self.effect("reserved", order_id, once=order_id)
""",
            "who lets go of it?",
        ),
        WrongAnswer(  # lets go after a no, and not after another failure
            SHELF
            + LOOK
            + """
        self.stock -= 1
        try:
            await self.call(Bank.approve, order_id=order_id)
        except Refused:
            self.stock += 1
            raise
        self.effect("reserved", order_id, once=order_id)
""",
            "the failures that are no refusal",
        ),
        WrongAnswer(  # the whole shelf is pending
            SHELF
            + """
        if self.stock < 1 or self.pending:
            raise Refused("nothing left on the shelf")
        self.pending.add(order_id)
        try:
            await self.call(Bank.approve, order_id=order_id)
        finally:
            self.pending.clear()
        self.stock -= 1
        self.effect("reserved", order_id, once=order_id)
""",
            "and not the shelf",
        ),
        WrongAnswer(  # the bank's no is swallowed
            SHELF
            + LOOK
            + """
        self.stock -= 1
        try:
            await self.call(Bank.approve, order_id=order_id)
        except CommandFailed:
            self.stock += 1
        else:
            self.effect("reserved", order_id, once=order_id)
""",
            "what do you do with the bank's no?",
        ),
    ],
    others=[
        SHELF
        + """
        async with self.lock:
            if self.stock < 1:
                raise Refused("nothing left on the shelf")
            await self.call(Bank.approve, order_id=order_id)
            self.stock -= 1
            self.effect("reserved", order_id, once=order_id)
""",
        SHELF
        + """
        if self.stock - self.times("reserved") - len(self.pending) < 1:
            raise Refused("nothing left on the shelf")
        self.pending.add(order_id)
        try:
            await self.call(Bank.approve, order_id=order_id)
            self.effect("reserved", order_id, once=order_id)
        finally:
            self.pending.remove(order_id)
""",
        # in the books, with a way back
        SHELF
        + """
        if self.stock - self.times("reserved") + self.times("released") < 1:
            raise Refused("nothing left on the shelf")
        self.effect("reserved", order_id, once=order_id)
        try:
            await self.call(Bank.approve, order_id=order_id)
        except CommandFailed:
            self.effect("released", order_id, once=order_id)
            raise
""",
        # looks again (*reread value*)
        SHELF
        + LOOK
        + """
        await self.call(Bank.approve, order_id=order_id)
"""
        + LOOK
        + """
        self.stock -= 1
        self.effect("reserved", order_id, once=order_id)
""",
    ],
    why="Between its steps a saga hides nothing: whoever looks sees what is done so far. So what "
    "is not settled is marked as pending before the first wait, one guitar and not the whole "
    "shelf, and the mark goes whichever way the waiting ends. Its price: some customers hear a no "
    "that a minute later would have been a yes.",
)


# who-looks

BACK, AGAIN, PERSON = "walk back", "ask again", "person"
CHOICES = BACK, AGAIN, PERSON
# What is right, and what is to be said of the two that are not.
WHAT_NEXT: dict[str, tuple[str, dict[str, str]]] = {
    "card": (
        BACK,
        {
            AGAIN: "a no is an answer. The next try hears the same no",
            PERSON: "a no before the pivot is the everyday case, for which there are ways back",
        },
    ),
    "silence": (
        AGAIN,
        {
            BACK: "one silence is no failure, it is a delay. Under the same key a second try "
            "harms nobody",
            PERSON: "a person can wait as little as the machine can; and the machine has not yet "
            "tried",
        },
    ),
    "patience": (
        BACK,
        {
            AGAIN: "somebody waits for an answer, and the tries are used up. A time-out that "
            "never ends is none",
            PERSON: "nothing is decided before the pivot, and the way back bears both: that the "
            "step was done, and that it was not",
        },
    ),
    "pivot": (
        PERSON,
        {
            BACK: "the parcel may have left. Then she has the guitar and the money",
            AGAIN: "the tries are used up. Who would look, if the saga just went on asking?",
        },
    ),
    "mail": (
        AGAIN,
        {
            BACK: "the parcel has left. A missing mail is no reason to undo what can't be undone",
            PERSON: "it failed for the first time, and Notification may be back in a moment",
        },
    ),
    "refund": (
        AGAIN,
        {
            BACK: "this is the way back. To undo an undo leads nowhere",
            PERSON: "an undo fails like any other step, and mostly for a moment: it has tries too",
        },
    ),
    "refund-for-good": (
        PERSON,
        {
            BACK: "this is the way back, and it is blocked. The money is still with the shop",
            AGAIN: "the tries are used up. Undoing can fail for good, and then somebody must know",
        },
    ),
    "overdue": (
        PERSON,
        {
            BACK: "nobody knows whether the parcel has left, and Shipping can't be asked",
            AGAIN: "nobody waits, so nobody asks, and the broker keeps the event for a dead "
            "service as long as it takes. Order's clock has rung: for whom?",
        },
    ),
}


async def choices(answers: Answers, seed: int) -> Any:
    return answers.what_next


def eight_choices(chosen: Any) -> str:
    if not isinstance(chosen, dict):
        return f"what_next is {chosen!r:.60}, and no dict"
    for failure in WHAT_NEXT:
        if failure not in chosen:
            near = did_you_mean(failure, [str(key) for key in chosen])
            return f"{failure} is missing{near}"
        if not isinstance(chosen[failure], str) or chosen[failure] not in CHOICES:
            return f"{failure} has {chosen[failure]!r:.60}"
    return ""


def first_mistake(chosen: dict[str, str]) -> str:
    return next((name for name, (right, _) in WHAT_NEXT.items() if chosen[name] != right), "")


def chosen_well(chosen: dict[str, str]) -> str:
    failure = first_mistake(chosen)
    return f'{failure}: "{chosen[failure]}"' if failure else ""


def what_that_leads_to(chosen: dict[str, str]) -> str:
    failure = first_mistake(chosen)
    return WHAT_NEXT[failure][1][chosen[failure]]


def differently(failure: str = "card", act: str = BACK) -> str:
    right = {name: act for name, (act, _) in WHAT_NEXT.items()}
    return f"what_next = {right | {failure: act}}"


WHO_LOOKS = Task(
    id="who-looks",
    title="Choose and defend: walk back, ask again, or a person?",
    points=2,
    names=["what_next"],
    trials=[
        Trial(
            choices,
            [
                Claim(
                    f"for each of the eight failures one of {', '.join(map(repr, CHOICES))}",
                    eight_choices,
                    "the names of the failures and the three choices, letter by letter",
                ),
                Claim("an act that makes the failure good", chosen_well, what_that_leads_to),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Three questions: was it a no or a silence? Is the pivot behind us? Are there tries left?",
        'The table "Which failures does one take back?" in the lesson has a line for nearly each '
        "of them.",
        "While there are tries left, a silence is asked about again, forward and back. When there "
        "are none left: before the pivot walk back, at the pivot, after it and on the way back a "
        "person.",
    ],
    wrong=[
        # misconceptions 16 (refund), 17 (silence, mail) and 22 (overdue), and thirteen others
        *(
            WrongAnswer(differently(failure, act), words)
            for failure, (_, said) in WHAT_NEXT.items()
            for act, words in said.items()
        ),
        WrongAnswer("what_next = {'card': 'walk back'}", "silence is missing"),
        WrongAnswer("what_next = 'person'", "and no dict"),
        WrongAnswer(differently("card", "back"), "card has 'back'"),
        WrongAnswer("what_next = dict.fromkeys(['card', 'silence'], [7])", "card has [7]"),
    ],
    others=[
        differently(),
        """
first = {"card": "walk back", "patience": "walk back"}
retry = dict.fromkeys(["mail", "silence", "refund"], "ask again")
what_next = {**dict.fromkeys(["overdue", "pivot", "refund-for-good"], "person"), **retry, **first}
""",
    ],
    why="A no is walked back from, a silence is asked about again, and what is neither decided nor "
    "undone when all tries are used up goes to a person. Undoing has tries as well, and an end "
    "as well. Where nobody conducts, the clock must belong to somebody: to the owner of the "
    "outcome.",
)


TASKS = [HARMLESS_UNDO, SAGA_COMPENSATES, OWNER_EVENT, PENDING, WHO_LOOKS]
