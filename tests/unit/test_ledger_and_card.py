"""The ledger knows what was done to the world, the card what became of the orders."""

import pytest

from labkit.steps import Moment
from labkit.system.ledger import Entry, Ledger, in_order
from labkit.system.message import say
from labkit.trace import Trace
from labkit.views.card import Card, side_by_side


def ledger(*effects):
    """A ledger of effects written as `o-1 charged`."""
    return Ledger([Entry("Shop", *reversed(effect.split())) for effect in effects])


def told(type_, order, who="Order", cause=None, seconds=0.0, kind="event"):
    """The moment in which somebody says something of an order."""
    message = say(kind, type_, who, {"order_id": order}, nth=int(order.split("-")[1]), cause=cause)
    return Moment("sent", who, f"event/{type_}", message, seconds)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["o-10", "o-2", "o-1"], ["o-1", "o-2", "o-10"]),
        (["b-1", "a-2", "a-1"], ["a-1", "a-2", "b-1"]),
        (["2", "10", "x", ""], ["", "2", "10", "x"]),
        (["o-1-b10", "o-1-b9"], ["o-1-b9", "o-1-b10"]),
        (["10 ", " 2", "ö٣", "ö2"], ["10 ", " 2", "ö2", "ö٣"]),
    ],
)
def test_keys_are_listed_as_a_person_would(keys, expected):
    assert in_order(keys) == expected


def test_an_effect_that_happened_twice_for_one_order_is_doubled():
    book = ledger("o-2 charged", "o-10 charged", "o-10 charged", "o-2 charged", "o-3 charged")
    assert book.doubled() == ["o-2", "o-10"]


def test_two_effects_for_one_order_are_not_doubled():
    assert ledger("o-1 charged", "o-1 shipped").doubled() == []


def test_who_is_charged_and_has_neither_goods_nor_money_is_orphaned():
    book = ledger("o-1 charged", "o-1 shipped", "o-2 charged", "o-2 refunded", "o-3 charged")
    assert book.orphaned() == ["o-3"]


def test_a_ledger_shows_the_orders_in_their_order():
    shown = repr(ledger("o-10 charged", "o-2 reserved", "o-2 shipped"))
    assert shown.splitlines() == [
        "o-2   Shop  reserved",
        "o-2   Shop  shipped",
        "o-10  Shop  charged",
    ]
    assert repr(Ledger()) == "The ledger is empty: no service has done anything yet."


def test_what_is_charged_is_shown_with_its_amount():
    book = Ledger([Entry("Payment", "charged", "o-1", 30), Entry("Payment", "charged", "o-2", 0)])
    assert repr(book).splitlines() == ["o-1  Payment  charged 30", "o-2  Payment  charged 0"]


def test_what_is_done_under_one_key_is_done_once():
    book = Ledger()
    done = [
        book.write(Entry(service, effect, "o-1", once=once))
        for service, effect, once in [
            ("Payment", "charged", "k"),
            ("Payment", "charged", "k"),
            ("Payment", "charged", "other"),
            ("Payment", "refunded", "k"),
            ("Shop", "charged", "k"),
        ]
    ]
    assert done == [True, False, True, True, True]
    assert len(book) == 4


def test_what_has_no_key_is_done_each_time():
    book = Ledger()
    assert [book.write(Entry("Payment", "charged", "o-1")) for _ in range(3)] == [True] * 3
    assert book.doubled() == ["o-1"]


def test_a_ledger_finds_the_first_effect_for_an_order_and_counts_all_that_happened():
    book = Ledger([Entry("Payment", "charged", "o-1", 3), Entry("Payment", "charged", "o-1", 4)])
    assert book.find("Payment", "charged", "o-1") == Entry("Payment", "charged", "o-1", 3)
    assert book.find("Payment", "charged", "o-2") is None
    assert book.find("Shop", "charged", "o-1") is book.find("Payment", "refunded", "o-1") is None
    assert (book.count("Payment", "charged"), book.count("Shop", "charged")) == (2, 0)
    book.write(Entry("Payment", "refunded", "o-1", once="k"))
    book.write(Entry("Payment", "refunded", "o-1", once="k"))
    assert book.count("Payment", "refunded") == 1


