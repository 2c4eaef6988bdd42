"""The trace tells what happened, in an order that hangs on causes and on no clock."""

import random

import pytest

from labkit.shop import OrderPlaced, Payment, PaymentCharged
from labkit.steps import Moment
from labkit.system.errors import LabError
from labkit.system.message import Message, read, say
from labkit.trace import Trace

HOSTILE = [
    "a\nb",
    "a\r\nb",
    "a\x85b",
    "a\u2028b",
    "a\x0bb",
    "\x1b[31mred",
    "<b>&amp;",
    "→",
    "{0}%s",
]


class Tale:
    """Moments written by hand, one verb after the other."""

    def __init__(self, **listeners):
        self.moments = [
            Moment("listens", who, topic) for who, topics in listeners.items() for topic in topics
        ]
        self._said = 0

    def says(self, who, kind, type_, data=None, cause=None, to="", **more):
        self._said += 1
        message = say(kind, type_, who, data or {}, nth=self._said, cause=cause, **more)
        self.moments.append(Moment("sent", who, to or f"event/{type_}", message))
        return message

    def hears(self, who, message, how="done", note=""):
        self.moments.append(Moment("received", who, f"event/{message.type}", message))
        if how:
            self.moments.append(Moment(how, who, f"event/{message.type}", message, note=note))

    def befalls(self, who, note):
        self.moments.append(Moment("struck", who, note=note))

    @property
    def trace(self):
        return Trace(self.moments)


@pytest.fixture
def two_orders():
    """Two orders: the payment of the first is charged, that of the second fails."""
    tale = Tale(Payment=["command/Payment/+", "event/OrderPlaced"], Mail=["event/OrderPlaced"])
    for n in (1, 2):
        placed = tale.says("you", "event", "OrderPlaced", {"order_id": f"o-{n}"})
        if n == 1:
            tale.hears("Mail", placed)
            charged = tale.says("Payment", "event", "PaymentCharged", {"order_id": "o-1"}, placed)
            tale.hears("Payment", placed)
            assert charged.causationid == placed.id
        else:
            tale.hears("Payment", placed, "failed", "ValueError: no money")
    tale.says("you", "command", "Payment.charge", {"order_id": "o-3"}, to="command/Payment/charge")
    return tale.trace


def test_an_empty_trace_says_that_nothing_was_said():
    trace = Trace()
    assert (trace.text(), len(trace), trace.lost(), trace.unheard()) == ("", 0, [], [])
    assert repr(trace) == "The trace is empty: nothing has been said yet."
    assert repr(trace.table()).startswith("#")
    assert list(trace._repr_mimebundle_()) == ["text/plain"]


def test_the_text_has_one_line_a_message_with_what_came_of_it(two_orders):
    assert two_orders.text().splitlines() == [
        "you → Payment, Mail: OrderPlaced",
        "Payment → nobody: PaymentCharged",
        "you → Payment: OrderPlaced; never reached Mail; Payment failed: ValueError: no money",
        "you → nobody: charge; never reached Payment",
    ]


def test_the_table_names_the_cause_by_its_number(two_orders):
    lines = repr(two_orders.table()).splitlines()
    assert lines[0].split("  ")[0] == "#"
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4"]
    assert lines[2].split() == ["2", "Payment", "PaymentCharged", "1"]
    assert lines[3].endswith("never reached Mail; Payment failed: ValueError: no money")


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (None, 4),
        (OrderPlaced, 2),
        (Payment.charge, 1),
        ("OrderPlaced", 2),
        ("Payment.charge", 1),
        (PaymentCharged, 1),
        ("OrderLost", 0),
    ],
)
def test_messages_are_found_by_event_by_command_and_by_name(two_orders, kind, count):
    assert len(two_orders.sent(kind)) == count


@pytest.mark.parametrize("by", [Payment, "Payment", Payment()])
def test_messages_are_found_by_who_said_or_heard_them(two_orders, by):
    assert [m.type for m in two_orders.sent(by=by)] == ["PaymentCharged"]
    assert len(two_orders.received(OrderPlaced, by=by)) == 2
    assert [m.data["order_id"] for m in two_orders.done(by=by)] == ["o-1"]
    assert [m.data["order_id"] for m in two_orders.failed(by=by)] == ["o-2"]


