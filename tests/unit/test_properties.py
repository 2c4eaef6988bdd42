"""Properties of a run, each both ways, and the story that a verdict tells where one is broken."""

import re

import pytest

from labkit import (
    Event,
    LabError,
    Ledger,
    Service,
    at_most_once,
    before,
    command,
    exactly_once,
    leads_to,
    never,
    within,
)
from labkit.shop import OrderConfirmed, OrderPlaced, OrderRejected, PaymentCharged
from labkit.steps import Moment
from labkit.system.ledger import Entry
from labkit.system.message import say
from labkit.trace import Trace
from labkit.views.sequence import sequence


class Payment(Service):
    @command
    async def charge(self, order_id: str): ...


class Story:
    """A run told by hand: each thing said or done is one second later than the one before."""

    def __init__(self, **listens):
        self.moments, self.ledger, self.said = [], Ledger(), 0
        for service, events in listens.items():
            for event in events.split():
                self.note("listens", service, f"event/{event}")

    def note(self, what, where, topic="", message=None, note=""):
        self.moments.append(Moment(what, where, topic, message, float(self.said), note))

    def publish(self, event, order="o-1", *, by="you", to=(), cause=None):
        return self.say("event", event, {"order_id": order}, f"event/{event}", by, to, cause)

    def call(self, command, order="o-1", *, by="you", cause=None):
        to, _, name = command.partition(".")
        topic = f"command/{to}/{name}"
        return self.say("command", command, {"order_id": order}, topic, by, [to], cause)

    def say(self, kind, type, data, topic, by, to=(), cause=None):
        self.said += 1
        message = say(kind, type, by, data, nth=self.said, cause=cause)
        self.note("sent", by, topic, message)
        for service in to:
            self.note("received", service, topic, message)
            self.note("done", service, topic, message)
        return message

    def effect(self, effect, order="o-1", *, by="Payment", cause=None, **more):
        self.ledger.write(Entry(by, effect, order, cause=cause.id if cause else "", **more))

    @property
    def trace(self):
        return Trace(self.moments)


def a_good_order(story, order="o-1"):
    placed = story.publish("OrderPlaced", order, to=["Payment"])
    story.effect("charged", order, cause=placed)
    charged = story.publish("PaymentCharged", order, by="Payment", to=["Order"], cause=placed)
    return story.publish("OrderConfirmed", order, by="Order", cause=charged)


def good():
    story = Story(Payment="OrderPlaced", Order="PaymentCharged")
    a_good_order(story)
    return story


def lost():
    """Of o-2 the news that it was charged reaches nobody."""
    story = good()
    placed = story.publish("OrderPlaced", "o-2", to=["Payment"])
    story.effect("charged", "o-2", cause=placed)
    story.publish("PaymentCharged", "o-2", by="Payment", cause=placed)
    return story


def doubled():
    """For o-2 the event comes twice, and each time it is charged."""
    story = good()
    placed = story.publish("OrderPlaced", "o-2", to=["Payment", "Payment"])
    for _ in range(2):
        story.effect("charged", "o-2", cause=placed)
    story.publish("OrderConfirmed", "o-2", by="Payment", cause=placed)
    return story


ENDS = (OrderConfirmed, OrderRejected)

# What holds and what does not


@pytest.mark.parametrize(
    ("property", "run"),
    [
        (leads_to(OrderPlaced, *ENDS), good),
        (leads_to("charged", OrderConfirmed), good),
        (leads_to(OrderPlaced, "charged"), doubled),
        (never(OrderRejected), lost),
        (never("charged", after=OrderConfirmed), doubled),
        (exactly_once(OrderPlaced), doubled),
        (exactly_once("charged"), lost),
        (at_most_once("charged"), lost),
        (before(PaymentCharged, OrderConfirmed), good),
        (before(OrderPlaced, "charged"), doubled),
        (within(OrderPlaced, OrderConfirmed, seconds=2), good),
    ],
)
def test_a_property_holds_where_nothing_speaks_against_it(property, run):
    verdict = property(run())
    assert verdict
    assert verdict.breaches == ()
    assert len(verdict.counterexample) == 0
    assert repr(verdict) == f"Holds: {property}."


