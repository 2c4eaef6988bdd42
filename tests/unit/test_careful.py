"""The careful shop on two hundred bad days: what is taken is given, or given back, once."""

import asyncio
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    HumanTaskOpened,
    Lab,
    Refused,
    after_effect,
    before_effect,
    before_publish,
    delay,
    duplicate,
    kill,
    partition,
    reorder,
    reply_lost,
    unavailable,
)
from labkit.shop import OrderConfirmed, OrderPlaced, OrderRejected, PaymentCharged
from labkit.shop.careful import Inventory, Notification, Order, OrderOrchestrator, Payment, Shipping

SEEDS = 200
ORDERS, STOCK, VANS = 5, 3, 2
TIMEOUT_SECONDS = 1.0


def everything(*services):
    """All that may go wrong but one: who is unavailable for all tries leaves a dead letter."""
    deaths = (kill, before_effect, after_effect, before_publish)
    return [partition(Payment, 3.0, begins_seconds=0.02)] + [
        fault
        for service in services
        for fault in (
            duplicate(service, 0.2),
            reorder(service, 0.2),
            delay(service, 6 * TIMEOUT_SECONDS, 0.1),
            reply_lost(service, 0.2),
            *(death(service, 0.03) for death in deaths),
        )
    ]


async def orchestrated(seed, faults=None):
    services = Payment, Inventory(stock=STOCK), Shipping(vans=VANS)
    conductor = OrderOrchestrator(timeout_seconds=TIMEOUT_SECONDS)
    if faults is None:
        faults = everything(OrderOrchestrator, Payment, Inventory, Shipping)

    async def place(number):
        with suppress(CommandFailed):
            await lab.call(
                OrderOrchestrator.place_order,
                order_id=f"o-{number}",
                amount=30,
                timeout_seconds=600,
            )

    async with Lab(conductor, *services, faults=faults, simulate=seed) as lab:
        await asyncio.gather(*(place(number) for number in range(ORDERS)))
        return await lab.quiet(at_most_seconds=3600), lab.ledger


async def danced(seed, faults=None):
    services = Order, Payment, Inventory(stock=STOCK), Shipping(vans=VANS)
    if faults is None:
        faults = everything(Order, Payment, Inventory, Shipping)
    async with Lab(*services, faults=faults, simulate=seed) as lab:
        for number in range(ORDERS):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=30))
        return await lab.quiet(at_most_seconds=3600), lab.ledger


def least_stock(ledger):
    """How few lay on the shelf at the worst time."""
    left, least = STOCK, STOCK
    for entry in ledger:
        left += {"reserved": -1, "released": 1}.get(entry.effect, 0)
        least = min(left, least)
    return least


def handed_over(trace):
    """The orders of which a person was told."""
    return {message.data["order_id"] for message in trace.sent(HumanTaskOpened)}


@pytest.mark.parametrize("style", [orchestrated, danced])
def test_on_two_hundred_bad_days_nobody_pays_for_nothing_and_nobody_gets_for_nothing(style):
    shipped, refunded, asked = 0, 0, 0
    for seed in range(SEEDS):
        trace, ledger = asyncio.run(style(seed))
        goods, money = set(ledger.shipped()), set(ledger.keys("refunded"))
        paid, human = set(ledger.keys("charged")), handed_over(trace)
        # A pivot without an answer is nobody's to decide but a person's.
        assert set(ledger.orphaned()) <= human, f"seed {seed}"
        assert not goods & money, f"seed {seed}: goods and money"
        assert goods <= paid, f"seed {seed}: goods for nothing"
        assert ledger.doubled() == [], f"seed {seed}"
        assert least_stock(ledger) >= 0, f"seed {seed}: oversold"
        assert len(goods) <= VANS, f"seed {seed}: more parcels than vans"
        shipped, refunded, asked = shipped + len(goods), refunded + len(money), asked + len(human)
    # The days were bad, and the shop was open.
    assert shipped > SEEDS * VANS / 2
    assert refunded > SEEDS
    assert asked > 0 or style is danced


def test_a_good_day_ends_each_order_one_way_or_the_other():
    for style in (orchestrated, danced):
        trace, ledger = asyncio.run(style(1, faults=[]))
        assert (len(ledger.shipped()), len(ledger.keys("refunded"))) == (VANS, ORDERS - VANS)
        assert ledger.orphaned() == []
        assert trace.problems() == [] or style is orchestrated  # there a refusal is a reply


def test_an_undo_that_overtakes_its_charge_keeps_it_from_happening():
    late = delay(Payment.charge, 60 * TIMEOUT_SECONDS)

    async def run():
        conductor = OrderOrchestrator(timeout_seconds=TIMEOUT_SECONDS)
        async with Lab(conductor, Payment, Inventory, Shipping, faults=[late], simulate=3) as lab:
            with pytest.raises(CommandFailed, match="no reply within 1 s"):
                await lab.call(
                    OrderOrchestrator.place_order, order_id="o-1", amount=3, timeout_seconds=60
                )
            before = [(e.service, e.effect) for e in lab.ledger]
            trace = await lab.quiet(at_most_seconds=200)
            return before, [(e.service, e.effect) for e in lab.ledger][len(before) :], trace

    before, after, trace = asyncio.run(run())
    assert before == [("OrderOrchestrator", "rejected"), ("Payment", "taken back")]
    assert after == []
    # All four tries arrived in the end, and were refused.
    assert len(trace.failed(Payment.charge)) == 4


