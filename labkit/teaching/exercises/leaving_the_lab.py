"""Exercise 14: a service that outlives its process, a contract, the slow hop, which room serves."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary, ref

from labkit.asyncapi import Document, asyncapi
from labkit.lab import Lab
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    Shipping,
)
from labkit.system.errors import BadMessage, CommandFailed, LabError
from labkit.system.faults import Fault, after_effect, delay
from labkit.system.message import Event, Message
from labkit.system.service import Service, command, on
from labkit.teaching.record import Record
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where
from labkit.trace import key_of

# outlive-the-process

SEATS = 3
FIRST, SECOND, THIRD, FOURTH = "o-71", "o-72", "o-73", "o-74"
# What a process keeps in its memory, and a class or a notebook can hold too.
KEPT = (dict, list, set, int, str)


async def an_evening(answers: Answers, seed: int) -> Lab:
    start_anew(answers.Seats)
    async with Lab(answers.Seats, **where(seed)) as lab:
        for order in (FIRST, SECOND, FIRST, THIRD, FOURTH):
            await buy(lab, answers, order)
        await lab.quiet(at_most_messages=100)
    return lab


async def a_death_in_mid_work(answers: Answers, seed: int) -> Lab:
    start_anew(answers.Seats)
    dies = after_effect(answers.Seats, nth=1 + seed % SEATS)
    async with Lab(answers.Seats, faults=[dies], **where(seed)) as lab:
        for order in (FIRST, SECOND, THIRD, FOURTH):
            await buy(lab, answers, order)
        await lab.quiet(at_most_messages=100)
    return lab


async def another_process(answers: Answers, seed: int) -> Lab:
    start_anew(answers.Seats)
    async with Lab(answers.Seats, **where(seed)) as lab:
        for order in (FIRST, SECOND):
            await buy(lab, answers, order)
        await lab.crash(answers.Seats)
        start_anew(answers.Seats)
        await lab.wake(answers.Seats)
        for order in (SECOND, THIRD, FOURTH):
            await buy(lab, answers, order)
        await lab.quiet(at_most_messages=100)
    return lab


async def buy(lab: Lab, answers: Answers, order: str) -> None:
    with suppress(CommandFailed):
        await lab.call(answers.Seats.sell, order_id=order)


def start_anew(service: Any) -> None:
    """Put what a process remembers outside of its objects back to what it was at first.

    In memory one class serves before and after a death, so what hangs on the class, or stands
    beside it in the notebook, would live on, as it does in no process.
    """
    if not isinstance(service, type):
        return  # the lab will say what it is
    if service not in _at_first:
        _at_first[service] = [*_of_the_class(service), *_beside_it(service)]
    for put, name, value in _at_first[service]:
        put(name, copy.deepcopy(value))


Memory = tuple[Callable[[str, Any], None], str, Any]
_at_first: WeakKeyDictionary[type, list[Memory]] = WeakKeyDictionary()


def _of_the_class(service: type) -> Iterator[Memory]:
    holder = ref(service)
    for name, value in vars(service).items():
        if isinstance(value, KEPT) and name not in dir(Service):
            yield lambda name, value: setattr(holder(), name, value), name, copy.deepcopy(value)


def _beside_it(service: type) -> Iterator[Memory]:
    for member in vars(service).values():
        function = getattr(member, "method", member)
        if inspect.isfunction(function):
            around = function.__globals__
            for name in function.__code__.co_names:
                if isinstance(around.get(name), KEPT):
                    yield around.__setitem__, name, copy.deepcopy(around[name])


def seats_in(lab: Lab) -> list[tuple[str, object]]:
    """The seats that the books know, each with its order."""
    return [(entry.key, entry.amount) for entry in lab.ledger if entry.effect == "sold"]


def answered(lab: Lab, order: str) -> list[object]:
    """What a customer heard, call after call."""
    asked = [m.id for m in lab.trace.sent(by="you") if key_of(m) == order]
    heard = {
        m.causationid: m.data if m.type.endswith(".done") else f"no ({m.data})"
        for m in lab.trace.received(by="you")
        if m.kind == "reply"
    }
    return [heard.get(id, "nothing") for id in asked]


def three_seats(lab: Lab) -> str:
    orders = [order for order, _ in seats_in(lab)]
    if [*dict.fromkeys(orders)] != [FIRST, SECOND, THIRD]:
        return f"the effect `sold` stands in the books for {', '.join(orders) or 'nobody'}"
    last = answered(lab, FOURTH)[0]
    return (
        "" if str(last).startswith("no (") else f"{FOURTH} was the fourth, and heard {last!r:.60}"
    )


def one_each(lab: Lab) -> str:
    seats = seats_in(lab)
    orders, numbers = [order for order, _ in seats], [number for _, number in seats]
    if twice := [order for order in orders if orders.count(order) > 1]:
        return f"{twice[0]} has {orders.count(twice[0])} lines in the books"
    if sorted(numbers, key=repr) != [*range(1, SEATS + 1)]:
        return "the books say " + ", ".join(f"{order}: seat {seat}" for order, seat in seats)
    return ""


def the_same_again(lab: Lab) -> str:
    for order, seat in seats_in(lab):
        heard = answered(lab, order)
        if odd := [each for each in heard if each != seat]:
            return f"{order} has seat {seat} in the books, and heard {odd[0]!r:.60}"
    return ""


def asked_twice(lab: Lab) -> str:
    refused = any(str(answer).startswith("no (") for answer in answered(lab, FIRST))
    if refused:
        return "what the second question of o-71 gets: the wish is fulfilled already, so say how"
    return "what you return: the seat of this order, as the books have it, whoever came after it"


THREE = Claim(
    "three customers get the three seats, and the fourth hears a no",
    three_seats,
    "the number of seats: where do you raise Refused, and what do you compare with 3?",
)


def each_their_own(look: str) -> list[Claim]:
    return [
        Claim("each of three orders has one seat, and no seat is sold twice", one_each, look),
        Claim("each customer hears the seat that the books have", the_same_again, look),
        THREE,
    ]


OUTLIVE = Task(
    id="outlive-the-process",
    title="A service that outlives its process",
    points=3,
    names=["Seats"],
    trials=[
        Trial(
            an_evening,
            [
                THREE,
                Claim(
                    "each of three orders has one seat, and no seat is sold twice",
                    one_each,
                    "the number that you write as `amount`: which seats are gone already?",
                ),
                Claim("who asks again hears the same seat", the_same_again, asked_twice),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            a_death_in_mid_work,
            each_their_own(
                "the death after the effect: the message comes again, to an object that was made "
                "anew. What does `__init__` know of the seats that are sold?"
            ),
            seeds=range(SEATS),
        ),
        Trial(
            another_process,
            each_their_own(
                "the process that ended between two customers: with it went every attribute of the "
                "class and every variable of the notebook. Only the books are in a file"
            ),
            seeds=range(2),
        ),
    ],
    hints=[
        "After a `kill -9`, who still knows that seat 2 is sold: the object, its class, the "
        "notebook, or the books?",
        '`self.done("sold", order_id)` finds what was sold to this order, and its `.amount` is the '
        'seat; `self.times("sold")` counts all that was sold so far.',
        'If `self.done(…)` is None: refuse at 3, else `self.effect("sold", order_id, '
        'self.times("sold") + 1, once=order_id)`. Then answer `self.done(…).amount`.',
    ],
    wrong=[
        WrongAnswer(  # a process that remembers
            """
