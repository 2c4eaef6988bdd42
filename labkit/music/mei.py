"""MEI: music in the form that engravers read (Music Encoding Initiative, version 5)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from labkit.music.measures import SIGNS, Sign, Voice, bars_of, measures, silent_bars
from labkit.music.note import Music
from labkit.music.pitch import Key
from labkit.music.ranges import players_of

BARS_A_LINE = 4
MIDDLE_C = 60
ROLL_SECONDS = 0.9  # a kettledrum's longer notes are rolls, as the synthesiser plays them
# From the top of the page down; each with its staves: clef, the clef's line, the lowest pitch.
GRAND = (("G", 2, MIDDLE_C), ("F", 4, 0))
STAVES = {"brass": GRAND, "violins": GRAND, "timpani": (("F", 4, 0),)}
# The section of violins has its cellos with it.
LABELS = {
    "brass": ("Brass", "Br."),
    "violins": ("Strings", "Str."),
    "timpani": ("Timpani", "Timp."),
}
DYNAMICS = ((0.35, "p"), (0.5, "mp"), (0.7, "mf"), (0.87, "f"), (1.0, "ff"))
# Letters along the line of fifths, F first; seven places further is a sharp higher.
LETTERS, NATURAL = "fcgdaeb", {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ACCIDENTALS = {-2: "ff", -1: "f", 0: "n", 1: "s", 2: "x"}


class Staff:
    """One staff of the score: what stands on it, bar by bar."""

    def __init__(self, music: Music, number: int, instrument: str, clef: tuple[str, int, int]):
        self.number, self.instrument = number, instrument
        self.shape, self.line, lowest = clef
        highest = MIDDLE_C if STAVES[instrument] is GRAND and not lowest else 128
        self.bars = measures(
            music,
            (
                note
                for note in music.notes
                if note.instrument == instrument and lowest <= note.pitch < highest
            ),
        )


def mei(music: Music, key: Key, why: str = "") -> str:
    """Music as an MEI document; the same music is the same text.

    why: the reason of the silence, written above the first silent bar.
    """
    staves = list(_staves(music))
    groups = "".join(
        _group(instrument, list(theirs))
        for instrument, theirs in groupby(staves, key=lambda staff: staff.instrument)
    )
    title = escape(music.title)
    bars = "".join(_bar(music, staves, key, number, why) for number in range(bars_of(music)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><meiHead><fileDesc>'
        f"<titleStmt><title>{title}</title></titleStmt><pubStmt/></fileDesc></meiHead>"
        f'<music><body><mdiv><score><scoreDef meter.count="{music.beats_per_bar}" meter.unit="4" '
        f'keysig="{_signature(key)}"><pgHead><rend halign="center" fontsize="140%">{title}</rend>'
        f'</pgHead><staffGrp symbol="bracket">{groups}</staffGrp></scoreDef>'
        f"<section>{bars}</section></score></mdiv></body></music></mei>"
    )


def silent_line(music: Music) -> bool:
    """Whether nobody plays on a whole line; silent staves may be left out where there is none."""
    lines = range(0, bars_of(music), BARS_A_LINE)
    ends = [min(first + BARS_A_LINE, bars_of(music)) for first in lines]
    return any(
        begin <= first + 1 and last <= end
        for begin, end in silent_bars(music)
        for first, last in zip(lines, ends, strict=True)
    )


def _staves(music: Music) -> Iterator[Staff]:
    players, number = players_of(music), 0
    for instrument in STAVES:
        for clef in STAVES[instrument] if instrument in players else ():
            number += 1
            yield Staff(music, number, instrument, clef)


def _group(instrument: str, staves: list[Staff]) -> str:
    full, short = LABELS[instrument]
    label = f"<label>{full}</label><labelAbbr>{short}</labelAbbr>"
    definitions = "".join(
        f'<staffDef n="{staff.number}" lines="5" clef.shape="{staff.shape}" '
        f'clef.line="{staff.line}">{label if len(staves) == 1 else ""}</staffDef>'
        for staff in staves
    )
    if len(staves) == 1:
        return definitions
    return f'<staffGrp symbol="brace" bar.thru="true">{label}{definitions}</staffGrp>'


def _bar(music: Music, staves: list[Staff], key: Key, number: int, why: str) -> str:
    written = "".join(
        f'<staff n="{staff.number}">{_layers(music, staff, key, number)}</staff>'
        for staff in staves
    )
    marks = "".join(_marks(music, staves, number, why))
    last = ' right="end"' if number == bars_of(music) - 1 else ""
    line = "<sb/>" if number and number % BARS_A_LINE == 0 else ""
    return f'{line}<measure n="{number + 1}"{last}>{written}{marks}</measure>'


def _layers(music: Music, staff: Staff, key: Key, number: int) -> str:
    voices = staff.bars[number]
    if not voices:
        return '<layer n="1"><mRest/></layer>'
    # What an accidental has changed stays changed until the bar line.
    accidentals = _Accidentals(key)
    written: dict[tuple[float, int], str] = {}
    in_time = sorted((sign.beat, nth, sign) for nth, voice in enumerate(voices) for sign in voice)
    for beat, nth, sign in in_time:
        rolls = staff.instrument == "timpani" and sign.long * 60 / music.tempo > ROLL_SECONDS
        written[beat, nth] = _sign(sign, accidentals, hidden=nth > 0, rolls=rolls)
    layers = (
        _beamed(voice, [written[sign.beat, nth] for sign in voice])
        for nth, voice in enumerate(voices)
    )
    return "".join(f'<layer n="{nth}">{layer}</layer>' for nth, layer in enumerate(layers, 1))


def _beamed(voice: Voice, written: list[str]) -> str:
    """What is shorter than a beat is beamed with its neighbours in the same beat."""
    out = []
    pairs = zip(voice, written, strict=True)
    for _, group in groupby(pairs, key=lambda pair: _beam_of(pair[0])):
        signs = [text for _, text in group]
        beam = "<beam>{}</beam>" if len(signs) > 1 else "{}"
        out.append(beam.format("".join(signs)))
    return "".join(out)


def _beam_of(sign: Sign) -> tuple[int, float]:
    beamed = bool(sign.pitches) and sign.beats < 1
    return int(sign.beat), -1.0 if beamed else sign.beat


def _sign(sign: Sign, accidentals: _Accidentals, *, hidden: bool, rolls: bool) -> str:
    dur, dots = SIGNS[sign.beats]
    length = f'dur="{dur}"' + (f' dots="{dots}"' if dots else "")
    if not sign.pitches:
        return f"<{'space' if hidden else 'rest'} {length}/>"
    tied = f' tie="{sign.tied}"' if sign.tied else ""
    heads = [f"{accidentals.spelled(pitch)}{tied}" for pitch in sign.pitches]
    if len(heads) > 1:
        inside = "".join(f"<note {head}/>" for head in heads)
        return f"<chord {length}>{inside}</chord>"
    note = f"<note {length} {heads[0]}/>"
    return f'<bTrem unitdur="32">{note}</bTrem>' if rolls else note


def _marks(music: Music, staves: list[Staff], number: int, why: str) -> Iterator[str]:
    """What stands above and below the staves: tempo, dynamics, and why nobody plays."""
    if number == 0:
        yield (
            f'<tempo staff="1" tstamp="1" place="above" mm="{music.tempo:g}" mm.unit="4">'
            f"{music.tempo:g} beats a minute</tempo>"
        )
    for begin, end in silent_bars(music):
        if number == begin - 1:
            bars = "bar" if begin == end else f"{end - begin + 1} bars"
            told = f"silence: {why}" if why else f"silence ({bars})"
            staff = _shown(music, staves, number)
            yield f'<dir staff="{staff}" tstamp="1" place="above">{escape(told)}</dir>'
    for instrument, theirs in groupby(staves, key=lambda staff: staff.instrument):
        loud, before = _loud(music, instrument, number), _loud(music, instrument, number - 1)
        if loud and loud != before:
            below = max(staff.number for staff in theirs)
            yield f'<dynam staff="{below}" tstamp="1" place="below">{loud}</dynam>'


def _shown(music: Music, staves: list[Staff], number: int) -> int:
    """The top one of the staves that are shown on the line of this bar."""
    first = number // BARS_A_LINE * BARS_A_LINE
    line = slice(first, first + BARS_A_LINE)
    if not first or silent_line(music):
        return 1
    return next(staff.number for staff in staves if any(staff.bars[line]))


def _loud(music: Music, instrument: str, number: int) -> str:
    bar = music.beats_per_bar
    velocities = [
        note.velocity
        for note in music.notes
        if note.instrument == instrument and number <= note.start / bar < number + 1
    ]
    return next((sign for most, sign in DYNAMICS if max(velocities, default=2) <= most), "")


class _Accidentals:
    """How pitches are spelled in a key, and which of them need a sign in this bar."""

    def __init__(self, key: Key) -> None:
        self.fifths = _fifths(key)
        self.now: dict[tuple[str, int], int] = {}

    def spelled(self, pitch: int) -> str:
        """The attributes of a note."""
        # A key has three flats and eight sharps within reach, from its tonic on.
        place = next(
            at for at in range(self.fifths - 3, self.fifths + 9) if at * 7 % 12 == pitch % 12
        )
        letter, altered = LETTERS[(place + 1) % 7], (place + 1) // 7
        octave = (pitch - altered - NATURAL[letter]) // 12 - 1
        name = f'pname="{letter}" oct="{octave}"'
        if self.now.get((letter, octave), self._signed(letter)) == altered:
            return f'{name} accid.ges="{ACCIDENTALS[altered]}"' if altered else name
        self.now[letter, octave] = altered
        return f'{name} accid="{ACCIDENTALS[altered]}"'

    def _signed(self, letter: str) -> int:
        at = LETTERS.index(letter)
        return 1 if at < self.fifths else -1 if at >= 7 + self.fifths else 0


def _fifths(key: Key) -> int:
    """Its sharps, or flats below zero."""
    steps = (key.tonic + 3 * key.minor) * 7 % 12
    return steps - 12 if steps > 6 or (steps == 6 and key.flats) else steps


def _signature(key: Key) -> str:
    fifths = _fifths(key)
    return f"{abs(fifths)}{'f' if fifths < 0 else 's'}" if fifths else "0"
