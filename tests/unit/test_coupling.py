"""A command binds its sender, an event whoever reacts to it."""

import asyncio
from types import SimpleNamespace

import pytest

from labkit import CommandFailed, Event, Lab, LabError, Service, command, on
from labkit.coupling import coupling
from labkit.shop import OrderPlaced, PaymentCharged
from labkit.shop.careful import Inventory, Notification, Order, OrderOrchestrator, Payment, Shipping
from labkit.trace import Trace


def of_a_day(*services, orders=1):
    async def day():
        async with Lab(*services, simulate=1) as lab:
            for number in range(orders):
                try:
                    entrance = services[0].place_order
                    await lab.call(entrance, order_id=f"o-{number}", amount=30)
                except CommandFailed:
                    pass
            await lab.quiet()
        return coupling(lab)

    return asyncio.run(day())


CONDUCTED = OrderOrchestrator, Payment, Inventory, Shipping
DANCED = Order, Payment, Inventory, Shipping, Notification


def known(found):
    return {who: set(whom) for who, whom in found.knows.items() if whom}


def test_a_conductor_knows_all_and_nobody_knows_it():
    found = of_a_day(*CONDUCTED)
    assert known(found) == {"OrderOrchestrator": {"Payment", "Inventory", "Shipping"}}
    assert (found.efferent("OrderOrchestrator"), found.afferent("OrderOrchestrator")) == (3, 0)
    assert found.instability("OrderOrchestrator") == 1.0
    assert [found.instability(name) for name in ("Payment", "Inventory", "Shipping")] == [0, 0, 0]
    assert found.ring() == []


def test_who_reacts_knows_who_speaks():
    found = of_a_day(*DANCED)
    assert known(found) == {
        "Order": {"Shipping"},
        "Payment": {"Order"},
        "Inventory": {"Payment"},
        "Shipping": {"Inventory"},
        "Notification": {"Order"},
    }
    assert found.instability("Order") == pytest.approx(1 / 3)
    assert found.ring() == ["Order", "Shipping", "Inventory", "Payment"]


def test_more_orders_bind_nobody_more():
    assert of_a_day(*DANCED, orders=3).knows == of_a_day(*DANCED).knows


def test_only_a_refusal_shows_who_must_know_of_it():
    bad_day = of_a_day(Order, Payment, Inventory, Shipping(vans=0))
    assert "OrderRejected" in bad_day.knows["Inventory"]["Order"]
    assert "Order" not in of_a_day(*DANCED).knows["Inventory"]


def test_the_depth_is_the_longest_chain_of_causes():
    assert of_a_day(*CONDUCTED).depth == 2
    assert of_a_day(*DANCED).depth == 6  # place_order and five events


def test_who_is_bound_by_a_message_is_whoever_reads_or_sends_it():
    danced = of_a_day(*DANCED)
    assert danced.bound_by(OrderPlaced) == ["Payment", "Notification"]
    assert danced.bound_by("PaymentCharged") == danced.bound_by(PaymentCharged) == ["Inventory"]
    assert of_a_day(*CONDUCTED).bound_by(Payment.charge) == ["OrderOrchestrator"]
    assert danced.bound_by("Payment.charge") == []


def test_contracts_say_how_many_fields_must_be_known():
    found = of_a_day(*DANCED)
    assert found.fields("Payment") == len(OrderPlaced.model_fields) == 3
    assert of_a_day(*CONDUCTED).fields("OrderOrchestrator") == 2 + 1 + 1


class Spoke(Event):
    to: str


class Alone(Service):
    @command
    async def place_order(self, order_id: str, amount: int) -> None:
        await self.publish(Spoke(to=order_id))

    @on(Spoke)
    async def hear(self, spoke):
        pass


def test_who_hears_only_itself_is_neither_stable_nor_unstable():
    found = of_a_day(Alone)
    assert known(found) == {}
    assert found.instability("Alone") is None
    assert "–" in repr(found)


def test_the_table_names_the_messages_and_the_circle():
    told = repr(of_a_day(*DANCED))
    assert "Payment (PaymentCharged)" in told
    assert "in a circle: Order → Shipping → Inventory → Payment → Order" in told
    assert "no circle" in repr(of_a_day(*CONDUCTED))


def test_an_empty_trace_couples_nobody():
    found = coupling(SimpleNamespace(trace=Trace(), contracts={}))
    assert (found.services, found.depth, found.ring()) == ([], 0, [])


def test_what_is_no_run_is_told():
    with pytest.raises(LabError, match="coupling reads a run, and was given str"):
        coupling("lab")
    with pytest.raises(LabError, match="no Piano in this run; there are OrderOrchestrator"):
        of_a_day(*CONDUCTED).efferent("Piano")
