"""A message is one whole, whoever made it; what is none becomes one that says why."""

import json
import math

import pytest

from labkit.shop import OrderPlaced, PaymentCharged
from labkit.system.errors import BadMessage
from labkit.system.message import LIMIT_BYTES, Event, Message, carried, read, say

MINIMAL = {"specversion": "1.0", "id": "1", "source": "/till", "type": "OrderPlaced"}


class Parcel(Event):
    order_id: str
    weight: int | None = None
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"order_id": "o-1"}, "OrderPlaced: amount is missing."),
        ({"order_id": "o-1", "amount": "a lot"}, "OrderPlaced: amount='a lot': input should be a"),
        (
            {"order_id": "o-1", "amount": 3, "amuont": 4},
            "OrderPlaced: it has no amuont (did you mean amount?).",
        ),
        ({}, "OrderPlaced: order_id is missing; amount is missing."),
    ],
)
def test_an_event_with_a_bad_field_names_the_field_and_shows_what_it_takes(fields, complaint):
    with pytest.raises(BadMessage) as caught:
        OrderPlaced(**fields)
    assert str(caught.value).startswith(complaint)
    assert "OrderPlaced(order_id: str, amount: int, currency: str = 'EUR')" in str(caught.value)


def test_an_event_that_is_made_can_not_be_changed():
    order = OrderPlaced(order_id="o-1", amount=3)
    with pytest.raises(ValueError, match="frozen"):
        order.amount = 0


def test_an_event_that_is_read_ignores_the_fields_it_does_not_know():
    order = OrderPlaced.read({"order_id": "o-1", "amount": 3, "coupon": "HALF"})
    assert order == OrderPlaced(order_id="o-1", amount=3)


@pytest.mark.parametrize("data", [None, "o-1", ["o-1"], 3])
def test_data_that_is_no_object_is_no_event(data):
    with pytest.raises(BadMessage, match="OrderPlaced needs an object with its fields"):
        OrderPlaced.read(data)


def test_an_event_may_hold_one_of_two_events():
    class Delivered(Event):
        what: OrderPlaced | PaymentCharged | Parcel

    delivered = Delivered.read({"what": {"order_id": "o-1", "weight": 2}})
    assert delivered.what == Parcel(order_id="o-1", weight=2)


def test_a_message_read_is_the_message_said():
    placed = say("event", "OrderPlaced", "Shop", {"order_id": "ö-1", "gift": None}, nth=1)
    charge = say("command", "Payment.charge", "Till", {}, nth=2, cause=placed, replyto="Till")
    assert read("event/OrderPlaced", placed.payload) == placed
    assert read("command/Payment/charge", charge.payload) == charge


def test_ids_hang_on_who_says_what_because_of_what_and_on_no_clock():
    def ids():
        first = say("event", "OrderPlaced", "you", {}, nth=1)
        told = [say("event", "E", who, {}, nth=n, cause=first) for who in "AB" for n in (1, 2)]
        return [message.id for message in [first, *told]]

    assert ids() == ids()
    assert len(set(ids())) == 5


def test_what_is_said_in_another_type_has_another_id():
    first = say("event", "OrderPlaced", "you", {}, nth=1)
    ids = {say("event", kind, "A", {}, nth=1, cause=first).id for kind in ("E", "F", "E")}
    assert len(ids) == 2


def test_an_idempotency_key_travels_and_is_missing_where_there_is_none():
    keyed = say("command", "Payment.charge", "Till", {}, nth=1, idempotencykey="ö-1")
    plain = say("command", "Payment.charge", "Till", {}, nth=1)
    assert read("command/Payment/charge", keyed.payload).idempotencykey == "ö-1"
    assert read("command/Payment/charge", plain.payload).idempotencykey is None
    assert b"idempotencykey" not in plain.payload


def test_a_story_is_carried_on_from_cause_to_effect():
    first = say("event", "OrderPlaced", "you", {}, nth=1)
    second = say("event", "PaymentCharged", "Payment", {}, nth=1, cause=first)
    third = say("event", "InventoryReserved", "Inventory", {}, nth=1, cause=second)
    assert [m.story for m in (first, second, third)] == [first.id] * 3
    assert third.causationid == second.id
    assert third.traceparent.split("-")[1] == first.traceparent.split("-")[1]


def test_a_minimal_cloud_event_is_a_message():
    message = read("event/OrderPlaced", json.dumps(MINIMAL).encode())
    assert (message.kind, message.sender, message.story) == ("event", "till", "1")


@pytest.mark.parametrize("type_", ["OrderPlaced", "com.example.OrderPlaced"])
def test_what_a_message_is_its_topic_decides(type_):
    event = read("event/OrderPlaced", json.dumps({**MINIMAL, "type": type_}).encode())
    assert (event.kind, event.type) == ("event", "OrderPlaced")
    charge = {**MINIMAL, "type": "Payment.charge"}
    command = read("command/Payment/charge", json.dumps(charge).encode())
    assert (command.kind, command.type) == ("command", "Payment.charge")


