"""Exercise 01: who paid for nothing, how often and how soon it works, the smallest coordinator."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from labkit.lab import Lab
from labkit.properties import at_most_once, before, exactly_once, never
from labkit.seven_invariants import nobody_charged_for_nothing
from labkit.shop import Inventory, Notification, Payment, Shipping
from labkit.system.errors import CommandFailed, LabError
from labkit.system.faults import Fault, reply_lost, slow, unavailable
from labkit.system.ledger import Entry, Ledger
from labkit.system.message import Message
from labkit.teaching.record import Record
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where
from labkit.trace import Trace
from labkit.verdict import Breach, Property

PRICE = 129_900


# A run, and what the learner's function says of it.
Reading = tuple[Record, Any]


async def click(lab: Lab, order: str, amount: int = PRICE, *, returns_money: bool = False) -> None:
    """One customer's click on *buy*: four services, one after the other, as far as it goes."""
    with suppress(CommandFailed):
        await lab.call(Payment.charge, order_id=order, amount=amount)
        try:
            await lab.call(Inventory.reserve, order_id=order)
            await lab.call(Shipping.ship, order_id=order)
        except CommandFailed:
            if returns_money:
                await lab.call(Payment.refund, order_id=order, amount=amount)
            raise
        await lab.call(Notification.notify, order_id=order)


def shop_with(*faults: Fault, seed: int) -> Lab:
    return Lab(Payment, Inventory, Shipping, Notification, faults=faults, **where(seed))


def asked(answers: Answers, name: str, given: Any) -> Any:
    """What the learner's function says; a LabError where that is no function of one argument."""
    function = getattr(answers, name)
    try:
        inspect.signature(function).bind(given)
    except (TypeError, ValueError) as error:
        raise LabError(
            f"{name} should be a function that takes one thing: {error}.\n"
            f"Write `def {name}(…):` with one name in the brackets."
        ) from None
    return plain(function(given))


def plain(said: Any) -> Any:
    """A number of whatever kind, NumPy's for example, as a plain one; all else as it is."""
    if isinstance(said, int | float | str | bytes) or not hasattr(said, "__float__"):
        return said
    with suppress(TypeError, ValueError, OverflowError):
        return float(said)
    return said


def number(said: Any) -> float | None:
    """A number; None where it is none."""
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    return float(said) if abs(said) < 1e300 else math.inf


def a_number(case: tuple[Any, Any]) -> str:
    return "" if number(case[1]) is not None else f"it returned {case[1]!r:.60}"


# find-the-orphans


@dataclass(frozen=True)
class Pages:
    """A ledger of a few lines: what it tells in words, and where to look if it is misread."""

    words: str
    lines: str
    look: str

    @property
    def ledger(self) -> Ledger:
        return Ledger(_entry(*line.split()) for line in self.lines.split(";"))


def _entry(effect: str, key: str, amount: str = "") -> Entry:
    service = {"reserved": "Inventory", "shipped": "Shipping"}.get(effect, "Payment")
    return Entry(service, effect, key, int(amount) if amount else None)


PAGES = [
    Pages(
        "o-1 was charged and shipped, and o-2 only charged",
        "charged o-1 129900; charged o-2 129900; reserved o-1; shipped o-1",
        "the orders that were shipped: they got what they paid for",
    ),
    Pages(
        "o-3 was charged and refunded",
        "charged o-3 129900; reserved o-3; refunded o-3 129900",
        "the lines that say `refunded`: that money is back with the customer",
    ),
    Pages(
        "o-4 was charged twice, and nothing was shipped",
        "charged o-4 129900; charged o-4 129900",
        "the second charge of one order: the customer has paid both",
    ),
    Pages(
        "o-5 was charged twice and refunded once",
        "charged o-5 129900; charged o-5 129900; refunded o-5 129900",
        "how much was given back: one refund does not settle two charges",
    ),
    Pages(
        "o-6 was charged 129900 and got 50000 back",
        "charged o-6 129900; refunded o-6 50000",
        "how much was given back: a part of the money is not all of it",
    ),
    Pages(
        "for o-7 goods were laid aside, and it was never charged",
        "reserved o-7; charged o-8 4900",
        "the orders that paid nothing: nobody owes them anything, so they don't belong there",
    ),
    Pages(
        "o-9 was charged twice and shipped once",
        "charged o-9 129900; charged o-9 129900; shipped o-9",
        "the orders that were shipped: one that has its goods is no orphan, even if it paid twice",
    ),
]


async def pages(answers: Answers, seed: int) -> tuple[int, Any]:
    return seed, asked(answers, "orphans", PAGES[seed].ledger)