class Seats(Service):
    def __init__(self):
        self.sold = {}

    @command
    async def sell(self, order_id: str) -> int:
        if order_id not in self.sold:
            if len(self.sold) == 3:
                raise Refused("sold out")
            self.sold[order_id] = len(self.sold) + 1
            self.effect("sold", order_id, self.sold[order_id])
        return self.sold[order_id]
""",
            "to an object that was made anew",
        ),
        WrongAnswer(  # the books are asked, but the next seat is in memory
            """
class Seats(Service):
    def __init__(self):
        self.next = 1

    @command
    async def sell(self, order_id: str) -> int:
        if not self.done("sold", order_id):
            if self.next > 3:
                raise Refused("sold out")
            self.effect("sold", order_id, self.next, once=order_id)
            self.next += 1
        return self.done("sold", order_id).amount
""",
            "What does `__init__` know",
        ),
        WrongAnswer(  # a class attribute as a database
            """
class Seats(Service):
    sold = {}

    @command
    async def sell(self, order_id: str) -> int:
        if not self.done("sold", order_id):
            if len(self.sold) == 3 and order_id not in self.sold:
                raise Refused("sold out")
            self.sold.setdefault(order_id, len(self.sold) + 1)
            self.effect("sold", order_id, self.sold[order_id], once=order_id)
        return self.done("sold", order_id).amount
""",
            "every attribute of the class",
        ),
        WrongAnswer(  # nobody counts
            """
class Seats(Service):
    @command
    async def sell(self, order_id: str) -> int:
        self.effect("sold", order_id, self.times("sold") + 1, once=order_id)
        return self.done("sold", order_id).amount
""",
            "what do you compare with 3",
        ),
        WrongAnswer(  # every customer gets the first seat
            """
class Seats(Service):
    @command
    async def sell(self, order_id: str) -> int:
        if not self.done("sold", order_id) and self.times("sold") == 3:
            raise Refused("sold out")
        self.effect("sold", order_id, 1, once=order_id)
        return 1
""",
            "which seats are gone already",
        ),
        WrongAnswer(  # done already, so no
            """
