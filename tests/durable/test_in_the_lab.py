"""A conductor with a journal in a lab: under labkit's faults, in virtual time, and in a process."""

import asyncio
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    Event,
    Lab,
    NoReply,
    Service,
    after_effect,
    before_publish,
    command,
    duplicate,
    invariants,
    kill,
    on,
    process,
    reply_lost,
)
from labkit.durable.dbos_engine import DbosEngine
from labkit.durable.journal import Journal
from labkit.shop.careful import Inventory, Payment, Shipping

HOUR = 3600


class OrderOrchestrator(Service):
    """Walks back from a no, like lesson 07's, and remembers where it was."""

    def __init__(self, engine):
        self.engine = engine

    @command
    async def place_order(self, order_id: str) -> str:
        return await self.engine.run(self.sell, order_id, order_id=order_id)

    async def sell(self, run, order_id):
        def ask(command, **more):
            async def asked(key):
                order = {"order_id": order_id, "idempotency_key": key, **more}
                try:
                    return await self.call(command, **order)
                except NoReply:  # once more, under the same key
                    return await self.call(command, **order)

            return asked

        await run.step("charge", ask(Payment.charge, amount=129_900))
        try:
            await run.step("reserve", ask(Inventory.reserve))
            return await run.step("ship", ask(Shipping.ship))
        except CommandFailed:
            await run.step("cancel", ask(Shipping.cancel))
            await run.step("release", ask(Inventory.release))
            await run.step("refund", ask(Payment.refund))
            raise


FAULTS = {
    "dies when asked": kill(OrderOrchestrator),
    "dies before it charges": before_publish(OrderOrchestrator, message=Payment.charge),
    "dies before it reserves": before_publish(OrderOrchestrator, message=Inventory.reserve),
    "dies before it ships": before_publish(OrderOrchestrator, message=Shipping.ship),
    "dies while it walks back": before_publish(OrderOrchestrator, message=Inventory.release),
}
OTHERS = {
    "nothing else": [],
    "messages come twice": [duplicate(OrderOrchestrator), duplicate(Payment)],
    "an answer is lost": [reply_lost(Shipping.ship, nth=1)],
    "Payment dies too": [after_effect(Payment)],
}


@pytest.mark.parametrize("death", FAULTS)
@pytest.mark.parametrize("other", OTHERS)
def test_whatever_befalls_the_shop_its_invariants_hold(tmp_path, death, other):
    async def two_orders(seed):
        conductor = OrderOrchestrator(Journal(tmp_path / f"{seed}.db"))
        services = [conductor, Payment, Inventory(stock=2), Shipping(vans=1)]
        faults = [FAULTS[death], *OTHERS[other]]

        async def place(order_id):
            with suppress(CommandFailed):
                await lab.call(
                    OrderOrchestrator.place_order, order_id=order_id, timeout_seconds=600
                )

        async with Lab(*services, faults=faults, simulate=seed) as lab:
            await asyncio.gather(place("o-1"), place("o-2"))
            await lab.quiet(at_most_seconds=600)
        return lab

    for seed in range(4):
        lab = asyncio.run(two_orders(seed))
        assert "OrderOrchestrator crashes" in lab.trace.text()
        for holds in invariants(stock=2):
            verdict = holds(lab)
            assert verdict, (seed, verdict)
        open_runs = "SELECT id FROM runs WHERE outcome IS NULL"
        assert Journal(tmp_path / f"{seed}.db").rows(open_runs) == []


class NoonStruck(Event):
    pass


class DayBegan(Event):
    pass


class Clock(Service):
    @on(DayBegan)
    async def strike(self, _):
        await asyncio.sleep(12 * HOUR)
        await self.publish(NoonStruck())


class Sleeper(Service):
    def __init__(self, engine):
        self.engine = engine

    @command
    async def wait_for_a_day(self) -> None:
        await self.engine.run(self.a_day, "day")

    async def a_day(self, run):
        await run.sleep(24 * HOUR)
        self.effect("woke", "day")

    @on(NoonStruck)
    async def hear(self, _):
        pass


def test_a_timer_is_over_when_it_was_to_be_over_whoever_dies_meanwhile(tmp_path):
    async def a_day():
        dies = kill(Sleeper, message=NoonStruck)
        sleeper = Sleeper(Journal(tmp_path / "journal.db"))
        async with Lab(sleeper, Clock, faults=dies, simulate=3) as lab:
            await lab.publish(DayBegan())
            await lab.call(Sleeper.wait_for_a_day, timeout_seconds=72 * HOUR)
        return lab

    lab = asyncio.run(a_day())
    assert "Sleeper crashes" in lab.trace.text()
    assert lab.ledger.keys("woke") == ["day"]
    done = next(m for m in lab.trace if m.what == "sent" and m.message.kind == "reply")
    assert 24 * HOUR <= done.seconds < 24 * HOUR + 1


@pytest.mark.parametrize("kind", [Journal, DbosEngine], ids=["journal", "dbos"])
def test_a_conductor_in_a_process_goes_on_after_a_real_death(tmp_path, kind, request):
    if kind is DbosEngine:
        request.getfixturevalue("dbos")
    dies = before_publish(OrderOrchestrator, message=Inventory.reserve, back_after_seconds=0.1)

    async def one_order():
        conductor = process(OrderOrchestrator(kind(tmp_path / "engine.db")))
        async with Lab(conductor, Payment, Inventory, Shipping, faults=dies) as lab:
            answer = await lab.call(
                OrderOrchestrator.place_order, order_id="o-1", timeout_seconds=60
            )
            await lab.quiet()
        return lab, answer

    lab, answer = asyncio.run(one_order())
    assert answer == "parcel o-1"
    assert "OrderOrchestrator crashes before it speaks" in lab.trace.text()
    assert len(lab.trace.sent(Payment.charge)) == 1
    assert [entry.effect for entry in lab.ledger] == ["charged", "reserved", "shipped"]
