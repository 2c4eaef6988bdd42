"""Exercise 09: an outbox and its relay, an inbox, a retry that delays nobody, dead letters."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labkit.lab import Lab
from labkit.properties import exactly_once
from labkit.shop import InventoryReserved, OrderPlaced
from labkit.system.database import Database
from labkit.system.errors import CommandFailed, LabError, Refused, Unavailable
from labkit.system.faults import before_publish, duplicate, kill
from labkit.system.inbox import Inbox
from labkit.system.ledger import Entry
from labkit.system.service import Service, command, handled, on
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where

ORDERS = """
CREATE TABLE IF NOT EXISTS orders
    (order_id TEXT PRIMARY KEY, amount INTEGER CHECK (amount <= 1000000));
CREATE TABLE IF NOT EXISTS to_say (number INTEGER PRIMARY KEY, order_id TEXT, amount INTEGER);
"""
POINT = "point"
POINTS = "CREATE TABLE IF NOT EXISTS points (order_id TEXT);"
THREE = ["o-1", "o-2", "o-3"]


@contextmanager
def file(name: str) -> Iterator[Path]:
    """Where a database may be for a day."""
    # A grader gives each submission a folder of its own, after tempfile has chosen another; and on
    # Windows a file can't be removed while a dead service's connection still holds it.
    own = os.environ.get("TMPDIR")
    with TemporaryDirectory(dir=own, ignore_cleanup_errors=True) as folder:
        yield Path(folder) / name


def dead(lab: Lab) -> list[str]:
    return [message.data["order_id"] for message in lab.trace.sent() if message.kind == "dead"]


# outbox-and-relay


class Payment(Service):
    """Hears of the orders."""

    @on(OrderPlaced)
    async def charge(self, order: OrderPlaced) -> None:
        self.effect("charged", order.order_id, order.amount, once=order.order_id)


async def orders(
    answers: Answers, seed: int, database: Database, *faults: Any, too_large: bool = False
) -> Lab:
    order = answers.Order
    amounts = dict.fromkeys(THREE, 1_000) | ({"o-4": 2_000_000} if too_large else {})
    async with Lab(order(database), Payment, faults=faults, **where(seed)) as lab:
        for order_id, amount in amounts.items():
            for _ in range(2):  # a customer who hears of a failure asks once more
                with suppress(CommandFailed):
                    await lab.call(order.place_order, order_id=order_id, amount=amount)
                    break
        for _ in range(3):
            with suppress(CommandFailed):
                await lab.call(order.relay)
        await lab.quiet(at_most_messages=200)
    return lab


async def a_good_day(answers: Answers, seed: int) -> Lab:
    with file("orders.db") as path:
        return await orders(answers, seed, Database(path, ORDERS), too_large=True)


async def a_death_before_an_event(answers: Answers, seed: int) -> Lab:
    dies = before_publish(answers.Order, message=OrderPlaced, nth=1 + seed % 3)
    with file("orders.db") as path:
        return await orders(answers, seed, Database(path, ORDERS), dies)


async def a_second_transaction_fails(answers: Answers, seed: int) -> Lab:
    begun: Counter[str] = Counter()

    class Locked(Database):
        """Lets the handling of each command have one transaction, the first time that it comes."""

        def __enter__(self) -> Any:
            message = handled()
            if message is not None and message.type.endswith(".place_order"):
                begun[message.id] += 1
                if begun[message.id] == 2:
                    raise LabError("orders.db is locked by another process")
            return super().__enter__()

    with file("orders.db") as path:
        return await orders(answers, seed, Locked(path, ORDERS))


def said(lab: Lab) -> list[str]:
    return [message.data["order_id"] for message in lab.trace.sent(OrderPlaced)]


def all_are_heard_of(lab: Lab) -> str:
    return _silent(_missed(lab))


def _missed(lab: Lab) -> list[str]:
    return [order_id for order_id in THREE if order_id not in lab.ledger.keys("charged")]


def _silent(missed: list[str]) -> str:
    return f"Payment never heard of {', '.join(missed)}" if missed else ""


def why_silent(lab: Lab) -> str:
    asked = {message.id: message.type for message in lab.trace.sent()}
    causes = {asked.get(m.causationid or "", "") for m in lab.trace.sent(OrderPlaced)}
    if any(cause.endswith(".place_order") for cause in causes):
        return (
            "`place_order`: it writes and then speaks. Order dies between the two, and when the "
            "command comes again, the order is known already"
        )
    if len(_missed(lab)) > 1:
        return "what `relay` goes through: what Order keeps in an attribute dies with it"
    return "the row of that order: it was gone from the table before its event was said"


def refused_is_not_said(lab: Lab) -> str:
    return "the database refused o-4, and OrderPlaced was said of it" if "o-4" in said(lab) else ""


def each_said_once(lab: Lab) -> str:
    often = [order_id for order_id, times in Counter(said(lab)).items() if times > 1]
    return f"nobody died, and {', '.join(often)} was said more than once" if often else ""


def oldest_first(lab: Lab) -> str:
    order = list(dict.fromkeys(said(lab)))
    return "" if order == sorted(order) else f"they were said in this order: {', '.join(order)}"


HEARD_OF = "Payment hears of each order that is written down, whatever dies"

DATABASE = "from labkit.shop import OrderPlaced\n"
ORDER = (
    DATABASE
    + """