class Seats(Service):
    @command
    async def sell(self, order_id: str) -> int:
        if self.times("sold") == 3:
            raise Refused("sold out")
        seat = self.times("sold") + 1
        if not self.effect("sold", order_id, seat, once=order_id):
            raise Refused("you have one already")
        return seat
""",
            "the wish is fulfilled already",
        ),
        WrongAnswer(  # the last seat that was sold, whoever asks
            """
class Seats(Service):
    @command
    async def sell(self, order_id: str) -> int:
        if not self.done("sold", order_id):
            if self.times("sold") == 3:
                raise Refused("sold out")
            self.effect("sold", order_id, self.times("sold") + 1, once=order_id)
        return self.times("sold")
""",
            "whoever came after it",
        ),
    ],
    others=[
        """
class Seats(Service):
    @command
    async def sell(self, order_id: str) -> int:
        if found := self.done("sold", order_id):
            return found.amount
        for seat in (1, 2, 3):
            if self.effect("sold", order_id, seat, once=f"seat {seat}"):
                return seat
        raise Refused("sold out")
""",
        """
class Seats(Service):
    def __init__(self, seats=3):
        self.seats = seats

    @command
    async def sell(self, order_id: str) -> int:
        found = self.done("sold", order_id)
        if found is None:
            free = self.seats - self.times("sold")
            if not free:
                raise Refused("no seat is left")
            self.effect("sold", order_id, self.seats - free + 1)
            found = self.done("sold", order_id)
        return found.amount
""",
    ],
    why="A process may end between any two lines, and what it knew ends with it: attributes, class "
    "attributes, variables of the notebook. What must be known afterwards is read from the books "
    "each time. Settings, such as the number of seats, may live in the object: they are made anew.",
)

# read-a-contract


class ConcertAnnounced(Event):
    """An orchestra will need instruments."""

    concert_id: str
    instruments: list[str]


class InstrumentBroken(Event):
    """Somebody sat on it."""

    instrument: str


class InstrumentLent(Event):
    """An instrument has left the house."""

    loan_id: str
    instrument: str
    days: int


class LoanOverdue(Event):
    """An instrument should be back, and is not."""

    loan_id: str


class Lender(Service):
    """Lends instruments to orchestras."""

    @command
    async def lend(self, loan_id: str, instrument: str, days: int = 7) -> str:
        return f"{instrument} for {days} days"

    @command
    async def take_back(self, loan_id: str, scratches: int = 0) -> int:
        return 500 * scratches

    @on(ConcertAnnounced)
    async def lay_aside(self, concert: ConcertAnnounced) -> None: ...

    @on(InstrumentBroken)
    async def call_the_luthier(self, broken: InstrumentBroken) -> None: ...


@cache
def lenders_contract() -> Document:
    """The contract of a service that the learner has never seen."""
    return asyncapi(Lender, says=[InstrumentLent, LoanOverdue])


PAYLOADS: dict[str, dict[str, Any]] = {
    "a": {"loan_id": "l-1", "instrument": "tuba"},
    "b": {"loan_id": "l-2", "days": 3},
    "c": {"loan_id": "l-3", "instrument": "tuba", "days": 3},
    "d": {"loan_id": "l-4", "instrument": "tuba", "insured": True},
}


async def what_was_read(answers: Answers, seed: int) -> Any:
    return answers.reading


def operations(action: str, kind: str) -> set[str]:
    """What the contract says that the service does with messages of a kind."""
    told = lenders_contract()["operations"].values()
    return {o["title"] for o in told if (o["action"], o["tags"][0]["name"]) == (action, kind)}


def shape(message: str) -> Any:
    """What stands in the data of a message."""
    _, own = lenders_contract()["components"]["messages"][message]["payload"]["allOf"]
    return own["properties"]["data"]


def refused() -> set[str]:
    letters = set()
    for letter, payload in PAYLOADS.items():
        try:
            Lender.lend.arguments(payload)
        except BadMessage:
            letters.add(letter)
    return letters


READING: dict[str, Callable[[], object]] = {
    "topic": lambda: lenders_contract()["channels"]["Lender.lend"]["address"],
    "must say": lambda: set(shape("Lender.lend")["required"]),
    "refuses": refused,
    "answers with": lambda: shape("Lender.take_back.reply")["type"],
    "hears": lambda: operations("receive", "event"),
    "says": lambda: operations("send", "event"),
}


def a_reading(said: Any) -> str:
    if not isinstance(said, Mapping):
        return f"`reading` is {said!r:.60}"
    absent = [name for name in READING if name not in said]
    return f"{absent[0]!r} is missing" if absent else ""


def is_read(name: str, said: Any) -> str:
    wanted, found = READING[name](), said[name]
    if isinstance(wanted, set):
        found = names_in(found)
    return "" if found == wanted else f"{name!r} says {said[name]!r:.80}"


def names_in(found: Any) -> set[str] | None:
    """A set of names, whatever they were collected in; None where they are none."""
    if isinstance(found, str) or not isinstance(found, Collection):
        return None
    return {name for name in found if isinstance(name, str)} if _all_names(found) else None


def _all_names(found: Collection[Any]) -> bool:
    return all(isinstance(name, str) for name in found)


def heard(said: Any) -> str:
    names = names_in(said["hears"]) or set()
    if names & operations("send", "event"):
        return (
            "`action`: it is told from the service's side. What it *receives*, it hears; to what "
            "it *sends*, others may listen"
        )
    if names & operations("receive", "command"):
        return "`tags`: a command is told to it alone, an event it hears like anybody else"
    return "the operations whose action is `receive` and whose tag is `event`"


def must_be_said(said: Any) -> str:
    names = names_in(said["must say"]) or set()
    if names - set(shape("Lender.lend")["required"]):
        return (
            "`required`, in the shape of the command's data: what has a `default` may be left out"
        )
    return "`required`, in the shape of the command's data: each name in it"


def claim(name: str, expected: str, look: str | Callable[[Any], str]) -> Claim:
    return Claim(expected, partial(is_read, name), look)


READ = Task(
    id="read-a-contract",
    title="A contract of a stranger",
    points=2,
    names=["reading"],
    trials=[
        Trial(
            what_was_read,
            [
                Claim("a dict with the six entries", a_reading, "the names of the six entries"),
                claim(
                    "topic",
                    "the topic to which one sends the wish to borrow",
                    "`channels`: a channel has a name, for the document, and an `address`, for the "
                    "broker",
                ),
                claim("must say", "what a wish to borrow can't do without", must_be_said),
                claim(
                    "refuses",
                    "the payloads that this service would refuse",
                    "`required` and `additionalProperties`, and hold each payload against both",
                ),
                claim(
                    "answers with",
                    "the type of what `take_back` answers",
                    "the message `Lender.take_back.reply`, among the components",
                ),
                claim("hears", "the events to which it reacts", heard),
                claim(
                    "says",
                    "the events that it publishes",
                    "the operations whose action is `send`; an answer to a command is none of them",
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "From whose side is a contract told: yours, or that of the service which it describes?",
        "`operations` says what it does (`action`) with which sort of message (`tags`); `channels` "
        "says where; `components` says how a message must look.",
        'contract["components"]["messages"]["Lender.lend"]["payload"]["allOf"][1]["properties"]'
        '["data"] is the shape of a wish: its `required`, its `additionalProperties`.',
    ],
    wrong=[
        WrongAnswer(  # the two sides confused
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b", "d"},
    "answers with": "integer",
    "hears": {"InstrumentLent", "LoanOverdue"},
    "says": {"ConcertAnnounced", "InstrumentBroken"},
}
""",
            "told from the service's side",
        ),
        WrongAnswer(  # a command taken for an event
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b", "d"},
    "answers with": "integer",
    "hears": {"Lender.lend", "Lender.take_back", "ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue"},
}
""",
            "a command is told to it alone",
        ),
        WrongAnswer(  # the channel's name
            """