async def a_bad_day(answers: Answers, seed: int) -> tuple[Lab, Any]:
    faults = [unavailable(service, chance=0.3) for service in (Inventory, Shipping)]
    async with shop_with(*faults, seed=seed) as lab:
        for nth in range(1, 11):
            amount = PRICE + 100 * nth
            await click(lab, f"o-{nth}", amount, returns_money=nth % 3 == 0)
            if nth % 4 == 0:
                await click(lab, f"o-{nth}", amount)
        await lab.quiet()
    return lab, asked(answers, "orphans", Ledger(lab.ledger))


def owed(ledger: Ledger) -> dict[str, int]:
    """What each order has paid for nothing."""
    sums: dict[str, int] = {}
    for entry in ledger:
        sign = {"charged": 1, "refunded": -1}.get(entry.effect, 0)
        sums[entry.key] = sums.get(entry.key, 0) + sign * (entry.amount or 0)
    shipped = ledger.keys("shipped")
    return {order: cents for order, cents in sums.items() if cents > 0 and order not in shipped}


def a_dict(case: tuple[Any, Any]) -> str:
    return "" if isinstance(case[1], Mapping) else f"it returned {case[1]!r:.60}"


def as_it_was(case: tuple[int, Any]) -> str:
    page, said = PAGES[case[0]], case[1]
    return "" if said == owed(page.ledger) else f"{page.words}; it returned {said!r:.80}"


def on_a_bad_day(run: Reading) -> str:
    record, said = run
    wanted = owed(record.ledger)
    odd = [order for order in [*wanted, *said] if wanted.get(order) != said.get(order)]
    if not odd:
        return ""
    did = ", ".join(entry.effect for entry in record.ledger if entry.key == odd[0])
    found = f"{said[odd[0]]!r:.40}" if odd[0] in said else "nothing"
    return f"{odd[0]!r:.40} has these lines: {did}; it says {found} of it"


FIND_THE_ORPHANS = Task(
    id="find-the-orphans",
    title="Who has paid for nothing?",
    points=2,
    names=["orphans"],
    trials=[
        Trial(
            pages,
            [
                Claim(
                    "a dict comes back: order to cents",
                    a_dict,
                    "what stands after `return`: a list of orders does not say how much is owed",
                ),
                Claim(
                    "every order that has paid and got no parcel, with the cents that it has "
                    "not got back; no other order",
                    as_it_was,
                    lambda case: PAGES[case[0]].look,
                ),
            ],
            seeds=range(len(PAGES)),
        ),
        Trial(
            a_bad_day,
            [
                Claim("a dict comes back", a_dict, "what you return, on each way"),
                Claim(
                    "the same on a whole day of the shop",
                    on_a_bad_day,
                    "the lines of that order, one by one: what does each of them do to your sum?",
                ),
            ],
            seeds=range(2),
            real=True,
        ),
    ],
    hints=[
        "Which lines of the ledger put a customer in the plus, and which of them in the minus? "
        "Which one settles all?",
        "Go through the ledger once and keep a sum for each `entry.key`: plus what was charged, "
        "minus what was refunded. Then leave out who got a parcel, and whose sum is 0.",
        "`sums[entry.key] = sums.get(entry.key, 0) + entry.amount` for a charge, `-` for a refund; "
        "`{order: cents for order, cents in sums.items() if cents > 0 and order not in "
        'ledger.keys("shipped")}`.',
    ],
    wrong=[
        WrongAnswer(  # what labkit's own count says: orders, and no money
            """
def orphans(ledger):
    return ledger.orphaned()
""",
            "does not say how much is owed",
        ),
        WrongAnswer(  # whoever got no money back
            """
def orphans(ledger):
    sums = {}
    for entry in ledger:
        if entry.effect == "charged":
            sums[entry.key] = sums.get(entry.key, 0) + entry.amount
        if entry.effect == "refunded":
            sums[entry.key] = sums.get(entry.key, 0) - entry.amount
    return {order: cents for order, cents in sums.items() if cents > 0}
""",
            "they got what they paid for",
        ),
        WrongAnswer(  # refunds are overlooked
            """
def orphans(ledger):
    sums = {}
    for entry in ledger:
        if entry.effect == "charged" and entry.key not in ledger.keys("shipped"):
            sums[entry.key] = sums.get(entry.key, 0) + entry.amount
    return sums
""",
            "back with the customer",
        ),
        WrongAnswer(  # the second charge takes the place of the first
            """
def orphans(ledger):
    charged = {entry.key: entry.amount for entry in ledger if entry.effect == "charged"}
    settled = set(ledger.keys("shipped")) | set(ledger.keys("refunded"))
    return {order: cents for order, cents in charged.items() if order not in settled}
""",
            "the customer has paid both",
        ),
        WrongAnswer(  # one refund settles all: labkit's count of orders thinks so too
            """
def orphans(ledger):
    lost = ledger.orphaned()
    return {
        order: sum(e.amount for e in ledger if e.key == order and e.effect == "charged")
        for order in lost
    }
""",
            "one refund does not settle two charges",
        ),
        WrongAnswer(  # charges and refunds are counted, amounts are not
            """
def orphans(ledger):
    found = {}
    for order in set(ledger.keys("charged")) - set(ledger.keys("shipped")):
        times = ledger.keys("charged").count(order) - ledger.keys("refunded").count(order)
        if times > 0:
            amount = next(e.amount for e in ledger if e.key == order and e.effect == "charged")
            found[order] = times * amount
    return found
""",
            "a part of the money is not all of it",
        ),
        WrongAnswer(  # everybody without a parcel
            """
def orphans(ledger):
    sums = {e.key: 0 for e in ledger if e.effect != "refunded"}
    for entry in ledger:
        if entry.effect in ("charged", "refunded"):
            sums[entry.key] += entry.amount if entry.effect == "charged" else -entry.amount
    paid = set(ledger.keys("refunded")) | set(ledger.keys("shipped"))
    return {o: cents for o, cents in sums.items() if cents > 0 or o not in paid
            if o not in ledger.keys("shipped")}
""",
            "nobody owes them anything",
        ),
        WrongAnswer(  # a double charge taken for an orphan, though the goods came
            """
def orphans(ledger):
    sums, parcels = {}, {}
    for entry in ledger:
        if entry.effect == "charged":
            sums[entry.key] = sums.get(entry.key, 0) + entry.amount
        if entry.effect == "refunded":
            sums[entry.key] = sums.get(entry.key, 0) - entry.amount
        if entry.effect == "shipped":
            sums[entry.key] = sums.get(entry.key, 0) - 129_900
    return {order: cents for order, cents in sums.items() if cents > 0}
""",
            "no orphan, even if it paid twice",
        ),
    ],
    others=[
        """
from collections import Counter

def orphans(ledger):
    balance = Counter()
    for entry in ledger:
        if entry.effect == "charged":
            balance[entry.key] += entry.amount
        elif entry.effect == "refunded":
            balance[entry.key] -= entry.amount
    for order in ledger.keys("shipped"):
        del balance[order]
    return +balance
""",
        """
def money(ledger, effect, order):
    return sum(e.amount for e in ledger if (e.effect, e.key) == (effect, order))

def orphans(ledger):
    found = {}
    for order in ledger.keys("charged"):
        left = money(ledger, "charged", order) - money(ledger, "refunded", order)
        if left and order not in ledger.shipped():
            found[order] = left
    return found
""",
    ],
    why="No service could have told you: each line of the ledger is right. What is wrong stands "
    "between the lines of one order, and to see it you had to put them together. A set of orders "
    "is not enough for that, since one refund may leave another charge open; money is a sum.",
)


