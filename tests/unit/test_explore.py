"""Exploring many seeds: what is told of them, and the seven mistakes that it finds."""

import asyncio
import gc
import sys
import weakref
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    Lab,
    LabError,
    Service,
    at_most_once,
    before_effect,
    command,
    every_order_ends,
    explore,
    invariants,
    leads_to,
    never,
    nobody_charged_for_nothing,
    nothing_undone_after,
    on,
    reply_lost,
    unavailable,
)
from labkit.shop import OrderConfirmed, OrderPlaced, OrderRejected, careful
from labkit.shop.careful import Inventory, Payment, Shipping

CAREFUL = [careful.OrderOrchestrator, Payment, Inventory, Shipping]
DANCERS = [careful.Order, Payment, Inventory, Shipping]


def a_day(services, faults=(), orders=2):
    """That many orders at once, given to the first of the services."""

    async def day(seed):
        async with Lab(*services, simulate=seed, faults=faults) as lab:

            async def place(number):
                with suppress(CommandFailed):
                    order = {"order_id": f"o-{number}", "amount": 3}
                    await lab.call(first.place_order, **order, timeout_seconds=60)

            await asyncio.gather(*(place(number) for number in range(orders)))
            await lab.quiet(at_most_seconds=200)
            return lab

    first = services[0]
    return day


def explored(day, properties, seeds=100):
    return asyncio.run(explore(day, properties, seeds=range(seeds)))


# Seven mistakes


def forgets_to_take_back():
    class OrderOrchestrator(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> str:
            await self.call(Payment.charge, order_id=order_id, amount=amount)
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)

    return [OrderOrchestrator, *CAREFUL[1:]]


def charges_whenever_it_is_asked():
    class Payment(careful.Payment):
        @command
        async def charge(self, order_id: str, amount: int) -> str:
            self.effect("charged", order_id, amount)
            return "receipt"

    return [CAREFUL[0], Payment, Inventory, Shipping]


def acknowledges_before_it_works():
    class Payment(careful.Payment):
        def __init__(self):
            self.at_work = set()

        @on(OrderPlaced)
        async def charge_new_order(self, order: OrderPlaced) -> None:
            self.at_work.add(asyncio.create_task(super().charge_new_order(order)))

    return [careful.Order, Payment, Inventory, Shipping]