reading = {
    "topic": "Lender.lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b", "d"},
    "answers with": "integer",
    "hears": {"ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue"},
}
""",
            "an `address`, for the broker",
        ),
        WrongAnswer(  # all fields must be there
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument", "days"},
    "refuses": {"a", "b", "d"},
    "answers with": "integer",
    "hears": {"ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue"},
}
""",
            "what has a `default` may be left out",
        ),
        WrongAnswer(  # a command is read as tolerantly as an event
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b"},
    "answers with": "integer",
    "hears": {"ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue"},
}
""",
            "hold each payload against both",
        ),
        WrongAnswer(  # an answer for an event
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b", "d"},
    "answers with": "integer",
    "hears": {"ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue", "Lender.lend.reply", "Lender.take_back.reply"},
}
""",
            "an answer to a command is none of them",
        ),
        WrongAnswer(  # the wrong command's answer
            """
reading = {
    "topic": "command/Lender/lend",
    "must say": {"loan_id", "instrument"},
    "refuses": {"b", "d"},
    "answers with": "string",
    "hears": {"ConcertAnnounced", "InstrumentBroken"},
    "says": {"InstrumentLent", "LoanOverdue"},
}
""",
            "among the components",
        ),
    ],
    others=[
        """
reading = {
    "topic": "command/Lender/lend",
    "must say": ["loan_id", "instrument"],
    "refuses": ["b", "d"],
    "answers with": "integer",
    "hears": ["InstrumentBroken", "ConcertAnnounced"],
    "says": ("LoanOverdue", "InstrumentLent"),
}
""",
        """
from labkit.teaching.exercises.leaving_the_lab import lenders_contract

contract = lenders_contract()


def told(action, kind):
    return {
        operation["title"]
        for operation in contract["operations"].values()
        if operation["action"] == action and {"name": kind} in operation["tags"]
    }


def data(message):
    payload = contract["components"]["messages"][message]["payload"]
    return payload["allOf"][1]["properties"]["data"]


reading = {
    "topic": contract["channels"]["Lender.lend"]["address"],
    "must say": data("Lender.lend")["required"],
    "refuses": "b d".split(),
    "answers with": data("Lender.take_back.reply")["type"],
    "hears": told("receive", "event"),
    "says": told("send", "event"),
}
""",
    ],
    why="A contract tells what a service does, from its own side: it receives what you send. It "
    "names where, in which shape, and what comes back. It can't tell what a message means, nor "
    "what happens when none comes: for that, ask the people who run the service.",
)

