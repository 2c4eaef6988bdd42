"""The seven invariants: the careful shop keeps them, and each way of breaking one is seen."""

import asyncio
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    Lab,
    LabError,
    Service,
    causes_form_a_tree,
    command,
    each_effect_once,
    every_order_ends,
    invariants,
    messages_keep_their_contract,
    nobody_charged_for_nothing,
    nothing_undone_after,
    reply_lost,
    stock_is_conserved,
)
from labkit.shop import OrderPlaced, careful
from labkit.system.message import Message
from tests.unit.test_properties import Story


def why(property, run):
    """Of each broken order what the verdict says of it."""
    return {breach.order: breach.why for breach in property(run).breaches}


def done(*effects, **more):
    """A story of one order in which a service had these effects, one message each."""
    story = Story()
    for effect in effects:
        story.effect(effect, cause=story.publish("OrderPlaced", to=["Payment"]), **more)
    return story


def a_day(*services, faults=()):
    async def run():
        async with Lab(*services, simulate=1, faults=faults) as lab:
            for number in range(3):
                with suppress(CommandFailed):
                    place = {"order_id": f"o-{number}", "amount": 3}
                    await lab.call(services[0].place_order, **place, timeout_seconds=60)
            await lab.quiet(at_most_seconds=100)
            return lab

    return asyncio.run(run())


PLAYERS = [careful.Payment, careful.Inventory(stock=2), careful.Shipping]


@pytest.mark.parametrize("first", [careful.OrderOrchestrator, careful.Order])
def test_the_careful_shop_keeps_all_seven(first):
    lab = a_day(first, *PLAYERS)
    assert [property for property in invariants(stock=2) if not property(lab)] == []


def test_there_are_seven_where_the_stock_is_known():
    told = [property.words for property in invariants(stock=5)]
    assert [words[-4:] for words in told] == [f"(I{number})" for number in range(1, 8)]
    assert len(invariants()) == 6
    assert invariants(pivot="captured", within_seconds=30)[1:4:2] != invariants()[1:4:2]


# I1


@pytest.mark.parametrize("ending", ["shipped", "refunded"])
def test_who_has_paid_has_the_goods_or_the_money(ending):
    assert nobody_charged_for_nothing()(done("charged", ending))


@pytest.mark.parametrize(
    "effects", [["charged"], ["captured", "reserved"], ["charged", "shipped", "cancelled"]]
)
def test_who_has_paid_for_nothing_is_found(effects):
    told = why(nobody_charged_for_nothing(), done(*effects))
    assert told == {"o-1": f"{effects[0]}, and then neither shipped nor refunded"}


# I2


def test_one_effect_for_two_orders_or_under_two_keys_is_two():
    story = done("charged", once="a")
    story.effect("charged", once="b")
    story.effect("charged", "o-2")
    assert each_effect_once()(story)


def test_an_effect_that_happened_twice_is_found():
    assert why(each_effect_once(), done("charged", "charged")) == {
        "o-1": "charged twice by Payment"
    }


# I3


def test_an_order_that_was_only_asked_for_ends_with_the_answer():
    assert every_order_ends()(a_day(careful.OrderOrchestrator, *PLAYERS))
    lost = a_day(
        careful.OrderOrchestrator, *PLAYERS, faults=reply_lost(careful.OrderOrchestrator, nth=2)
    )
    assert why(every_order_ends(), lost) == {
        "o-1": "OrderOrchestrator.place_order, and then no end"
    }


def test_an_order_that_all_have_heard_of_does_not_end_with_the_answer_to_who_placed_it():
    assert every_order_ends()(a_day(careful.Order, *PLAYERS))
    nobody_ships = a_day(careful.Order, careful.Payment, careful.Inventory)
    assert set(why(every_order_ends(), nobody_ships)) == {"o-0", "o-1", "o-2"}


@pytest.mark.parametrize("outcome", ["OrderConfirmed", "OrderRejected"])
def test_an_order_must_end_in_time(outcome):
    story = Story()
    story.publish("OrderPlaced")
    story.publish("CustomerNotified")
    story.publish(outcome)
    assert every_order_ends(within_seconds=2)(story)
    assert why(every_order_ends(within_seconds=1), story) == {"o-1": "ends 2 s after OrderPlaced"}


