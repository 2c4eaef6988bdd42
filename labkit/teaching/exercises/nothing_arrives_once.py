"""Exercise 06: consumers that bear doubles, a retry that charges once, a join in any order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any

from labkit.lab import Lab
from labkit.properties import at_most_once, exactly_once
from labkit.shop import InventoryReserved, OrderPlaced, PaymentCharged
from labkit.system.errors import CommandFailed, NoReply, Refused
from labkit.system.faults import after_effect, duplicate, kill, reply_lost
from labkit.system.message import Message
from labkit.system.service import Service, command, on
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where

PAID = {"amount": 129_900}


class Till(Service):
    """Asks until it hears something, under one key; the learner's Payment is at the other end."""

    def __init__(self, charge: Any) -> None:
        self.charge = charge

    @command
    async def sell(self, order_id: str) -> str:
        for _ in range(9):
            with suppress(NoReply):
                return await self.ask(order_id)
            await asyncio.sleep(0.1)
        return await self.ask(order_id)

    async def ask(self, order_id: str) -> str:
        key = f"charge {order_id}"
        return str(
            await self.call(
                self.charge, order_id=order_id, timeout_seconds=1, idempotency_key=key, **PAID
            )
        )


# charge-once


async def sales(answers: Answers, seed: int, *faults: Any) -> Lab:
    payment = answers.Payment
    async with Lab(Till(payment.charge), payment, faults=faults, **where(seed)) as lab:
        for number in range(1, 4):
            with suppress(CommandFailed):
                await lab.call(Till.sell, order_id=f"o-{number}", timeout_seconds=60)
        await lab.quiet(at_most_messages=400)
    return lab


async def sales_with_lost_receipts(answers: Answers, seed: int) -> Lab:
    return await sales(answers, seed, reply_lost(answers.Payment.charge, chance=0.5))


async def sales_with_doubles(answers: Answers, seed: int) -> Lab:
    return await sales(answers, seed, duplicate(answers.Payment))


async def sales_with_a_death(answers: Answers, seed: int) -> Lab:
    return await sales(answers, seed, after_effect(answers.Payment, nth=2))


def receipts(lab: Lab) -> str:
    got = [m for m in lab.trace.received(by="you") if m.type == "Till.sell.done"]
    return "" if len(got) == 3 else f"of three customers {len(got)} got a receipt"


CHARGED_ONCE = "each of three orders is charged once, whatever comes twice"


def charged(look: str) -> Claim:
    return Claim(CHARGED_ONCE, exactly_once("charged"), look)


CHARGE_ONCE = Task(
    id="charge-once",
    title="A Payment that charges once",
    points=2,
    names=["Payment"],
    trials=[
        Trial(
            sales_with_lost_receipts,
            [
                charged(
                    "the two commands for one order: two messages, one wish. What is the same in "
                    "both, and where could it be written down together with the effect?"
                ),
                Claim(
                    "each customer has a receipt in the end",
                    receipts,
                    "what `charge` answers when the work was done already: a receipt as well",
                ),
            ],
        ),
        Trial(
            sales_with_a_death,
            [
                charged(
                    "the crash after the effect: the message comes again, and what Payment kept "
                    "in an attribute of its own died with it"
                )
            ],
            seeds=range(3),
        ),
        Trial(
            sales_with_doubles,
            [charged("the message that reaches Payment twice, at nearly the same time")],
            real=True,
        ),
    ],
    hints=[
        "Which of these is the same when the till asks a second time: the message's id, the time, "
        "the idempotency key?",
        "`self.effect` takes a key, `once=…`, and does under one key only once what you ask. "
        "The handler can read the caller's key: `self.idempotency_key`.",
        'The line is `self.effect("charged", order_id, amount, once=self.idempotency_key)`; '
        "return the receipt in any case.",
    ],
    wrong=[
        WrongAnswer(  # the plain one
            """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"
""",
            "two messages, one wish",
        ),
        WrongAnswer(  # what is kept in memory dies
            """
class Payment(Service):
    def __init__(self):
        self.seen = set()

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if order_id not in self.seen:
            self.seen.add(order_id)
            self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"
""",
            "died with it",
        ),
        WrongAnswer(  # a new key for each try
            """
import itertools
numbers = itertools.count()

class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount, once=f"{order_id} {next(numbers)}")
        return f"receipt for {order_id}"
""",
            "two messages, one wish",
        ),
        WrongAnswer(  # a key that is the same for all
            """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount, once="charge")
        return f"receipt for {order_id}"
""",
            "never charged",
        ),
        WrongAnswer(  # says no to the second try
            """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if not self.effect("charged", order_id, amount, once=order_id):
            raise Refused("charged already")
        return f"receipt for {order_id}"
""",
            "a receipt as well",
        ),
    ],
    others=[
        """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount, once=order_id)
        return f"receipt for {order_id}"
""",
        """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        if not self.done("charged", order_id):
            self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"
""",
    ],
    why="The key names the wish, so it is the same for each message that carries it; and it is "
    "written together with the effect, so no crash falls between the two. A key of the business, "
    "such as the order's number, serves as well, as long as one order is charged once in its life.",
)