def takes_back_in_the_order_of_doing():
    class OrderOrchestrator(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> str:
            try:
                await self.call(Payment.charge, order_id=order_id, amount=amount)
                await self.call(Inventory.reserve, order_id=order_id)
                return await self.call(Shipping.ship, order_id=order_id)
            except CommandFailed:
                await self.call(Payment.refund, order_id=order_id)
                await self.call(Inventory.release, order_id=order_id)
                raise

    return [OrderOrchestrator, Payment, Inventory, Scarce.Shipping]


class Scarce:
    class Shipping(careful.Shipping):
        """It refuses all orders but one."""

        def __init__(self):
            super().__init__(vans=1)


def notes_the_way_back_too_late():
    class OrderOrchestrator(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> str:
            undo = []
            try:
                await self.call(Payment.charge, order_id=order_id, amount=amount)
                undo.append(Payment.refund)
                await self.call(Inventory.reserve, order_id=order_id)
                undo.append(Inventory.release)
                return await self.call(Shipping.ship, order_id=order_id)
            except CommandFailed:
                for taking_back in reversed(undo):
                    await self.call(taking_back, order_id=order_id)
                raise

    return [OrderOrchestrator, *CAREFUL[1:]]


class ByKey:
    class Payment(careful.Payment):
        """It knows a wish again by its idempotency key alone."""

        @command
        async def charge(self, order_id: str, amount: int) -> str:
            self.effect("charged", order_id, amount, once=self.idempotency_key)
            return "receipt"


def asks_again_under_a_new_key():
    class OrderOrchestrator(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> str:
            for attempt in range(4):
                with suppress(CommandFailed):
                    await self.call(
                        Payment.charge,
                        order_id=order_id,
                        amount=amount,
                        idempotency_key=f"{order_id}-{attempt}",
                    )
                    break
            await self.call(Inventory.reserve, order_id=order_id)
            return await self.call(Shipping.ship, order_id=order_id)

    return [OrderOrchestrator, ByKey.Payment, Inventory, Shipping]


def undoes_what_is_decided():
    class OrderOrchestrator(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> str:
            try:
                await self.call(Payment.charge, order_id=order_id, amount=amount)
                await self.call(Inventory.reserve, order_id=order_id)
                return await self.call(Shipping.ship, order_id=order_id)
            except CommandFailed:
                await self.call(Inventory.release, order_id=order_id)
                await self.call(Payment.refund, order_id=order_id)
                raise

    return [OrderOrchestrator, *CAREFUL[1:]]


MISTAKES = [
    (forgets_to_take_back, CAREFUL, unavailable(Inventory, 0.2), nobody_charged_for_nothing()),
    (charges_whenever_it_is_asked, CAREFUL, reply_lost(Payment, 0.2), at_most_once("charged")),
    (
        acknowledges_before_it_works,
        DANCERS,
        before_effect(Payment, 0.1, message=OrderPlaced),
        leads_to(OrderPlaced, OrderConfirmed, OrderRejected),
    ),
    (
        takes_back_in_the_order_of_doing,
        [*CAREFUL[:3], Scarce.Shipping],
        (),
        never("released", after="refunded"),
    ),
    (notes_the_way_back_too_late, CAREFUL, reply_lost(Payment, 0.2), nobody_charged_for_nothing()),
    (
        asks_again_under_a_new_key,
        [CAREFUL[0], ByKey.Payment, Inventory, Shipping],
        reply_lost(Payment, 0.2),
        at_most_once("charged"),
    ),
    (undoes_what_is_decided, CAREFUL, reply_lost(Shipping, 0.2), nothing_undone_after("shipped")),
]


@pytest.mark.parametrize(
    ("mistaken", "right", "faults", "property"), MISTAKES, ids=[m[0].__name__ for m in MISTAKES]
)
def test_a_mistake_is_found_in_a_hundred_schedules_and_what_is_right_holds_in_all(
    mistaken, right, faults, property
):
    found = explored(a_day(mistaken(), faults), property)
    assert found.failing
    assert 0 < len(found.verdict.counterexample) <= 12
    assert "   <-- here: " in repr(found.verdict)
    assert "; here: " in found.verdict.sequence().alt
    kept = explored(a_day(right, faults), [property, *invariants(stock=100)])
    assert kept, kept


# What is told


def test_an_exploration_tells_how_many_hold_and_shows_the_smallest_failure():
    day = a_day(forgets_to_take_back(), unavailable(Inventory, 0.2))
    found = asyncio.run(
        explore(day, [nobody_charged_for_nothing(), never("shipped")], seeds=[9, 4, 2, 7])
    )
    assert not found
    assert (found.runs, found.failing, found.smallest) == (4, [9, 4, 2, 7], 2)
    lines = repr(found).splitlines()
    assert lines[0] == "0 of 4 schedules hold. Smallest failing seed: 2."
    assert lines[1].startswith("Broken: ")
    assert lines[-1].startswith("Also broken under ")
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == repr(found)
    assert bundle["text/html"].startswith("<p>0 of 4 schedules hold.")
    assert bundle["text/html"].count("<img ") == 1


def test_what_holds_everywhere_may_have_had_nothing_to_say():
    day = a_day(DANCERS)
    assert repr(explored(day, leads_to(OrderPlaced, OrderConfirmed), 3)) == "All 3 schedules hold."
    found = explored(day, [leads_to(OrderPlaced, OrderConfirmed, OrderRejected), never("sold")], 3)
    assert found
    assert found.never_occurred == ["OrderRejected"]
    assert repr(found) == ("All 3 schedules hold. But OrderRejected never occurred in any of them.")


def test_a_failing_seed_can_be_run_again():
    day = a_day(forgets_to_take_back(), unavailable(Inventory, 0.2))

    async def run():
        found = await explore(day, nobody_charged_for_nothing(), seeds=range(50))
        lab = await found.replay()
        again = await found.replay(found.smallest)
        whole = await found.replay(next(s for s in range(50) if s not in found.failing))
        return found, lab, again, whole

    found, lab, again, whole = asyncio.run(run())
    assert repr(nobody_charged_for_nothing()(lab)) == repr(found.verdict)
    assert lab.trace.text() == again.trace.text()
    assert nobody_charged_for_nothing()(whole)


def test_where_nothing_failed_there_is_nothing_to_replay():
    found = explored(a_day(CAREFUL), invariants(), 2)
    with pytest.raises(LabError, match="none to replay"):
        asyncio.run(found.replay())


def test_a_thousand_labs_do_not_flood_the_cell(capfd):
    async def day(seed):
        print("seed", seed)
        async with Lab(Breaking, simulate=seed) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=3))
            await lab.quiet()
            return lab

    found = explored(day, never("charged"), 3)
    assert capfd.readouterr() == ("", "")
    asyncio.run(found.replay(2))
    assert capfd.readouterr().out.splitlines()[0] == "seed 2"


class Breaking(Service):
    @on(OrderPlaced)
    async def fail(self, order):
        raise RuntimeError("broken")


def test_of_a_thousand_labs_none_is_kept():
    labs = []
    day = a_day(forgets_to_take_back(), unavailable(Inventory, 0.2))

    async def watched(seed):
        lab = await day(seed)
        labs.append(weakref.ref(lab))
        return lab

    found = explored(watched, nobody_charged_for_nothing(), 20)
    gc.collect()
    assert len(labs) == 20
    assert [lab for lab in labs if lab() is not None] == []
    assert len(found.verdict.counterexample)


def test_a_day_on_a_real_broker_can_be_explored_too():
    async def day(seed):
        async with Lab(*CAREFUL, seed=seed) as lab:
            await lab.call(careful.OrderOrchestrator.place_order, order_id="o-1", amount=3)
            await lab.quiet()
            return lab

    found = explored(day, [*invariants(), every_order_ends(within_seconds=20)], 2)
    assert (found.runs, found.failing) == (2, [])


# What can't be explored


@pytest.mark.parametrize("end", [KeyboardInterrupt, asyncio.CancelledError])
def test_an_interrupt_ends_it_at_once(end):
    async def day(seed):
        raise end

    before = sys.stdout
    with pytest.raises(end):
        explored(day, never("charged"))
    assert sys.stdout is before


def test_a_day_that_fails_is_named_with_its_seed():
    async def monday(seed):
        if seed == 3:
            raise ValueError("no such order")
        return await a_day(CAREFUL)(seed)

    with pytest.raises(LabError, match=r"monday\(3\) failed.*ValueError: no such order") as error:
        explored(monday, invariants())
    assert isinstance(error.value.__cause__, ValueError)


async def returns_nothing(seed): ...


@pytest.mark.parametrize(
    ("day", "complaint"),
    [
        (lambda seed: None, "not async"),
        (lambda: None, "does not take just one"),
        (lambda seed, more: None, "does not take just one"),
        (7, "7 does not take just one"),
        (returns_nothing, r"returns_nothing\(0\) should return its lab, and returned None"),
    ],
)
def test_what_is_no_day_is_said(day, complaint):
    with pytest.raises(LabError, match=complaint):
        explored(day, never("charged"))


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ([], "an empty list"),
        (nobody_charged_for_nothing, "given <function nobody"),
        ([never("charged"), "charged"], "given 'charged'"),
        ("charged", "given 'charged'"),
    ],
)
def test_what_is_no_property_is_said(properties, complaint):
    with pytest.raises(LabError, match=complaint):
        explored(a_day(CAREFUL), properties)


@pytest.mark.parametrize("seeds", [1000, [], "seven", ["a"], [1.5]])
def test_what_are_no_seeds_is_said(seeds):
    with pytest.raises(LabError, match=r"seeds=range\(1000\)"):
        asyncio.run(explore(a_day(CAREFUL), never("charged"), seeds=seeds))
