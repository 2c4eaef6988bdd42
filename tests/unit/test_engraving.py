"""A score shows the notes, and where nobody plays; with verovio or without, in the same words."""

import base64
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from labkit import LabError
from labkit.music import key_named, piano_roll, score
from labkit.music.instruments import ROLL_SECONDS
from labkit.music.mei import ROLL_SECONDS as WRITTEN_AS_ROLL
from labkit.music.mei import mei
from labkit.music.note import Music, Note
from labkit.music.theme import PARTS

MEI = "{http://www.music-encoding.org/ns/mei}"
ALTERED = {None: 0, "n": 0, "s": 1, "f": -1, "ss": 2, "x": 2, "ff": -2}
NATURAL = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def notes_of(part, bars_later=0):
    written = part.notes(part.first, part.last, (part.first - 1 + bars_later) * 4)
    return [Note(b, d, p, part.instrument, v) for b, d, p, v in written]


ROLL, ADAGIO, FANFARE = (notes_of(part) for part in PARTS)
ALBUM = Music((*ROLL, *ADAGIO, *FANFARE), 72, 64, title="The album")
STALLED = Music((*ROLL, *notes_of(PARTS[1], 2), *notes_of(PARTS[2], 2)), 72, 72, title="The album")
CUT_OFF = Music((*ROLL,), 72, 64, title="The album")
LONG_STALL = Music((*ROLL, *notes_of(PARTS[1], 12)), 72, 96)


def of(*notes, **settings):
    music = {"tempo": 60, "beats": 4, **settings}
    return Music(tuple(Note(b, d, p, "violins") for b, d, p in notes), **music)


def document(music, key="D minor", why=""):
    return ET.fromstring(mei(music, key_named(key), why))


def read_back(music, key="D minor"):
    """What a musician who knows the rules of accidentals and ties would play."""
    root, fifths = document(music, key), signature(music, key)
    played = []
    for bar in root.iter(f"{MEI}measure"):
        for staff in bar.iter(f"{MEI}staff"):
            played += read_staff(staff, 4 * (int(bar.get("n")) - 1), fifths)
    return sorted(joined(played))


def signature(music, key):
    sign = document(music, key).find(f".//{MEI}scoreDef").get("keysig")
    letters = "fcgdaeb" if sign.endswith("s") else "beadgcf"
    return {letter: 1 if sign.endswith("s") else -1 for letter in letters[: int(sign.strip("sf"))]}


def read_staff(staff, bar_beat, signed):
    events = []
    for layer in staff.iter(f"{MEI}layer"):
        beat = bar_beat
        for sign in flat(layer):
            beats = beats_of(sign)
            notes = [sign] if sign.tag == f"{MEI}note" else list(sign.iter(f"{MEI}note"))
            events += [(beat, beats, note) for note in notes]
            beat += beats
    now = {}
    for beat, beats, note in sorted(events, key=lambda event: event[0]):
        place = note.get("pname"), int(note.get("oct"))
        if note.get("accid"):
            now[place] = ALTERED[note.get("accid")]
        altered = now.get(place, signed.get(place[0], 0))
        yield beat, beats, 12 * (place[1] + 1) + NATURAL[place[0]] + altered, note.get("tie")


def flat(layer):
    for sign in layer:
        if sign.tag in (f"{MEI}beam", f"{MEI}bTrem"):
            yield from flat(sign)
        else:
            yield sign


def beats_of(sign):
    if sign.tag == f"{MEI}mRest":
        return 4
    return 4 / int(sign.get("dur")) * (1.5 if sign.get("dots") == "1" else 1)


def joined(played):
    """Tied signs are one sound."""
    held = {}
    for beat, beats, pitch, tie in sorted(played):
        if tie in (None, "i"):
            held[pitch, beat + beats] = (beat, beats)
            if tie is None:
                yield beat, beats, pitch
        else:
            start, long = held.pop((pitch, beat))
            held[pitch, beat + beats] = (start, long + beats)
            if tie == "t":
                yield start, long + beats, pitch


def as_played(music):
    return sorted((note.start, note.duration, note.pitch) for note in music.notes)


# What stands in the score


@pytest.mark.parametrize("music", [ALBUM, STALLED, CUT_OFF, LONG_STALL])
def test_what_is_written_is_what_was_played(music):
    assert read_back(music) == as_played(music)


@pytest.mark.parametrize("key", ["C", "D minor", "F# major", "Gb", "B minor", "Bb blues", "Ab"])
def test_in_any_key(key):
    every = of(*((n * 0.5, 0.5, 60 + n) for n in range(12)), *((6, 2, 66), (6, 2, 70)), beats=8)
    assert read_back(every, key) == as_played(every)


@pytest.mark.parametrize(
    "sound", [(3, 2, 62), (0, 3.5, 62), (1.5, 10, 62), (0.25, 1.25, 62), (3.75, 0.25, 62)]
)
def test_what_crosses_a_bar_line_is_tied(sound):
    music = of(sound, beats=16)
    assert read_back(music) == as_played(music)


def test_voices_that_overlap_stand_in_layers():
    music = of((0, 4, 60), (0, 1, 72), (1, 3, 74), (0.5, 2, 65))
    assert read_back(music) == as_played(music)


def test_every_layer_fills_its_bar():
    for layer in document(STALLED).iter(f"{MEI}layer"):
        assert sum(beats_of(sign) for sign in flat(layer)) == 4