# find-the-slow-hop

Hop = tuple[str, str]
DANCED: list[Hop] = [
    ("OrderPlaced", "Payment"),
    ("PaymentCharged", "Inventory"),
    ("OrderPlaced", "Notification"),
    ("InventoryReserved", "Shipping"),
    ("ShipmentDispatched", "Order"),
]
TOLD: list[Hop] = [
    ("Shipping.ship", "Shipping"),
    ("Payment.charge", "Payment"),
    ("Inventory.reserve", "Inventory"),
]
DANCERS: Sequence[type[Service]] = (Payment, Inventory, Notification, Shipping, Order)
ORCHESTRA: Sequence[type[Service]] = (OrderOrchestrator, Payment, Inventory, Shipping)
# A run, what the learner's function says of it, and the hop that was made slow.
Search = tuple[Record, Any, Hop]


def slowed(service: type[Service], seconds: Mapping[str, float]) -> type[Service]:
    """The same service, which needs its time for some orders."""

    async def handle(self: Service, message: Message) -> None:
        await asyncio.sleep(seconds.get(key_of(message), 0) * (message.kind != "reply"))
        await service.handle(self, message)

    return type(service.__name__, (service,), {"handle": handle})


def cast(services: Sequence[type[Service]], slow: Mapping[str, Mapping[str, float]]) -> list[Any]:
    return [slowed(s, slow[s.__name__]) if s.__name__ in slow else s for s in services]


async def searched(answers: Answers, lab: Lab, hop: Hop) -> tuple[Lab, Any, Hop]:
    function = answers.slow_hop
    try:
        inspect.signature(function).bind(lab.trace)
    except (TypeError, ValueError) as error:
        raise LabError(
            f"slow_hop should be a function of one thing, the trace: {error}.\n"
            "Write `def slow_hop(trace):`."
        ) from None
    return lab, function(lab.trace), hop


async def danced(seed: int, services: Sequence[Any], faults: Sequence[Fault] = ()) -> Lab:
    async with Lab(*services, faults=faults, **where(seed)) as lab:
        for number in (1, 2, 3):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=129_900))
            await lab.quiet()
    return lab


async def slow_work(answers: Answers, seed: int) -> tuple[Lab, Any, Hop]:
    hop = DANCED[seed % len(DANCED)]
    lab = await danced(seed, cast(DANCERS, {hop[1]: {"o-2": 0.5}}))
    return await searched(answers, lab, hop)


async def a_slow_way(answers: Answers, seed: int) -> tuple[Lab, Any, Hop]:
    hop = DANCED[(seed + 2) % len(DANCED)]
    (service,) = (each for each in DANCERS if each.__name__ == hop[1])
    lab = await danced(seed, DANCERS, [delay(service, seconds=0.5, nth=2)])
    return await searched(answers, lab, hop)


async def behind_a_conductor(answers: Answers, seed: int) -> tuple[Lab, Any, Hop]:
    hop = TOLD[seed % len(TOLD)]
    async with Lab(*cast(ORCHESTRA, {hop[1]: {"o-2": 0.5}}), **where(seed)) as lab:
        for number in (1, 2, 3):
            await lab.call(OrderOrchestrator.place_order, order_id=f"o-{number}", amount=129_900)
        await lab.quiet()
    return await searched(answers, lab, hop)


async def three_at_once(answers: Answers, seed: int) -> tuple[Lab, Any, Hop]:
    hop = (DANCED[1], DANCED[3])[seed % 2]
    # Payment lets them through one after the other, and the first one is then overtaken.
    slow = {"Payment": {"o-2": 0.1, "o-3": 0.2}, hop[1]: {"o-1": 0.35}}
    async with Lab(*cast(DANCERS, slow), **where(seed)) as lab:
        for number in (1, 2, 3):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=129_900))
        await lab.quiet()
    return await searched(answers, lab, hop)


