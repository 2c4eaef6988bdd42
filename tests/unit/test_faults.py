"""A fault is a plain value, and its dice fall alike wherever they are thrown."""

import asyncio

import pytest

from labkit.lab import Lab
from labkit.shop import Inventory, OrderPlaced, Payment
from labkit.system.errors import LabError
from labkit.system.faults import Faulty, mute, slow, unavailable
from labkit.system.message import say


class Wire:
    """A transport as short as can be: what is published is delivered to all who listen."""

    def __init__(self):
        self.ears = []

    async def publish(self, topic, message):
        for ear in self.ears:
            await ear(message)

    async def subscribe(self, topic, deliver):
        self.ears.append(deliver)


def struck(*faults, seed=1, orders=200, owner="Payment", kind="event"):
    """Which of so many orders are struck at their receiver."""
    wire, seen = Wire(), []

    async def deliver(message):
        seen.append(message)

    async def run():
        await Faulty(wire, owner, faults, seed).subscribe("event/OrderPlaced", deliver)
        for n in range(1, orders + 1):
            await wire.publish("event/OrderPlaced", say(kind, "OrderPlaced", "you", {}, nth=n))

    asyncio.run(run())
    return [message.id for message in seen if message.struck]


def test_a_seed_strikes_the_same_messages_again():
    assert struck(unavailable(Payment, 0.5)) == struck(unavailable(Payment, 0.5))


def test_another_seed_strikes_others():
    assert struck(unavailable(Payment, 0.5)) != struck(unavailable(Payment, 0.5), seed=2)


def test_two_receivers_throw_dice_of_their_own():
    other = struck(unavailable(Inventory, 0.5), owner="Inventory")
    assert struck(unavailable(Payment, 0.5)) != other


@pytest.mark.parametrize(("chance", "least", "most"), [(0, 0, 0), (1, 200, 200), (0.5, 70, 130)])
def test_a_chance_strikes_about_its_share(chance, least, most):
    assert least <= len(struck(unavailable(Payment, chance))) <= most


def test_the_fate_of_one_message_hangs_on_no_other():
    few = struck(unavailable(Payment, 0.5), orders=20)
    assert struck(unavailable(Payment, 0.5), orders=200)[: len(few)] == few


def test_a_fault_strikes_its_own_service_only():
    assert struck(unavailable(Inventory)) == []


@pytest.mark.parametrize("kind", ["reply", "dead", "status", "unreadable"])
def test_only_events_and_commands_are_struck(kind):
    assert struck(unavailable(Payment), kind=kind) == []


def test_nothing_that_a_mute_service_says_arrives():
    wire, heard = Wire(), []

    async def run():
        await wire.subscribe("event/E", lambda message: heard.append(message))
        await Faulty(wire, "Payment", [mute(Payment)], 1).publish(
            "event/E", say("event", "E", "Payment", {}, nth=1)
        )

    asyncio.run(run())
    assert heard == []


@pytest.mark.parametrize("chance", [1.5, -0.1, float("nan"), 50])
def test_a_chance_lies_between_0_and_1(chance):
    with pytest.raises(LabError, match=f"unavailable: a chance lies between 0 and 1.*{chance}"):
        unavailable(Payment, chance)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf")])
def test_one_can_not_wait_for_less_than_nothing_or_for_ever(seconds):
    with pytest.raises(LabError, match=f"slow: {seconds} seconds is not a time to wait"):
        slow(Payment, seconds)


def test_a_fault_of_a_service_that_is_not_in_the_lab_names_those_that_are():
    with pytest.raises(LabError, match="There is no Inventory in this lab; there are Payment"):
        Lab(Payment, faults=[unavailable(Inventory)])


def test_a_fault_in_an_empty_lab_says_so():
    with pytest.raises(LabError, match="There is no Inventory in this lab") as caught:
        Lab(faults=[unavailable(Inventory)])
    assert "there are ." not in str(caught.value)


def test_one_fault_needs_no_list():
    assert "Payment" not in repr(Lab(Payment, faults=unavailable(Payment)).trace)


@pytest.mark.parametrize("fault", [unavailable, mute])
@pytest.mark.parametrize("service", ["Payment", None, OrderPlaced])
def test_a_fault_needs_a_service(fault, service):
    with pytest.raises(LabError):
        fault(service)


def test_a_fault_knows_its_service_by_an_instance_too():
    assert unavailable(Inventory(stock=1)) == unavailable(Inventory)
