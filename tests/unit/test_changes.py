"""The three change requests are code that runs, and what they cost is counted, not told."""

import asyncio
from contextlib import suppress

import pytest

from labkit import Lab, LabError, Service
from labkit.comparing import Change, deployments
from labkit.comparing.requests import (
    CONDUCTED,
    DANCED,
    DECISION,
    GRADUAL,
    OBSERVER,
    RENAMED,
    REQUESTS,
    TOLERANT,
)
from labkit.shop import careful
from labkit.shop.changes import decision
from labkit.system.errors import CommandFailed

STYLES = "orchestrated", "choreographed"
CHANGES = [change for request in REQUESTS for change in request.values()]
each_change = pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.name}, {c.style}")


def ways(change):
    return asyncio.run(deployments(change))


def effects(shop, amount):
    async def day():
        async with Lab(*shop, simulate=1) as lab:
            with suppress(CommandFailed):
                await lab.call(shop[0].commands["place_order"], order_id="o-1", amount=amount)
            await lab.quiet()
        return {entry.effect: entry.amount for entry in lab.ledger}

    return asyncio.run(day())


def touched(request):
    return {style: request[style].touched for style in STYLES}


def test_an_observer_touches_nobody_in_choreography_and_the_conductor_in_orchestration():
    assert touched(OBSERVER) == {"orchestrated": ["OrderOrchestrator"], "choreographed": []}
    assert [OBSERVER[style].added for style in STYLES] == [["Loyalty"], ["Loyalty"]]


def test_a_decision_step_touches_more_in_choreography():
    assert touched(DECISION) == {
        "orchestrated": ["OrderOrchestrator"],
        "choreographed": ["Order", "Payment"],
    }


def test_a_renamed_field_touches_all_who_read_it():
    assert touched(RENAMED) == {
        "orchestrated": ["OrderOrchestrator", "Payment"],
        "choreographed": ["Order", "Payment", "Loyalty"],
    }


@each_change
def test_a_good_order_is_sold_before_and_after_the_change(change):
    for shop in (change.before, change.after):
        found = effects(shop, 129_900)
        assert found["charged"] == 129_900
        assert "shipped" in found
    assert effects(change.after, 129_900)["points given"] == 129


@pytest.mark.parametrize("style", STYLES)
def test_a_suspicious_order_costs_nobody_anything_once_there_is_a_check(style):
    before, after = (
        effects(shop, decision.SUSPICIOUS)
        for shop in (DECISION[style].before, DECISION[style].after)
    )
    assert "shipped" in before
    assert not {"charged", "shipped"} & set(after)


@pytest.mark.parametrize(
    ("change", "safe"),
    [
        (OBSERVER["orchestrated"], [("Loyalty", "OrderOrchestrator")]),
        (OBSERVER["choreographed"], [("Loyalty",)]),
        (DECISION["orchestrated"], [("FraudCheck", "OrderOrchestrator")]),
        (DECISION["choreographed"], []),
        (RENAMED["orchestrated"], []),
        (RENAMED["choreographed"], []),
        (TOLERANT["orchestrated"], [("Payment", "OrderOrchestrator")]),
        (
            TOLERANT["choreographed"],
            [("Payment", "Loyalty", "Order"), ("Loyalty", "Payment", "Order")],
        ),
    ],
    ids=lambda each: f"{each.name}, {each.style}" if isinstance(each, Change) else "",
)
def test_only_some_orders_of_deployment_are_safe(change, safe):
    assert sorted(ways(change).safe) == sorted(safe)


@each_change
def test_when_all_is_deployed_nothing_breaks(change):
    found = ways(change)
    assert tuple(sorted(change.deployed)) not in found.broken


def test_half_a_fraud_check_gives_a_suspect_the_goods_and_the_money():
    found = ways(DECISION["choreographed"])
    why = "the suspicious order is shipped, and the money goes back"
    assert found.broken["FraudCheck", "Order"] == why
    assert found.broken["FraudCheck", "Payment"] == "the suspicious order is stuck"
    assert f"with Order and FraudCheck new: {why}" in repr(found)


def test_a_check_that_at_first_trusts_everybody_makes_a_safe_way():
    found = ways(GRADUAL)
    assert ("FraudCheck, trusting", "Payment", "Order") in found.safe
    assert 0 < len(found.safe) < len(found.orders) == 6


def test_the_same_seeds_find_the_same():
    one, two = (ways(DECISION["choreographed"]) for _ in range(2))
    assert repr(one) == repr(two)


def test_a_change_that_changes_nothing_touches_nobody():
    nothing = Change("nothing", "choreographed", DANCED, list(DANCED))
    assert (nothing.touched, nothing.added) == ([], [])
    assert ways(nothing).safe == [()]


def test_an_instance_with_settings_is_no_other_class():
    more = Change(
        "a larger shelf",
        "orchestrated",
        CONDUCTED,
        [careful.Inventory(stock=5) if m is careful.Inventory else m for m in CONDUCTED],
    )
    assert more.touched == []


def test_a_shop_that_breaks_before_the_change_is_told():
    broken = Change("any", "choreographed", [careful.Order, careful.Payment], DANCED)
    with pytest.raises(
        LabError, match=r"orders break before anything is deployed:\nthe good order"
    ):
        ways(broken)


def test_a_shop_without_an_entrance_is_told():
    class Door(Service):
        pass

    with pytest.raises(LabError, match="Door stands first in its shop, and has no command"):
        ways(Change("any", "choreographed", [Door], [Door]))
