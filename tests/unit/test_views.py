"""Pictures: well formed whatever they show, the same every time, and told in words as well."""

import base64
import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations
from xml.dom import minidom

import pytest

from labkit.steps import Moment
from labkit.system.message import say
from labkit.trace import Trace
from labkit.views import picture as colours
from labkit.views.notation import ARROWS
from labkit.views.sequence import sequence
from labkit.views.topology import topology

BOTH = pytest.mark.parametrize("draw", [sequence, topology])
ORDER = {"order_id": "o-1"}
HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "quotes": "\"' onerror='x' \">",
    "the end of CDATA": "]]> & &amp; <!--",
    "emoji": "👩‍🚀 🎷 漢字",
    "length": "x" * 10_000,
    "right to left": "שלום مرحبا",
    "overriding": "abc\u202edef\u2066ghi\u200f",
    "control signs": "a\x00b\x07c\nd\x1b[31m",
    "no sign at all": "a\ufffeb\uffff",
    "nothing but space": " ",
}


class Run:
    """A trace made by hand, moment by moment."""

    def __init__(self, **listens):
        self.moments, self.said = [], 0
        for service, events in listens.items():
            for event in events.split():
                self.add("listens", service, f"event/{event}")

    def add(self, what, where, topic="", message=None, note=""):
        self.moments.append(Moment(what, where, topic, message, note=note))

    def publish(self, sender, event, *reached, data=ORDER, cause=None, failed=None):
        message = self.sent("event", event, sender, f"event/{event}", data, cause)
        for service in reached:
            self.add("received", service, "", message)
            if failed:
                self.add("failed", service, "", message, failed)
        return message

    def call(self, sender, command, data=ORDER, cause=None):
        service = command.partition(".")[0]
        topic = f"command/{command.replace('.', '/')}"
        message = self.sent("command", command, sender, topic, data, cause, replyto=sender)
        self.add("received", service, "", message)
        return message

    def reply(self, command, outcome="done"):
        service, _, _ = command.type.partition(".")
        kind, topic = f"{command.type}.{outcome}", f"reply/{command.sender}"
        message = self.sent("reply", kind, service, topic, None, command)
        self.add("done", service, "", command)
        self.add("received", command.sender, "", message)

    def sent(self, kind, type, sender, topic, data, cause=None, **more):
        self.said += 1
        message = say(kind, type, sender, data, nth=self.said, cause=cause, **more)
        self.add("sent", sender, topic, message)
        return message

    @property
    def trace(self):
        return Trace(self.moments)


def an_orchestrated_order():
    run = Run()
    order = run.call("you", "OrderOrchestrator.place_order")
    for command in ("Payment.charge", "Inventory.reserve", "Shipping.ship"):
        run.reply(run.call("OrderOrchestrator", command, cause=order))
    run.reply(order)
    return run.trace


def a_choreographed_order(times=1):
    run = Run(
        Payment="OrderPlaced",
        Notification="OrderPlaced ShipmentDispatched",
        Inventory="PaymentCharged",
        Shipping="InventoryReserved",
    )
    for number in range(times):
        data = {"order_id": f"o-{number + 1}"}
        placed = run.publish("you", "OrderPlaced", "Payment", "Notification", data=data)
        charged = run.publish("Payment", "PaymentCharged", "Inventory", data=data, cause=placed)
        held = run.publish("Inventory", "InventoryReserved", "Shipping", data=data, cause=charged)
        run.publish("Shipping", "ShipmentDispatched", "Notification", data=data, cause=held)
    return run.trace


def words_of(drawn):
    """What stands in a picture, without its description and the full forms of short texts."""
    page = minidom.parseString(drawn.svg.encode())
    return [
        "".join(node.data for node in text.childNodes if node.nodeType == node.TEXT_NODE)
        for text in page.getElementsByTagName("text")
    ]


# What a sequence diagram shows