def a_pair(search: Search) -> str:
    said = search[1]
    pair = isinstance(said, tuple | list) and len(said) == 2 and _all_names(said)
    return "" if pair else f"it returned {said!r:.60}"


def the_hop(search: Search) -> str:
    _, said, hop = search
    return "" if tuple(said) == hop else f"it returned {tuple(said)!r:.80}"


def whose(look: str) -> Callable[[Search], str]:
    """Where to look; whoever names senders hears of that first, on whatever day."""

    def looked(search: Search) -> str:
        run, (kind, name), _ = search
        if name in {message.sender for message in run.trace.sent(kind)}:
            return "who is named: `message.sender` said it, `moment.where` is where it is handled"
        return look

    return looked


def hop_trial(day: Any, look: str, seeds: Sequence[int], *, real: bool = False) -> Trial:
    return Trial(
        day,
        [
            Claim("a pair comes back: (type of the message, receiver)", a_pair, "your `return`"),
            Claim("the slowest hop of the run", the_hop, whose(look)),
        ],
        seeds=seeds,
        real=real,
    )


SLOW_HOP = Task(
    id="find-the-slow-hop",
    title="The slow hop",
    points=3,
    names=["slow_hop"],
    trials=[
        hop_trial(
            slow_work,
            "when a hop ends: not when the message arrives, but when its receiver is done with it",
            range(4),
        ),
        hop_trial(
            a_slow_way,
            "when a hop begins: a message that is long under way is late before anybody has it",
            range(3),
        ),
        hop_trial(
            behind_a_conductor,
            "who waits: a handler that has told others to do something is as long as they are. "
            "Which messages have a command as their effect (`causationid`)?",
            range(3),
        ),
        hop_trial(
            three_at_once,
            "three orders under way at once: of one type there are three messages, and the last to "
            "be sent is not the last to be done. What names each single one?",
            range(2),
        ),
    ],
    hints=[
        "Which two moments are the ends of a hop, and what do they have in common?",
        "Keep `sent[message.id] = moment.seconds`. At each `done`, the difference is the hop of "
        "`moment.where`. Leave out what has caused a command, for whoever asks others waits.",
        "`waited = {m.causationid for m in trace.sent() if m.kind == 'command'}`; then the largest "
        "`(moment.seconds - sent[m.id], m.type, moment.where)` of those that are `done` and whose "
        "id is not in `waited`.",
    ],
    wrong=[
        WrongAnswer(  # arrived, so all is well
            """
def slow_hop(trace):
    sent, hops = {}, []
    for moment in trace:
        if moment.what == "sent":
            sent[moment.message.id] = moment.seconds
        if moment.what == "received":
            message = moment.message
            hops.append((moment.seconds - sent[message.id], message.type, moment.where))
    return max(hops)[1:]
""",
            "when its receiver is done with it",
        ),
        WrongAnswer(  # only the work
            """
def slow_hop(trace):
    waited = {m.causationid for m in trace.sent() if m.kind == "command"}
    begun, hops = {}, []
    for moment in trace:
        if moment.what == "received":
            begun[moment.where, moment.message.id] = moment.seconds
        if moment.what == "done" and moment.message.id not in waited:
            message = moment.message
            took = moment.seconds - begun[moment.where, message.id]
            hops.append((took, message.type, moment.where))
    return max(hops)[1:]
""",
            "late before anybody has it",
        ),
        WrongAnswer(  # who waits is taken for who is slow
            """
def slow_hop(trace):
    sent, hops = {}, []
    for moment in trace:
        if moment.what == "sent":
            sent[moment.message.id] = moment.seconds
        if moment.what == "done":
            message = moment.message
            hops.append((moment.seconds - sent[message.id], message.type, moment.where))
    return max(hops)[1:]
""",
            "is as long as they are",
        ),
        WrongAnswer(  # one message of each type, as if there were one order
            """
def slow_hop(trace):
    waited = {m.causationid for m in trace.sent() if m.kind == "command"}
    sent, hops = {}, []
    for moment in trace:
        if moment.what == "sent":
            sent[moment.message.type] = moment.seconds
        if moment.what == "done" and moment.message.id not in waited:
            message = moment.message
            hops.append((moment.seconds - sent[message.type], message.type, moment.where))
    return max(hops)[1:]
""",
            "What names each single one",
        ),
        WrongAnswer(  # the first sent is the first done
            """
def slow_hop(trace):
    waited = {m.causationid for m in trace.sent() if m.kind == "command"}
    sent, done = {}, {}
    for moment in trace:
        if moment.what == "sent":
            sent.setdefault(moment.message.type, []).append(moment.seconds)
        if moment.what == "done" and moment.message.id not in waited:
            key = moment.message.type, moment.where
            done.setdefault(key, []).append(moment.seconds)
    hops = [
        (end - begin, *key)
        for key, ends in done.items()
        for begin, end in zip(sent[key[0]], ends)
    ]
    return max(hops)[1:]
""",
            "What names each single one",
        ),
        WrongAnswer(  # the messenger
            """
def slow_hop(trace):
    waited = {m.causationid for m in trace.sent() if m.kind == "command"}
    sent, hops = {}, []
    for moment in trace:
        if moment.what == "sent":
            sent[moment.message.id] = moment.seconds
        if moment.what == "done" and moment.message.id not in waited:
            message = moment.message
            hops.append((moment.seconds - sent[message.id], message.type, message.sender))
    return max(hops)[1:]
""",
            "`message.sender` said it",
        ),
    ],
    others=[
        """
def slow_hop(trace):
    sent = {m.message.id: m.seconds for m in trace if m.what == "sent"}
    asks = {m.message.causationid for m in trace
            if m.what == "sent" and m.message.kind == "command"}
    slowest = max(
        (m for m in trace if m.what == "done" and m.message.id not in asks),
        key=lambda m: m.seconds - sent[m.message.id],
    )
    return slowest.message.type, slowest.where
""",
        """
def slow_hop(trace):
    longest, found = 0, None
    for done in trace:
        if done.what != "done":
            continue
        own = done.message
        if any(m.kind == "command" and m.causationid == own.id for m in trace.sent()):
            continue
        begin = next(m.seconds for m in trace if m.what == "sent" and m.message.id == own.id)
        if done.seconds - begin > longest:
            longest, found = done.seconds - begin, [own.type, done.where]
    return found
""",
    ],
    why="A hop begins where a message is said and ends where its receiver is done with it: the "
    "way, the queue and the work. Ends belong together by the message's id, since under load "
    "nothing comes in order. And who waits for others looks slow in every list of durations.",
)