class Order(Service):
    def __init__(self, database):
        self.database = database
        self.waiting = []
"""
)
NEW = "INSERT OR IGNORE INTO orders VALUES (?, ?)"
TO_SAY = "INSERT INTO to_say (order_id, amount) VALUES (?, ?)"

OUTBOX_AND_RELAY = Task(
    id="outbox-and-relay",
    title="An outbox with its relay",
    points=3,
    names=["Order"],
    trials=[
        Trial(
            a_good_day,
            [
                Claim(
                    "Payment hears of each order that is written down",
                    all_are_heard_of,
                    "the table: it may be written, but who reads it? `relay` is called each second",
                ),
                Claim(
                    "what the database refuses is not said",
                    refused_is_not_said,
                    "which comes first: an event that is out can't be called back when the "
                    "database says no",
                ),
                Claim(
                    "on a day on which nobody dies, each event is said once",
                    each_said_once,
                    "what becomes of a row that your relay has said",
                ),
                Claim(
                    "what was written first is said first",
                    oldest_first,
                    "the order of the rows that you read: `ORDER BY number`",
                ),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(a_death_before_an_event, [Claim(HEARD_OF, all_are_heard_of, why_silent)]),
        Trial(
            a_second_transaction_fails,
            [
                Claim(
                    "the order and its row in the outbox are written together or not at all",
                    all_are_heard_of,
                    "how many `with self.database` stand in `place_order`: between two of them "
                    "the first may stand alone",
                )
            ],
            seeds=range(1),
        ),
    ],
    hints=[
        "What can be written in one transaction: the order and an event at the broker, or the "
        "order and a row that says what is to be said?",
        "`place_order` writes into both tables in one `with self.database as file:` and says "
        "nothing. `relay` reads `self.database.rows(…)`, says each row, and only then deletes it.",
        '`for number, order_id, amount in self.database.rows("SELECT * FROM to_say ORDER BY '
        'number"):` publish; then, in a `with`, `DELETE FROM to_say WHERE number = ?`.',
    ],
    wrong=[
        WrongAnswer(  # 11: save, then publish, is safe
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            new = file.execute("{NEW}", (order_id, amount)).rowcount
        if new:
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))
        return "thank you"

    @command
    async def relay(self):
        pass
""",
            "it writes and then speaks",
        ),
        WrongAnswer(  # 12: an outbox table is an outbox
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            if file.execute("{NEW}", (order_id, amount)).rowcount:
                file.execute("{TO_SAY}", (order_id, amount))
        return "thank you"

    @command
    async def relay(self):
        pass
""",
            "but who reads it?",
        ),
        WrongAnswer(  # 13: a bus in memory is reliable
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            if file.execute("{NEW}", (order_id, amount)).rowcount:
                self.waiting.append(OrderPlaced(order_id=order_id, amount=amount))
        return "thank you"

    @command
    async def relay(self):
        while self.waiting:
            await self.publish(self.waiting[0])
            self.waiting.pop(0)
""",
            "keeps in an attribute dies with it",
        ),
        WrongAnswer(  # 11, the other way round: say, then save
            ORDER
            + """
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        await self.publish(OrderPlaced(order_id=order_id, amount=amount))
        with self.database as file:
            file.execute("INSERT INTO orders VALUES (?, ?)", (order_id, amount))
        return "thank you"

    @command
    async def relay(self):
        pass
""",
            "can't be called back",
        ),
        WrongAnswer(  # marks before it says: acknowledged before the work
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            if file.execute("{NEW}", (order_id, amount)).rowcount:
                file.execute("{TO_SAY}", (order_id, amount))
        return "thank you"

    @command
    async def relay(self):
        for number, order_id, amount in self.database.rows("SELECT * FROM to_say ORDER BY number"):
            with self.database as file:
                file.execute("DELETE FROM to_say WHERE number = ?", (number,))
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))
""",
            "gone from the table before its event was said",
        ),
        WrongAnswer(  # never marks
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            if file.execute("{NEW}", (order_id, amount)).rowcount:
                file.execute("{TO_SAY}", (order_id, amount))
        return "thank you"

    @command
    async def relay(self):
        for number, order_id, amount in self.database.rows("SELECT * FROM to_say ORDER BY number"):
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))
""",
            "a row that your relay has said",
        ),
        WrongAnswer(  # two transactions
            ORDER
            + f"""
    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            new = file.execute("{NEW}", (order_id, amount)).rowcount
        if new:
            with self.database as file:
                file.execute("{TO_SAY}", (order_id, amount))
        return "thank you"

    @command
    async def relay(self):
        for number, order_id, amount in self.database.rows("SELECT * FROM to_say ORDER BY number"):
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))
            with self.database as file:
                file.execute("DELETE FROM to_say WHERE number = ?", (number,))
""",
            "the first may stand alone",
        ),
    ],
    others=[
        DATABASE  # marks all that it has said at the end; reads with a join
        + """
class Order(Service):
    def __init__(self, database):
        self.database = database

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        if not self.database.rows("SELECT 1 FROM orders WHERE order_id = ?", order_id):
            with self.database as file:
                file.execute("INSERT INTO orders VALUES (?, ?)", (order_id, amount))
                file.execute("INSERT INTO to_say (order_id) VALUES (?)", (order_id,))
        return "thank you"

    @command
    async def relay(self):
        rows = self.database.rows(
            "SELECT number, order_id, orders.amount FROM to_say JOIN orders USING (order_id) "
            "ORDER BY number")
        for _, order_id, amount in rows:
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))
        if rows:
            with self.database as file:
                file.execute("DELETE FROM to_say WHERE number <= ?", (rows[-1][0],))
""",
        DATABASE  # labkit's own
        + """
from labkit.system.outbox import WithOutbox

class Order(WithOutbox):
    def __init__(self, database):
        super().__init__(database)

    @command
    async def place_order(self, order_id: str, amount: int) -> str:
        with self.database as file:
            new = file.execute("INSERT OR IGNORE INTO orders VALUES (?, ?)", (order_id, amount))
            if new.rowcount:
                self.say(OrderPlaced(order_id=order_id, amount=amount))
        return "thank you"

    @command
    async def relay(self):
        self._begin()
""",
    ],
    why="One system can be written to in one step, two can't. So what is to be said is written "
    "where the order is written; and whoever says it marks it afterwards, which may say it twice "
    "and never leaves it out.",
)