@pytest.mark.parametrize("told", ["OrderOverdue", "HumanTaskOpened"])
def test_an_order_that_a_person_knows_of_may_wait(told):
    story = Story()
    story.publish("OrderPlaced")
    assert not every_order_ends(within_seconds=1)(story)
    story.said += 100
    story.publish(told)
    assert every_order_ends(within_seconds=1)(story)


# I4


def test_what_comes_back_can_be_laid_aside_again():
    story = done("reserved", "released", "reserved", "shipped")
    assert stock_is_conserved(1)(story)


@pytest.mark.parametrize(
    ("effects", "complaint"),
    [
        (["reserved", "reserved"], "2 reserved of a stock of 1"),
        (["reserved", "released", "released"], "released what was not reserved"),
        (["shipped"], "shipped what was not reserved"),
        (["reserved", "released", "shipped"], "shipped what was not reserved"),
    ],
)
def test_goods_that_appear_from_nowhere_are_found(effects, complaint):
    assert why(stock_is_conserved(1), done(*effects)) == {"o-1": complaint}


# I5


@pytest.mark.parametrize("undone", ["refunded", "released", "cancelled", "voided"])
def test_what_is_undone_after_the_pivot_is_found(undone):
    assert nothing_undone_after()(done("charged", undone, "shipped"))
    assert why(nothing_undone_after(), done("shipped", undone)) == {
        "o-1": f"{undone} after shipped"
    }
    assert nothing_undone_after("captured")(done("shipped", undone))


# I6


def test_a_message_that_is_not_as_its_contract_says_is_found():
    story = Story()
    story.contracts = {
        "OrderPlaced": OrderPlaced,
        "Payment.charge": careful.Payment.charge.contract,
    }
    story.call("Payment.charge")
    story.publish("OrderPlaced")
    story.publish("SomethingElse")
    told = [breach.why for breach in messages_keep_their_contract()(story).breaches]
    assert told[0].startswith("1 validation error for Payment.charge")
    assert told[1:] == ["OrderPlaced: amount is missing"]


def test_what_nobody_can_read_breaks_the_contract():
    story = Story()
    nonsense = Message(id="x", source="outside", type="OrderPlaced", kind="unreadable", reason="no")
    story.note("received", "Payment", "event/OrderPlaced", nonsense)
    assert list(why(messages_keep_their_contract(), story).values()) == [
        "OrderPlaced can't be read: no"
    ]


# I7


def test_a_story_has_one_root_and_each_other_message_an_earlier_cause():
    story = Story()
    story.publish("OrderPlaced", cause=story.publish("OrderPlaced"))
    story.publish("OrderPlaced")
    assert causes_form_a_tree()(story)


def changed(message, **attributes):
    story = Story()
    first = story.publish("OrderPlaced")
    story.publish("OrderPlaced", "o-2")
    spoken = story.publish("PaymentCharged", cause=first)
    moment = story.moments.pop()
    story.note("sent", "you", moment.topic, spoken.model_copy(update=attributes))
    return [breach.why for breach in causes_form_a_tree()(story).breaches]


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"causationid": "nobody"}, "has a cause that was not said before it"),
        ({"causationid": "you-2"}, "has its cause in another story"),
        ({"causationid": None}, "has no cause, and did not begin its story"),
    ],
)
def test_a_message_whose_cause_is_wrong_is_found(attributes, complaint):
    assert changed("PaymentCharged", **attributes) == [f"PaymentCharged {complaint}"]


def test_a_message_is_not_its_own_cause():
    story = Story()
    placed = story.publish("OrderPlaced")
    story.moments.clear()
    itself = placed.model_copy(update={"causationid": placed.id})
    story.note("sent", "you", "event/OrderPlaced", itself)
    assert len(causes_form_a_tree()(story).breaches) == 1


# What is no number


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda: stock_is_conserved(-1), "this one is -1"),
        (lambda: stock_is_conserved("many"), "this one is 'many'"),
        (lambda: every_order_ends(within_seconds=0), "0 seconds is not a time"),
        (lambda: nothing_undone_after(Service), "nothing_undone_after speaks of"),
    ],
)
def test_an_invariant_with_a_wrong_number_says_so(wrong, complaint):
    with pytest.raises(LabError, match=complaint):
        wrong()


def test_a_service_of_ones_own_may_place_orders_too():
    class Desk(Service):
        @command
        async def place_order(self, order_id: str, amount: int) -> None:
            self.effect("noted", order_id)

    assert every_order_ends()(a_day(Desk))