# which-room

ROOMS = ("embedded", "mosquitto", "rabbitmq", "nats")
# What the lesson tells of each; a test holds it to what the brokers do.
TABLE: dict[str, Sequence[str]] = {
    "QoS 2": ("yes", "yes", "made QoS 1", "never confirmed"),
    "retained, by a wildcard": ("5 of 5", "5 of 5", "0 of 5", "5 of 5"),
    "crash with a message in hand": ("comes again", "comes again", "comes again", "not at once"),
    "ten messages, two share": ("5 + 5", "5 + 5", "0 + 0", "0 + 0"),
    "a dot in a topic": ("carried", "carried", "carried", "not carried"),
    "two subscriptions, one message": ("1 copy", "1 copy", "1 copy", "2 copies"),
    "last will": ("is told", "is told", "is told", "is told"),
}
NEEDS: dict[str, Sequence[str]] = {
    "the counter": ["two subscriptions, one message"],
    "the packers": ["ten messages, two share"],
    "the newcomer": ["retained, by a wildcard"],
    "the till": ["crash with a message in hand"],
    "the old machine": ["a dot in a topic"],
    "the watchman": ["last will"],
    "the stage": ["retained, by a wildcard", "crash with a message in hand"],
}


def serve(need: str) -> set[str]:
    """The rooms whose broker does for a need what the protocol says; the lab's own always does."""
    return {
        room
        for at, room in enumerate(ROOMS)
        if all(TABLE[row][at] == TABLE[row][0] for row in NEEDS[need])
    }


async def chosen_rooms(answers: Answers, seed: int) -> Any:
    return answers.rooms


def all_needs(said: Any) -> str:
    if not isinstance(said, Mapping):
        return f"`rooms` is {said!r:.60}"
    for need in NEEDS:
        if need not in said:
            return f"{need!r} is missing"
        names = names_in(said[need])
        if names is None:
            return f"{need!r} has {said[need]!r:.60}, which is no set of names"
        if strange := sorted(names - set(ROOMS)):
            return f"{need!r} names {strange[0]!r:.40}; there are {', '.join(ROOMS)}"
    return ""


def served(need: str, said: Any) -> str:
    found, wanted = names_in(said[need]) or set(), serve(need)
    if too_many := sorted(found - wanted):
        return f"{need} is not served by {', '.join(too_many)}"
    if too_few := sorted(wanted - found):
        return f"{need} would be served by {', '.join(too_few)} as well"
    return ""


def row_of(need: str, words: str, said: Any) -> str:
    if (names_in(said[need]) or set()) < serve(need):
        return f"what {need} asks for, and no more: a room that lacks something else will do"
    return words


def room_claim(need: str, words: str) -> Claim:
    return Claim(
        f"the rooms that serve {need}", partial(served, need), partial(row_of, need, words)
    )