# ask-again


class Payment(Service):
    """What the learner's till calls: charges once for each key."""

    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount, once=self.idempotency_key)
        return f"receipt for {order_id}"


async def tills(answers: Answers, seed: int, payment: type[Service], *faults: Any) -> Lab:
    till = answers.Till
    async with Lab(till, payment, faults=faults, **where(seed)) as lab:
        for number in range(1, 4):
            with suppress(CommandFailed):
                await lab.call(till.sell, order_id=f"o-{number}", timeout_seconds=60)
        await lab.quiet(at_most_messages=400)
    return lab


async def lost_receipts(answers: Answers, seed: int) -> Lab:
    return await tills(answers, seed, Payment, reply_lost(Payment.charge, chance=0.4))


async def two_silences(answers: Answers, seed: int) -> Lab:
    silent = [reply_lost(Payment.charge, nth=1), reply_lost(Payment.charge, nth=2)]
    return await tills(answers, seed, Payment, *silent)


def _refusing() -> type[Service]:
    async def charge(self: Service, order_id: str, amount: int) -> str:
        raise Refused("the card is blocked")

    charge.__qualname__ = "Payment.charge"
    return type("Payment", (Service,), {"charge": command(charge)})


async def blocked_card(answers: Answers, seed: int) -> Lab:
    return await tills(answers, seed, _refusing())


def asked(lab: Lab) -> list[tuple[float, Message]]:
    return [
        (moment.seconds, moment.message)
        for moment in lab.trace
        if moment.what == "sent" and moment.message and moment.message.type == "Payment.charge"
    ]


def sold(lab: Lab) -> str:
    got = [m for m in lab.trace.received(by="you") if m.type == "Till.sell.done"]
    return "" if len(got) == 3 else f"of three customers {len(got)} got a receipt"


def which_key(lab: Lab) -> str:
    keys = [message.idempotencykey for _, message in asked(lab)]
    if None in keys:
        return "`self.call(…, idempotency_key=…)`: your calls carry no key, so each is a new wish"
    return "where the key is made: one key for one wish, before the first try"


def growing_waits(lab: Lab) -> str:
    times = [seconds for seconds, message in asked(lab) if message.data["order_id"] == "o-1"]
    waits = [later - earlier - 1 for earlier, later in pairwise(times)]
    if len(waits) < 2 or waits[1] > waits[0] * 1.2:
        return ""
    return f"before the second try it waited {waits[0]:.2f} s, before the third {waits[1]:.2f} s"


def no_is_an_answer(lab: Lab) -> str:
    times = len(asked(lab))
    return "" if times <= 3 else f"three customers with blocked cards, and {times} calls"