# orders-that-worked


async def impatient_customers(answers: Answers, seed: int) -> tuple[Lab, Any]:
    """Some click again after a failure; and two click again although all went well."""
    faults = [unavailable(service, chance=0.15) for service in (Payment, Inventory, Shipping)] + [
        unavailable(Notification, chance=0.3)
    ]
    async with shop_with(*faults, seed=seed) as lab:
        for nth in range(1, 13):
            for _ in range(2 if nth % 4 == 0 else 1):
                await click(lab, f"o-{nth}")
        await lab.quiet()
    return lab, asked(answers, "worked", lab.trace)


async def a_good_day(answers: Answers, seed: int) -> tuple[Lab, Any]:
    async with shop_with(seed=seed) as lab:
        for nth in range(1, 6):
            await click(lab, f"o-{nth}")
        await lab.quiet()
    return lab, asked(answers, "worked", lab.trace)


def orders(messages: Iterable[Message]) -> set[str]:
    return {message.data["order_id"] for message in messages}


def share(trace: Trace) -> float:
    return len(orders(trace.done(Notification.notify))) / len(orders(trace.sent(Payment.charge)))


def a_share(run: Reading) -> str:
    value = number(run[1])
    return "" if value is not None and -0.01 <= value <= 1.01 else f"it returned {run[1]!r:.60}"


def how_far_off(run: Reading) -> str:
    if number(run[1]) is None:
        return "what stands after `return`: one number"
    return "how often something is counted, and by what it is divided"


def near(said: Any, wanted: float) -> bool:
    value = number(said)
    return value is not None and abs(value - wanted) < 0.006


def measured(run: Reading) -> str:
    record, said = run
    many = len(orders(record.trace.sent(Payment.charge)))
    right = near(said, share(record.trace))
    return "" if right else f"of {many} orders, it says, a share of {said:.3g} worked"


