"""An outbox in a process of its own: after a real `kill -9` all that is written is said, once."""

import asyncio
from contextlib import suppress

import pytest

from labkit import CommandFailed, Lab, Service, before_publish, command, kill, on, process
from labkit.shop import OrderPlaced
from labkit.system.database import Database
from labkit.system.inbox import Inbox
from labkit.system.outbox import WithOutbox

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
NUMBERS = range(30)
ORDERS = [f"o-{number}" for number in NUMBERS]


class Order(WithOutbox):
    def __init__(self, path):
        tables = "CREATE TABLE IF NOT EXISTS orders (order_id TEXT PRIMARY KEY);"
        super().__init__(Database(path, tables, patience_seconds=10))

    @command
    async def place_order(self, order_id: str) -> None:
        with self.database as file:
            new = file.execute("INSERT OR IGNORE INTO orders VALUES (?)", (order_id,))
            if new.rowcount:
                self.say(OrderPlaced(order_id=order_id, amount=30))


class Loyalty(Service):
    def __init__(self, path):
        tables = "CREATE TABLE IF NOT EXISTS points (order_id TEXT);"
        self.database = Database(path, tables, patience_seconds=10)
        self.inbox = Inbox(self.database)

    @on(OrderPlaced)
    async def give(self, order):
        with self.database as file:
            if self.inbox.first():
                file.execute("INSERT INTO points VALUES (?)", (order.order_id,))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  (the lab lives on another loop)
            await asyncio.sleep(0.01)


async def place(lab, order_id):
    with suppress(CommandFailed):  # it is written, or the broker brings it again
        await lab.call(Order.place_order, order_id=order_id, timeout_seconds=30)


def written(service, table):
    rows = [row[0] for row in service.database.rows(f"SELECT order_id FROM {table}")]
    return sorted(rows, key=lambda order_id: int(order_id[2:]))


@on_each_broker
def test_a_kill_in_the_middle_of_thirty_orders_silences_none(broker, tmp_path):
    order, loyalty = Order(tmp_path / "orders.db"), Loyalty(tmp_path / "points.db")

    async def run():
        services = process(order), process(loyalty)
        async with Lab(*services, broker=broker) as lab:
            placing = asyncio.gather(*(place(lab, order_id) for order_id in ORDERS))
            for service in (Order, Loyalty):
                await until(lambda: lab.trace.received(OrderPlaced, by=Loyalty))
                await lab.crash(service)
                await lab.wake(service)
            await placing
            await until(lambda: len(set(written(loyalty, "points"))) == len(NUMBERS))
            await lab.quiet()

    asyncio.run(run())
    assert written(order, "orders") == written(loyalty, "points") == ORDERS


@on_each_broker
def test_a_death_before_an_event_or_a_command_silences_none(broker, tmp_path):
    order, loyalty = Order(tmp_path / "orders.db"), Loyalty(tmp_path / "points.db")
    dies = [
        before_publish(Order, message=OrderPlaced, nth=1, back_after_seconds=0.05),
        before_publish(Order, message=OrderPlaced, nth=4, back_after_seconds=0.05),
        kill(Order, nth=8, back_after_seconds=0.05),
    ]

    async def run():
        async with Lab(process(order), loyalty, faults=dies, broker=broker) as lab:
            for order_id in ORDERS:
                await place(lab, order_id)
            await until(lambda: len(written(loyalty, "points")) == len(NUMBERS))
            await lab.quiet()
            return lab.trace.text().count("Order crashes")

    assert asyncio.run(run()) == 3
    assert written(order, "orders") == written(loyalty, "points") == ORDERS


@on_each_broker
def test_what_a_killed_process_had_no_time_to_say_the_next_lab_says(broker, tmp_path):
    orders = tmp_path / "orders.db"

    class Payment(Service):
        @on(OrderPlaced)
        async def charge(self, order):
            self.effect("charged", order.order_id, once=order.order_id)

    async def run():
        dies = before_publish(Order, message=OrderPlaced, back_after_seconds=600)
        async with Lab(process(Order(orders)), Payment, faults=dies, broker=broker) as evening:
            with pytest.raises(CommandFailed):
                await evening.call(Order.place_order, order_id="o-1", timeout_seconds=2)
            assert not evening.ledger.keys("charged")
        # Order last: it speaks as soon as it is there, and only those who listen by then hear it.
        async with Lab(Payment, Order(orders), broker=broker) as morning:
            await until(lambda: morning.ledger.keys("charged"))
            return (await morning.quiet()).sent()

    assert [message.type for message in asyncio.run(run())] == ["OrderPlaced"]


@on_each_broker
def test_deaths_as_soon_as_it_lives(broker, tmp_path):
    order, loyalty = Order(tmp_path / "orders.db"), Loyalty(tmp_path / "points.db")
    dies = [
        before_publish(Order, message=OrderPlaced, nth=n, back_after_seconds=0.05)
        for n in (1, 2, 3, 4)
    ]

    async def run():
        async with Lab(process(order), loyalty, faults=dies, broker=broker) as lab:
            await asyncio.gather(*(place(lab, order_id) for order_id in ORDERS))
            await until(lambda: len(written(loyalty, "points")) == len(NUMBERS))
            await lab.quiet()
            return lab.trace.text().count("Order crashes")

    assert asyncio.run(run()) == 4
    assert written(order, "orders") == written(loyalty, "points") == ORDERS