def test_a_parcel_that_was_called_back_is_not_with_the_customer():
    book = ledger("o-1 charged", "o-1 shipped", "o-1 cancelled", "o-2 charged", "o-2 shipped")
    assert (book.shipped(), book.orphaned()) == (["o-2"], ["o-1"])


RUNS = {
    "nothing": ([], []),
    "shipped": ([told("OrderPlaced", "o-1")], ["o-1 charged", "o-1 shipped"]),
    "rejected": (
        [told("OrderPlaced", "o-1"), told("OrderRejected", "o-1")],
        ["o-1 charged", "o-1 refunded"],
    ),
    "rejected, but the money is gone": (
        [told("OrderPlaced", "o-1"), told("OrderRejected", "o-1")],
        ["o-1 charged"],
    ),
    "no end": ([told("OrderPlaced", "o-1")], ["o-1 charged"]),
    "one of each": (
        [told("OrderPlaced", f"o-{n}") for n in (1, 2, 3)] + [told("OrderRejected", "o-2")],
        ["o-1 charged", "o-1 shipped", "o-3 charged"],
    ),
    "shipped twice, and confirmed": (
        [told("OrderPlaced", "o-1"), told("OrderConfirmed", "o-1")],
        ["o-1 shipped", "o-1 shipped"],
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_confirmed_rejected_and_stuck_add_up_to_the_orders(run):
    moments, effects = RUNS[run]
    card = Card.of(Trace(moments), ledger(*effects))
    assert card.confirmed + card.rejected + card.stuck == card.orders


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("nothing", (0, 0, 0, 0, 0)),
        ("shipped", (1, 0, 0, 0, 0)),
        ("rejected", (0, 1, 0, 0, 0)),
        ("rejected, but the money is gone", (0, 0, 1, 0, 1)),
        ("no end", (0, 0, 1, 0, 1)),
        ("one of each", (1, 1, 1, 0, 1)),
        ("shipped twice, and confirmed", (1, 0, 0, 1, 0)),
    ],
)
def test_a_card_says_what_became_of_the_orders(run, expected):
    moments, effects = RUNS[run]
    card = Card.of(Trace(moments), ledger(*effects))
    assert (card.confirmed, card.rejected, card.stuck, card.doubled, card.orphaned) == expected


def test_an_answer_to_you_ends_an_order():
    asked = told("Shop.place_order", "o-1", who="you", kind="command")
    answer = say("reply", "Shop.place_order.done", "Shop", None, nth=1, cause=asked.message)
    moments = [asked, Moment("received", "you", "reply/you", answer)]
    assert Card.of(Trace(moments), Ledger()).rejected == 1


def test_the_longest_chain_does_not_count_answers():
    first = told("OrderPlaced", "o-1")
    second = told("Payment.charge", "o-1", cause=first.message, kind="command")
    answer = told("Payment.charge.done", "o-1", cause=second.message, kind="reply")
    assert Card.of(Trace([first, second, answer]), Ledger()).longest_chain == 2


def test_an_order_takes_from_its_first_message_to_its_last():
    first = told("OrderPlaced", "o-1", seconds=1.0)
    last = told("OrderConfirmed", "o-1", cause=first.message, seconds=1.25)
    card = Card.of(Trace([first, told("OrderPlaced", "o-2", seconds=1.1), last]), Ledger())
    assert (card.p50_ms, card.p95_ms) == (250.0, 250.0)


def test_two_cards_of_equal_counts_are_equal_however_long_they_took():
    slow, quick = (
        Card.of(Trace([told("OrderPlaced", "o-1"), told("E", "o-1", seconds=s)]), Ledger())
        for s in (9.0, 0.1)
    )
    assert slow == quick
    assert repr(slow) == repr(quick)


def test_cards_side_by_side_have_one_column_each():
    one = Card.of(Trace([told("OrderPlaced", "o-1")]), ledger("o-1 shipped"))
    none = Card.of(Trace(), Ledger())
    lines = repr(side_by_side(orchestrated=one, choreographed=none)).splitlines()
    assert lines[0].split() == ["orchestrated", "choreographed"]
    assert lines[1].split() == ["orders", "1", "0"]
    assert lines[2].split() == ["confirmed", "1", "0"]
    assert len(lines) == 1 + len(one.rows)


def test_no_cards_side_by_side_are_no_error():
    assert repr(side_by_side()).strip() == ""
