"""The inbox: a message changes a database once, however often it comes and whoever dies."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from labkit import (
    CommandFailed,
    Lab,
    LabError,
    Service,
    before_publish,
    command,
    duplicate,
    kill,
    on,
    reply_lost,
)
from labkit.shop import OrderPlaced
from labkit.system.database import Database
from labkit.system.inbox import Inbox
from labkit.system.outbox import WithOutbox

POINTS = "CREATE TABLE IF NOT EXISTS points (order_id TEXT);"
GIVE = "INSERT INTO points VALUES (?)"
ORDERS = [f"o-{number}" for number in range(100)]


class Order(WithOutbox):
    def __init__(self, path):
        super().__init__(Database(path))

    @command
    async def place_order(self, order_id: str) -> None:
        with self.database:
            self.say(OrderPlaced(order_id=order_id, amount=30))


class Forgetful(Service):
    def __init__(self, path):
        self.database = Database(path, POINTS)

    @on(OrderPlaced)
    async def give(self, order):
        with self.database as file:
            file.execute(GIVE, (order.order_id,))


class Loyalty(Service):
    def __init__(self, path):
        self.database = Database(path, POINTS)
        self.inbox = Inbox(self.database)

    @on(OrderPlaced)
    async def give(self, order):
        with self.database as file:
            if self.inbox.first():
                file.execute(GIVE, (order.order_id,))


class NotesFirst(Loyalty):
    @on(OrderPlaced)
    async def give(self, order):
        with self.database:
            first = self.inbox.first()
        await asyncio.sleep(0.005)
        if first:
            with self.database as file:
                file.execute(GIVE, (order.order_id,))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "points.db"


async def day(loyalty, path, *faults, seed=7):
    """A hundred orders, ten at a time; returns the points that were given."""
    order = Order(path.with_name("orders.db"))
    async with Lab(order, loyalty(path), faults=faults, simulate=seed) as lab:
        for first in range(0, 100, 10):
            ten = ORDERS[first : first + 10]
            await asyncio.gather(*(lab.call(Order.place_order, order_id=each) for each in ten))
        await lab.quiet(at_most_seconds=600)
    return points(path)


def points(path):
    given = [row[0] for row in Database(path).rows("SELECT order_id FROM points")]
    return sorted(given, key=lambda order_id: int(order_id[2:]))


def deadly(loyalty):
    return kill(loyalty, chance=0.1), before_publish(Order, message=OrderPlaced, chance=0.1)


@pytest.mark.parametrize("seed", range(10))
def test_what_comes_twice_counts_once(path, seed):
    faults = duplicate(Loyalty, chance=0.3), *deadly(Loyalty)
    assert asyncio.run(day(Loyalty, path, *faults, seed=seed)) == ORDERS


def test_without_an_inbox_it_counts_twice(path):
    given = asyncio.run(day(Forgetful, path, *deadly(Forgetful)))
    assert len(given) > len(set(given)) == 100


def test_noted_before_the_work_a_message_may_be_lost(path):
    given = asyncio.run(day(NotesFirst, path, *deadly(NotesFirst)))
    assert len(given) == len(set(given)) < 100


def test_a_message_whose_handler_failed_comes_for_the_first_time_again(path):
    class Clumsy(Loyalty):
        tries = 0

        @on(OrderPlaced)
        async def give(self, order):
            with self.database as file:
                assert self.inbox.first()
                file.execute(GIVE, (order.order_id,))
                Clumsy.tries += 1
                if Clumsy.tries < 3:
                    raise ValueError("dropped it")

    async def run():
        async with Lab(Clumsy(path), simulate=7) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=30))
            await lab.quiet()

    asyncio.run(run())
    assert (Clumsy.tries, points(path)) == (3, ["o-1"])


def test_a_replayed_dead_letter_that_was_handled_before_it_died_counts_once(path):
    class Half(Loyalty):
        retries = 0
        mended = False

        @on(OrderPlaced)
        async def give(self, order):
            await super().give(order)
            if not Half.mended:
                raise ConnectionError("no mail server")
            self.effect("mailed", order.order_id)

    async def run():
        async with Lab(Half(path), simulate=7) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=30))
            await lab.quiet()
            Half.mended = True
            assert await lab.replay_dead(Half) == 1
            await lab.quiet()
        return lab.ledger.keys("mailed")

    assert asyncio.run(run()) == ["o-1"]
    assert points(path) == ["o-1"]


def test_a_wish_that_is_told_twice_is_known_by_its_key(path):
    class Counter(Loyalty):
        @command
        async def add(self, order_id: str) -> bool:
            with self.database as file:
                if first := self.inbox.first():
                    file.execute(GIVE, (order_id,))
            return first

    async def run():
        lost = reply_lost(Counter.add, nth=1)
        async with Lab(Counter(path), faults=lost, simulate=7) as lab:
            answers = []
            for key in ("wish", "wish", None):
                try:
                    told = lab.call(Counter.add, order_id="o-1", idempotency_key=key)
                    answers.append(await told)
                except CommandFailed:
                    answers.append(None)
            return answers

    assert asyncio.run(run()) == [None, False, True]
    assert points(path) == ["o-1"] * 2


def test_two_works_for_one_message_are_each_done_once(path):
    class Both(Loyalty):
        @on(OrderPlaced)
        async def give(self, order):
            await super().give(order)

        @on(OrderPlaced)
        async def give_one_more(self, order):
            with self.database as file:
                if self.inbox.first("one more"):
                    file.execute(GIVE, (order.order_id,))

    given = asyncio.run(day(Both, path, duplicate(Both, chance=0.5)))
    assert given == sorted(ORDERS * 2, key=lambda order_id: int(order_id[2:]))


def test_outside_of_a_transaction_or_of_a_handler_it_says_so(path):
    loyalty = Loyalty(path)
    with pytest.raises(LabError, match=r"self\.inbox\.first\(\) belongs inside `with"):
        loyalty.inbox.first()
    with loyalty.database, pytest.raises(LabError, match="asks about the message that is handled"):
        loyalty.inbox.first()


def test_a_table_from_another_version_is_told_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE inbox (id TEXT)")
        file.execute("INSERT INTO inbox VALUES ('m-1')")
    with pytest.raises(LabError, match=r"The table inbox in .* has the columns id, and this"):
        Loyalty(path).database.rows("SELECT * FROM points")
    assert Database(path).rows("SELECT * FROM inbox") == [("m-1",)]