def test_an_order_reads_from_top_to_bottom():
    drawn = sequence(an_orchestrated_order())
    said = [word for word in words_of(drawn) if word.startswith(("place", "charge", "ship"))]
    assert said == [
        "place_order o-1",
        "charge o-1",
        "charge done",
        "ship o-1",
        "ship done",
        "place_order done",
    ]


def test_participants_stand_in_the_order_in_which_they_come_in():
    names = ["you", "OrderOrchestrator", "Payment", "Inventory", "Shipping"]
    words = words_of(sequence(an_orchestrated_order()))
    assert [word for word in words if word in names] == names


def test_the_alternative_text_counts_and_then_tells():
    assert sequence(an_orchestrated_order()).alt.startswith(
        "Sequence diagram of 8 messages (4 commands, 4 replies) "
        "between you, OrderOrchestrator, Payment, Inventory and Shipping. "
        "You tell OrderOrchestrator: place_order o-1. "
        "OrderOrchestrator tells Payment: charge o-1. "
        "Payment answers OrderOrchestrator: charge done. "
    )


def test_an_event_is_one_row_with_an_arrow_to_each_listener():
    drawn = sequence(a_choreographed_order())
    assert words_of(drawn).count("OrderPlaced o-1") == 1
    assert drawn.svg.count("event)") == 5 + 1  # the fifth is the second listener, one the legend
    assert "OrderPlaced o-1, which reaches Payment and Notification." in drawn.alt


def test_replies_name_their_order_where_there_are_several():
    run = Run()
    for order in ("o-1", "o-2"):
        run.reply(run.call("you", "Payment.charge", {"order_id": order}))
    assert {"charge done o-1", "charge done o-2"} <= set(words_of(sequence(run.trace)))


def test_a_lost_message_never_reaches_its_listener():
    run = Run(Payment="OrderPlaced", Notification="OrderPlaced")
    run.publish("you", "OrderPlaced", "Payment")
    drawn = sequence(run.trace)
    assert "never reached Notification" in words_of(drawn)
    assert "it never reaches Notification" in drawn.alt
    assert "1 never reached a listener" in drawn.alt


def test_a_failure_is_shown_where_it_happened_and_with_its_reason():
    run = Run(Payment="OrderPlaced")
    run.publish("you", "OrderPlaced", "Payment", failed="KeyError: card")
    drawn = sequence(run.trace)
    assert "KeyError: card" in words_of(drawn)
    assert "Payment failed: KeyError: card" in drawn.alt


def test_a_command_has_failed_when_its_reply_says_so():
    run = Run()
    order = run.call("you", "Orders.place")
    run.reply(run.call("Orders", "Payment.charge", cause=order), "done")
    run.add("failed", "Orders", "", order, "KeyError: sku")
    run.reply(order, "failed")
    drawn = sequence(run.trace)
    assert drawn.alt.endswith("Orders answers you: place failed; Orders failed: KeyError: sku.")
    assert drawn.alt.count("KeyError") == words_of(drawn).count("KeyError: sku") == 1


def test_a_reply_that_comes_after_the_caller_gave_up_is_too_late():
    run = Run()
    order = run.call("you", "Orders.place")
    charge = run.call("Orders", "Payment.charge", cause=order)
    run.reply(order, "failed")
    run.reply(charge)
    drawn = sequence(run.trace)
    assert "too late" in words_of(drawn)
    assert "charge done, too late" in drawn.alt


def test_what_comes_twice_is_drawn_twice():
    run = Run(Payment="OrderPlaced")
    once = run.publish("you", "OrderPlaced", "Payment")
    before = sequence(run.trace).svg.count("event)")
    run.add("received", "Payment", "", once)
    drawn = sequence(run.trace)
    assert drawn.svg.count("event)") == before + 1
    assert "×2" in words_of(drawn)
    assert "reaches Payment twice" in drawn.alt


