"""Exercise 02: an orchestrator that directs, knows, takes back, and lets two play at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from labkit.lab import Lab
from labkit.properties import before, exactly_once, never
from labkit.seven_invariants import nobody_charged_for_nothing
from labkit.shop import Inventory, Payment, Shipping
from labkit.system.errors import CommandFailed, LabError
from labkit.system.faults import Fault, slow
from labkit.system.message import Message
from labkit.system.service import Command, Service, command, name_of
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where

AMOUNTS = {"o-1": 129_900, "o-2": 4_500, "o-3": 89_000}
STEPS = ("Payment.charge", "Inventory.reserve", "Shipping.ship")
WORKERS = {"charged": "Payment", "reserved": "Inventory", "shipped": "Shipping"}
NO_REPLY = "no answer"


def told(service: Any, name: str) -> Any:
    """A command of the learner's, by its name."""
    found = getattr(type(service) if isinstance(service, Service) else service, name, None)
    if not isinstance(found, Command):
        raise LabError(
            f"{name_of(service)} has no command {name}.\n"
            f"Write `@command` above `async def {name}(self, …):`."
        )
    return found


async def orders(
    orchestrator: Any,
    seed: int,
    *workers: type[Service] | Service,
    faults: Sequence[Fault] = (),
    amounts: Mapping[str, int] = AMOUNTS,
) -> Lab:
    place_order = told(orchestrator, "place_order")
    async with Lab(orchestrator, *workers, faults=faults, **where(seed)) as lab:
        for order_id, amount in amounts.items():
            with suppress(CommandFailed):
                await lab.call(place_order, order_id=order_id, amount=amount, timeout_seconds=60)
        await lab.quiet(at_most_messages=200)
    return lab


def sent(lab: Lab, type: str, order_id: str) -> list[tuple[float, Message]]:
    """The commands for one order whose type ends so, with the second at which each left."""
    return [
        (moment.seconds, moment.message)
        for moment in lab.trace
        if moment.what == "sent" and moment.message is not None
        if moment.message.type.endswith(type) and moment.message.data["order_id"] == order_id
    ]


def answer_to(lab: Lab, asked: Message) -> tuple[float, Message] | None:
    """The reply to a command, and when it arrived."""
    for moment in lab.trace:
        reply = moment.message
        if moment.what != "received" or reply is None or reply.kind != "reply":
            continue
        if reply.causationid == asked.id:
            return moment.seconds, reply
    return None


def placed(lab: Lab) -> dict[str, Message]:
    """The orders that were placed, by their id."""
    return {m.data["order_id"]: m for m in lab.trace.sent(by="you")}


def parcels(lab: Lab) -> str:
    """Whether each customer is answered with her parcel."""
    for order_id, order in placed(lab).items():
        found = answer_to(lab, order)
        if found is None:
            return f"{order_id} was never answered"
        if found[1].data != f"parcel {order_id}":
            return f"{order_id} was answered {found[1].data!r:.60}"
    return ""


PARCELS = Claim(
    "each customer is answered with what Shipping.ship answered",
    parcels,
    "what `place_order` returns, and what Shipping said at the end",
)


# write-the-orchestrator


async def a_good_day(answers: Answers, seed: int) -> Lab:
    return await orders(answers.OrderOrchestrator, seed, Payment, Inventory, Shipping)


def each_does_its_own(lab: Lab) -> str:
    others = [entry for entry in lab.ledger if entry.service not in WORKERS.values()]
    done = ", ".join(dict.fromkeys(entry.effect for entry in others))
    return f"{others[0].service} itself has {done}" if others else ""


def commanded(lab: Lab) -> str:
    for order_id in AMOUNTS:
        missing = [step for step in STEPS if not sent(lab, step, order_id)]
        if missing:
            return f"for {order_id} nobody sent {' or '.join(missing)}"
    return ""


def why_no_command(lab: Lab) -> str:
    if any(message.kind == "event" for message in lab.trace.sent()):
        return (
            "what you publish. An event tells everybody what has happened, and then they decide. "
            "Here one service directs"
        )
    return "the step that is missing: is there a call for it, and an `await` before the call?"


