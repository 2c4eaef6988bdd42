"""The tracker on real brokers: many open orders make it neither deaf nor forgetful."""

import asyncio

import pytest

from labkit import Lab, process
from labkit.shop import Inventory, Order, OrderOverdue, OrderPlaced, Payment, Shipping
from labkit.shop.tracker import Tracker
from labkit.system.faults import mute

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
# More than a broker sends while they are not acknowledged.
ORDERS = [f"o-{number}" for number in range(1, 61)]


async def place(lab):
    for order_id in ORDERS:
        await lab.publish(OrderPlaced(order_id=order_id, amount=30))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  (the lab lives on another loop)
            await asyncio.sleep(0.01)


def told(lab):
    return {message.data["order_id"] for message in lab.trace.sent(OrderOverdue)}


@on_each_broker
def test_sixty_open_orders_are_all_heard_to_their_end(broker):
    async def day():
        shop = [Order, Payment, Inventory, Shipping, Tracker(600)]
        async with Lab(*shop, broker=broker) as lab:
            await place(lab)
            await lab.quiet()
            return [await lab.call(Tracker.where_is, order_id=order_id) for order_id in ORDERS]

    assert all(answer.startswith("OrderConfirmed") for answer in asyncio.run(day()))


@on_each_broker
def test_sixty_silent_orders_are_all_told(broker):
    async def day():
        shop = [Order, Payment, Inventory, Shipping, Tracker(0.2)]
        async with Lab(*shop, broker=broker, faults=[mute(Payment)]) as lab:
            await place(lab)
            await until(lambda: told(lab) == set(ORDERS))
            await lab.quiet()
            return await lab.call(Tracker.overdue)

    assert asyncio.run(day()) == ORDERS


@on_each_broker
def test_after_a_kill_minus_nine_it_tells_of_what_it_had_heard_before(broker):
    async def day():
        shop = [Order, Payment, Inventory, Shipping, process(Tracker(1.0))]
        async with Lab(*shop, broker=broker, faults=[mute(Payment)]) as lab:
            await place(lab)
            await until(lambda: lab.ledger.count("Tracker", "noted") == len(ORDERS))
            await lab.crash(Tracker)
            await lab.wake(Tracker)
            await until(lambda: told(lab) == set(ORDERS))
            return lab.ledger

    lines = [entry.once for entry in asyncio.run(day()) if entry.effect == "noted"]
    assert sorted(lines) == sorted(f"{order_id} OrderPlaced" for order_id in ORDERS)