# an-inbox


async def points(answers: Answers, seed: int, *faults: Any) -> Lab:
    with file("points.db") as path:
        loyalty = answers.Loyalty(Database(path, POINTS))
        async with Lab(loyalty, faults=faults, **where(seed)) as lab:
            for number in range(1, 7):
                await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=1_000))
            await lab.quiet(at_most_messages=400)
        # What stands in the table is told as effects, at which a claim can look.
        for (order_id,) in Database(path, POINTS).rows("SELECT order_id FROM points"):
            lab.ledger.write(Entry("Loyalty", POINT, str(order_id)))
    return lab


async def points_for_doubles(answers: Answers, seed: int) -> Lab:
    return await points(answers, seed, duplicate(answers.Loyalty, chance=0.7))


async def points_and_deaths(answers: Answers, seed: int) -> Lab:
    twice = duplicate(answers.Loyalty, chance=0.7)
    return await points(answers, seed, twice, kill(answers.Loyalty, chance=0.4))


def no_letters(lab: Lab) -> str:
    letters = dead(lab)
    return f"{letters[0]} became a dead letter" if letters else ""


def why_not_one(lab: Lab) -> str:
    if lab.ledger.doubled():
        return (
            "what remembers the messages: after a death a set is empty, and a message that was "
            "not acknowledged comes again"
        )
    return (
        "when the message is noted: if it is noted before its work is done, a death between the "
        "two makes it known and undone"
    )