def charged_right(lab: Lab) -> str:
    for entry in lab.ledger:
        if entry.effect == "charged" and entry.amount != AMOUNTS.get(entry.key):
            return f"{entry.key} costs {AMOUNTS.get(entry.key)}, and {entry.amount} was charged"
    return ""


def why_out_of_order(lab: Lab) -> str:
    for order_id in AMOUNTS:
        commands = [command for step in STEPS for command in sent(lab, step, order_id)]
        for (_, earlier), (left, _) in pairwise(sorted(commands, key=lambda each: each[0])):
            answer = answer_to(lab, earlier)
            if answer is None or left < answer[0]:
                return "when the next command leaves: before the reply to the last one is there"
    return "which of your three lines stands first"


WRITE_THE_ORCHESTRATOR = Task(
    id="write-the-orchestrator",
    title="The orchestrator",
    points=2,
    names=["OrderOrchestrator"],
    trials=[
        Trial(
            a_good_day,
            [
                Claim(
                    "the orchestrator directs, and each worker does its own work",
                    each_does_its_own,
                    "`self.effect` in your code. How a card is charged is Payment's matter; the "
                    "orchestrator says that it is time to",
                ),
                Claim(
                    f"each order goes by three commands: {', '.join(STEPS)}",
                    commanded,
                    why_no_command,
                ),
                *(
                    Claim(
                        f"each order is {effect} once",
                        exactly_once(effect),
                        f"how often, and for whom, you tell {worker} to do it",
                    )
                    for effect, worker in WORKERS.items()
                ),
                Claim(
                    "each customer pays what the order costs",
                    charged_right,
                    "the `amount` that you hand on",
                ),
                Claim(
                    "the goods are laid aside when the money is there",
                    before("charged", "reserved"),
                    why_out_of_order,
                ),
                Claim(
                    "the parcel leaves when the goods lie aside",
                    before("reserved", "shipped"),
                    why_out_of_order,
                ),
                PARCELS,
            ],
            real=True,
        )
    ],
    hints=[
        "Which command must be answered before the next one may leave? What does `await` do there?",
        "Three lines under each other, as in “The smallest conductor” of lesson 02. The last one "
        "has the answer that the customer wants.",
        "`await self.call(Payment.charge, order_id=order_id, amount=amount)`, the same for "
        "`Inventory.reserve` without the amount, then `return await self.call(Shipping.ship, …)`.",
    ],
    wrong=[
        WrongAnswer(  # misconception 2: an orchestrator is the service that does everything
            """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount)
        self.effect("reserved", order_id)
        self.effect("shipped", order_id)
        return f"parcel {order_id}"
""",
            "it is time to",
        ),
        WrongAnswer(  # an event in place of a command
            """
from labkit.shop import OrderPlaced

class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))
        return f"parcel {order_id}"
""",
            "Here one service directs",
        ),
        WrongAnswer(  # a call that nobody awaits is never made
            """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "an `await` before the call",
        ),
        WrongAnswer(  # all at once, and the replies whenever they come
            """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        receipt, _, parcel = await asyncio.gather(
            self.call(Payment.charge, order_id=order_id, amount=amount),
            self.call(Inventory.reserve, order_id=order_id),
            self.call(Shipping.ship, order_id=order_id),
        )
        return parcel
""",
            "before the reply to the last one is there",
        ),
        WrongAnswer(  # goods first, money last
            """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Inventory.reserve, order_id=order_id)
        parcel = await self.call(Shipping.ship, order_id=order_id)
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        return parcel
""",
            "which of your three lines stands first",
        ),
        WrongAnswer(  # an answer of its own
            """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        await self.call(Shipping.ship, order_id=order_id)
        return "ok"
""",
            "what Shipping said at the end",
        ),
    ],
    others=[
        """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        score = [
            (Payment.charge, {"amount": amount}), (Inventory.reserve, {}), (Shipping.ship, {})]
        for step, more in score:
            answer = await self.call(step, order_id=order_id, timeout_seconds=10, **more)
        return answer
""",
        """
class OrderOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.get_paid(order_id, amount)
        return await self.deliver(order_id)

    async def get_paid(self, order, price):
        await self.call(Payment.charge, order_id=order, amount=price)

    async def deliver(self, order):
        await self.call(Inventory.reserve, order_id=order)
        return await self.call(Shipping.ship, order_id=order)
""",
    ],
    why="Three lines, and the order of the whole shop stands in one place. It knows who is next "
    "and nothing of how they do it: as long as that is so, it is a score and no burden.",
)


# where-is-o-7


class Customer(Service):
    """Orders o-7, two seconds later o-8, and asks every now and then where they are."""

    def __init__(self, place_order: Any, where_is: Any) -> None:
        self.place_order, self.where_is = place_order, where_is

    @command
    async def shop(self) -> None:
        await asyncio.gather(
            self.order("o-7", after_seconds=0),
            self.order("o-8", after_seconds=2),
            *(self.ask(*question) for question in TRUTH),
        )

    @command
    async def shop_once(self) -> None:
        await self.order("o-7", after_seconds=0)
        await self.ask("o-7", after_seconds=0)

    async def order(self, order_id: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        with suppress(CommandFailed):
            amount = AMOUNTS["o-1"]
            await self.call(self.place_order, order_id=order_id, amount=amount, timeout_seconds=60)

    async def ask(self, order_id: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        with suppress(CommandFailed):
            await self.call(self.where_is, order_id=order_id)


# Each worker takes two seconds: where an order is so many seconds after the first one was placed.
WORK_SECONDS = 2.0
TRUTH = {
    ("o-99", 1): "unknown",
    ("o-7", 1): "charging",
    ("o-7", 3): "reserving",
    ("o-8", 3): "charging",
    ("o-7", 5): "shipping",
    ("o-8", 5): "reserving",
    ("o-7", 7): "shipped",
    ("o-8", 7): "shipping",
}


async def a_slow_day(answers: Answers, seed: int) -> Lab:
    orchestrator = answers.InformedOrchestrator
    customer = Customer(told(orchestrator, "place_order"), told(orchestrator, "where_is"))
    late = [slow(worker, seconds=WORK_SECONDS) for worker in (Payment, Inventory, Shipping)]
    shop = [orchestrator, customer, Payment, Inventory, Shipping]
    async with Lab(*shop, faults=late, **where(seed)) as lab:
        await lab.call(Customer.shop, timeout_seconds=200)
        await lab.quiet(at_most_messages=200)
    return lab


async def a_refusal(answers: Answers, seed: int) -> Lab:
    orchestrator = answers.InformedOrchestrator
    customer = Customer(told(orchestrator, "place_order"), told(orchestrator, "where_is"))
    async with Lab(
        orchestrator, customer, Payment, Inventory, Shipping(vans=0), **where(seed)
    ) as lab:
        await lab.call(Customer.shop_once, timeout_seconds=200)
        await lab.quiet(at_most_messages=100)
    return lab


def heard(lab: Lab) -> dict[tuple[str, int], tuple[float, object]]:
    """What was answered to each question, and after how many seconds."""
    found: dict[tuple[str, int], tuple[float, object]] = {}
    for order_id in dict.fromkeys(order_id for order_id, _ in TRUTH):
        for seconds, question in sent(lab, ".where_is", order_id):
            answer = answer_to(lab, question)
            said = (60.0, NO_REPLY) if answer is None else (answer[0] - seconds, answer[1].data)
            if answer is not None and answer[1].reason:
                said = (said[0], NO_REPLY)
            found[order_id, int(seconds)] = said
    return found


def answered_at_once(lab: Lab) -> str:
    for (order_id, at), (seconds, _) in heard(lab).items():
        if seconds > 0.5:
            late = f"only {seconds:.1f} s later" if seconds < 60 else "never"
            return f"asked for {order_id} after {at} s, it answered {late}"
    return ""


def knows_no_stranger(lab: Lab) -> str:
    _, said = heard(lab)["o-99", 1]
    return "" if said == TRUTH["o-99", 1] else f"asked for o-99, it said {said!r:.60}"


def knows_each(lab: Lab) -> str:
    found = heard(lab)
    for (order_id, at), state in TRUTH.items():
        _, said = found.get((order_id, at), (0, NO_REPLY))
        if said != state:
            return f"after {at} s {order_id} was {state}, and the answer was {said!r:.60}"
    return ""


def why_it_errs(lab: Lab) -> str:
    said = {question: answer for question, (_, answer) in heard(lab).items()}
    if said.get(("o-7", 1)) == TRUTH["o-7", 1] and all(
        said.get(("o-7", at)) == said.get(("o-8", at)) for at in (3, 5)
    ):
        return "of which order that is the state: two orders are under way at the same time"
    if said.get(("o-7", 3)) == TRUTH["o-7", 1]:
        return "when you write the state down: before a command leaves, or when its reply is there"
    return "what `where_is` reads, who writes it, and the words: charging, reserving, shipping, …"


def both_shipped(lab: Lab) -> str:
    parcels = sorted(entry.key for entry in lab.ledger if entry.service == "Shipping")
    return "" if parcels == ["o-7", "o-8"] else f"these left: {', '.join(parcels) or 'none'}"


def knows_of_the_refusal(lab: Lab) -> str:
    said = [answer for (order_id, _), (_, answer) in heard(lab).items() if order_id == "o-7"]
    return "" if said == ["refused"] else f"asked after the refusal, it said {said[0]!r:.60}"


def refusal_goes_on(lab: Lab) -> str:
    answers = [m for m in lab.trace.sent() if m.kind == "reply" and ".place_order." in m.type]
    return "" if answers and answers[0].reason == "refused" else "place_order did not say no"


WHERE_IS_O_7 = Task(
    id="where-is-o-7",
    title="Where is order o-7?",
    points=3,
    names=["InformedOrchestrator"],
    trials=[
        Trial(
            a_slow_day,
            [
                Claim(
                    "a question is answered at once, while orders are under way",
                    answered_at_once,
                    "what a question has to wait for: while one `await` waits, the service handles "
                    "the next message, unless something locks it",
                ),
                Claim(
                    "an order that was never placed is unknown",
                    knows_no_stranger,
                    "what a dictionary says to a key that it does not hold",
                ),
                Claim("each answer is true when it is given", knows_each, why_it_errs),
                Claim("both orders are shipped", both_shipped, "the steps of `place_order`"),
            ],
            seeds=range(3),
        ),
        Trial(
            a_refusal,
            [
                Claim(
                    "after a no the order is refused, and no longer under way",
                    knows_of_the_refusal,
                    "which of your lines still run when `await self.call(…)` raises Refused",
                ),
                Claim(
                    "the customer hears the no as well",
                    refusal_goes_on,
                    "what comes after your `except`: `raise` hands an error on",
                ),
            ],
            seeds=range(3),
            real=True,
        ),
    ],
    hints=[
        "While `place_order` waits for a reply, what is the last thing that it has written down?",
        "A dictionary made in `__init__` keeps a word for each order. Write the word before the "
        "command leaves, and catch Refused to write the last one.",
        '`self.state[order_id] = "charging"` above the first call, and so on; '
        '`return self.state.get(order_id, "unknown")`; and around the calls `try:` … '
        '`except Refused:` `self.state[order_id] = "refused"` `raise`.',
    ],
    wrong=[
        WrongAnswer(  # written down when it is over
            """
class InformedOrchestrator(Service):
    def __init__(self):
        self.state = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state[order_id] = "charging"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state[order_id] = "reserving"
        parcel = await self.call(Shipping.ship, order_id=order_id)
        self.state[order_id] = "shipped"
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state.get(order_id, "unknown")
""",
            "before a command leaves, or when its reply is there",
        ),
        WrongAnswer(  # one state for all
            """
class InformedOrchestrator(Service):
    def __init__(self):
        self.orders, self.state = set(), ""

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.orders.add(order_id)
        self.state = "charging"
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state = "reserving"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state = "shipping"
        parcel = await self.call(Shipping.ship, order_id=order_id)
        self.state = "shipped"
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state if order_id in self.orders else "unknown"
""",
            "two orders are under way at the same time",
        ),
        WrongAnswer(  # nobody asks for an order that is none
            """
class InformedOrchestrator(Service):
    def __init__(self):
        self.state = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.state[order_id] = "charging"
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state[order_id] = "reserving"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state[order_id] = "shipping"
        parcel = await self.call(Shipping.ship, order_id=order_id)
        self.state[order_id] = "shipped"
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state[order_id]
""",
            "a key that it does not hold",
        ),
        WrongAnswer(  # misconception 5: who directs must do one thing after the other
            """
class InformedOrchestrator(Service):
    at_once = 1  # so that nobody asks in the middle of a step

    def __init__(self):
        self.state = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.state[order_id] = "charging"
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state[order_id] = "reserving"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state[order_id] = "shipping"
        parcel = await self.call(Shipping.ship, order_id=order_id)
        self.state[order_id] = "shipped"
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state.get(order_id, "unknown")
""",
            "unless something locks it",
        ),
        WrongAnswer(  # a no leaves the order under way for ever
            """
class InformedOrchestrator(Service):
    def __init__(self):
        self.state = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        self.state[order_id] = "charging"
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        self.state[order_id] = "reserving"
        await self.call(Inventory.reserve, order_id=order_id)
        self.state[order_id] = "shipping"
        parcel = await self.call(Shipping.ship, order_id=order_id)
        self.state[order_id] = "shipped"
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state.get(order_id, "unknown")
""",
            "which of your lines still run",
        ),
        WrongAnswer(  # the desk knows, the customer does not
            """
class InformedOrchestrator(Service):
    def __init__(self):
        self.state = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        try:
            self.state[order_id] = "charging"
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            self.state[order_id] = "reserving"
            await self.call(Inventory.reserve, order_id=order_id)
            self.state[order_id] = "shipping"
            parcel = await self.call(Shipping.ship, order_id=order_id)
            self.state[order_id] = "shipped"
            return parcel
        except Refused:
            self.state[order_id] = "refused"
            return "no parcel"

    @command
    async def where_is(self, order_id: str) -> str:
        return self.state.get(order_id, "unknown")
""",
            "`raise` hands an error on",
        ),
    ],
    others=[
        """
class InformedOrchestrator(Service):
    def __init__(self):
        self.now = {}

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.step("charging", Payment.charge, order_id, amount=amount)
        await self.step("reserving", Inventory.reserve, order_id)
        parcel = await self.step("shipping", Shipping.ship, order_id)
        self.now[order_id] = "shipped"
        return parcel

    async def step(self, word, what, order_id, **more):
        self.now[order_id] = word
        try:
            return await self.call(what, order_id=order_id, **more)
        except Refused:
            self.now[order_id] = "refused"
            raise

    @command
    async def where_is(self, order_id: str) -> str:
        return self.now[order_id] if order_id in self.now else "unknown"
""",
        """
class InformedOrchestrator(Service):
    words = "charging", "reserving", "shipping", "shipped", "refused"

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        try:
            self.effect("charging", order_id)
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            self.effect("reserving", order_id)
            await self.call(Inventory.reserve, order_id=order_id)
            self.effect("shipping", order_id)
            parcel = await self.call(Shipping.ship, order_id=order_id)
        except Refused as no:
            self.effect("refused", order_id)
            raise
        self.effect("shipped", order_id + " is done")
        return parcel

    @command
    async def where_is(self, order_id: str) -> str:
        if self.done("shipped", order_id + " is done"):
            return "shipped"
        return next((w for w in reversed(self.words) if self.done(w, order_id)), "unknown")
""",
    ],
    why="Whoever directs knows, if it keeps a note for each order and writes it before it waits. "
    "The answer disturbs nobody, since waiting is not working. The note dies with the service: "
    "lesson 08 makes it last.",
)


# undo-in-reverse


async def no_van(answers: Answers, seed: int) -> Lab:
    return await orders(
        answers.CarefulOrchestrator, seed, Payment, Inventory(stock=3), Shipping(vans=0)
    )


async def no_guitar(answers: Answers, seed: int) -> Lab:
    return await orders(answers.CarefulOrchestrator, seed, Payment, Inventory(stock=0), Shipping)


async def all_is_well(answers: Answers, seed: int) -> Lab:
    return await orders(answers.CarefulOrchestrator, seed, Payment, Inventory, Shipping)


async def a_silence(answers: Answers, seed: int) -> Lab:
    return await orders(
        answers.CarefulOrchestrator,
        seed,
        Payment,
        Inventory,
        Shipping,
        faults=[slow(Shipping, seconds=8)],
        amounts={"o-1": AMOUNTS["o-1"]},
    )


def said_no(lab: Lab) -> str:
    for order_id, order in placed(lab).items():
        found = answer_to(lab, order)
        if found is None or found[1].reason != "refused":
            said = found[1].data if found else "nothing"
            return f"the customer of {order_id} was told {said!r:.60}"
    return ""


def why_the_money_is_gone(lab: Lab) -> str:
    charged = [entry.amount for entry in lab.ledger if entry.effect == "charged"]
    if any(isinstance(amount, int) and amount < 0 for amount in charged):
        return (
            "what you tell Payment. Nothing is rolled back to what it was: a refund is an effect "
            "of its own, and Payment has a command for it"
        )
    return "what Payment had done when the no came, and which command takes it back"


def goods_and_money(lab: Lab) -> str:
    both = sorted(set(lab.ledger.shipped()) & set(lab.ledger.keys("refunded")))
    return f"{', '.join(both)} was refunded, and the parcel left all the same" if both else ""


SAID_NO = Claim(
    "the customer hears that the order is refused",
    said_no,
    "how your `except` ends. Who has taken back must still say no",
)
MONEY_BACK = Claim(
    "who gets no parcel has the money back", nobody_charged_for_nothing(), why_the_money_is_gone
)

UNDO_IN_REVERSE = Task(
    id="undo-in-reverse",
    title="When one player says no",
    points=3,
    names=["CarefulOrchestrator"],
    trials=[
        Trial(
            no_van,
            [
                Claim(
                    "a step that was refused is not taken back",
                    never("cancelled"),
                    "what Shipping had done when it said no: a no is certain, and nothing was done",
                ),
                SAID_NO,
                MONEY_BACK,
                Claim(
                    "the goods come back to the shelf",
                    exactly_once("released"),
                    "what else was done before the no: for whom does a guitar still lie aside?",
                ),
                Claim(
                    "the money is given back once",
                    exactly_once("refunded"),
                    "how often you tell Payment to refund",
                ),
                Claim(
                    "what was done last is undone first",
                    before("released", "refunded"),
                    "which of the two steps was done last: it is the first to take back",
                ),
            ],
            seeds=range(4),
            real=True,
        ),
        Trial(
            no_guitar,
            [
                Claim(
                    "what was never laid aside is not put back",
                    never("released"),
                    "how far the order had come when Inventory said no, and not only Shipping",
                ),
                SAID_NO,
                MONEY_BACK,
            ],
            seeds=range(4),
        ),
        Trial(
            all_is_well,
            [
                Claim(
                    "what went well stays",
                    never("refunded"),
                    "which of your lines also run when nobody has said no",
                ),
                Claim(
                    "what went well stays",
                    never("released"),
                    "which of your lines also run when nobody has said no",
                ),
                PARCELS,
            ],
            seeds=range(3),
        ),
        Trial(
            a_silence,
            [
                Claim(
                    "nobody has both the parcel and the money",
                    goods_and_money,
                    "which errors you take for a no: after NoReply you do not know what was done",
                )
            ],
            seeds=range(2),
        ),
    ],
    hints=[
        "When Shipping says no, what has been done? And when Inventory says no?",
        "`except Refused:` around Shipping, with two calls and a `raise` in it. Around Inventory "
        "another one, with one call less.",
        "`except Refused:` `await self.call(Inventory.release, order_id=order_id)` "
        "`await self.call(Payment.refund, order_id=order_id, amount=amount)` `raise`.",
    ],
    wrong=[
        WrongAnswer(  # only what hurts most
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "lie aside",
        ),
        WrongAnswer(  # forwards
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except Refused:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
        try:
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            await self.call(Inventory.release, order_id=order_id)
            raise
""",
            "which of the two steps was done last",
        ),
        WrongAnswer(  # the undo swallows the refusal
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except Refused:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            return "sorry"
        try:
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            return "sorry"
""",
            "how your `except` ends",
        ),
        WrongAnswer(  # also after success
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            try:
                return await self.call(Shipping.ship, order_id=order_id)
            finally:
                await self.call(Inventory.release, order_id=order_id)
        finally:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
""",
            "also run when nobody has said no",
        ),
        WrongAnswer(  # what was never done is undone, too
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        try:
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "when Inventory said no",
        ),
        WrongAnswer(  # misconception 6: compensation is a return to the old state
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except Refused:
            await self.call(Payment.charge, order_id=order_id, amount=-amount)
            raise
        try:
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.charge, order_id=order_id, amount=-amount)
            raise
""",
            "Nothing is rolled back to what it was",
        ),
        WrongAnswer(  # the step that said no is undone as well
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except Refused:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
        try:
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            await self.call(Shipping.cancel, order_id=order_id)
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "a no is certain",
        ),
        WrongAnswer(  # a silence is taken for a no
            """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except CommandFailed:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
        try:
            return await self.call(Shipping.ship, order_id=order_id)
        except CommandFailed:
            await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "after NoReply you do not know",
        ),
    ],
    others=[
        """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        done = []
        try:
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            done.append((Payment.refund, {"amount": amount}))
            await self.call(Inventory.reserve, order_id=order_id)
            done.append((Inventory.release, {}))
            return await self.call(Shipping.ship, order_id=order_id)
        except Refused:
            for undo, more in reversed(done):
                await self.call(undo, order_id=order_id, **more)
            raise
""",
        """
class CarefulOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            return await self.deliver(order_id)
        except Refused as no:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise Refused(f"no order: {no}")

    async def deliver(self, order_id):
        await self.call(Inventory.reserve, order_id=order_id)
        try:
            return await self.call(Shipping.ship, order_id=order_id, timeout_seconds=30)
        except Refused:
            await self.call(Inventory.release, order_id=order_id)
            raise
""",
    ],
    why="Every step that was done is taken back, the last one first, and no other. A compensation "
    "is a second effect and erases nothing. And only a no is a no: after a silence you know "
    "nothing, and lesson 07 shows what to do then.",
)