ASK_AGAIN = Task(
    id="ask-again",
    title="A till that asks again, and never pays twice",
    points=3,
    names=["Till"],
    trials=[
        Trial(
            lost_receipts,
            [
                Claim("each order is charged once at most", at_most_once("charged"), which_key),
                Claim(
                    "each customer has a receipt in the end",
                    sold,
                    "what happens after a NoReply: four tries in all are enough here",
                ),
            ],
            seeds=range(6),
        ),
        Trial(
            two_silences,
            [
                Claim(
                    "the second wait is longer than the first (back-off)",
                    growing_waits,
                    "the seconds that you sleep: each time twice as many",
                )
            ],
            seeds=range(2),
        ),
        Trial(
            blocked_card,
            [
                Claim(
                    "a no is an answer: nobody asks again after it",
                    no_is_an_answer,
                    "which errors you catch: NoReply is a silence, Refused is an answer",
                )
            ],
            seeds=range(2),
            real=True,
        ),
    ],
    hints=[
        "After a silence, what do you know: that it was not done, that it was done, or neither?",
        "Make the key before the loop. In the loop catch NoReply alone, sleep, and double the "
        "seconds for the next time.",
        "`return await self.call(Payment.charge, order_id=order_id, amount=129_900, "
        "timeout_seconds=1, idempotency_key=key)` inside `try:`, inside `for seconds in "
        "(0.1, 0.2, 0.4):`, and once more after the loop.",
    ],
    wrong=[
        WrongAnswer(
            """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        for seconds in (0.1, 0.2, 0.4, 0.8, 1.6):
            try:
                return await self.call(
                    Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1)
            except NoReply:
                await asyncio.sleep(seconds)
        return "no receipt"
""",
            "carry no key",
        ),
        WrongAnswer(
            """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        for seconds in (0.1, 0.2, 0.4, 0.8, 1.6):
            try:
                return await self.call(
                    Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
                    idempotency_key=f"{order_id} {seconds}")
            except NoReply:
                await asyncio.sleep(seconds)
        return "no receipt"
""",
            "one key for one wish, before the first try",
        ),
        WrongAnswer(
            """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        return await self.call(
            Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
            idempotency_key=order_id)
""",
            "what happens after a NoReply",
        ),
        WrongAnswer(
            """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        for _ in range(8):
            try:
                return await self.call(
                    Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
                    idempotency_key=order_id)
            except NoReply:
                await asyncio.sleep(0.1)
        raise NoReply("nobody answers")
""",
            "each time twice as many",
        ),
        WrongAnswer(
            """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        for seconds in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
            try:
                return await self.call(
                    Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
                    idempotency_key=order_id)
            except CommandFailed:
                await asyncio.sleep(seconds)
        raise NoReply("nobody answers")
""",
            "Refused is an answer",
        ),
    ],
    others=[
        """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        seconds, tries = 0.2, 0
        while True:
            try:
                return await self.call(
                    Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
                    idempotency_key=f"sale of {order_id}")
            except NoReply:
                tries += 1
                if tries == 8:
                    raise
                await asyncio.sleep(seconds)
                seconds *= 3
""",
        """
class Till(Service):
    @command
    async def sell(self, order_id: str) -> str:
        return await self.ask(order_id, 0.1, 8)

    async def ask(self, order_id, seconds, left):
        try:
            return await self.call(
                Payment.charge, order_id=order_id, amount=129_900, timeout_seconds=1,
                idempotency_key=order_id)
        except NoReply:
            if not left:
                raise
        await asyncio.sleep(seconds)
        return await self.ask(order_id, 2 * seconds, left - 1)
""",
    ],
    why="A silence is asked about again under the same key, later and later; a no is taken for "
    "what it is. Only the one who wishes knows that two messages carry one wish, so only there "
    "can the key be made, and it must be made before the first try.",
)


# both-orders


async def two_facts(answers: Answers, seed: int, *faults: Any) -> Lab:
    class Payment(Service):
        @on(OrderPlaced)
        async def charge(self, order: OrderPlaced) -> None:
            await self.publish(PaymentCharged(order_id=order.order_id, amount=order.amount))

    class Inventory(Service):
        @on(OrderPlaced)
        async def reserve(self, order: OrderPlaced) -> None:
            await self.publish(InventoryReserved(order_id=order.order_id))

    async with Lab(Payment, Inventory, answers.Shipping, faults=faults, **where(seed)) as lab:
        for number in (1, 2):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", **PAID))
        await lab.quiet(at_most_messages=100)
    return lab


async def two_facts_doubled(answers: Answers, seed: int) -> Lab:
    return await two_facts(answers, seed, duplicate(answers.Shipping))


async def one_fact(answers: Answers, seed: int) -> Lab:
    async with Lab(answers.Shipping, **where(seed)) as lab:
        await lab.publish(PaymentCharged(order_id="o-1", **PAID))
        await lab.publish(InventoryReserved(order_id="o-2"))
        await lab.quiet(at_most_messages=100)
    return lab


def nothing_shipped(lab: Lab) -> str:
    sent = lab.ledger.keys("shipped")
    return f"{', '.join(sent)} left with one of the two facts missing" if sent else ""