LOYALTY = (
    DATABASE
    + """
from labkit.system.inbox import Inbox

class Loyalty(Service):
    def __init__(self, database):
        self.database, self.inbox, self.seen = database, Inbox(database), set()

    @on(OrderPlaced)
    async def give_point(self, order):
"""
)
GIVE = 'file.execute("INSERT INTO points VALUES (?)", (order.order_id,))'

AN_INBOX = Task(
    id="an-inbox",
    title="One point for one order",
    points=2,
    names=["Loyalty"],
    trials=[
        Trial(
            points_for_doubles,
            [
                Claim(
                    "a message that comes again is done already, and no failure",
                    no_letters,
                    "what your handler raises when it knows the message: a dead letter asks for a "
                    "person, and there is nothing to do",
                ),
                Claim(
                    "six orders, a point for each",
                    exactly_once(POINT),
                    "the messages that come twice: how does your handler know that it has seen one",
                ),
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            points_and_deaths,
            [
                Claim(
                    "six orders, a point for each, although Loyalty dies now and then",
                    exactly_once(POINT),
                    why_not_one,
                )
            ],
        ),
    ],
    hints=[
        "Where must it stand that a message is done, if it is to be true exactly when the point "
        "stands in the table?",
        "`self.inbox.first()` is True once for each message. Ask it in the same `with` in which "
        "the point is given.",
        "`with self.database as file:` and in it `if self.inbox.first():` and in it the INSERT; "
        "the look-up, which waits, stands before the `with`.",
    ],
    wrong=[
        WrongAnswer(  # gives it each time
            LOYALTY
            + f"""
        await asyncio.sleep(0.005)
        with self.database as file:
            {GIVE}
""",
            "how does your handler know that it has seen one",
        ),
        WrongAnswer(  # a set
            LOYALTY
            + f"""
        await asyncio.sleep(0.005)
        if order.order_id not in self.seen:
            self.seen.add(order.order_id)
            with self.database as file:
                {GIVE}
""",
            "after a death a set is empty",
        ),
        WrongAnswer(  # noted before the work: acknowledged too early
            LOYALTY
            + f"""
        with self.database as file:
            first = self.inbox.first()
        await asyncio.sleep(0.005)
        if first:
            with self.database as file:
                {GIVE}
""",
            "noted before its work is done",
        ),
        WrongAnswer(  # known is a failure
            LOYALTY
            + f"""
        await asyncio.sleep(0.005)
        with self.database as file:
            if not self.inbox.first():
                raise ValueError("known already")
            {GIVE}
""",
            "a dead letter asks for a person",
        ),
    ],
    others=[
        LOYALTY
        + """
        await asyncio.sleep(0.005)
        with self.database as file:
            file.execute("CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY)")
            note = "INSERT OR IGNORE INTO handled VALUES (?)"
            if file.execute(note, (self.idempotency_key,)).rowcount:
                file.execute("INSERT INTO points VALUES (?)", (order.order_id,))
""",
        LOYALTY
        + """
        await asyncio.sleep(0.005)
        with self.database as file:
            file.execute(
                "INSERT INTO points SELECT ? WHERE NOT EXISTS "
                "(SELECT * FROM points WHERE order_id = ?)", (order.order_id, order.order_id))
""",
    ],
    why="Noted together with its effect, a message is known exactly when it is done. Noted before, "
    "it may be lost; noted after, or in memory, it may be done twice.",
)


# retry-later

OPENS_SECONDS, LATEST_SECONDS, LOST = 3.0, 8.0, "o-3"


class Shipping(Service):
    """Its office opens after three seconds; the address of o-3 it never finds."""

    @command
    async def ship(self, order_id: str) -> str:
        if order_id == LOST:
            raise Refused("no such address")
        if asyncio.get_running_loop().time() < OPENS_SECONDS:
            raise Unavailable("the office is closed")
        self.effect("shipped", order_id, once=order_id)
        return f"parcel {order_id}"


class Clock(Service):
    """Lets the time pass in which somebody may try again."""

    @command
    async def strike(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SIX = [f"o-{number}" for number in range(1, 7)]


async def parcels(answers: Answers, seed: int, *, dies: bool = False) -> Lab:
    packing = answers.Packing
    async with Lab(packing, Shipping, Clock, simulate=seed) as lab:
        for order_id in SIX:
            await lab.publish(InventoryReserved(order_id=order_id))
        await lab.call(Clock.strike, seconds=1)
        if dies:
            await lab.crash(packing)
            await lab.wake(packing)
        await lab.call(Clock.strike, seconds=20, timeout_seconds=60)
        await lab.quiet(at_most_seconds=200, at_most_messages=600)
    return lab


async def parcels_and_a_death(answers: Answers, seed: int) -> Lab:
    return await parcels(answers, seed, dies=True)


def others_are_shipped(lab: Lab) -> str:
    missing = [o for o in SIX if o != LOST and o not in lab.ledger.keys("shipped")]
    return f"no parcel for {', '.join(missing)}" if missing else ""


def why_not_shipped(lab: Lab) -> str:
    if len(dead(lab)) > 1:
        return (
            "how long all your tries last together: the office opens after three seconds. "
            "`retries` says how many, `retry_seconds` how long the first wait is"
        )
    return (
        "the error that your handler catches: a handler that returns has handled the message, "
        "and it never comes again"
    )


def the_lost_one_is_put_aside(lab: Lab) -> str:
    return "" if dead(lab) == [LOST] else f"dead letters: {', '.join(dead(lab)) or 'none'}"


def why_not_put_aside(lab: Lab) -> str:
    ended = {m.data["order_id"] for m in lab.trace.done(InventoryReserved)}
    if LOST not in ended:
        return f"when your handler gives up: {LOST} is tried for ever"
    return (
        f"when the handler of {LOST} ends: what goes on after that, or is caught in it, nobody "
        "hears of"
    )


def others_do_not_wait(lab: Lab) -> str:
    late = [
        (moment.message.data["order_id"], moment.seconds)
        for moment in lab.trace
        if moment.what == "done" and moment.message and moment.message.kind == "event"
        if moment.seconds > LATEST_SECONDS
    ]
    return f"{late[0][0]} was done after {late[0][1]:.0f} s" if late else ""


PACKING = """
from labkit.shop import InventoryReserved, Shipping

class Packing(Service):
"""
SHIP = "await self.call(Shipping.ship, order_id=reserved.order_id)"

RETRY_LATER = Task(
    id="retry-later",
    title="A parcel that can't be sent, and five that can",
    points=2,
    names=["Packing"],
    trials=[
        Trial(
            parcels,
            [
                Claim("the five others are shipped", others_are_shipped, why_not_shipped),
                Claim(
                    f"{LOST}, and only {LOST}, ends as a dead letter",
                    the_lost_one_is_put_aside,
                    why_not_put_aside,
                ),
                Claim(
                    f"none of the others is done later than after {LATEST_SECONDS:g} s",
                    others_do_not_wait,
                    f"who waits while {LOST} is tried again: `at_once` says how many messages are "
                    "handled at the same time",
                ),
            ],
            seeds=range(2),
        ),
        Trial(
            parcels_and_a_death,
            [
                Claim(
                    "the five others are shipped, although Packing dies once",
                    others_are_shipped,
                    "the parcels that waited for their next try when Packing died: who still knew "
                    "of them?",
                )
            ],
            seeds=range(2),
        ),
    ],
    hints=[
        "Which of the two errors may pass by itself, and which never will? Does Packing have to "
        "tell them apart?",
        "Let the error out of the handler. Each service tries again by itself, and buries what "
        "fails to the end: `retries`, `retry_seconds` and `at_once` say how.",
        "`retries = 4` and `retry_seconds = 0.5` wait 0.5, 1, 2 and 4 seconds; and leave `at_once` "
        "as it is, at 100.",
    ],
    wrong=[
        WrongAnswer(  # no further try
            PACKING
            + f"""
    retries = 0

    @on(InventoryReserved)
    async def pack(self, reserved):
        {SHIP}
""",
            "how long all your tries last together",
        ),
        WrongAnswer(  # tries without delay
            PACKING
            + f"""
    retries = 6
    retry_seconds = 0.001

    @on(InventoryReserved)
    async def pack(self, reserved):
        {SHIP}
""",
            "how long all your tries last together",
        ),
        WrongAnswer(  # 23: acknowledged in spite of an exception
            PACKING
            + f"""
    @on(InventoryReserved)
    async def pack(self, reserved):
        try:
            {SHIP}
        except CommandFailed:
            pass
""",
            "a handler that returns has handled the message",
        ),
        WrongAnswer(  # the queue waits for its first
            PACKING
            + f"""
    at_once = 1
    retries = 4
    retry_seconds = 0.5

    @on(InventoryReserved)
    async def pack(self, reserved):
        {SHIP}
""",
            "who waits while",
        ),
        WrongAnswer(  # tries for ever
            PACKING
            + f"""
    @on(InventoryReserved)
    async def pack(self, reserved):
        while True:
            try:
                return {SHIP}
            except CommandFailed:
                await asyncio.sleep(1)
""",
            "is tried for ever",
        ),
        WrongAnswer(  # acknowledged before the work
            PACKING
            + f"""
    @on(InventoryReserved)
    async def pack(self, reserved):
        asyncio.create_task(self.later(reserved))

    async def later(self, reserved):
        for seconds in (0.5, 1, 2, 4):
            try:
                return {SHIP}
            except CommandFailed:
                await asyncio.sleep(seconds)
""",
            "nobody hears of",
        ),
        WrongAnswer(  # the same, with a dead letter
            PACKING
            + f"""
    @on(InventoryReserved)
    async def pack(self, reserved):
        try:
            {SHIP}
        except Refused:
            raise
        except CommandFailed:
            asyncio.create_task(self.later(reserved))

    async def later(self, reserved):
        for seconds in (0.5, 1, 2, 4):
            await asyncio.sleep(seconds)
            try:
                return {SHIP}
            except CommandFailed:
                pass
""",
            "who still knew of them?",
        ),
    ],
    others=[
        PACKING
        + f"""
    retries = 6
    retry_seconds = 0.25

    @on(InventoryReserved)
    async def pack(self, reserved):
        {SHIP}
""",
        PACKING  # a no is an answer, and is buried at once
        + f"""
    retries = 0

    @on(InventoryReserved)
    async def pack(self, reserved):
        for seconds in (0.5, 1, 2, 4):
            try:
                return {SHIP}
            except Refused:
                raise
            except CommandFailed:
                await asyncio.sleep(seconds)
        {SHIP}
""",
    ],
    why="MQTT knows no 'not now': to try again later is the consumer's work, in the handler, so "
    "that the message is acknowledged only when it is done or buried. Beside the others, not "
    "before them: then what never works delays nobody.",
)


# what-a-replay-mends


class Mailer(Service):
    """Fails, and is mended, as the situation wants."""

    retries = 0

    def __init__(self, world: dict[str, bool]) -> None:
        self.world = _Shared(world)

    @on(OrderPlaced)
    async def thank(self, order: OrderPlaced) -> None:
        if self.world.has("swallows"):
            return
        if self.world.has("half"):
            self.effect("mailed", order.order_id, once=order.order_id)
        if self.world.has("away") or self.world.has("poison"):
            raise ConnectionError("no mail could be written")
        self.effect("mailed", order.order_id, once=order.order_id)


class _Shared:
    """A world that a copy of the service shares."""

    def __init__(self, world: dict[str, bool]) -> None:
        self._world = world

    def has(self, name: str) -> bool:
        return self._world.get(name, False)

    def __deepcopy__(self, _: object) -> _Shared:
        return self


class NotesFirst(Service):
    """Notes the message, and dies before it has done its work."""

    def __init__(self, database: Database) -> None:
        self.database, self.inbox = database, Inbox(database)

    @on(OrderPlaced)
    async def thank(self, order: OrderPlaced) -> None:
        with self.database:
            first = self.inbox.first()
        await asyncio.sleep(1)
        if first:
            self.effect("mailed", order.order_id)


async def mended_by_a_replay(world: dict[str, bool], mended: dict[str, bool]) -> bool:
    """Whether after the repair and a replay the one order is handled and has its one mail."""
    async with Lab(Mailer(world), simulate=7) as lab:
        await lab.publish(OrderPlaced(order_id="o-1", amount=1_000))
        await lab.quiet()
        world.update(mended)
        again = await lab.replay_dead(Mailer)
        await lab.quiet()
        done = lab.trace.done(OrderPlaced)
    return again == 1 and len(done) == 1 and lab.ledger.keys("mailed") == ["o-1"]


async def mended_where_noted_first() -> bool:
    with file("inbox.db") as path:
        async with Lab(NotesFirst(Database(path)), simulate=7) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=1_000))
            await asyncio.sleep(0)
            await lab.quiet(at_most_seconds=0.5)
            await lab.crash(NotesFirst)
            await lab.wake(NotesFirst)
            await lab.quiet()
            await lab.replay_dead(NotesFirst)
            await lab.quiet()
        return lab.ledger.keys("mailed") == ["o-1"]