# two-at-once


async def slow_money(answers: Answers, seed: int) -> Lab:
    late = [slow(Payment, seconds=3), slow(Inventory, seconds=2)]
    return await a_hurried_day(answers, seed, late)


async def slow_goods(answers: Answers, seed: int) -> Lab:
    late = [slow(Payment, seconds=2), slow(Inventory, seconds=3)]
    return await a_hurried_day(answers, seed, late)


async def a_hurried_day(answers: Answers, seed: int, faults: Sequence[Fault]) -> Lab:
    shop = Payment, Inventory, Shipping
    amounts = dict(list(AMOUNTS.items())[:2])
    return await orders(answers.QuickOrchestrator, seed, *shop, faults=faults, amounts=amounts)


def answered_at_the_end(lab: Lab) -> str:
    for order_id, order in placed(lab).items():
        found, arrived = answer_to(lab, order), shipped_at(lab, order_id)
        if found is not None and not found[1].reason and found[0] < arrived:
            return f"{order_id} was answered {found[1].data!r:.60}, and no parcel had left yet"
    return ""


def shipped_at(lab: Lab, order_id: str) -> float:
    causes = [e.cause for e in lab.ledger if e.effect == "shipped" and e.key == order_id]
    times = [
        moment.seconds
        for moment in lab.trace
        if moment.what == "received" and moment.message and moment.message.id in causes
    ]
    return min(times, default=float("inf"))