def test_a_refusal_is_kept_to_when_the_goods_come_back_and_the_question_comes_again():
    async def run():
        async with Lab(Inventory(stock=1), simulate=1) as lab:
            await lab.call(Inventory.reserve, order_id="o-1")
            with pytest.raises(Refused, match="nothing left"):
                await lab.call(Inventory.reserve, order_id="o-2")
            await lab.call(Inventory.release, order_id="o-1")
            with pytest.raises(Refused, match="nothing left"):
                await lab.call(Inventory.reserve, order_id="o-2")
            await lab.call(Inventory.reserve, order_id="o-3")
            return lab.ledger.keys("reserved")

    assert asyncio.run(run()) == ["o-1", "o-3"]


def test_a_copy_of_an_order_waits_for_the_first_and_has_the_same_end():
    async def run():
        faults = [duplicate(OrderOrchestrator.place_order)]
        services = OrderOrchestrator, Payment, Inventory, Shipping
        async with Lab(*services, faults=faults, simulate=2) as lab:
            answer = await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=3)
            trace = await lab.quiet()
            return answer, [m.data for m in trace.sent("OrderOrchestrator.place_order.done")]

    assert asyncio.run(run()) == ("parcel o-1", ["parcel o-1", "parcel o-1"])


@pytest.mark.parametrize("death", [kill, before_effect, after_effect, before_publish])
def test_a_conductor_that_dies_on_its_way_back_goes_on_back(death):
    async def run(nth):
        where = {"message": OrderOrchestrator.place_order}
        if death is before_publish:
            where = {"message": Payment.refund}
        services = OrderOrchestrator, Payment, Inventory, Shipping(vans=0)
        faults = [death(OrderOrchestrator, nth=nth, **where)]
        async with Lab(*services, faults=faults, simulate=2) as lab:
            with pytest.raises(Refused):
                await lab.call(
                    OrderOrchestrator.place_order, order_id="o-1", amount=3, timeout_seconds=60
                )
            trace = await lab.quiet()
            crashed = [m.note for m in trace if m.what == "struck" and "crashes" in m.note]
            return len(crashed), lab.ledger.keys("refunded"), lab.ledger.keys("released")

    assert asyncio.run(run(1)) == (1, ["o-1"], ["o-1"])


def test_who_is_killed_while_it_charges_charges_once():
    deaths = [death(Payment) for death in (kill, before_effect, after_effect, before_publish)]

    async def run():
        async with Lab(Order, Payment, Inventory, Shipping, faults=deaths, simulate=4) as lab:
            for number in range(3):
                await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=3))
            trace = await lab.quiet(at_most_seconds=600)
            return trace, lab.ledger

    trace, ledger = asyncio.run(run())
    assert ledger.keys("charged") == ledger.keys("shipped") == ["o-0", "o-1", "o-2"]
    assert {m.note for m in trace if m.where == "Payment" and "crashes" in m.note} == {
        "crashes",
        "crashes before an effect",
        "crashes after an effect",
        "crashes before it speaks",
    }


def test_what_nobody_could_handle_is_mended_by_handling_it_again():
    async def run():
        faults = [unavailable(Inventory, nth=1), unavailable(Shipping, nth=2)]
        async with Lab(Order, Payment, Inventory, Shipping, faults=faults, simulate=5) as lab:
            for number in range(4):
                await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=3))
            await lab.quiet()
            orphaned = lab.ledger.orphaned()
            replayed = await lab.replay_dead(Inventory), await lab.replay_dead(Shipping)
            trace = await lab.quiet()
            return orphaned, replayed, lab.ledger, trace

    orphaned, replayed, ledger, trace = asyncio.run(run())
    assert len(orphaned) == 2
    assert replayed == (1, 1)
    assert (ledger.orphaned(), ledger.doubled()) == ([], [])
    assert len(trace.sent(OrderConfirmed)) == 4


def test_a_danced_order_without_goods_is_taken_back_by_whoever_did_something():
    async def run():
        services = Order, Payment, Inventory(stock=0), Shipping, Notification
        async with Lab(*services, simulate=6) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=30))
            return await lab.quiet(), lab.ledger

    trace, ledger = asyncio.run(run())
    assert (ledger.keys("refunded"), ledger.keys("released")) == (["o-1"], [])
    assert [e.amount for e in ledger if e.effect == "refunded"] == [30]
    assert len(trace.sent(OrderRejected)) == len(trace.sent(PaymentCharged)) == 1