BOTH_ORDERS = Task(
    id="both-orders",
    title="A parcel that needs two facts, in any order",
    points=2,
    names=["Shipping"],
    trials=[
        Trial(
            one_fact,
            [
                Claim(
                    "no parcel leaves while one of the two facts is missing",
                    nothing_shipped,
                    "whether both facts are known, and of the same order",
                )
            ],
            seeds=range(2),
        ),
        Trial(
            two_facts,
            [
                Claim(
                    "each order is shipped once, whichever fact comes first",
                    exactly_once("shipped"),
                    "the fact that came first: who remembers it when the second one comes?",
                )
            ],
            seeds=range(12),
            real=True,
        ),
        Trial(
            two_facts_doubled,
            [
                Claim(
                    "each order is shipped once, also when facts come twice",
                    exactly_once("shipped"),
                    "the fact that came twice: the parcel needs a key as well",
                )
            ],
        ),
    ],
    hints=[
        "Which of the two facts comes first? Whose clock would you ask?",
        "Remember for each order which facts have come, whichever method heard them, and look "
        "each time whether both are there. One method may react to two events: "
        "`@on(PaymentCharged, InventoryReserved)`.",
        "`facts = self.known.setdefault(fact.order_id, set()); facts.add(type(fact))`, and when "
        '`len(facts) == 2`: `self.effect("shipped", fact.order_id, once=fact.order_id)`.',
    ],
    wrong=[
        WrongAnswer(
            """
class Shipping(Service):
    def __init__(self):
        self.paid = set()

    @on(PaymentCharged)
    async def note(self, payment):
        self.paid.add(payment.order_id)

    @on(InventoryReserved)
    async def ship(self, reserved):
        if reserved.order_id in self.paid:
            self.effect("shipped", reserved.order_id, once=reserved.order_id)
""",
            "the fact that came first",
        ),
        WrongAnswer(
            """
class Shipping(Service):
    @on(PaymentCharged, InventoryReserved)
    async def ship(self, fact):
        self.effect("shipped", fact.order_id, once=fact.order_id)
""",
            "one of the two facts missing",
        ),
        WrongAnswer(
            """
class Shipping(Service):
    def __init__(self):
        self.facts = set()

    @on(PaymentCharged, InventoryReserved)
    async def ship(self, fact):
        self.facts.add(type(fact))
        if len(self.facts) == 2:
            self.effect("shipped", fact.order_id, once=fact.order_id)
""",
            "of the same order",
        ),
        WrongAnswer(
            """
class Shipping(Service):
    def __init__(self):
        self.known = {}

    @on(PaymentCharged, InventoryReserved)
    async def ship(self, fact):
        facts = self.known.setdefault(fact.order_id, set())
        facts.add(type(fact))
        if len(facts) == 2:
            self.effect("shipped", fact.order_id)
""",
            "the parcel needs a key as well",
        ),
        WrongAnswer(
            """
class Shipping(Service):
    def __init__(self):
        self.paid = set()

    @on(PaymentCharged)
    async def note(self, payment):
        self.paid.add(payment.order_id)

    @on(InventoryReserved)
    async def ship(self, reserved):
        await asyncio.sleep(0.001)  # the payment will have come by then
        if reserved.order_id in self.paid:
            self.effect("shipped", reserved.order_id, once=reserved.order_id)
""",
            "the fact that came first",
        ),
    ],
    others=[
        """
class Shipping(Service):
    def __init__(self):
        self.paid, self.reserved = set(), set()

    @on(PaymentCharged)
    async def hear_of_money(self, payment):
        self.paid.add(payment.order_id)
        self.try_to_ship(payment.order_id)

    @on(InventoryReserved)
    async def hear_of_goods(self, goods):
        self.reserved.add(goods.order_id)
        self.try_to_ship(goods.order_id)

    def try_to_ship(self, order_id):
        if order_id in self.paid & self.reserved:
            self.effect("shipped", order_id, once=order_id)
""",
        """
class Shipping(Service):
    @on(PaymentCharged, InventoryReserved)
    async def collect(self, fact):
        self.effect(type(fact).__name__, fact.order_id, once=fact.order_id)
        facts = "PaymentCharged", "InventoryReserved"
        if all(self.done(name, fact.order_id) for name in facts):
            self.effect("shipped", fact.order_id, once=fact.order_id)
""",
    ],
    why="Between two publishers there is no order, so a join asks what is known, and not what came "
    "last. What it knows must be kept for each order by itself, and, if Shipping may die between "
    "the two facts, in its books.",
)


# the-silent-loss