@pytest.mark.parametrize(
    ("property", "run", "why"),
    [
        (leads_to(OrderPlaced, *ENDS), lost, "OrderPlaced, and then neither OrderConfirmed nor Or"),
        (leads_to("charged", OrderConfirmed), lost, "charged, and then no OrderConfirmed"),
        (leads_to(OrderConfirmed, OrderPlaced), doubled, "OrderConfirmed, and then no OrderPlaced"),
        (never("charged"), lost, "charged"),
        (never("charged", after=OrderPlaced), doubled, "charged after OrderPlaced"),
        (exactly_once("charged"), doubled, "charged twice"),
        (exactly_once(OrderConfirmed), lost, "never OrderConfirmed"),
        (at_most_once("charged"), doubled, "charged twice"),
        (before(PaymentCharged, OrderConfirmed), doubled, "OrderConfirmed without PaymentCharged"),
        (within(OrderPlaced, OrderConfirmed, seconds=1), good, "OrderConfirmed 2 s after Or"),
        (within(OrderPlaced, OrderConfirmed, seconds=9), lost, "OrderPlaced, and then no OrderCo"),
    ],
)
def test_a_broken_property_tells_the_order_and_why(property, run, why):
    verdict = property(run())
    assert not verdict
    broken = {breach.order: breach.why for breach in verdict.breaches}
    order = "o-2" if "o-2" in broken else "o-1"
    assert broken[order].startswith(why)


def test_a_property_speaks_of_each_order_by_itself():
    story = good()
    story.publish("OrderRejected", "o-9")
    story.publish("OrderPlaced", "o-8")
    assert [b.order for b in leads_to(OrderPlaced, *ENDS)(story).breaches] == ["o-8"]
    assert [b.order for b in before(OrderPlaced, OrderRejected)(story).breaches] == ["o-9"]


def test_a_message_that_names_no_order_belongs_to_that_of_its_story():
    story = Story()
    placed = story.publish("OrderPlaced", "o-3")
    story.say("event", "OrderConfirmed", {}, "event/OrderConfirmed", "Order", cause=placed)
    assert leads_to(OrderPlaced, OrderConfirmed)(story)


def test_a_command_is_spoken_of_by_its_being_sent():
    story = Story()
    story.call("Payment.charge")
    story.call("Payment.charge")
    assert leads_to(Payment.charge, Payment.charge)(story)
    assert not at_most_once(Payment.charge)(story)
    assert not never(Payment.charge)(story)


def test_an_event_that_is_said_again_under_its_id_is_the_same_event():
    story = good()
    story.moments.append(story.moments[-1])
    assert exactly_once(OrderConfirmed)(story)


def test_a_dead_letter_is_no_occurrence_of_its_event():
    story = Story()
    placed = story.publish("OrderPlaced", to=["Payment"])
    story.say("dead", "OrderPlaced", {"order_id": "o-1"}, "dead/Payment", "Payment", cause=placed)
    assert at_most_once(OrderPlaced)(story)


def test_two_effects_are_compared_by_their_lines_in_the_ledger():
    story = Story()
    cause = story.publish("OrderRejected", to=["Payment"])
    story.effect("refunded", cause=cause)
    story.effect("released", cause=cause)
    assert not never("released", after="refunded")(story)
    assert never("refunded", after="released")(story)


def test_what_was_said_while_an_effect_happened_is_neither_surely_before_nor_after_it():
    story = Story()
    placed = story.publish("OrderPlaced")
    story.note("received", "Payment", "", placed)
    charged = story.publish("PaymentCharged", by="Payment", cause=placed)
    story.effect("charged", cause=placed)
    story.note("done", "Payment", "", placed)
    assert before(PaymentCharged, "charged")(story)
    assert before("charged", PaymentCharged)(story)
    assert never("charged", after=PaymentCharged)(story)
    story.note("received", "Payment", "", charged)
    story.effect("charged", cause=charged)
    assert not never("charged", after=PaymentCharged)(story)


def test_what_comes_twice_has_its_second_effect_the_second_time():
    story = Story()
    placed = story.publish("OrderPlaced", to=["Payment"])
    rejected = story.publish("OrderRejected", cause=placed)
    story.note("received", "Payment", "", placed)
    story.note("done", "Payment", "", placed)
    story.effect("charged", cause=placed)
    assert never("charged", after=OrderRejected)(story)
    story.effect("charged", cause=placed)
    verdict = never("charged", after=OrderRejected)(story)
    assert verdict.breaches[0].at == (placed.id, rejected.id)


def test_a_verdict_says_when_there_was_nothing_to_judge():
    verdict = leads_to(OrderRejected, "refunded")(good())
    assert verdict
    assert verdict.never_occurred == ["OrderRejected"]
    assert repr(verdict).endswith("But OrderRejected never occurred.")


# The story that shows it