def what_else_was_measured(run: Reading) -> str:
    trace, said = run[0].trace, run[1]
    asked = len(trace.sent(Payment.charge))
    commands = [message for message in trace.sent(by="you") if message.kind == "command"]
    charged, shipped = (
        len(orders(trace.done(step))) / len(orders(trace.sent(Payment.charge)))
        for step in (Payment.charge, Shipping.ship)
    )
    mistakes = [
        (
            len([m for m in trace.done() if m.kind == "command"]) / len(commands),
            "what you count: requests that were served, and not orders. An order needs four",
        ),
        (
            len(trace.done(Notification.notify)) / asked,
            "the customers who clicked twice: two clicks, one order",
        ),
        (charged, "which step is the last one: an order that was charged has only begun"),
        (shipped, "which step is the last one: the parcel comes before the mail"),
        (
            len(orders(trace.done(Notification.notify)))
            / len(orders(trace.sent(Notification.notify))),
            "the orders that never came as far as Notification: they are orders, too",
        ),
        (
            1 - len(trace.failed()) / len(orders(trace.sent(Payment.charge))),
            "the orders that failed at first and worked later, or failed twice",
        ),
    ]
    for value, look in mistakes:
        if near(said, value):
            return look
    return "for which orders `Notification.notify` was done, and for which orders anything was sent"


A_SHARE = Claim("a share comes back: a number from 0 to 1", a_share, how_far_off)

