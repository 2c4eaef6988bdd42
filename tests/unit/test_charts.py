"""Charts can be read without the text, in words as well, and dials without widgets."""

import asyncio
import re
import sys
from xml.etree import ElementTree

import pytest

from labkit import LabError
from labkit.views.charts import FILLS, Panel, bars, columns
from labkit.views.dials import Dial, dials
from labkit.views.picture import Picture

TWO = [
    Panel("one band", {"0.1": {"good": 100.0, "bad": 0.0}, "0.5": {"good": 60.0, "bad": 40.0}}),
    Panel("another", {"0.1": {"good": 100.0, "bad": 0.0}, "0.5": {"good": 10.0, "bad": 90.0}}),
]


def shapes(picture, name):
    return ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}" + name)


def words(picture):
    return ["".join(text.itertext()) for text in shapes(picture, "text")]


def test_columns_are_as_tall_as_their_shares():
    drawn = columns(TWO, "chance", "How it went")
    heights = [
        float(rect.get("height")) for rect in shapes(drawn, "rect") if rect.get("width") == "34"
    ]
    assert heights == [120, 72, 48, 120, 12, 108]


def test_each_part_bears_its_name_and_its_colour():
    drawn = columns(TWO, "chance", "How it went")
    assert {"good", "bad", "one band", "another", "0.1", "0.5", "chance →"} <= set(words(drawn))
    assert {FILLS[0], FILLS[1]} <= {rect.get("fill") for rect in shapes(drawn, "rect")}


def test_a_part_that_no_column_has_is_not_named():
    whole = [Panel("a band", {"x": {"good": 100.0, "bad": 0.0}})]
    assert "bad" not in words(columns(whole, "", "All well"))


def test_the_words_tell_every_column():
    assert columns(TWO, "chance", "How it went").alt == (
        "How it went, by chance. one band: 0.1: 100 % good; 0.5: 60 % good and 40 % bad. "
        "another: 0.1: 100 % good; 0.5: 10 % good and 90 % bad."
    )


def test_a_few_are_not_none_and_nearly_all_not_all():
    few = [Panel("a band", {"x": {"good": 99.7, "bad": 0.3}})]
    assert ">99" in words(columns(few, "", "Nearly"))
    assert "x: >99 % good and <1 % bad" in columns(few, "", "Nearly").alt


def test_bars_are_as_long_as_their_values_and_what_never_ends_is_open():
    drawn = bars([("A", "x", 10.0), ("A", "y", 5.0), ("B", "x", None)], "How long", "s")
    wide = [
        float(rect.get("width")) for rect in shapes(drawn, "rect") if rect.get("height") == "14"
    ]
    assert wide == [300, 150]
    assert [path.get("stroke-dasharray") for path in shapes(drawn, "path")] == ["3 3"]
    assert drawn.alt == "How long. A, x: 10.0 s. A, y: 5.0 s. B, x: never."


def test_bars_bear_that_nothing_ever_ended():
    assert "B, x: nobody" in bars([("B", "x", None)], "How long", "s", "nobody").alt


@pytest.mark.parametrize("drawn", [columns(TWO, "chance", "T"), bars([("A", "x", 1.0)], "T", "s")])
def test_a_chart_stands_on_paper_of_its_own_in_any_theme(drawn):
    assert 'fill="#ffffff"' in drawn.svg
    assert "matplotlib" not in sys.modules
    html = drawn._repr_html_()
    assert re.match(r'<img alt="[^"]+" src="data:image/svg\+xml;base64,', html)


def test_what_is_said_from_outside_breaks_no_picture():
    odd = [Panel("<b>&", {"<i>": {"a<b": 100.0}})]
    assert "<b>&" in words(columns(odd, "x & y", "T<"))


# Dials


async def doubled(size, progress):
    progress(0.5)
    return Picture(
        "<svg xmlns='http://www.w3.org/2000/svg'/>", f"the double of {size} is {2 * size}"
    )


SIZE = Dial("size", 0, 10, 1, start=3)


def test_dials_begin_with_a_picture():
    board = asyncio.run(dials(doubled, size=SIZE))
    assert repr(board) == "the double of 3 is 6"


def test_without_widgets_there_is_the_still_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    bundle = asyncio.run(dials(doubled, size=SIZE))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert 'alt="the double of 3 is 6"' in bundle["text/html"]


def test_dials_can_be_turned_from_the_keyboard():
    async def turned():
        board = await dials(doubled, size=SIZE)
        picture = await board.turn(size=5)
        return board, picture

    board, picture = asyncio.run(turned())
    assert picture.alt == "the double of 5 is 10"
    assert repr(board) == "the double of 3 is 6"  # what is stored in a notebook stays as it is


def test_a_slider_that_is_moved_plays_again_and_the_last_move_counts():
    async def moved():
        board = await dials(doubled, size=SIZE)
        bundle = board._repr_mimebundle_()
        slider, bar, paper = board._widget.children
        slider.value = 4
        slider.value = 7
        await board._playing
        return bundle, bar, paper, slider

    bundle, bar, paper, slider = asyncio.run(moved())
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "the double of 7 is 14" in paper.value
    assert bar.value == 1.0
    assert (slider.description, slider.min, slider.max, slider.step) == ("size", 0, 10, 1)


def test_what_goes_wrong_while_it_plays_is_shown():
    async def broken(size, progress):
        if size > 5:
            raise LabError("that <is> too much")
        return await doubled(size, progress)

    async def moved():
        board = await dials(broken, size=SIZE)
        board._repr_mimebundle_()
        slider, _, paper = board._widget.children
        slider.value = 6
        await board._playing
        slider.value = 5
        shown = paper.value
        await board._playing
        return shown, paper.value

    shown, then = asyncio.run(moved())
    assert "that &lt;is&gt; too much" in shown
    assert "the double of 5 is 10" in then


@pytest.mark.parametrize("values", [{"size": 11}, {"weight": 1}])
def test_what_is_not_on_the_dials_is_told(values):
    async def turned():
        board = await dials(doubled, size=SIZE)
        await board.turn(**values)

    with pytest.raises(LabError, match=r"is not on these dials. There are: size from 0 to 10\."):
        asyncio.run(turned())


def test_a_dial_that_begins_beside_itself_is_told():
    with pytest.raises(LabError, match="can't begin at 11"):
        Dial("size", 0, 10, 1, start=11)


def test_no_dials_are_told():
    with pytest.raises(LabError, match="dials needs at least one"):
        asyncio.run(dials(doubled))