async def orders_and_a_death(answers: Answers, seed: int, death: Any = kill) -> Lab:
    service = answers.Notification
    async with Lab(service, faults=[death(service, nth=4)], **where(seed)) as lab:
        for number in range(1, 7):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", **PAID))
        await lab.quiet(at_most_messages=100)
        # Work that nobody waits for ends later than the last message.
        await lab.publish(OrderPlaced(order_id="o-7", **PAID))
        await lab.quiet(at_most_messages=100)
    return lab


async def a_death_after_the_mail(answers: Answers, seed: int) -> Lab:
    return await orders_and_a_death(answers, seed, after_effect)


async def six_orders(answers: Answers, seed: int) -> Lab:
    async with Lab(answers.Notification, **where(seed)) as lab:
        for number in range(1, 7):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", **PAID))
        await lab.quiet(at_most_messages=100)
    return lab


def mailed(lab: Lab) -> str:
    wanted = {message.data["order_id"] for message in lab.trace.sent(OrderPlaced)}
    missing = sorted(wanted - set(lab.ledger.keys("mailed")))
    return f"no mail was ever written for {', '.join(missing)}" if missing else ""


def letters(lab: Lab) -> str:
    dead = [message for message in lab.trace.sent() if message.kind == "dead"]
    return f"{len(dead)} of six orders became dead letters" if dead else ""


SILENT_LOSS = Task(
    id="the-silent-loss",
    title="Bug hunt: mails that nobody misses",
    points=2,
    names=["Notification"],
    trials=[
        Trial(
            six_orders,
            [
                Claim("six orders, no dead letter", letters, "why your handler raises an error"),
                Claim("six orders, six mails", mailed, "whether each order is written to at all"),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            orders_and_a_death,
            [
                Claim(
                    "each order has its mail, although Notification died once",
                    mailed,
                    "when the message is acknowledged: as soon as the handler returns. What was "
                    "not done by then?",
                )
            ],
        ),
        Trial(
            a_death_after_the_mail,
            [
                Claim(
                    "each order has one mail at most, although some messages came again",
                    at_most_once("mailed"),
                    "the message that came again after the crash: it needs a key",
                ),
            ],
        ),
    ],
    hints=[
        "Read the handler line by line: at which line does the broker believe that all is done?",
        "`asyncio.create_task` starts something and does not wait for it. What becomes of it when "
        "the service dies?",
        "`await self.write(order)` in place of `asyncio.create_task(self.write(order))`, and "
        "`once=order.order_id` where the mail is written.",
    ],
    wrong=[
        WrongAnswer(
            """
class Notification(Service):
    @on(OrderPlaced)
    async def thank_for_order(self, order):
        asyncio.create_task(self.write(order))

    async def write(self, order):
        await asyncio.sleep(0.02)
        self.effect("mailed", order.order_id, once=order.order_id)
""",
            "as soon as the handler returns",
        ),
        WrongAnswer(
            """
class Notification(Service):
    @on(OrderPlaced)
    async def thank_for_order(self, order):
        await asyncio.sleep(0.02)
        self.effect("mailed", order.order_id)
        await asyncio.sleep(0.02)
""",
            "it needs a key",
        ),
        WrongAnswer(
            """
class Notification(Service):
    def __init__(self):
        self.later = []

    @on(OrderPlaced)
    async def thank_for_order(self, order):
        self.later.append(order)
        if len(self.later) == 3:
            for each in self.later:
                self.effect("mailed", each.order_id, once=each.order_id)
            self.later.clear()
""",
            "as soon as the handler returns",
        ),
    ],
    others=[
        """
class Notification(Service):
    @on(OrderPlaced)
    async def thank_for_order(self, order):
        self.effect("mailed", order.order_id, once=self.idempotency_key)
""",
        """
class Notification(Service):
    @on(OrderPlaced)
    async def thank_for_order(self, order):
        task = asyncio.create_task(self.write(order))
        await task

    async def write(self, order):
        await asyncio.sleep(0.02)
        if not self.done("mailed", order.order_id):
            self.effect("mailed", order.order_id)
""",
    ],
    why="A message is acknowledged when its handler returns. Work that goes on after that is "
    "nobody's: no error, no dead letter, no second delivery. Acknowledged after the work it may "
    "be done twice, and for that there is the key.",
)


TASKS = [CHARGE_ONCE, ASK_AGAIN, BOTH_ORDERS, SILENT_LOSS]