@pytest.mark.parametrize("no_kind", [5, OrderPlaced(order_id="o-1", amount=3), object()])
def test_what_is_neither_event_nor_command_is_told_of(two_orders, no_kind):
    with pytest.raises(LabError):
        two_orders.sent(no_kind)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (OrderPlaced, ["Payment", "Mail"]),
        ("OrderPlaced", ["Payment", "Mail"]),
        (Payment.charge, ["Payment"]),
        ("Payment.charge", ["Payment"]),
        (PaymentCharged, []),
    ],
)
def test_listeners_are_found_in_the_same_ways(two_orders, kind, names):
    assert two_orders.listeners(kind) == names


def test_what_never_reached_a_listener_is_lost_and_what_has_none_is_unheard(two_orders):
    lost = [(message.data["order_id"], name) for message, name in two_orders.lost()]
    assert lost == [("o-2", "Mail"), ("o-3", "Payment")]
    assert [message.type for message in two_orders.unheard()] == ["PaymentCharged"]


def test_who_joins_later_has_missed_nothing():
    tale = Tale(Payment=["event/OrderPlaced"])
    tale.hears("Payment", tale.says("you", "event", "OrderPlaced"))
    tale.moments.append(Moment("listens", "Mail", "event/OrderPlaced"))
    assert tale.trace.lost() == []


def test_who_has_left_misses_nothing():
    tale = Tale(Payment=["event/OrderPlaced"])
    tale.moments.append(Moment("leaves", "Payment"))
    tale.says("you", "event", "OrderPlaced")
    assert (tale.trace.lost(), tale.trace.listeners(OrderPlaced)) == ([], [])


def test_problems_tell_who_failed_at_what_and_why(two_orders):
    assert two_orders.problems() == ["Payment could not handle OrderPlaced: ValueError: no money"]


def test_the_story_of_an_order_holds_only_what_belongs_to_it(two_orders):
    story = two_orders.story("o-1")
    assert [message.type for message in story.sent()] == ["OrderPlaced", "PaymentCharged"]
    assert story.text() == two_orders.story(two_orders.sent(PaymentCharged)[0]).text()
    assert two_orders.story("o-9").text() == ""


def test_two_foreign_messages_of_one_id_have_causes_of_their_own():
    tale = Tale(Mail=["event/#"])
    orders = [Message(id="1", source=source, type="OrderPlaced") for source in ("/erp", "/web")]
    for order in orders:
        tale.hears("Payment", order)
    assert [tale.trace.why(order)[0].source for order in orders] == ["/erp", "/web"]


def test_why_goes_back_to_the_first_cause(two_orders):
    why = two_orders.why(two_orders.sent(PaymentCharged)[0])
    assert [message.type for message in why] == ["OrderPlaced", "PaymentCharged"]
    assert repr(why) == "you said OrderPlaced\n  because of that, Payment said PaymentCharged"


@pytest.mark.parametrize("no_message", ["o-1", None, OrderPlaced])
def test_why_takes_a_message(two_orders, no_message):
    with pytest.raises(LabError, match=r"why takes a message of this trace.*\n.*trace\.why\("):
        two_orders.why(no_message)


def test_why_of_the_last_of_ten_thousand_messages_has_ten_thousand_causes():
    tale, message = Tale(), None
    for n in range(10_000):
        message = tale.says("AB"[n % 2], "event", "Ping", cause=message)
    assert len(tale.trace.why(message)) == 10_000


def test_a_ring_of_causes_has_an_end():
    ids = [("1", "2"), ("2", "3"), ("3", "1")]
    ring = [Message(id=id, source="/x", type="E", causationid=cause) for id, cause in ids]
    trace = Trace(Moment("sent", "x", "event/E", message) for message in ring)
    assert len(trace.why(ring[0])) == 3
    assert len(trace.text().splitlines()) == 3


def test_a_cause_comes_before_its_effects_and_what_is_concurrent_in_a_settled_order():
    tale = Tale(A=["event/Ping"], B=["event/Ping", "event/Pong"])
    ping = tale.says("you", "event", "Ping")
    tale.hears("B", ping, how=None)
    tale.hears("A", ping, how=None)
    pong = tale.says("B", "event", "Pong", cause=ping)
    tale.hears("B", pong, how=None)
    tale.says("A", "event", "Pang", cause=ping)
    tale.says("B", "event", "Pung", cause=pong)
    assert [line.split()[-1] for line in tale.trace.text().splitlines()] == [
        "Ping",
        "Pang",
        "Pong",
        "Pung",
    ]