async def mended_where_silent() -> bool:
    class Order(Service):
        @command
        async def place_order(self) -> None:
            if self.effect("written", "o-1", once="o-1"):
                await self.publish(OrderPlaced(order_id="o-1", amount=1_000))

    dies = before_publish(Order, message=OrderPlaced)
    async with Lab(Order, Mailer({}), faults=dies, simulate=7) as lab:
        await lab.call(Order.place_order)
        for service in (Order, Mailer):
            await lab.replay_dead(service)
        await lab.quiet()
    return lab.ledger.keys("mailed") == ["o-1"]


SITUATIONS = {
    "away": partial(mended_by_a_replay, {"away": True}, {"away": False}),
    "poison": partial(mended_by_a_replay, {"poison": True}, {}),
    "repaired": partial(mended_by_a_replay, {"poison": True}, {"poison": False}),
    "swallowed": partial(
        mended_by_a_replay, {"away": True, "swallows": True}, {"away": False, "swallows": False}
    ),
    "half": partial(mended_by_a_replay, {"away": True, "half": True}, {"away": False}),
    "noted": mended_where_noted_first,
    "silent": mended_where_silent,
}
LOOKS = {
    "away": "what was wrong around the message is right by now, and the message was always right",
    "poison": "what has changed between the first time and the replay: nothing",
    "repaired": "the same message meets another handler: what it failed at is mended",
    "swallowed": "what a replay sends: dead letters. What was caught and thanked for left none",
    "half": "the mail that was written before the failure: its key makes the second one nothing",
    "noted": "the inbox: it says that the message is known, and no letter was ever buried",
    "silent": "what there is to send again: the event was never said, so nobody could bury it",
}


