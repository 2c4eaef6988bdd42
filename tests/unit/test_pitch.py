"""Pitches and keys have names, and a name that means nothing is told."""

import pytest

from labkit import LabError
from labkit.music.pitch import key_named, name_of_pitch, pitch_named


@pytest.mark.parametrize(
    ("name", "pitch"),
    [
        ("C4", 60),
        ("D4", 62),
        ("A4", 69),
        ("F#3", 54),
        ("Bb3", 58),
        ("b♭3", 58),
        ("C-1", 0),
        ("G9", 127),
    ],
)
def test_a_pitch_has_its_midi_number(name, pitch):
    assert pitch_named(name) == pitch


def test_each_number_has_a_name_that_leads_back_to_it():
    for flats in (False, True):
        assert [pitch_named(name_of_pitch(p, flats)) for p in range(128)] == list(range(128))


def test_black_keys_are_sharps_unless_flats_are_asked_for():
    assert (name_of_pitch(70), name_of_pitch(70, flats=True)) == ("A#4", "Bb4")


@pytest.mark.parametrize("name", ["H4", "C", "", "4", "C#b4", "Ab9", "C99", 60, None])
def test_what_is_no_pitch_is_told_with_an_example(name):
    with pytest.raises(LabError, match=r"no pitch .*\n.*\"C4\" is middle C"):
        pitch_named(name)


@pytest.mark.parametrize("number", [-1, 128, 60.0, True, "C4"])
def test_what_is_no_number_of_a_pitch_is_told(number):
    with pytest.raises(LabError, match="from 0 to 127"):
        name_of_pitch(number)


def test_a_major_key_has_its_scale_and_its_blue_notes():
    key = key_named("F")
    assert (key.name, key.tonic, key.minor) == ("F", 5, False)
    assert key.scale == (5, 7, 9, 10, 0, 2, 4)
    assert key.blue_notes == (8, 11, 3)


@pytest.mark.parametrize("name", ["D minor", "Dm", "d Minor", " D  minor "])
def test_a_minor_key_can_be_written_in_some_ways(name):
    key = key_named(name)
    assert (key.name, key.tonic, key.minor) == ("D minor", 2, True)
    assert key.scale == (2, 4, 5, 7, 9, 10, 0)


def test_a_blues_has_a_lowered_seventh():
    key = key_named("B♭ blues")
    assert key.name == "Bb blues"
    assert [name_of_pitch(60 + p, flats=True)[:-1] for p in key.scale] == [
        *("Bb", "C", "D", "Eb", "F", "G", "Ab")
    ]
    assert not key.minor


def test_a_key_contains_its_scale_and_its_blue_notes_in_every_octave():
    inside = {name_of_pitch(p)[:-1] for p in range(12, 128) if key_named("C").contains(p)}
    assert inside == {"C", "D", "D#", "E", "F", "F#", "G", "A", "A#", "B"}


def test_a_key_knows_how_its_black_keys_are_written():
    flats = ["F", "Bb", "Eb minor", "D minor", "G minor", "C blues"]
    sharps = ["G", "D", "F# minor", "E minor", "B"]
    assert [name for name in [*flats, *sharps] if key_named(name).flats] == flats


@pytest.mark.parametrize("name", ["H", "", "F dorian", "DM", "F F", "F##", 5, None])
def test_an_unknown_key_is_told_with_examples(name):
    with pytest.raises(LabError, match=r"no key .*\n.*\"D minor\""):
        key_named(name)