def test_two_runs_that_differ_only_in_timing_have_one_text():
    def run(seed):
        """One event, eight who react to it with a chain of their own, in any order."""
        tale = Tale(**{f"S{n}": ["event/Ping"] for n in range(8)})
        ping = tale.says("you", "event", "Ping")
        ends = {f"S{n}": ping for n in range(8)}
        for name in ends:
            tale.hears(name, ping, how=None)
        turns = [name for name in ends for _ in range(3)]
        random.Random(seed).shuffle(turns)
        for turn, name in enumerate(turns):
            nth = turns[:turn].count(name) + 1
            message = say("event", f"E{nth}", name, {}, nth=nth, cause=ping)
            tale.moments.append(Moment("sent", name, f"event/E{nth}", message))
        return tale.trace.text()

    assert len({run(seed) for seed in range(20)}) == 1


def test_a_reply_that_comes_too_late_is_told_of_after_the_end():
    tale = Tale(Payment=["command/Payment/+"])
    asked = tale.says("you", "command", "Till.pay", to="command/Till/pay", replyto="you")
    tale.hears("Till", asked, how=None)
    charge = tale.says("Till", "command", "Payment.charge", cause=asked, replyto="Till")
    tale.hears("Payment", charge, how=None)
    tale.moments.append(Moment("failed", "Till", "", asked, note="no reply"))
    reply = tale.says("Payment", "reply", "Payment.charge.done", cause=charge, to="reply/Till")
    tale.hears("Till", reply)
    last = tale.trace.steps()[-1]
    assert (last.label, last.late) == ("charge done", True)


def test_what_befell_a_service_stands_between_what_was_said_before_and_after():
    tale = Tale(Mail=["event/E"])
    tale.hears("Mail", tale.says("you", "event", "E"))
    tale.befalls("Mail", "falls asleep")
    tale.says("you", "event", "E")
    assert tale.trace.text().splitlines() == [
        "you → Mail: E",
        "Mail falls asleep",
        "you → nobody: E; never reached Mail",
    ]


def test_a_message_said_outside_of_the_lab_is_told_of_all_the_same():
    tale = Tale(Payment=["event/OrderPlaced"])
    foreign = b'{"specversion":"1.0","id":"1","source":"/erp","type":"OrderPlaced"}'
    tale.hears("Payment", read("event/OrderPlaced", foreign))
    assert tale.trace.text() == "erp → Payment: OrderPlaced"


def test_two_foreign_messages_of_one_id_are_two():
    tale = Tale(Payment=["event/OrderPlaced"])
    for source in ("/erp", "/shop"):
        message = Message(id="1", source=source, type="OrderPlaced")
        tale.hears("Payment", message)
    assert len(tale.trace.text().splitlines()) == 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_is_still_one_line(hostile):
    tale = Tale(Payment=["event/#"])
    message = Message(
        id=hostile, source=f"/{hostile}", type=hostile, data={"order_id": hostile}, reason=hostile
    )
    tale.hears("Payment", message, "failed", "ValueError: no money")
    answer = Message(id="2", source="/x", type=f"{hostile}.done", kind="reply", reason=hostile)
    tale.hears("you", answer)
    trace = tale.trace
    assert len(trace.text().splitlines()) == 2
    assert len(repr(trace.table()).splitlines()) == 3
    assert len(trace.problems()[0].splitlines()) == 1
    assert trace.story(hostile).text().count("failed") == 1


@pytest.mark.parametrize("hostile", [*HOSTILE, "", None, 0, [], {"order_id": ["o-1"]}])
def test_a_trace_that_was_saved_and_loaded_is_the_same(hostile, tmp_path):
    tale = Tale(Payment=["event/OrderPlaced"])
    placed = tale.says("you", "event", "OrderPlaced", {"order_id": hostile})
    tale.hears("Payment", placed, "failed", f"ValueError: {hostile}")
    tale.befalls("Payment", "crashes")
    tale.trace.save(tmp_path / "run.jsonl")
    loaded = Trace.load(tmp_path / "run.jsonl")
    assert loaded.moments == tale.trace.moments
    assert loaded.text() == tale.trace.text()


def test_an_empty_trace_is_saved_and_loaded_too(tmp_path):
    Trace().save(str(tmp_path / "run.jsonl"))
    assert Trace.load(str(tmp_path / "run.jsonl")).moments == []


def test_a_trace_shows_itself_as_a_picture_with_its_words(two_orders):
    bundle = two_orders._repr_mimebundle_()
    assert set(bundle) >= {"text/plain"}
    assert "OrderPlaced" in bundle["text/plain"]