def test_an_event_that_nobody_hears_says_so():
    run = Run()
    run.publish("you", "OrderPlaced")
    drawn = sequence(run.trace)
    assert "nobody listens" in words_of(drawn)
    assert "You publish OrderPlaced o-1; nobody listens." in drawn.alt


def test_a_dead_letter_is_drawn_and_told():
    run = Run(Payment="OrderPlaced")
    placed = run.publish("you", "OrderPlaced", "Payment", failed="KeyError: card")
    run.sent("dead", "OrderPlaced", "Payment", "dead/Payment", ORDER, placed)
    drawn = sequence(run.trace)
    assert "dead letter OrderPlaced o-1" in words_of(drawn)
    assert "1 dead letter" in drawn.alt
    assert "heard by nobody" not in drawn.alt


def test_a_service_is_absent_from_its_crash_until_it_is_back():
    run = Run(Payment="OrderPlaced")
    run.add("struck", "Payment", note="crashes")
    placed = run.publish("you", "OrderPlaced")
    run.add("struck", "Payment", note="is back")
    run.add("received", "Payment", "", placed)
    drawn = sequence(run.trace)
    assert {"crashes", "is back", "absent", "waits until it is back"} <= set(words_of(drawn))
    assert "Payment crashes." in drawn.alt


def test_a_conductor_is_at_work_for_the_whole_order():
    bars = [
        float(tall)
        for tall in re.findall(
            r'width="8" height="([\d.]+)" fill="#dfe8ef"', sequence(an_orchestrated_order()).svg
        )
    ]
    assert max(bars) > 6 * 28
    assert sum(tall > 6 * 28 for tall in bars) == 1


def test_an_empty_trace_says_so():
    for draw in (sequence, topology):
        assert draw(Trace()).alt == "The trace is empty: nothing has been said yet."
        assert words_of(draw(Trace())) == [draw(Trace()).alt]


def test_the_legend_shows_only_what_occurs():
    assert words_of(sequence(an_orchestrated_order()))[-3:] == ["command", "reply", "at work"]
    assert words_of(sequence(a_choreographed_order()))[-2:] == ["event", "at work"]


def test_of_very_many_messages_the_first_are_drawn_and_the_rest_counted():
    trace = a_choreographed_order(times=2500)
    drawn = sequence(trace)
    assert "… 9,940 more" in words_of(drawn)
    assert sum(" o-" in word for word in words_of(drawn)) == 60
    assert drawn.alt.endswith("… and 9,988 more.")
    assert len(drawn.alt) < 2_000


def test_a_dozen_messages_stay_small():
    assert len(sequence(a_choreographed_order(times=3)).svg) < 8_000


# What a topology shows


def test_an_orchestrator_tells_and_is_answered():
    drawn = topology(an_orchestrated_order())
    assert drawn.alt == (
        "Topology. You tell OrderOrchestrator (place_order). "
        "OrderOrchestrator tells Payment (charge), Inventory (reserve) and Shipping (ship)."
    )
    assert "event bus" not in words_of(drawn)
    assert words_of(drawn)[-2:] == ["command", "reply"]


def test_events_go_over_the_bus():
    drawn = topology(a_choreographed_order())
    assert "OrderPlaced from you reaches Payment and Notification." in drawn.alt
    assert "event bus" in words_of(drawn)
    assert words_of(drawn).count("OrderPlaced") == 3


def test_what_was_said_more_than_once_is_counted():
    assert "OrderPlaced ×3" in words_of(topology(a_choreographed_order(times=3)))


def test_who_only_listens_is_drawn_dashed():
    run = Run(Payment="OrderPlaced", Loyalty="OrderRefunded")
    run.publish("you", "OrderPlaced", "Payment")
    drawn = topology(run.trace)
    assert "OrderRefunded reaches nobody; Loyalty would listen." in drawn.alt
    assert words_of(drawn)[-1] == "listens, and nothing has come"
    assert "stroke-dasharray" not in topology(a_choreographed_order()).svg


