"""The outbox: what is written is said, whatever dies; what is not written is never said."""

import asyncio
import copy
import json
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest

from labkit import (
    BadMessage,
    CommandFailed,
    Event,
    Lab,
    LabError,
    Refused,
    Service,
    before_publish,
    command,
    kill,
    on,
)
from labkit.shop import OrderPlaced
from labkit.system.database import Database, Table
from labkit.system.outbox import AT_ONCE, Outbox, WithOutbox

ORDERS = "CREATE TABLE IF NOT EXISTS orders (order_id TEXT PRIMARY KEY, amount INTEGER);"
NEW_ORDER = "INSERT OR IGNORE INTO orders VALUES (?, ?)"


class Payment(Service):
    @on(OrderPlaced)
    async def charge(self, order):
        self.effect("charged", order.order_id, order.amount)


class Forgetful(Service):
    """Writes, then says: between the two it may die."""

    def __init__(self, path):
        self.database = Database(path, ORDERS)

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        with self.database as file:
            new = file.execute(NEW_ORDER, (order_id, amount)).rowcount
        if new:
            await self.publish(OrderPlaced(order_id=order_id, amount=amount))


class Order(WithOutbox):
    """Refuses what is free of charge, at the very end of its transaction."""

    def __init__(self, path):
        super().__init__(Database(path, ORDERS, patience_seconds=0.01))

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        with self.database as file:
            if file.execute(NEW_ORDER, (order_id, amount)).rowcount:
                self.say(OrderPlaced(order_id=order_id, amount=amount))
            if not amount:
                raise Refused("nothing is free")