ORDERS_THAT_WORKED = Task(
    id="orders-that-worked",
    title="How often did the click work?",
    points=2,
    names=["worked"],
    trials=[
        Trial(
            impatient_customers,
            [
                A_SHARE,
                Claim(
                    "the share of orders in which all went well, up to the mail",
                    measured,
                    what_else_was_measured,
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            a_good_day,
            [
                A_SHARE,
                Claim("on a good day all orders work", measured, what_else_was_measured),
            ],
            seeds=range(1),
            real=True,
        ),
    ],
    hints=[
        "How many messages does one order send? And a customer who clicks twice?",
        "`trace.sent(Payment.charge)` and `trace.done(Notification.notify)` are lists of messages; "
        '`message.data["order_id"]` tells the order. A set holds each order once.',
        '`mailed = {m.data["order_id"] for m in trace.done(Notification.notify)}`, in the same way '
        "the orders that were begun, and then one length divided by the other.",
    ],
    wrong=[
        WrongAnswer(  # messages in place of orders
            """
def worked(trace):
    commands = [m for m in trace.sent(by="you")]
    return len([m for m in trace.done() if m.kind == "command"]) / len(commands)
""",
            "requests that were served, and not orders",
        ),
        WrongAnswer(  # clicks in place of orders
            """
def worked(trace):
    return len(trace.done(Notification.notify)) / len(trace.sent(Payment.charge))
""",
            "two clicks, one order",
        ),
        WrongAnswer(  # the first step for the whole
            """
def worked(trace):
    begun = {m.data["order_id"] for m in trace.sent(Payment.charge)}
    return len({m.data["order_id"] for m in trace.done(Payment.charge)}) / len(begun)
""",
            "has only begun",
        ),
        WrongAnswer(
            """
def worked(trace):
    begun = {m.data["order_id"] for m in trace.sent(Payment.charge)}
    return len({m.data["order_id"] for m in trace.done(Shipping.ship)}) / len(begun)
""",
            "the parcel comes before the mail",
        ),
        WrongAnswer(  # only who came through is asked
            """
def worked(trace):
    asked = {m.data["order_id"] for m in trace.sent(Notification.notify)}
    return len({m.data["order_id"] for m in trace.done(Notification.notify)}) / len(asked)
""",
            "they are orders, too",
        ),
        WrongAnswer(
            """
def worked(trace):
    return len({m.data["order_id"] for m in trace.done(Notification.notify)})
""",
            "by what it is divided",
        ),
    ],
    others=[
        """
def worked(trace):
    orders = {}
    for message in trace.sent():
        if message.kind == "command":
            orders.setdefault(message.data["order_id"], False)
    for message in trace.done(Notification.notify):
        orders[message.data["order_id"]] = True
    return sum(orders.values()) / len(orders)
""",
        """
def worked(trace):
    begun, mailed = set(), set()
    for moment in trace:
        if moment.message is None or moment.message.kind != "command":
            continue
        order = moment.message.data["order_id"]
        begun.add(order)
        if moment.what == "done" and moment.message.type == "Notification.notify":
            mailed.add(order)
    return round(len(mailed) / len(begun), 3)
""",
    ],
    why="Each service serves its share of requests, and its own figures look well. The customer "
    "asks for an order. So count orders: each once, however often it was tried, and also those "
    "that never reached the last service.",
)


# a-chain-of-shares


CHAINS = [
    [0.9, 0.8],
    [0.5, 0.5, 0.5],
    [0.99, 0.99, 0.99, 0.99],
    [0.8],
    [0.999, 0.5, 0.9],
    [1.0, 0.25, 0.5, 0.8, 0.9],
]


async def chains(answers: Answers, seed: int) -> tuple[list[float], Any]:
    return CHAINS[seed], asked(answers, "availability", list(CHAINS[seed]))


def multiplied(case: tuple[list[float], Any]) -> str:
    shares, said = case
    if abs((number(said) or 0.0) - math.prod(shares)) < 0.0004:
        return ""
    return f"of services with {', '.join(map(str, shares))} it says {number(said):.4g}"


def what_was_done_with_them(case: tuple[list[float], Any]) -> str:
    shares, said = case
    mistakes = [
        (
            1 - sum(1 - each for each in shares),
            "two services that fail for the same order: did you count that order twice?",
        ),
        (min(shares), "the other links: they fail too, for other orders than the weakest one"),
        (sum(shares) / len(shares), "an order needs all of them; an average is of one of them"),
        (1 - math.prod(shares), "which of the two you return: that it works, or that it fails"),
        (1 - math.prod(1 - each for each in shares), "what is needed: all of them, or one"),
        (shares[0] ** len(shares), "the shares of the others: they are not all alike"),
    ]
    for value, look in mistakes:
        if abs((number(said) or 0.0) - value) < 0.0004:
            return look
    return "of 100 orders, how many pass the first service? And of those, how many the second?"


A_CHAIN_OF_SHARES = Task(
    id="a-chain-of-shares",
    title="How often will it work?",
    points=1,
    names=["availability"],
    trials=[
        Trial(
            chains,
            [
                Claim("a number comes back", a_number, "what stands after `return`"),
                Claim(
                    "the share of orders that all of these services serve, where each fails by "
                    "itself",
                    multiplied,
                    what_was_done_with_them,
                ),
            ],
            seeds=range(len(CHAINS)),
        )
    ],
    hints=[
        "Of 100 orders the first service serves 90. Of how many can the second one still fail?",
        "Each service leaves its share of what the one before it has left.",
        "`result = 1.0`, and then `result *= each` for each of the shares; or `math.prod`.",
    ],
    wrong=[
        WrongAnswer(  # shares of failure are added
            """
def availability(shares):
    return 1 - sum(1 - share for share in shares)
""",
            "did you count that order twice?",
        ),
        WrongAnswer(  # the weakest link
            """
def availability(shares):
    return min(shares)
""",
            "they fail too",
        ),
        WrongAnswer(
            """
def availability(shares):
    return sum(shares) / len(shares)
""",
            "an average is of one of them",
        ),
        WrongAnswer(
            """
def availability(shares):
    return shares[0] ** len(shares)
""",
            "they are not all alike",
        ),
        WrongAnswer(  # as if one of them were enough
            """
def availability(shares):
    none = 1.0
    for share in shares:
        none *= 1 - share
    return 1 - none
""",
            "all of them, or one",
        ),
        WrongAnswer(
            """
def availability(shares):
    print(0.99 ** 4)
""",
            "it returned None",
        ),
    ],
    others=[
        """
import inspect
import math

def availability(shares):
    return math.prod(shares)
""",
        """
def availability(shares):
    return shares[0] * availability(shares[1:]) if shares else 1
""",
    ],
    why="An order must pass all of them, so the shares multiply, as long as each fails for reasons "
    "of its own. While they are near 1 the sum of the failures is nearly right; with many "
    "services, or bad ones, it is not.",
)


# ninety-five-of-a-hundred


async def a_slow_carrier(seed: int) -> list[float]:
    """The times of twenty orders, of which a few wait for the carrier; in no order."""
    async with shop_with(slow(Shipping, seconds=2, chance=0.15), seed=seed) as lab:
        for nth in range(1, 21):
            await click(lab, f"o-{nth}")
        await lab.quiet()
    times = [1000 * seconds for seconds in _seconds(lab.trace).values()]
    return [times[nth * 7 % 20] for nth in range(20)]


def _seconds(trace: Trace) -> dict[str, float]:
    """How long each order took, from its first moment to its last."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for moment in trace:
        if moment.message and moment.message.kind == "command":
            order = moment.message.data["order_id"]
            first.setdefault(order, moment.seconds)
            last[order] = moment.seconds
    return {order: last[order] - first[order] for order in first}


# Most are quick, some of them very slow; never sorted, and each time another one.
HANDMADE: list[list[float]] = [
    [50 + nth * 37 % 100 + (4000 + 20 * nth if nth % 10 == 3 else 0) for nth in range(100)],
    [nth * 59 % 200 + 1 for nth in range(200)],
    [100.0 + nth for nth in range(20)],
]


async def times_of_orders(answers: Answers, seed: int) -> tuple[list[float], Any]:
    times = HANDMADE[seed] if seed < len(HANDMADE) else await a_slow_carrier(seed)
    return times, asked(answers, "p95", list(times))


def ninety_five(case: tuple[list[float], Any]) -> str:
    times, said = sorted(case[0]), number(case[1]) or 0.0
    # There are several definitions, and they differ by less than one order.
    at = len(times) * 95 // 100
    if times[at - 1] - 0.51 <= said <= times[at] + 0.51:
        return ""
    quicker = sum(each <= said for each in times)
    return f"it says {said:.4g}, and {quicker} of {len(times)} orders took that long at most"


def which_order_was_taken(case: tuple[list[float], Any]) -> str:
    times, said = case[0], number(case[1]) or 0.0
    at, ordered = len(times) * 95 // 100, sorted(times)
    mistakes = [
        (sum(times) / len(times), "the mean: a few slow orders hide in it among the quick ones"),
        (ordered[len(times) // 2], "the one in the middle: half of the orders took longer"),
        (max(times), "the slowest of all: it tells of one order, and you want the bound of 95"),
        (0.95 * max(times), "of what you take 95 of 100: of the orders, not of the longest time"),
    ]
    for value, look in mistakes:
        if abs(said - value) < 0.51:
            return look
    if any(abs(said - times[nth]) < 0.51 for nth in (at - 1, at)):
        return "the order in which the times come: it is that of the customers, not of the times"
    if any(abs(said - ordered[-1 - nth]) < 0.51 for nth in (at - 1, at)):
        return "from which end you count: the quick ones come first"
    return "the times, sorted: how many of them may stand behind the one that you return?"


NINETY_FIVE = Task(
    id="ninety-five-of-a-hundred",
    title="How long do most of them wait?",
    points=1,
    names=["p95"],
    trials=[
        Trial(
            times_of_orders,
            [
                Claim("a number comes back", a_number, "what stands after `return`"),
                Claim(
                    "95 of 100 orders took that long at most, and the others longer",
                    ninety_five,
                    which_order_was_taken,
                ),
            ],
            seeds=range(len(HANDMADE) + 1),
        )
    ],
    hints=[
        "Put the times in a row, the shortest first. Where in the row do you stand when 95 of 100 "
        "are behind you?",
        "`sorted(times)` is the row; its length times 0.95 is the place. The places count from 0.",
        "`sorted(times)[int(0.95 * len(times))]`",
    ],
    wrong=[
        WrongAnswer(
            """
def p95(times):
    return sum(times) / len(times)
""",
            "a few slow orders hide in it",
        ),
        WrongAnswer(
            """
def p95(times):
    return sorted(times)[len(times) // 2]
""",
            "half of the orders took longer",
        ),
        WrongAnswer(
            """
def p95(times):
    return max(times)
""",
            "the slowest of all",
        ),
        WrongAnswer(
            """
def p95(times):
    return times[int(0.95 * len(times))]
""",
            "that of the customers",
        ),
        WrongAnswer(
            """
def p95(times):
    return 0.95 * max(times)
""",
            "not of the longest time",
        ),
        WrongAnswer(
            """
def p95(times):
    return sorted(times, reverse=True)[int(0.95 * len(times))]
""",
            "from which end you count",
        ),
        WrongAnswer(
            """
def p95(times):
    times.sort()
""",
            "it returned None",
        ),
    ],
    others=[
        """
import statistics

def p95(times):
    return statistics.quantiles(times, n=20)[-1]
""",
        """
def p95(times):
    row = list(times)
    for _ in range(len(times) - (95 * len(times) + 99) // 100):
        row.remove(max(row))
    return max(row)
""",
        """
import inspect
import math

def p95(times):
    for time in sorted(times):
        if sum(other <= time for other in times) >= 0.95 * len(times):
            return time
""",
    ],
    why="Nobody waits the mean time. A few orders that wait long hardly move the half, move the "
    "mean a little, and show in the 95th percentile. There are several definitions of it; with "
    "many orders they agree.",
)


# the-smallest-coordinator


async def three_orders(answers: Answers, seed: int, services: list[Any], *faults: Fault) -> Lab:
    coordinator = answers.Coordinator
    if "place_order" not in getattr(coordinator, "commands", ()):
        raise LabError("Coordinator needs a method place_order, with @command above it.")
    async with Lab(coordinator, *services, faults=faults, **where(seed)) as lab:
        for nth in range(1, 4):
            with suppress(CommandFailed):
                await lab.call(
                    coordinator.place_order,
                    order_id=f"o-{nth}",
                    amount=PRICE + 100 * nth,
                    timeout_seconds=60,
                )
        await lab.quiet(at_most_messages=300)
    return lab


async def all_is_well(answers: Answers, seed: int) -> Lab:
    return await three_orders(answers, seed, [Payment, Inventory, Shipping])


async def empty_shelf(answers: Answers, seed: int) -> Lab:
    return await three_orders(answers, seed, [Payment, Inventory(stock=0), Shipping])


async def no_van(answers: Answers, seed: int) -> Lab:
    return await three_orders(answers, seed, [Payment, Inventory, Shipping(vans=0)])


async def no_inventory(answers: Answers, seed: int) -> Lab:
    services = [Payment, Inventory, Shipping]
    return await three_orders(answers, seed, services, unavailable(Inventory.reserve))


async def no_shipping(answers: Answers, seed: int) -> Lab:
    services = [Payment, Inventory, Shipping]
    return await three_orders(answers, seed, services, unavailable(Shipping.ship))


async def no_payment(answers: Answers, seed: int) -> Lab:
    services = [Payment, Inventory, Shipping]
    return await three_orders(answers, seed, services, unavailable(Payment.charge))


async def no_word_from_shipping(answers: Answers, seed: int) -> Lab:
    services = [Payment, Inventory, Shipping]
    return await three_orders(answers, seed, services, reply_lost(Shipping.ship))


def parcels(lab: Lab) -> str:
    told = [m.data for m in lab.trace.received(by="you") if m.type.endswith("place_order.done")]
    wanted = [f"parcel o-{nth}" for nth in range(1, 4)]
    return "" if told == wanted else f"the three customers were told {told!r:.80}"


def said_yes(lab: Lab) -> str:
    told = [m for m in lab.trace.received(by="you") if m.type.endswith("place_order.done")]
    return f"{len(told)} of three customers were told {told[0].data!r:.40}" if told else ""


def money_is_back(lab: Lab) -> str:
    for order in dict.fromkeys(lab.ledger.keys("charged")):
        taken, back = (
            sum(e.amount or 0 for e in lab.ledger if (e.key, e.effect) == (order, effect))
            for effect in ("charged", "refunded")
        )
        if taken != back:
            return f"{order} was charged {taken} and got {back} back"
    return ""


def goods_and_money() -> Property:
    """Nobody has both; goods that were called back count as none."""

    def breaches(facts: Any) -> Iterable[Breach]:
        kept = set(Ledger(facts.entries).shipped())
        for entry in facts.entries:
            if entry.effect == "refunded" and entry.key in kept:
                why = "the goods are under way, and the money is back as well"
                yield Breach(entry.key, why, "refunded, though shipped", (entry.cause,))

    return Property("nobody has the goods and the money", breaches)


def which_failure(lab: Lab) -> str:
    """The failure that was not followed by a refund."""
    failures = {"refused": "Refused", "unavailable": "Unavailable"}
    for reply in lab.trace.received(by="Coordinator"):
        if reply.reason in failures:
            asked = reply.type.removesuffix(".failed")
            return (
                f"`{asked}`, which ended with {failures[reply.reason]}: does that error come "
                "to a line of yours that gives the money back?"
            )
    return "what happens between the charge and the end of your method"


def failing(*claims: Claim) -> list[Claim]:
    """What must be true where one of the steps after the charge fails."""
    return [
        *claims,
        Claim(
            "nobody has paid for nothing",
            nobody_charged_for_nothing(),
            which_failure,
        ),
        Claim(
            "each customer gets back what was taken, and no more",
            money_is_back,
            "the refund: its amount, and how often it is asked for",
        ),
        Claim(
            "a customer whose order failed hears that it failed",
            said_yes,
            "what your method does after the refund: an error that is caught has not reached the "
            "caller",
        ),
    ]


SMALLEST_COORDINATOR = Task(
    id="the-smallest-coordinator",
    title="The smallest coordinator",
    points=3,
    names=["Coordinator"],
    trials=[
        Trial(
            all_is_well,
            [
                Claim(
                    "when all goes well, each order is charged once",
                    exactly_once("charged"),
                    "whether `Payment.charge` is called, and awaited",
                ),
                Claim(
                    "when all goes well, no money is given back",
                    never("refunded"),
                    "on which ways your method comes to the refund; `finally` is one of them",
                ),
                Claim(
                    "when all goes well, each order is laid aside once",
                    exactly_once("reserved"),
                    "whether `Inventory.reserve` is called, and awaited",
                ),
                Claim(
                    "when all goes well, each order is shipped once",
                    exactly_once("shipped"),
                    "whether `Shipping.ship` is called, and awaited",
                ),
                Claim(
                    "when all goes well, the customer is told what Shipping answered",
                    parcels,
                    "what your method returns",
                ),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            no_payment,
            [
                Claim(
                    "where nothing was charged, nothing is given back",
                    before("charged", "refunded"),
                    "what is known when `Payment.charge` itself fails: nothing was taken yet",
                ),
                Claim(
                    "where nothing was charged, nothing is shipped",
                    never("shipped"),
                    "what your method does after a charge that failed",
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            empty_shelf,
            failing(
                Claim(
                    "what could not be laid aside is not shipped",
                    never("shipped"),
                    "when Shipping is asked: is it known by then that the goods lie aside?",
                )
            ),
            seeds=range(2),
        ),
        Trial(no_van, failing(), seeds=range(2)),
        Trial(no_inventory, failing(), seeds=range(2)),
        Trial(no_shipping, failing(), seeds=range(2)),
        Trial(
            no_word_from_shipping,
            [
                Claim(
                    "nobody has the goods and the money",
                    goods_and_money(),
                    "which errors lead to the refund: NoReply is a silence, and the parcel may be "
                    "on its way",
                ),
                Claim(
                    "after a silence nothing is shipped a second time",
                    at_most_once("shipped"),
                    "what you do after a silence: asking again is a second order for Shipping",
                ),
            ],
            seeds=range(2),
        ),
    ],
    hints=[
        "From which line on does your method owe the customer money? And up to which line?",
        "The charge stands before the `try`, the two other calls in it. Two kinds of error lead to "
        "the refund, and after it the caller must hear of the error all the same.",
        "`except (Refused, Unavailable):`, then `await self.call(Payment.refund, "
        "order_id=order_id, amount=amount)`, then `raise`.",
    ],
    wrong=[
        WrongAnswer(  # nobody in charge
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.call(Inventory.reserve, order_id=order_id)
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "`Inventory.reserve`, which ended with Refused",
        ),
        WrongAnswer(  # the web page of the lesson: a no is not caught
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except Unavailable:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "`Inventory.reserve`, which ended with Refused",
        ),
        WrongAnswer(
            """
class Coordinator(Service):
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
            "`Inventory.reserve`, which ended with Unavailable",
        ),
        WrongAnswer(  # only the first step is guarded
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
        return await self.call(Shipping.ship, order_id=order_id)
""",
            "`Shipping.ship`, which ended with",
        ),
        WrongAnswer(  # a refund after a success
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        finally:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
""",
            "`finally` is one of them",
        ),
        WrongAnswer(  # as if all had gone well
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            return f"parcel {order_id}"
""",
            "has not reached the caller",
        ),
        WrongAnswer(  # it gives back what was never taken
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        try:
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "nothing was taken yet",
        ),
        WrongAnswer(  # a silence is taken for a no
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except CommandFailed:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "NoReply is a silence",
        ),
        WrongAnswer(  # a silence is asked again
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            try:
                return await self.call(Shipping.ship, order_id=order_id)
            except NoReply:
                return await self.call(Shipping.ship, order_id=order_id)
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "a second order for Shipping",
        ),
        WrongAnswer(  # all at once
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            _, parcel = await asyncio.gather(
                self.call(Inventory.reserve, order_id=order_id),
                self.call(Shipping.ship, order_id=order_id))
            return parcel
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
            "that the goods lie aside",
        ),
        WrongAnswer(
            """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)
        except (Refused, Unavailable):
            await self.call(Payment.refund, order_id=order_id, amount=129_900)
            raise
""",
            "its amount, and how often",
        ),
    ],
    others=[
        """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            parcel = await self.call(Shipping.ship, order_id=order_id)
        except CommandFailed as problem:
            if not isinstance(problem, NoReply):
                await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise Refused(f"order {order_id} failed") from problem
        return parcel
""",
        """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        await self.or_refund(Inventory.reserve, order_id, amount)
        return await self.or_refund(Shipping.ship, order_id, amount)

    async def or_refund(self, step, order_id, amount):
        try:
            return await self.call(step, order_id=order_id)
        except Unavailable:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
        except Refused as no:
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise Refused(f"sorry, {no}") from None
""",
        """
class Coordinator(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.call(Payment.charge, order_id=order_id, amount=amount)
        reserved = False
        try:
            await self.call(Inventory.reserve, order_id=order_id)
            reserved = True
            return await self.call(Shipping.ship, order_id=order_id)
        except (Refused, Unavailable):
            if reserved:
                await self.call(Inventory.release, order_id=order_id)
            await self.call(Payment.refund, order_id=order_id, amount=amount)
            raise
""",
    ],
    why="Somebody knows now that three acts are one order: what has been done, what must be taken "
    "back, and what the customer is told. A no leads back. A silence leads nowhere yet, since "
    "nobody knows what was done; lesson 06 asks again without harm. And the coordinator may die "
    "as well, with an order in its hands; that is lesson 08.",
)


TASKS = [
    FIND_THE_ORPHANS,
    ORDERS_THAT_WORKED,
    A_CHAIN_OF_SHARES,
    NINETY_FIVE,
    SMALLEST_COORDINATOR,
]