async def compared(answers: Answers, seed: int) -> dict[str, Any]:
    # A situation's world is changed by its repair, so each check makes them anew.
    measured = {name: await _anew(situation) for name, situation in SITUATIONS.items()}
    return {"said": answers.mends, "measured": measured}


async def _anew(situation: Any) -> bool:
    if isinstance(situation, partial):
        return bool(await situation.func(*(dict(given) for given in situation.args)))
    return bool(await situation())


def all_are_told(day: dict[str, Any]) -> str:
    given = day["said"]
    if not isinstance(given, Mapping):
        return f"mends is {given!r:.60}, and no dict"
    for name in SITUATIONS:
        if not isinstance(given.get(name), bool):
            return f"mends[{name!r}] is {given.get(name, 'missing')!r:.60}"
    return ""


def first_off(day: dict[str, Any]) -> str:
    return next((n for n, is_mended in day["measured"].items() if day["said"][n] != is_mended), "")


def as_measured(day: dict[str, Any]) -> str:
    name = first_off(day)
    if not name:
        return ""
    found = "the customer has her mail" if day["measured"][name] else "she has no mail all the same"
    return f"{name}: after the replay {found}"


RIGHT = {name: name in ("away", "repaired", "half") for name in SITUATIONS}


def _mends(**changed: bool) -> str:
    return f"mends = {RIGHT | changed!r}"