def test_a_signed_note_needs_no_accidental_and_a_raised_one_does():
    signs = [note.get("accid") for note in document(of((0, 1, 70), (1, 1, 61))).iter(f"{MEI}note")]
    assert signs == [None, "s"]


def test_a_roll_is_written_as_the_synthesiser_plays_it():
    assert WRITTEN_AS_ROLL == ROLL_SECONDS
    rolls = document(ALBUM).iter(f"{MEI}bTrem")
    assert [roll[0].get("dur") for roll in rolls] == ["1", "1", "1", "2"]


def test_the_silence_and_its_reason_stand_above_the_first_silent_bar():
    (silence,) = document(STALLED, why="he <hesitates>").iter(f"{MEI}dir")
    assert silence.text == "silence: he <hesitates>"
    bars = [
        bar for bar in document(STALLED).iter(f"{MEI}measure") if bar.find(f"{MEI}dir") is not None
    ]
    assert [bar.get("n") for bar in bars] == ["5"]
    assert not list(document(ALBUM).iter(f"{MEI}dir"))


# In words


def test_its_words_say_who_plays_where():
    assert score(ALBUM).alt == (
        "The album: 16 bars at 72 beats a minute. Timpani in bars 1–4. Strings in bars 5–12. "
        "Brass in bars 13–16. No bar is silent."
    )


def test_its_words_say_where_it_is_silent_and_why():
    assert score(STALLED, why="he hesitates").alt.endswith("Silence in bars 5–6: he hesitates.")
    assert score(CUT_OFF).alt.endswith("Silence in bars 5–16.")


def test_a_silence_at_both_ends_and_one_bar_are_told():
    music = of((4, 4, 62), beats=12)
    assert score(music).alt.endswith("Strings in bar 2. Silence in bars 1 and 3.")


@pytest.mark.parametrize("music", [ALBUM, STALLED, CUT_OFF])
def test_both_pictures_tell_the_same(music):
    assert score(music, why="x").alt == piano_roll(music, why="x").alt


# As a picture


def drawing(picture):
    data = re.search(r"base64,([^\"]*)", picture._repr_html_())[1]
    return ET.fromstring(base64.b64decode(data))


@pytest.mark.parametrize("music", [ALBUM, STALLED, CUT_OFF, LONG_STALL])
@pytest.mark.parametrize("draw", [score, piano_roll])
def test_a_picture_is_whole_and_always_the_same(draw, music):
    first = draw(music, why="a & b").svg
    code = (
        "import pickle, sys; from labkit.music import score, piano_roll\n"
        f"music = pickle.load(sys.stdin.buffer); print({draw.__name__}(music, why='a & b').svg)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(music), capture_output=True, check=True
    )
    assert again.stdout.decode().strip() == first.strip()
    assert drawing(draw(music, why="a & b")).tag.endswith("svg")


def test_an_engraved_score_is_drawn_with_staves_and_nothing_that_only_programs_read():
    svg = score(ALBUM).svg
    assert svg.count("<use") > 100
    assert not re.search(r'class="(note|staff|measure)"|Verovio', svg)
    used = set(re.findall(r'href="#([^"]*)"', svg))
    assert used == set(re.findall(r' id="([^"]*)"', svg))


@pytest.mark.parametrize("music", [ALBUM, STALLED, CUT_OFF, LONG_STALL])
def test_no_line_is_left_out_not_even_where_all_are_silent(music):
    lines = [int(number) for number in re.findall(r">(\d+)</tspan>", score(music).svg)]
    assert lines == list(range(5, int(music.beats / 4) + 1, 4))


def test_without_verovio_it_is_a_piano_roll(monkeypatch):
    monkeypatch.setitem(sys.modules, "verovio", None)
    assert score(ALBUM) == piano_roll(ALBUM)


def test_a_jam_is_a_piano_roll():
    jam = Music((Note(0, 1, 40, "bass"), Note(0, 1, 51, "drums")), 132, 4)
    assert score(jam) == piano_roll(jam)


def test_in_a_piano_roll_what_is_higher_lies_higher():
    tops = re.findall(
        r'<rect x="[\d.]+" y="([-\d.]+)"[^>]*fill-opacity', piano_roll(of(*SCALE)).svg
    )
    heights = [float(top) for top in tops]
    assert len(heights) == 4
    assert heights == sorted(heights, reverse=True)


SCALE = [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65)]


def test_importing_the_course_needs_no_engraver():
    code = "import labkit.music.engraving, sys; print('verovio' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


# Bad input


@pytest.mark.parametrize("draw", [score, piano_roll])
@pytest.mark.parametrize(
    ("music", "why"),
    [
        (Music((), 72, 64), "no notes"),
        (replace(ALBUM, tempo=0), "tempo"),
        (replace(ALBUM, tempo=1_000), "tempo"),
        (of((0, 1, 20)), "out of range"),
        ("a trace", "needs a Music"),
        (of((0, 1, 62), (1_000, 1, 62), tempo=400, beats=1_001), "251 bars"),
    ],
)
def test_what_can_not_be_played_can_not_be_written(draw, music, why):
    with pytest.raises(LabError, match=why):
        draw(music)


def test_an_unknown_key_is_named():
    with pytest.raises(LabError, match="no key 'H minor'"):
        score(ALBUM, key="H minor")
