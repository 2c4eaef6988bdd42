"""Game day: both styles play each situation, the numbers are theirs, and none is ahead in all."""

import asyncio
import re

import pytest

from labkit import LabError
from labkit.comparing import BOTH, ORCHESTRATED, Style, noticed_after
from labkit.guide import HYBRID, SITUATIONS, Measure, Played, Situation, blind, board
from labkit.shop import OrderPlaced, busy
from labkit.shop.careful import Payment
from labkit.shop.hybrid import Warehouse
from labkit.trace import Trace

NAMES = tuple(style.name for style in BOTH)


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    async def all_of_them() -> dict[str, Played]:
        return {name: await each.played() for name, each in SITUATIONS.items()}

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_asked_of_both_styles_and_measured_in_more_than_one_way(played, name):
    found = played[name].found
    assert tuple(found) == NAMES
    measures = [measure.words for measure in SITUATIONS[name].measures]
    assert len(measures) >= 2
    assert all(list(numbers) == measures for numbers in found.values())
    assert found[NAMES[0]] != found[NAMES[1]], "a situation in which nothing differs asks nothing"


def test_the_same_situation_is_the_same_again(played):
    for name in ("refusal", "observer", "mute", "decision"):
        again = asyncio.run(SITUATIONS[name].played())
        assert again.found == played[name].found


def test_no_style_is_ahead_in_all_that_is_asked_and_each_pays_somewhere(played):
    asked = {name: each.best() for name, each in played.items()}
    assert set(asked.values()) == set(NAMES), asked
    for style in NAMES:
        ahead = [each.best(m) for each in played.values() for m in each.situation.measures]
        assert 0 < ahead.count(style) < len(ahead)
        paid = [
            name
            for name, each in played.items()
            if asked[name] == style and any(each.best(m) != style for m in each.situation.measures)
        ]
        assert paid, f"{style} pays for nothing"


def test_what_is_measured_is_what_lesson_11_found(played):
    assert played["observer"].best() == "choreographed"
    assert played["decision"].best() == "orchestrated"
    assert played["mute"].found["choreographed"]["seconds until a person could know"] is None
    outage = played["outage"].found
    assert outage["choreographed"]["confirmed"] == 40 > outage["orchestrated"]["confirmed"]
    knows = "seconds until 95 of 100 customers know"
    assert outage["orchestrated"][knows] < outage["choreographed"][knows]


def test_a_style_of_ones_own_can_play():
    workers = (busy.Payment, busy.Inventory, busy.Shipping)
    patient = Style(
        "patient",
        (busy.OrderOrchestrator(timeout_seconds=60), *workers),
        busy.OrderOrchestrator.place_order,
    )
    mute = asyncio.run(SITUATIONS["mute"].played(ORCHESTRATED, patient)).found
    after = "seconds until a person could know"
    assert mute["patient"][after] > mute["orchestrated"][after]


def test_a_hybrid_is_a_conductor_inside_its_border_and_events_across_it():
    async def both_sides() -> tuple[float | None, float | None, Played]:
        inside = await noticed_after(HYBRID, Warehouse)
        across = await noticed_after(HYBRID, Payment)
        return inside, across, await SITUATIONS["outage"].played(HYBRID)

    inside, across, outage = asyncio.run(both_sides())
    assert inside is not None
    assert across is None
    numbers = outage.found["hybrid"]
    assert numbers["confirmed"] < 40
    assert numbers["seconds until 95 of 100 customers know"] < 900


def test_a_style_without_stock_can_not_lose_it():
    with pytest.raises(LabError, match="other has nobody who keeps the stock"):
        asyncio.run(SITUATIONS["outage"].played(Style("other", (busy.Order,), OrderPlaced)))


def test_a_change_that_nobody_has_made_for_a_style_is_told():
    other = Style("other", (busy.Order,), OrderPlaced)
    for name in ("observer", "decision"):
        with pytest.raises(LabError, match="change request for other"):
            asyncio.run(SITUATIONS[name].played(other))


def numbers(better: str, **found: float | None) -> Played:
    measure = Measure("guitars", better)
    situation = Situation("a test", "It happens.", "Which?", [measure], None)
    return Played(situation, {style: {"guitars": number} for style, number in found.items()})


@pytest.mark.parametrize(
    ("better", "found", "best"),
    [
        ("more", {"a": 1, "b": 2}, "b"),
        ("less", {"a": 1, "b": 2}, "a"),
        ("less", {"a": None, "b": 2}, "b"),
        ("more", {"a": None, "b": 2}, "b"),
        ("less", {"a": 2, "b": 2}, "all"),
        ("less", {"a": None, "b": None}, "all"),
        ("less", {"a": 1, "b": 1, "c": 3}, "a and b"),
    ],
)
def test_the_better_number_is_said_and_a_tie_is_none(better, found, best):
    assert numbers(better, **found).best() == best


def test_the_board_has_all_numbers_and_no_sum():
    told = repr(board([numbers("more", a=1, b=2), numbers("less", a=None, b=None)]))
    assert [line.split() for line in told.splitlines()] == [
        ["situation", "measured", "a", "b"],
        ["a", "test", "guitars", "1", "2*"],
        ["a", "test", "guitars", "never", "never"],
    ]
    assert repr(board([])) == ""


# Two takes, heard blind.


def test_two_takes_are_the_two_styles_and_which_is_which_hangs_on_the_seed():
    answers = {seed: asyncio.run(blind(seed)).reveal() for seed in range(8)}
    assert set(answers.values()) == {"A", "B"}
    assert answers[3] == asyncio.run(blind(3)).reveal()


@pytest.mark.parametrize("seed", range(2))
def test_a_take_tells_no_name_and_lasts_as_long_as_the_other(seed):
    takes = asyncio.run(blind(seed))
    one, other = takes["A"], takes["B"]
    assert re.fullmatch(r"Recording: [a-z, ]+; 0:\d\d; no silence", repr(one))
    assert repr(one) == repr(other), "the words give it away"
    assert one.music.notes != other.music.notes
    assert "Orche" not in repr(takes) + takes.voices("A") + takes.voices("B")


def test_what_is_revealed_is_true():
    takes = asyncio.run(blind(5))
    conducted = takes.trace(takes.reveal("orchestrated"))
    danced = takes.trace(takes.reveal("choreographed"))
    assert isinstance(conducted, Trace)
    assert conducted.sent(by="OrderOrchestrator")
    assert not danced.sent(by="OrderOrchestrator")
    assert takes.voices(takes.reveal()).endswith("1 2 1 3 1 4 1")
    for what, told in ((takes.trace, "no take 'C'"), (takes.reveal, "no take of 'C'")):
        with pytest.raises(LabError, match=told):
            what("C")