WHAT_A_REPLAY_MENDS = Task(
    id="what-a-replay-mends",
    title="What a replay mends",
    points=2,
    names=["mends"],
    trials=[
        Trial(
            compared,
            [
                Claim("True or False for each of the seven", all_are_told, "the keys of the dict"),
                Claim(
                    "what you say is what happens when the seven situations are run",
                    as_measured,
                    lambda day: LOOKS[first_off(day)],
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "A replay sends dead letters again. In which of the seven is there a dead letter at all?",
        "Of those with a letter: in which would the same handler, with the same message, fare "
        "better now?",
        "Three of the seven are mended, and in each of them something else was put right before "
        "the replay.",
    ],
    wrong=[
        WrongAnswer(_mends(silent=True), "the event was never said"),
        WrongAnswer(_mends(swallowed=True), "caught and thanked for left none"),  # 23
        WrongAnswer(_mends(poison=True), "what has changed between"),
        WrongAnswer(_mends(noted=True), "no letter was ever buried"),
        WrongAnswer(_mends(half=False), "its key makes the second one nothing"),
        WrongAnswer(_mends(repaired=False), "meets another handler"),
        WrongAnswer("mends = [True] * 7", "and no dict"),
    ],
    others=[
        f'mends = {{n: n in ("half", "away", "repaired") for n in {list(SITUATIONS)!r}}}',
        "mends = dict.fromkeys(('away', 'repaired', 'half'), True)\n"
        "mends.update(dict.fromkeys(('poison', 'swallowed', 'noted', 'silent'), False))",
    ],
    why="A replay sends again what was said and not handled. It mends nothing by itself: the cause "
    "must be mended first, and the handler must bear to be run twice. What was never said, or was "
    "thanked for too early, has no letter.",
)


TASKS = [OUTBOX_AND_RELAY, AN_INBOX, RETRY_LATER, WHAT_A_REPLAY_MENDS]