def test_a_message_in_the_wrong_topic_says_so():
    message = read("event/OrderShipped", json.dumps(MINIMAL).encode())
    assert message.kind == "unreadable"
    assert "'OrderPlaced', and was sent to event/OrderShipped" in message.reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON: 'hello'"),
        (b"\x00\xff\xfe\x80", "not JSON"),
        (b'{"specversion": "1.0", "id"', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "JSON, but no CloudEvent"),
        (b'"order"', "JSON, but no CloudEvent"),
        (b'{"order_id": "o-1"}', "id: field required; source: field required"),
        (json.dumps({**MINIMAL, "specversion": "0.3"}).encode(), "specversion"),
        (json.dumps({**MINIMAL, "id": ""}).encode(), "id: "),
        (json.dumps({**MINIMAL, "id": 1}).encode(), "id: "),
        (json.dumps({**MINIMAL, "data": "x" * 2_000_000}).encode(), "claim check"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_no_message_becomes_one_that_says_why(payload, reason):
    message = read("event/OrderPlaced", payload)
    assert (message.kind, message.type, message.sender) == ("unreadable", "OrderPlaced", "outside")
    assert reason in message.reason
    assert len(message.payload) < 2_000


def test_two_that_can_not_be_read_have_ids_of_their_own():
    messages = [read("event/OrderPlaced", payload) for payload in (b"this", b"that")]
    assert len({message.id for message in messages}) == 2


def test_a_message_that_is_too_large_is_not_said():
    message = say("event", "Film", "Cinema", {"frames": "x" * LIMIT_BYTES}, nth=1)
    with pytest.raises(BadMessage, match=r"Film is 1,000,\d+ bytes; labkit carries 1,000,000"):
        _ = message.payload
    with pytest.raises(BadMessage, match="Film is"):
        carried("event/Film", message)


def test_what_a_fault_does_to_a_message_does_not_travel():
    befallen = {"struck": "A was away", "struck_times": 3}
    message = say("event", "E", "A", {}, nth=1).model_copy(update=befallen)
    arrived = read("event/E", message.payload)
    assert (arrived.struck, arrived.struck_times) == ("", 0)
    # Nor can a foreign client make a service seem struck.
    forged = json.dumps({**MINIMAL, "type": "E", "struck": 5, "struck_times": "x"}).encode()
    assert read("event/E", forged).kind in ("event", "unreadable")


@pytest.mark.parametrize("topic", ["event/E", "event/F", "command/E", "reply/A"])
@pytest.mark.parametrize(
    "data",
    [
        None,
        "receipt",
        {},
        {"order_id": "o-1", "amount": 30, "paid": True, "note": None},
        {"amount": 10**30, "name": "\u2028 é \x00"},
        3.0,
        {"amount": math.nan},
        {1: "a number for a name"},
        {"items": ["a", "b"]},
        [{"deep": {"deeper": 1.5}}],
    ],
    ids=repr,
)
def test_what_is_carried_in_memory_arrives_as_over_a_wire(topic, data):
    message = say("event", "E", "A", data, nth=1)
    over_a_wire = read(topic, message.payload)
    assert carried(topic, message) == over_a_wire
    assert carried(topic, message).payload == over_a_wire.payload
    befallen = message.model_copy(update={"struck": "A was away", "struck_times": 3})
    assert carried(topic, befallen) == over_a_wire


def test_what_arrives_has_lists_of_its_own():
    said = say("event", "E", "A", {"items": ["a"]}, nth=1)
    carried("event/E", said).data["items"].append("b")
    assert said.data == {"items": ["a"]}


def test_a_line_break_in_a_foreign_name_makes_no_second_line():
    forged = {**MINIMAL, "source": "/x\nPayment → you: paid", "type": "OrderPlaced"}
    message = read("event/OrderPlaced", json.dumps(forged).encode())
    assert len(message.sender.splitlines()) == 1


def test_none_in_the_data_of_an_event_travels():
    data = Parcel(order_id="o-1").model_dump(mode="json")
    message = read("event/Parcel", say("event", "Parcel", "A", data, nth=1).payload)
    assert message.data == {"order_id": "o-1", "weight": None, "tags": []}


def test_the_attributes_of_a_message_keep_to_cloud_events():
    command = say(
        "command", "Payment.charge", "Till", {}, nth=1, replyto="Till", idempotencykey="o-1"
    )
    names = json.loads(command.payload)
    assert names["idempotencykey"] == "o-1"
    # Lower-case letters and digits only (CloudEvents 1.0, attribute naming convention).
    assert all(name.isascii() and name.isalnum() and name.islower() for name in names)
    assert not {"struck", "struck_times"} & set(names)
    assert isinstance(Message.model_validate(names), Message)