def test_without_events_reactions_are_left_out_unless_the_bus_is_asked_for():
    run = Run(Payment="OrderPlaced")
    run.reply(run.call("you", "Payment.charge"))
    assert "OrderPlaced" not in words_of(topology(run.trace))
    assert "OrderPlaced" in words_of(topology(run.trace, bus=True))
    assert "event bus" not in words_of(topology(a_choreographed_order(), bus=False))


def test_services_that_call_each_other_are_drawn_all_the_same():
    run = Run()
    run.call("Ping", "Pong.hit", cause=run.call("Pong", "Ping.hit"))
    run.call("Ping", "Ping.hit")
    assert topology(run.trace).alt == (
        "Topology. Pong tells Ping (hit). Ping tells Ping (hit) and Pong (hit)."
    )


@pytest.mark.parametrize("services", range(2, 11))
@pytest.mark.parametrize("calls", [True, False])
def test_boxes_never_overlap(services, calls):
    run = Run(**{f"Service{number}": f"Thing{number}" for number in range(services)})
    for number in range(services):
        run.publish("you", f"Thing{number}", f"Service{number}")
        if calls and number:
            run.reply(run.call("Service0", f"Service{number}.work"))
    page = minidom.parseString(topology(run.trace).svg.encode())
    areas = [
        [float(box.getAttribute(name)) for name in ("x", "y", "width", "height")]
        for box in page.getElementsByTagName("rect")[1:]  # the first is the paper
    ]
    assert len(areas) == services + 2
    for (x, y, wide, tall), (x2, y2, wide2, tall2) in combinations(areas, 2):
        assert x + wide <= x2 or x2 + wide2 <= x or y + tall <= y2 or y2 + tall2 <= y
    assert float(page.documentElement.getAttribute("width")) < 700


# Whatever it shows


@BOTH
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_breaks_a_picture(draw, text):
    run = Run()
    run.add("listens", text, f"event/{text}")
    run.add("listens", text + "2", f"event/{text}")
    said = run.publish(text, text, text, data={text: text}, failed=text)
    run.add("struck", text, note=text)
    run.call("you", f"{text}.{text}", {"order_id": text}, said)
    drawn = draw(run.trace)
    minidom.parseString(drawn.svg.encode())
    assert "<script" not in drawn.svg
    assert not set("\u202e\u2066\u200f\0\x07\x1b\n") & set(drawn.svg + drawn.alt)
    assert image_in(drawn) == {
        "alt": drawn.alt,
        "src": "data:image/svg+xml;base64," + base64.b64encode(drawn.svg.encode()).decode(),
        "style": "max-width:100%",
    }


