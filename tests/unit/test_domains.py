"""The picture of domains: whatever the trace is, it is well formed, complete and told in words."""

import asyncio
import re
from xml.dom import minidom

import pytest

from labkit import Lab, LabError
from labkit.shop import OrderPlaced, hybrid, tangle
from labkit.steps import Moment
from labkit.system.message import say
from labkit.trace import Trace
from labkit.views.domains import domains
from tests.unit.test_views import HOSTILE, Run, words_of

BUS = "event bus"


def drawn(shop, given=None, *, placed_by_you=False, faults=()):
    async def run():
        services = [service for services in shop.DOMAINS.values() for service in services]
        async with Lab(*services, faults=faults, simulate=7) as lab:
            if placed_by_you:
                await lab.publish(OrderPlaced(order_id="o-1", amount=129_900))
            else:
                await lab.call(shop.Order.place_order, order_id="o-1", amount=129_900)
            await lab.quiet()
        return lab.trace

    return domains(asyncio.run(run()), given or shop.DOMAINS)


def boxes_of(picture):
    """Each rectangle: left, top, right, bottom."""
    page = minidom.parseString(picture.svg.encode())
    return [
        (x, y, x + wide, y + high)
        for rect in page.getElementsByTagName("rect")
        for x, y, wide, high in [
            [float(rect.getAttribute(side)) for side in ("x", "y", "width", "height")]
        ]
    ]


def texts_of(picture):
    """Each text that is seen, with its place."""
    page = minidom.parseString(picture.svg.encode())
    return {
        text.firstChild.data: (float(text.getAttribute("x")), float(text.getAttribute("y")))
        for text in page.getElementsByTagName("text")
        if text.firstChild.nodeType == text.TEXT_NODE
    }


def around(picture, word):
    """The rectangles in which a word stands, the smallest one first."""
    x, y = texts_of(picture)[word]
    found = [box for box in boxes_of(picture) if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
    return sorted(found, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))


def test_each_service_stands_in_the_frame_of_its_domain():
    picture = drawn(hybrid)
    frame = around(picture, "Shipping")[0]
    for name in ("Dispatcher", "Warehouse", "CarrierDesk"):
        assert frame in around(picture, name)
    assert frame not in around(picture, BUS)


def test_commands_run_inside_the_frame_and_events_to_the_bus():
    picture = drawn(hybrid)
    right = around(picture, "Shipping")[0][2]
    places = texts_of(picture)
    for command in ("pick_items, hand_over", "book_carrier"):
        assert places[command][0] < right
    # Dispatcher's events stand outside of it; each is written once a side.
    assert places["ShipmentDispatched"][0] > right
    assert "6 stay inside" in words_of(picture)


def test_a_command_across_a_border_is_crossed_out_and_told():
    given = {"Office": [hybrid.Dispatcher], "Floor": [hybrid.Warehouse]}
    picture = drawn(hybrid, given)
    edge = around(picture, "Office")[0][2]
    assert words_of(picture).count("Warehouse") == 2  # in its own frame, and beyond the border
    assert "Dispatcher tells Warehouse: pick_items, hand_over, a command across a border." in (
        picture.alt
    )
    crosses = re.findall(r'd="M([-\d.]+) [-\d.]+l8 8m0-8l-8 8"', picture.svg)
    assert {float(x) + 4 for x in crosses} == {edge}


def test_without_a_border_in_its_way_no_command_is_crossed_out():
    assert "l8 8m0-8l-8 8" not in drawn(hybrid).svg
    assert "across a border" not in drawn(hybrid).alt


def test_a_service_in_no_domain_stands_there_without_a_frame():
    picture = drawn(hybrid, {"Shipping": hybrid.SHIPPING})
    assert words_of(picture).count("Payment") == 1
    assert "Two-level topology of Shipping." in picture.alt


def test_what_you_say_comes_from_outside_of_all_frames():
    asked, said = drawn(hybrid), drawn(hybrid, placed_by_you=True)
    for picture in (asked, said):
        bus = texts_of(picture)[BUS][0]
        assert texts_of(picture)["you"][0] > bus
    assert "You tell Order: place_order." in asked.alt
    assert "OrderPlaced from you reaches Payment." in said.alt


def test_the_words_tell_all_that_the_tangle_says():
    picture = drawn(tangle)
    assert picture.alt.startswith("Two-level topology of Order, Payment, Shipping and Notification")
    assert "CarrierBooked from CarrierDesk reaches Order and Notification." in picture.alt
    assert "HandOverRequested from Order reaches Warehouse." in picture.alt
    assert "OrderConfirmed from Order reaches nobody." in picture.alt


def test_a_picture_is_the_same_each_time():
    assert drawn(tangle).svg == drawn(tangle).svg


def test_no_two_words_in_a_column_stand_upon_each_other():
    for shop in (hybrid, tangle):
        page = minidom.parseString(drawn(shop).svg.encode())
        places = [
            tuple(text.getAttribute(name) for name in ("x", "y", "text-anchor"))
            for text in page.getElementsByTagName("text")
        ]
        assert len(set(places)) == len(places)


def test_all_is_drawn_on_the_paper():
    for picture in (drawn(hybrid), drawn(tangle), drawn(hybrid, placed_by_you=True)):
        left, top, wide, high = map(float, re.search(r'viewBox="([^"]+)"', picture.svg)[1].split())
        for box in boxes_of(picture):
            assert left <= box[0] <= box[2] <= left + wide
            assert top <= box[1] <= box[3] <= top + high


@pytest.mark.parametrize("moments", [[], [Moment("listens", "Payment", "event/OrderPlaced")]])
def test_an_empty_trace_is_told_so(moments):
    assert "nothing has been said yet" in domains(Trace(moments), hybrid.DOMAINS).alt


def test_what_only_outsiders_say_has_no_frames():
    message = say("event", "Rumour", "you", {}, nth=1)
    picture = domains(Trace([Moment("sent", "you", "event/Rumour", message)]), {"A": ["B"]})
    assert minidom.parseString(picture.svg.encode())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_names_there_are_the_picture_is_well_formed(text):
    run = Run(A="X")
    asked = run.publish(text, text, "A")
    run.reply(run.call("A", f"B.{text}", cause=asked))
    picture = domains(run.trace, {text: ["A", "B"]})
    assert minidom.parseString(picture.svg.encode())
    assert "<script" not in picture.svg
    assert "<script" not in picture._repr_html_()


def test_services_that_command_each_other_are_drawn_once_each_way():
    run = Run()
    first = run.call("A", "B.ask")
    run.call("B", "A.ask", cause=first)
    picture = domains(run.trace, {"Both": ["A", "B"]})
    assert "A tells B: ask." in picture.alt
    assert "B tells A: ask." in picture.alt


def test_wrong_domains_are_told():
    with pytest.raises(LabError, match="stands in two domains"):
        drawn(hybrid, {"a": [hybrid.Order], "b": [hybrid.Order]})