def test_a_verdict_tells_the_story_of_the_first_breach_and_marks_where_it_went_wrong():
    story = lost()
    a_good_order(story, "o-3")
    assert repr(leads_to(OrderPlaced, *ENDS)(story)).splitlines() == [
        "Broken: each OrderPlaced leads to OrderConfirmed or OrderRejected.",
        "o-2: OrderPlaced, and then neither OrderConfirmed nor OrderRejected.",
        "  you → Payment: OrderPlaced",
        "  Payment → nobody: PaymentCharged; never reached Order   "
        "<-- here: after this neither OrderConfirmed nor OrderRejected",
    ]


def test_the_second_time_is_where_a_doubled_effect_went_wrong():
    verdict = exactly_once("charged")(doubled())
    assert "Payment, Payment: OrderPlaced   <-- here: charged a second time" in repr(verdict)


def test_several_broken_orders_are_counted():
    story = lost()
    story.publish("OrderPlaced", "o-10")
    assert "\nFor 2 orders: o-2, o-10.\no-2: " in repr(leads_to(OrderPlaced, *ENDS)(story))


def test_a_long_story_is_cut_in_the_middle():
    story = Story()
    said = first = story.publish("OrderPlaced")
    for _ in range(40):
        said = story.publish("PaymentCharged", by="Payment", cause=said)
    story.publish("OrderRejected", by="Order", cause=said)
    verdict = never(OrderRejected, after=OrderPlaced)(story)
    kept = verdict.counterexample.sent()
    assert len(kept) == 12
    assert (kept[0].id, kept[-1].type) == (first.id, "OrderRejected")
    assert repr(verdict).endswith("In the middle 30 messages are left out.")


def test_a_story_keeps_the_deaths_of_those_who_take_part_and_of_nobody_else():
    story = good()
    placed = story.publish("OrderPlaced", "o-2", to=["Payment"])
    for service in ("Payment", "Shipping"):
        story.note("struck", service, note="crashes")
    story.publish("OrderPlaced", "o-3", to=["Payment"])
    story.note("struck", "Payment", note="falls asleep")
    told = leads_to(OrderPlaced, *ENDS)(story).counterexample.text().splitlines()
    assert told == ["you → Payment: OrderPlaced", "Payment crashes"]
    assert placed.id


def test_the_picture_of_a_verdict_has_its_mark_in_the_drawing_and_in_the_words():
    verdict = leads_to(OrderPlaced, *ENDS)(lost())
    picture = verdict.sequence()
    mark = "after this neither OrderConfirmed nor OrderRejected"
    assert f">here: {mark}</text>" in picture.svg
    assert f"Marked: PaymentCharged o-2 from Payment; here: {mark}." in picture.alt
    bundle = verdict._repr_mimebundle_()
    assert bundle["text/plain"] == repr(verdict)
    assert "<img alt=" in bundle["text/html"]
    assert "<p>o-2: OrderPlaced, and then neither" in bundle["text/html"]


def test_a_picture_without_marks_is_as_it_was():
    trace = lost().trace
    assert sequence(trace, marks={}) == sequence(trace) == sequence(trace, marks={"other": "x"})


def test_a_mark_may_say_anything():
    story = lost()
    marks = {story.trace.sent()[0].id: "<b>\u202e & \x00" + "x" * 500}
    svg = sequence(story.trace, marks=marks).svg
    assert "<b>" not in svg
    assert not re.search("[\u202e\x00]", svg)


# What nobody can judge


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda: leads_to(OrderPlaced), "needs at least one outcome"),
        (lambda: leads_to(None, OrderPlaced), "was given None"),
        (lambda: leads_to(OrderPlaced, ""), "was given ''"),
        (lambda: never(OrderConfirmed(order_id="o-1")), "the event OrderConfirmed.* itself"),
        (lambda: never("charged", after=3), "after=…. speaks of .* was given 3"),
        (lambda: exactly_once(Event()), "the event Event.* itself"),
        (lambda: at_most_once(["charged"]), r"was given \['charged'\]"),
        (lambda: before("charged", Payment), "was given <class"),
        (lambda: within(OrderPlaced, "charged", seconds=-1), "-1 seconds is not a time"),
        (lambda: within(OrderPlaced, "charged", seconds="5"), "'5' seconds is not a time"),
    ],
)
def test_what_is_no_property_is_said_at_once(wrong, complaint):
    with pytest.raises(LabError, match=complaint):
        wrong()


def test_a_property_is_called_on_a_run_and_not_on_its_trace():
    with pytest.raises(LabError, match=r"judges a run.*given Trace"):
        never("charged")(good().trace)