def image_in(drawn):
    """The attributes of the one element that a picture shows itself as."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

        def handle_data(self, data):
            found.append(("text", data))

    Reader().feed(drawn._repr_html_())
    [(tag, attributes)] = found
    assert tag == "img"
    return attributes


def test_text_from_right_to_left_stays_in_its_place():
    run = Run()
    run.publish("שלום", "OrderPlaced")
    drawn = sequence(run.trace)
    assert "\u2068שלום\u2069" in words_of(drawn)
    assert "\u2068שלום\u2069 publishes" in drawn.alt


def test_a_shortened_name_can_be_read_in_full():
    run = Run()
    run.publish("TheServiceWhoseNameIsLongerThanItsBox", "OrderPlaced")
    drawn = sequence(run.trace)
    assert "TheServiceWhoseNameIs…" in words_of(drawn)
    assert "<title>TheServiceWhoseNameIsLongerThanItsBox</title>" in drawn.svg


@BOTH
def test_the_same_run_gives_the_same_bytes(draw):
    assert draw(a_choreographed_order(5)) == draw(a_choreographed_order(5))


@BOTH
def test_another_process_draws_the_same_bytes(draw, tmp_path):
    trace = a_choreographed_order(times=3)
    trace.save(tmp_path / "trace")
    module, name = draw.__module__, draw.__name__
    code = (
        f"import sys; from {module} import {name}; from labkit.trace import Trace\n"
        f"sys.stdout.buffer.write({name}(Trace.load(sys.argv[1])).svg.encode())"
    )
    for seed in ("1", "2"):
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "trace")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert other.stdout == draw(trace).svg.encode()


@BOTH
def test_no_two_pictures_share_an_id(draw):
    first, second = draw(an_orchestrated_order()).svg, draw(a_choreographed_order()).svg
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", first))
    assert used <= ids[0]


@BOTH
def test_a_picture_needs_no_style_sheet_and_has_no_clock_times(draw):
    trace = an_orchestrated_order()
    drawn = draw(trace)
    assert "<style" not in drawn.svg
    assert "class=" not in drawn.svg
    assert "style=" not in drawn.svg
    assert not any(message.time in drawn.svg for message in trace.sent())


@BOTH
def test_nothing_is_cut_off_at_the_edge(draw):
    run = Run(Payment="OrderPlaced")
    run.publish("you", "OrderPlaced", "Payment", failed="a reason that is rather long to tell")
    run.publish("Payment", "AnEventWithAQuiteLongName")
    page = minidom.parseString(draw(run.trace).svg.encode()).documentElement
    left, _, wide, _ = map(float, page.getAttribute("viewBox").split())
    for text in page.getElementsByTagName("text"):
        share = {"": 0.0, "middle": 0.5, "end": 1.0}[text.getAttribute("text-anchor")]
        long = colours.width("".join(node.data for node in text.childNodes), 11)
        start = float(text.getAttribute("x")) - share * long
        assert left < start
        assert start + long < left + wide + 3


def test_a_picture_is_told_in_plain_text_too(tmp_path):
    drawn = sequence(an_orchestrated_order())
    bundle = drawn._repr_mimebundle_()
    assert bundle == {"text/plain": drawn.alt, "text/html": drawn._repr_html_()}
    assert html.escape(drawn.alt) in drawn.svg
    drawn.save(tmp_path / "order.svg")
    assert (tmp_path / "order.svg").read_bytes() == drawn.svg.encode()


# Colours


def contrast(one, other):
    """The contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", ["INK", "QUIET", "ALARM"])
def test_letters_can_be_read_on_the_paper(colour):
    assert contrast(getattr(colours, colour), colours.PAPER) >= 4.5
    assert contrast(getattr(colours, colour), colours.BOX) >= 4.5


def test_all_letters_have_one_of_these_colours():
    run = Run(Payment="OrderPlaced", Loyalty="OrderPlaced OrderRefunded")
    run.publish("you", "OrderPlaced", "Payment", failed="no")
    run.publish("you", "Unheard")
    run.add("struck", "Payment", note="crashes")
    for drawn in (sequence(run.trace), topology(run.trace)):
        used = set(re.findall(r'<text[^>]* fill="([^"]+)"', drawn.svg))
        assert used <= {colours.INK, colours.QUIET, colours.ALARM}


def test_lines_stand_out_in_colours_that_the_colour_blind_can_tell_apart():
    okabe_ito = {"#0072B2", "#009E73", "#D55E00", "#CC79A7"}
    for kind in ("command", "reply", "event", "dead"):
        assert ARROWS[kind].colour in okabe_ito
        assert contrast(ARROWS[kind].colour, colours.PAPER) >= 3
    assert len({ARROWS[kind].colour for kind in ("command", "reply", "event", "dead")}) == 4


def test_no_two_kinds_of_messages_differ_by_colour_alone():
    looks = [
        (arrow.head.replace(arrow.colour, ""), arrow.dash, arrow.dot, arrow.thick)
        for arrow in ARROWS.values()
    ]
    assert len(set(looks)) == len(looks)
