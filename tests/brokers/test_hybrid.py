"""What the simulation says of the hybrid, a real broker says too."""

import asyncio

import pytest

from labkit import Lab, Refused, duplicate, unavailable
from labkit.boundary import border, no_command_crosses
from labkit.shop.hybrid import (
    DEAR,
    DOMAINS,
    Approvals,
    CarrierDesk,
    Dispatcher,
    Notification,
    Order,
    Payment,
    Warehouse,
)

BROKERS = ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))]
AMOUNTS = {"o-1": 129_900, "o-2": DEAR + 1, "o-3": DEAR + 1, "o-4": 129_900}
FAULTS = [unavailable(Warehouse.pick_items, nth=2), duplicate(CarrierDesk)]


async def four_orders(**where):
    """A plain one, a dear one that nobody approves, one that is approved, one without a van."""
    dispatcher = Dispatcher(approval_seconds=1.0)
    inside = [dispatcher, Warehouse, CarrierDesk(vans=2), Approvals]
    async with Lab(Order, Payment, *inside, Notification, faults=FAULTS, **where) as lab:
        for order_id, amount in AMOUNTS.items():
            await lab.call(Order.place_order, order_id=order_id, amount=amount)
            if order_id == "o-3":
                await lab.call(Approvals.approve, order_id=order_id)
            await lab.quiet(at_most_seconds=60)
        with pytest.raises(Refused, match="too late"):
            await lab.call(Approvals.approve, order_id="o-2")
        await lab.quiet(at_most_seconds=60)
    return lab


def told(lab):
    return sorted((entry.key, entry.service, entry.effect) for entry in lab.ledger)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_real_broker_has_the_same_effects_and_the_same_border(broker):
    real = asyncio.run(four_orders(broker=broker, seed=7))
    simulated = asyncio.run(four_orders(simulate=7))
    assert told(real) == told(simulated)
    assert real.ledger.shipped() == ["o-1", "o-3"]
    assert real.ledger.keys("expired") == ["o-2"]
    assert border(real, DOMAINS).crossing == border(simulated, DOMAINS).crossing
    assert no_command_crosses(DOMAINS)(real)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_person_who_agrees_in_the_last_moment_hears_what_becomes_of_it(broker):
    """Which of the two is first, real time decides; that it is one of them, and told, we do."""

    async def run():
        heard = {}
        inside = [Dispatcher(approval_seconds=0.3), Warehouse, CarrierDesk, Approvals]
        async with Lab(Order, Payment, *inside, broker=broker) as lab:

            async def race(number):
                order_id = f"o-{number}"
                await lab.call(Order.place_order, order_id=order_id, amount=DEAR + 1)
                await asyncio.sleep(0.25 + number / 100)
                try:
                    await lab.call(Approvals.approve, order_id=order_id)
                except Refused:
                    heard[order_id] = "too late"
                else:
                    heard[order_id] = "agreed"

            await asyncio.gather(*(race(number) for number in range(10)))
            await lab.quiet(at_most_seconds=60)
        return lab, heard

    lab, heard = asyncio.run(run())
    agreed = sorted(order for order, word in heard.items() if word == "agreed")
    assert len(heard) == 10
    assert lab.ledger.keys("approved") == lab.ledger.shipped() == agreed
    assert sorted([*agreed, *lab.ledger.keys("expired")]) == sorted(heard)