RIGHT_ROOMS = """
rooms = {
    "the counter": {"embedded", "mosquitto", "rabbitmq"},
    "the packers": {"embedded", "mosquitto"},
    "the newcomer": {"embedded", "mosquitto", "nats"},
    "the till": {"embedded", "mosquitto", "rabbitmq"},
    "the old machine": {"embedded", "mosquitto", "rabbitmq"},
    "the watchman": {"embedded", "mosquitto", "rabbitmq", "nats"},
    "the stage": {"embedded", "mosquitto"},
}
"""


def but(need: str, rooms: str) -> str:
    """The right answer, with one need answered otherwise."""
    return f"{RIGHT_ROOMS}rooms[{need!r}] = {rooms}\n"


WHICH_ROOM = Task(
    id="which-room",
    title="Which room serves?",
    points=2,
    names=["rooms"],
    trials=[
        Trial(
            chosen_rooms,
            [
                Claim("a set of rooms for each of the seven", all_needs, "the names in your dict"),
                room_claim(
                    "the watchman",
                    "the row *last will*: what does he need that a room does not have?",
                ),
                room_claim(
                    "the counter",
                    "*two subscriptions, one message*: where one client is served twice, a count "
                    "is wrong",
                ),
                room_claim(
                    "the packers",
                    "*ten messages, two share*: where both get nothing, the parcels stay where "
                    "they are",
                ),
                room_claim(
                    "the newcomer",
                    "*retained, by a wildcard*: in one room a latecomer learns nothing",
                ),
                room_claim(
                    "the till",
                    "*crash with a message in hand*: in one room it comes again only after a while",
                ),
                room_claim(
                    "the old machine",
                    "*a dot in a topic*: one engine divides its own subjects by dots",
                ),
                room_claim(
                    "the stage",
                    "both of its rows: a room must serve each of the two, not one of them",
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Which one row of the table is each of them talking about, and which two the stage?",
        "In a row, take every room that does what the protocol says. A room's other rows are of no "
        "concern to somebody who does not need them.",
        'The packers need *ten messages, two share*, so `"the packers": {"embedded", '
        '"mosquitto"}`. The watchman\'s row is the same in all four.',
    ],
    wrong=[
        WrongAnswer(  # MQTT is MQTT
            """
everywhere = {"embedded", "mosquitto", "rabbitmq", "nats"}
people = ["the counter", "the packers", "the newcomer", "the till", "the old machine",
          "the watchman", "the stage"]
rooms = {who: everywhere for who in people}
""",
            "where one client is served twice",
        ),
        WrongAnswer(  # one weakness, and a room is out for all
            """
people = ["the counter", "the packers", "the newcomer", "the till", "the old machine",
          "the watchman", "the stage"]
rooms = {who: {"embedded", "mosquitto"} for who in people}
""",
            "a room that lacks something else will do",
        ),
        WrongAnswer(
            but("the packers", '{"embedded", "mosquitto", "rabbitmq"}'), "both get nothing"
        ),
        WrongAnswer(
            but("the newcomer", '{"embedded", "mosquitto", "rabbitmq", "nats"}'),
            "a latecomer learns nothing",
        ),
        WrongAnswer(  # the broker redelivers, so all is well
            but("the till", '{"embedded", "mosquitto", "rabbitmq", "nats"}'),
            "only after a while",
        ),
        WrongAnswer(
            but("the old machine", '{"embedded", "mosquitto", "rabbitmq", "nats"}'),
            "divides its own subjects by dots",
        ),
        WrongAnswer(  # either row instead of both
            but("the stage", '{"embedded", "mosquitto", "rabbitmq", "nats"}'),
            "each of the two, not one of them",
        ),
    ],
    others=[
        """
rooms = {
    "the counter": ["rabbitmq", "mosquitto", "embedded"],
    "the packers": ("mosquitto", "embedded"),
    "the newcomer": ["embedded", "mosquitto", "nats"],
    "the till": ["embedded", "mosquitto", "rabbitmq"],
    "the old machine": ["embedded", "mosquitto", "rabbitmq"],
    "the watchman": ["embedded", "mosquitto", "rabbitmq", "nats"],
    "the stage": ("embedded", "mosquitto"),
}
""",
        """
both = {"embedded", "mosquitto"}
rooms = {
    "the counter": both | {"rabbitmq"},
    "the packers": both,
    "the newcomer": both | {"nats"},
    "the till": both | {"rabbitmq"},
    "the old machine": both | {"rabbitmq"},
    "the watchman": both | {"rabbitmq", "nats"},
    "the stage": (both | {"nats"}) & (both | {"rabbitmq"}),
}
""",
    ],
    why="A protocol's name promises less than one thinks. What your services need is a short "
    "list; ask each broker exactly that, with a probe that you can run again after each upgrade. "
    "And what a broker lacks, a key, a time-out or another topic may give.",
)

TASKS = [OUTLIVE, READ, SLOW_HOP, WHICH_ROOM]