class TableOnly(Service):
    """Has an outbox, and nobody who reads it."""

    def __init__(self, path):
        self.database = Database(path, ORDERS)
        self.outbox = Outbox(self.database)

    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        event = OrderPlaced(order_id=order_id, amount=amount)
        with self.database as file:
            if file.execute(NEW_ORDER, (order_id, amount)).rowcount:
                self.outbox.put(self._say("event", "OrderPlaced", event.model_dump()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.db"


async def place(lab, order, number, amount=30):
    await lab.call(order.place_order, order_id=f"o-{number}", amount=amount, timeout_seconds=60)


async def day(order, path, *faults, orders=10, together=1, seed=7):
    """A day of a shop; returns its lab, and what stands in the database."""
    async with Lab(order(path), Payment, faults=faults, simulate=seed) as lab:
        for first in range(0, orders, together):
            numbers = range(first, first + together)
            await asyncio.gather(*(place(lab, order, number) for number in numbers))
        await lab.quiet(at_most_seconds=600)
    return lab, [row[0] for row in Database(path).rows("SELECT order_id FROM orders")]


def silent(lab, written):
    return set(written) - set(lab.ledger.keys("charged"))


def deaths(lab):
    return sum(moment.note.startswith("crashes") for moment in lab.trace)


def states(path):
    return [row[0] for row in Database(path).rows("SELECT state FROM outbox ORDER BY number")]


# -- a thousand orders ---------------------------------------------------------------------------


def test_of_a_thousand_orders_each_death_before_the_event_makes_one_silent(path):
    dies = before_publish(Forgetful, message=OrderPlaced, chance=0.05)
    lab, written = asyncio.run(day(Forgetful, path, dies, orders=1000))
    assert len(written) == 1000
    assert len(silent(lab, written)) == deaths(lab) > 20


@pytest.mark.parametrize("together", [1, 10])
def test_of_a_thousand_orders_with_an_outbox_none_is_silent(path, together):
    dies = before_publish(Order, message=OrderPlaced, chance=0.05)
    lab, written = asyncio.run(day(Order, path, dies, orders=1000, together=together))
    assert len(written) == 1000
    assert deaths(lab) > 20
    assert silent(lab, written) == set()
    assert set(states(path)) == {"said"}


@pytest.mark.parametrize("seed", range(20))
def test_no_order_is_silent_wherever_order_dies(path, seed):
    faults = [kill(Order, chance=0.1), before_publish(Order, chance=0.1)]
    lab, written = asyncio.run(day(Order, path, *faults, orders=40, together=10, seed=seed))
    assert deaths(lab)
    assert (len(written), silent(lab, written)) == (40, set())


def test_a_table_without_a_relay_is_no_outbox(path):
    lab, written = asyncio.run(day(TableOnly, path))
    assert (len(silent(lab, written)), states(path)) == (10, ["waiting"] * 10)


# -- the relay -----------------------------------------------------------------------------------


def test_the_relay_says_after_a_restart_what_waited_unasked(path):
    async def run():
        await day(TableOnly, path, orders=2 * AT_ONCE + 1)
        async with Lab(Order(path), Payment, simulate=8) as lab:
            await lab.quiet()
            return lab.ledger.keys("charged"), lab.trace.sent()

    charged, sent = asyncio.run(run())
    assert charged == [f"o-{number}" for number in range(2 * AT_ONCE + 1)]
    assert {message.type for message in sent} == {"OrderPlaced"}
    assert set(states(path)) == {"said"}


def test_what_waits_is_said_in_the_order_of_writing(path):
    dies = before_publish(Order, message=OrderPlaced, chance=0.1)
    lab, _ = asyncio.run(day(Order, path, dies, orders=100, together=20))
    assert deaths(lab)
    said = [message.data["order_id"] for message in lab.trace.sent(OrderPlaced)]
    rows = Database(path).rows("SELECT message FROM outbox ORDER BY number")
    written = [OrderPlaced.read(json.loads(row[0])["data"]).order_id for row in rows]
    assert list(dict.fromkeys(said)) == written


def test_what_is_said_again_is_the_same_message(path):
    dies = before_publish(Order, message=OrderPlaced, chance=0.1)
    lab, _ = asyncio.run(day(Order, path, dies, orders=100, together=10))
    sent = lab.trace.sent(OrderPlaced)
    ids = {message.id for message in sent}
    assert len(sent) > len(ids) == 100
    assert len({message.payload for message in sent}) == 100


def test_an_event_keeps_the_cause_that_it_had_when_it_was_written(path):
    lab, _ = asyncio.run(day(Order, path))
    asked = {message.data["order_id"]: message.id for message in lab.trace.sent(Order.place_order)}
    told = {
        message.data["order_id"]: message.causationid for message in lab.trace.sent(OrderPlaced)
    }
    assert told == asked


def test_a_command_that_comes_again_says_its_event_once(path):
    class Says(Order):
        @command
        async def place_order(self, order_id: str, amount: int) -> None:
            with self.database:
                self.say(OrderPlaced(order_id=order_id, amount=amount))
            await self.publish(OrderPlaced(order_id="o-9", amount=amount))  # dies before it

    dies = before_publish(Says, message=OrderPlaced, nth=1)
    lab, _ = asyncio.run(day(Says, path, dies, orders=1))
    assert deaths(lab) == 1
    assert states(path) == ["said"]
    assert lab.ledger.keys("charged") == ["o-0", "o-9"]


def test_events_without_a_cause_are_told_apart_in_each_life(path):
    class Opens(Order):
        async def join(self, *given):
            await super().join(*given)
            with self.database:
                self.say(OrderPlaced(order_id="first", amount=1))
                self.say(OrderPlaced(order_id="second", amount=1))

    async def run():
        ids = []
        for seed in (1, 2):
            async with Lab(Opens(path), Payment, simulate=seed) as lab:
                ids += [message.id for message in (await lab.quiet()).sent(OrderPlaced)]
                assert all(message.story == message.id for message in lab.trace.sent())
        return ids

    ids = asyncio.run(run())
    assert len(ids) == len(set(ids)) == 4


# -- one transaction -----------------------------------------------------------------------------


def test_what_is_refused_is_neither_written_nor_said(path):
    async def run():
        async with Lab(Order(path), Payment, simulate=7) as lab:
            with pytest.raises(Refused):
                await place(lab, Order, 1, amount=0)
            await place(lab, Order, 2)
            await lab.quiet()
        return lab.ledger.keys("charged")

    assert asyncio.run(run()) == ["o-2"]
    assert Database(path).rows("SELECT order_id FROM orders") == [("o-2",)]


def test_an_await_in_a_transaction_is_an_error_and_nothing_is_written(path):
    class Waits(Order):
        @command
        async def place_order(self, order_id: str, amount: int) -> None:
            with self.database as file:
                file.execute(NEW_ORDER, (order_id, amount))
                self.say(OrderPlaced(order_id=order_id, amount=amount))
                await asyncio.sleep(0)

    async def run():
        async with Lab(Waits(path), Payment, simulate=7) as lab:
            with pytest.raises(CommandFailed, match="There is an `await` inside"):
                await place(lab, Waits, 1)
            await lab.quiet()
        return lab.ledger.keys("charged")

    assert asyncio.run(run()) == []
    assert Database(path).rows("SELECT * FROM orders") == []


def test_a_transaction_in_a_transaction_is_an_error(path):
    database = Database(path, ORDERS)
    with database as file:
        file.execute(NEW_ORDER, ("o-1", 30))
        with (
            pytest.raises(LabError, match=r"orders\.db is in the middle of a transaction"),
            database,
        ):
            pass
    assert database.rows("SELECT order_id FROM orders") == [("o-1",)]


def test_an_error_of_ones_own_goes_through_and_takes_all_back(path):
    database = Database(path, ORDERS)

    def misspell():
        with database as file:
            file.execute(NEW_ORDER, ("o-1", 30))
            file.execute("INSERT INTO ordres VALUES (1)")

    with pytest.raises(sqlite3.OperationalError, match="no such table: ordres"):
        misspell()
    assert database.rows("SELECT * FROM orders") == []


def test_a_copy_of_a_service_opens_its_database_anew(path):
    order = Order(path)
    with order.database as file:
        file.execute(NEW_ORDER, ("o-1", 30))
        assert copy.deepcopy(order).database.rows("SELECT * FROM orders") == []
    assert copy.deepcopy(order).database.rows("SELECT order_id FROM orders") == [("o-1",)]


# -- what can't be said --------------------------------------------------------------------------


def test_say_outside_of_a_transaction_is_an_error(path):
    async def run():
        order = Order(path)
        with pytest.raises(LabError, match=r"self\.say\(OrderPlaced\(…\)\) belongs inside `with"):
            order.say(OrderPlaced(order_id="o-1", amount=30))
        with order.database, pytest.raises(BadMessage, match="say takes an event that you made"):
            order.say("OrderPlaced")

    asyncio.run(run())


def test_too_large_an_event_takes_back_the_order_with_which_it_was_written(path):
    class Large(Event):
        text: str

    class Talker(Order):
        @command
        async def place_order(self, order_id: str, amount: int) -> None:
            with self.database as file:
                file.execute(NEW_ORDER, (order_id, amount))
                self.say(Large(text="x" * 1_000_000))

    async def run():
        async with Lab(Talker(path), simulate=7) as lab:
            with pytest.raises(CommandFailed, match="claim check"):
                await place(lab, Talker, 1)

    asyncio.run(run())
    assert Database(path).rows("SELECT * FROM orders") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [("no JSON", "invalid json"), (b"\xff", "json"), ('{"id": "x"}', "field required")],
)
def test_a_row_that_can_not_be_read_is_set_aside_and_delays_nobody(path, text, problem):
    async def run():
        await day(TableOnly, path, orders=3)
        with Database(path) as file:
            [whole] = file.execute("SELECT message FROM outbox WHERE number = 2").fetchone()
            file.execute("UPDATE outbox SET message = ? WHERE number = 2", (text,))
        async with Lab(Order(path), Payment, simulate=8) as lab:
            await lab.quiet()
        [letter] = [message for message in lab.trace.sent() if message.kind == "dead"]
        assert lab.ledger.keys("charged") == ["o-0", "o-2"]
        assert "row 2 of the outbox can't be read" in letter.reason
        assert problem in letter.reason
        [row] = Order(path).outbox.unreadable()
        assert (row.number, row.problem) == (2, letter.reason)

        with Database(path) as file:  # as the letter says
            file.execute("UPDATE outbox SET message = ? WHERE number = 2", (whole,))
            file.execute("UPDATE outbox SET state = 'waiting' WHERE number = 2")
        async with Lab(Order(path), Payment, simulate=9) as lab:
            await lab.quiet()
        return lab.ledger.keys("charged")

    assert asyncio.run(run()) == ["o-1"]
    assert states(path) == ["said"] * 3


# -- a database that can't be used ---------------------------------------------------------------


@contextmanager
def another_process_writes_in(path):
    code = (
        "import sqlite3, sys; file = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "file.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as program:
        assert program.stdout.readline() == "locked\n"
        yield
        program.communicate()


def test_a_database_that_another_process_locks_is_told_and_loses_nothing(path):
    async def run():
        async with Lab(Order(path), Payment, simulate=7) as lab:
            await place(lab, Order, 1)
            locked = pytest.raises(CommandFailed, match="is locked: another process has been")
            with another_process_writes_in(path), locked:
                await place(lab, Order, 2)
            await place(lab, Order, 3)
            await lab.quiet()
        return lab.ledger.keys("charged")

    assert asyncio.run(run()) == ["o-1", "o-3"]
    assert Database(path).rows("SELECT order_id FROM orders") == [("o-1",), ("o-3",)]


def test_a_relay_that_can_not_mark_what_it_said_says_it_again_later(path):
    class Clock(Service):
        @command
        async def strike(self) -> None:
            await asyncio.sleep(3)

    async def run():
        await day(TableOnly, path, orders=3)
        async with Lab(Order(path), Payment, Clock, simulate=8) as lab:
            with another_process_writes_in(path):
                await lab.quiet()
                locked = states(path)
            await lab.call(Clock.strike)
        return locked, lab.trace.sent(OrderPlaced)

    locked, sent = asyncio.run(run())
    assert (locked, states(path)) == (["waiting"] * 3, ["said"] * 3)
    assert [message.data["order_id"] for message in sent] == ["o-0", "o-1", "o-2"] * 2


def test_a_table_from_another_version_is_told_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE outbox (nr INTEGER, event TEXT)")
        file.execute("INSERT INTO outbox VALUES (1, 'OrderPlaced')")

    async def run():
        with pytest.raises(LabError, match=r"The table outbox in .* has the columns nr, event"):
            await Lab(Order(path), simulate=7).open()

    asyncio.run(run())
    assert Database(path).rows("SELECT * FROM outbox") == [(1, "OrderPlaced")]


def test_what_is_no_database_is_told(path, tmp_path):
    path.write_text("a letter to my aunt, which is long enough to be no database at all" * 20)
    for wrong in (path, tmp_path / "nowhere" / "orders.db", tmp_path):
        with pytest.raises(LabError, match="can't be used as a database"):
            Database(wrong, ORDERS).rows("SELECT * FROM orders")
    assert path.read_text().startswith("a letter to my aunt")


def test_a_table_with_a_mistake_in_its_sql_is_told(path):
    with pytest.raises(LabError, match="syntax error"):
        Database(path, "CREATE TABLET orders (x);").rows("SELECT 1")


def test_a_table_of_labkits_own_is_made_beside_those_of_the_service(path):
    database = Database(path, ORDERS)
    database.keep(Table("seen", ("id",), "CREATE TABLE IF NOT EXISTS seen (id TEXT);"))
    assert database.rows("SELECT * FROM seen") == database.rows("SELECT * FROM orders") == []


# -- a poison message ----------------------------------------------------------------------------


def mails(at_once):
    class Notification(Service):
        retries = 3
        retry_seconds = 1.0

        @on(OrderPlaced)
        async def thank(self, order):
            if order.order_id == "poison":
                raise ValueError("no address")
            self.effect("mailed", order.order_id)

    Notification.at_once = at_once

    async def run():
        async with Lab(Notification, simulate=7) as lab:
            for order_id in ("o-1", "poison", "o-2", "o-3"):
                await lab.publish(OrderPlaced(order_id=order_id, amount=30))
            await lab.quiet(at_most_seconds=60)
        ends = {
            moment.message.data["order_id"]: moment.seconds
            for moment in lab.trace
            if moment.what in ("done", "failed") and moment.topic == "event/OrderPlaced"
        }
        letters = [m.data["order_id"] for m in lab.trace.sent() if m.kind == "dead"]
        return lab.ledger.keys("mailed"), letters, ends

    return asyncio.run(run())


def test_a_poison_message_delays_no_other_order():
    mailed, dead, ends = mails(at_once=100)
    assert (mailed, dead) == (["o-1", "o-2", "o-3"], ["poison"])
    assert max(ends["o-2"], ends["o-3"]) < 1.0 < 7.0 <= ends["poison"]


def test_where_one_waits_for_the_other_a_poison_message_delays_all_behind_it():
    mailed, dead, ends = mails(at_once=1)
    assert (mailed, dead) == (["o-1", "o-2", "o-3"], ["poison"])
    assert ends["o-1"] < 1.0 < ends["poison"] <= ends["o-2"] <= ends["o-3"]