def takes_its_time(lab: Lab) -> str:
    for order_id, order in placed(lab).items():
        began = next(m.seconds for m in lab.trace if m.what == "sent" and m.message == order)
        found = answer_to(lab, order)
        if found is not None and found[0] - began > 4:
            return f"{order_id} took {found[0] - began:.1f} s"
    return ""


def why_too_early(lab: Lab) -> str:
    for order_id in placed(lab):
        ships = [seconds for seconds, _ in sent(lab, STEPS[2], order_id)]
        others = [seconds for step in STEPS[:2] for seconds, _ in sent(lab, step, order_id)]
        if ships and others and ships[0] - max(others) > 1:
            return "the reply that nobody waited for. Of the first two steps, which came last?"
    return "which of the three steps needs nothing from the others, and which one does"


TWO_AT_ONCE = Task(
    id="two-at-once",
    title="Two players at the same time",
    points=2,
    names=["QuickOrchestrator"],
    trials=[
        Trial(
            day,
            [
                Claim(
                    "the customer is answered when the parcel leaves, and not before",
                    answered_at_the_end,
                    "who directs here. To let two work at once nobody has to give up the baton: "
                    "what does `publish` wait for, and what does `call` wait for?",
                ),
                Claim(
                    "no parcel leaves before the money is there",
                    before("charged", "shipped"),
                    why_too_early,
                ),
                Claim(
                    "no parcel leaves before the goods lie aside",
                    before("reserved", "shipped"),
                    why_too_early,
                ),
                *(
                    Claim(
                        f"each order is {effect} once",
                        exactly_once(effect),
                        f"how often, and for whom, you tell {worker} to do it",
                    )
                    for effect, worker in WORKERS.items()
                ),
                Claim(
                    "one takes 3 s and the other 2 s, so the order takes little more than 3 s",
                    takes_its_time,
                    "when the second command leaves. Must it wait for the reply to the first one?",
                ),
                PARCELS,
            ],
            seeds=range(3),
        )
        for day in (slow_money, slow_goods)
    ],
    hints=[
        "Does an orchestrator have to wait for one reply before it sends the next command?",
        "`asyncio.gather(…)` takes several calls, starts them at the same time, and is done when "
        "the last of them is.",
        "`await asyncio.gather(self.call(Payment.charge, …), self.call(Inventory.reserve, …))`, "
        "and then `return await self.call(Shipping.ship, order_id=order_id)`.",
    ],
    wrong=[
        WrongAnswer(  # misconception 5: orchestration means one after the other
            """
class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "when the second command leaves",
        ),
        WrongAnswer(  # misconception 5: who wants it asynchronous must publish
            """
from labkit.shop import OrderPlaced

class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))
        return f"parcel {order_id}"
""",
            "give up the baton",
        ),
        WrongAnswer(  # all three at once
            """
class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        _, _, parcel = await asyncio.gather(
            self.call(Payment.charge, order_id=order_id, amount=amount),
            self.call(Inventory.reserve, order_id=order_id),
            self.call(Shipping.ship, order_id=order_id),
        )
        return parcel
""",
            "needs nothing from the others",
        ),
        WrongAnswer(  # one of the two is good enough
            """
class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        both = [
            asyncio.create_task(self.call(Payment.charge, order_id=order_id, amount=amount)),
            asyncio.create_task(self.call(Inventory.reserve, order_id=order_id)),
        ]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "the reply that nobody waited for",
        ),
    ],
    others=[
        """
class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        money = asyncio.create_task(
            self.call(Payment.charge, order_id=order_id, amount=amount))
        await self.call(Inventory.reserve, order_id=order_id)
        await money
        return await self.call(Shipping.ship, order_id=order_id)
""",
        """
class QuickOrchestrator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        async with asyncio.TaskGroup() as together:
            together.create_task(self.call(Inventory.reserve, order_id=order_id))
            together.create_task(
                self.call(Payment.charge, order_id=order_id, amount=amount, timeout_seconds=20))
        return await self.call(Shipping.ship, order_id=order_id)
""",
    ],
    why="Whether somebody directs and whether one waits are two questions. An orchestrator sends "
    "two commands at once where neither needs the other, and waits for both replies before the "
    "step that does. It pays for it when one of the two refuses: then the other is still under "
    "way, and must be awaited before it can be taken back.",
)


TASKS = [WRITE_THE_ORCHESTRATOR, WHERE_IS_O_7, UNDO_IN_REVERSE, TWO_AT_ONCE]
