"""What a day brings crosses from process to process, and nothing of a learner's class with it."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from labkit import Event, Lab
from labkit.shop import OrderPlaced, Payment
from labkit.system.ledger import Entry, Ledger
from labkit.teaching.record import Record, data, value


def crossed(thing):
    """As it comes out at the other end, however often it crosses."""
    once = value(json.loads(json.dumps(data(thing))))
    return value(json.loads(json.dumps(data(once))))


def a_run() -> Lab:
    async def day() -> Lab:
        async with Lab(Payment, simulate=1) as lab:
            await lab.publish(OrderPlaced(order_id="o-1", amount=3))
            await lab.call(Payment.charge, order_id="o-2", amount=4)
            await lab.quiet()
        return lab

    return asyncio.run(day())


@pytest.mark.parametrize(
    "thing",
    [
        1,
        -0.5,
        "ä\ud800",
        None,
        True,
        (1, (2, [3])),
        {1: "a", (1, 2): [None]},
        {"x", "y"},
        [{"is a": "mapping", "of": [1]}],
        OrderPlaced(order_id="o", amount=3),
        Entry("Payment", "charged", "o-1", 3),
    ],
    ids=lambda thing: type(thing).__name__,  # the repr of a set has no fixed order
)
def test_plain_values_and_the_courses_own_stay_what_they_are(thing):
    assert crossed(thing) == thing
    assert type(crossed(thing)) is type(thing)


def test_a_run_tells_the_same_at_the_other_end_also_inside_of_something():
    lab = a_run()
    record, said = crossed((lab, {"o-1"}))
    assert isinstance(record, Record)
    assert record.trace.text() == lab.trace.text()
    assert record.ledger.entries == lab.ledger.entries
    assert record.card() == lab.card()
    assert record.contracts["OrderPlaced"] is OrderPlaced
    assert said == {"o-1"}


def test_a_trace_and_a_ledger_can_come_alone():
    lab = a_run()
    assert crossed(lab.trace).text() == lab.trace.text()
    assert isinstance(crossed(Ledger(lab.ledger)), Ledger)
    assert list(crossed(Ledger(lab.ledger))) == list(lab.ledger)


class Same(str):
    def __eq__(self, other):
        return True

    def __str__(self):
        return "what is wanted"

    __hash__ = str.__hash__


class Like:
    def __eq__(self, other):
        return True

    def __float__(self):
        return 42.0


@dataclass
class Own:
    order: str


class Melted(Event):
    order_id: str


@pytest.mark.parametrize(
    ("thing", "becomes"),
    [
        (Same("x"), "x"),
        ([Same("x")], ["x"]),
        (Own("o-1"), {"order": "o-1"}),
        (Melted(order_id="o-1"), {"order_id": "o-1"}),
        (Melted, "Melted"),
    ],
    ids=repr,
)
def test_what_a_learner_made_loses_its_class(thing, becomes):
    found = crossed(thing)
    assert type(found) is type(becomes)
    assert json.dumps(found) == json.dumps(becomes)


def test_an_object_becomes_its_repr_without_an_address():
    assert crossed(Like()).endswith("test_record.Like object>")


def test_what_holds_itself_is_refused():
    ring: list = []
    ring.append(ring)
    with pytest.raises(ValueError, match="holds itself"):
        data(ring)


def test_no_class_is_made_but_one_of_the_courses():
    for name in ("os:system", "labkit.lab:Lab", "labkit.system.process:process"):
        with pytest.raises(ValueError, match="no class of the course's"):
            value({"is a": name, "of": {}})
