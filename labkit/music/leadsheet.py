"""A lead sheet: the melody of a jam session with its chords, written down from the trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from labkit.music.abc_notation import abc
from labkit.music.engraving import engraved as engrave
from labkit.music.harmony import PHRASE, Chord
from labkit.music.improvising import BAR
from labkit.music.jam_events import PhrasePlayed, RhythmEstablished, Tone
from labkit.music.pitch import name_of_pitch
from labkit.music.song import form_of, phrases_of, said_in
from labkit.system.errors import LabError
from labkit.trace import Trace
from labkit.views.picture import INK, QUIET, Paper, Picture, listed, num, told

TITLE = "Lead sheet"
BEAT, SPACE, SYSTEM = 44.0, 8.0, 118.0  # a beat's width; between two lines; between two systems
LEAD_IN = 22.0
# A treble clef, from the line of its G.
CLEF = (
    "c-3 -5 7 -6 8 1c0 6 -12 7 -14 -1c-1 -9 15 -14 12 -25c-1 -5 -6 -2 -6 4"
    "c0 6 6 32 4 37c-1 4 -8 3 -7 -1"
)
LETTERS = "CDEFGAB"
BOTTOM_LINE = LETTERS.index("E") + 7 * 4  # E4, as a place counted from C0
MIDDLE_LINE = BOTTOM_LINE + 4
SIGNS = {"b": "♭", "#": "♯"}
LEAST_VELOCITY = 0.5  # what is softer accompanies


@dataclass(frozen=True)
class Line:
    """Four bars of it: who plays the melody, its notes, and the chord of each bar."""

    bars: tuple[int, int]
    who: str
    notes: tuple[Tone, ...]
    chords: tuple[Chord, ...]


def lead_sheet(trace: Trace, *, engraved: bool = False) -> Picture:
    """Draw the melody, four bars a line, with who plays it and the chords above.

    Eighths are written evenly, as jazz is; x is time, so a gap is a rest. engraved: by verovio,
    with beams and rests, as in print; not asked for, it is drawn the same on every machine.
    Raises LabError where nobody has played, and where verovio is asked for and not installed.
    """
    lines, paper = lines_of(trace), Paper()
    if engraved:
        return Picture(_engraved(trace, lines), _in_words(trace, lines))
    for number, line in enumerate(lines):
        _draw(paper, number * SYSTEM, line, flats=form_of(trace).key.flats, last=line is lines[-1])
    paper.write(0, -64, _head(trace), size=13, bold=True, most=90)
    return paper.picture(TITLE, _in_words(trace, lines))


def lines_of(trace: Trace) -> list[Line]:
    """The melody in lines of four bars: the solo's notes, or nobody's where none was played."""
    phrases = [phrase for _, phrase in phrases_of(trace)]
    if not phrases:
        raise LabError(
            "There is nothing to write down: nobody has played in this trace.\n"
            "A lead sheet is made of PhrasePlayed; give it the trace of a jam session."
        )
    form, tempo = form_of(trace), _tempo(trace)
    together = [phrase for phrase in phrases if phrase.tempo == tempo]
    lines = []
    for first in sorted({phrase.bars[0] for phrase in together}):
        bars = first, first + PHRASE - 1
        lead = next((p for p in together if p.lead and p.bars == bars), None)
        home = any(phrase.last for phrase in together if phrase.bars == bars)
        chords = tuple(form.chords(bars, home=home))
        notes = tuple(_melody(lead)) if lead else ()
        lines.append(Line(bars, lead.musician if lead else "", notes, chords))
    return lines


def _engraved(trace: Trace, lines: list[Line]) -> str:
    if find_spec("verovio") is None:
        raise LabError(
            "An engraved lead sheet needs verovio, which is not installed.\n"
            "`pip install verovio`, or leave out engraved=True: the notes are the same."
        )
    written = abc(
        ((line.who or "all", list(_bars(line))) for line in lines),
        _tempo(trace),
        flats=form_of(trace).key.flats,
    )
    return engrave(written, condense="none")


def _bars(line: Line) -> Iterator[tuple[str, list[Tone]]]:
    for at, chord in enumerate(line.chords):
        begin, end = at * BAR, (at + 1) * BAR
        inside = [tone for tone in line.notes if begin <= tone.beat < end]
        yield chord.name, [tone._replace(beat=tone.beat - begin) for tone in inside]


def _melody(phrase: PhrasePlayed) -> Iterator[Tone]:
    """The highest note of each moment."""
    line = {tone.beat: tone for tone in sorted(phrase.notes, key=lambda tone: tone.pitch)}
    yield from (line[beat] for beat in sorted(line) if line[beat].velocity >= LEAST_VELOCITY)


def _tempo(trace: Trace) -> float:
    rhythms = said_in(trace, RhythmEstablished)
    return rhythms[0][1].tempo if rhythms else phrases_of(trace)[0][1].tempo


def _head(trace: Trace) -> str:
    return f"{form_of(trace).key.name} · ♩ = {_tempo(trace):g} · swing"


# The drawing: a treble staff without a key signature; each black key has its sign


def _draw(paper: Paper, top: float, line: Line, *, flats: bool, last: bool) -> None:
    bar = BAR * BEAT + LEAD_IN
    wide, bottom = bar * len(line.chords), top + 4 * SPACE
    staff = "".join(f"M-30 {num(top + SPACE * at)}H{num(wide)}" for at in range(5))
    posts = "".join(f"M{num(bar * at)} {num(top)}V{num(bottom)}" for at in range(1, 5))
    paper.draw(f'<path d="{staff}" stroke="{QUIET}" stroke-width=".7"/>')
    paper.draw(f'<path d="{posts}" stroke="{INK}"/>')
    paper.draw(f'<path d="M-20 {num(top + 3 * SPACE)}{CLEF}" stroke="{INK}" stroke-width="1.5"/>')
    if last:
        end = f"M{num(wide - 4)} {num(top)}V{num(bottom)}"
        paper.draw(f'<path d="{end}" stroke="{INK}" stroke-width="3"/>')
    paper.reach(-30, top)
    paper.reach(wide, bottom + 26)
    paper.write(0, top - 40, line.who or "all: the groove", size=10, fill=QUIET)
    paper.write(-36, top + 2 * SPACE + 4, f"{line.bars[0]}", "end", size=10, fill=QUIET)
    for at, chord in enumerate(line.chords):
        paper.write(bar * at + 4, top - 24, _signed(chord.name), size=12, bold=True)
    _draw_silent_bars(paper, top, line, bar)
    signs = _Signs(top)
    for tone in line.notes:
        x = tone.beat * BEAT + LEAD_IN * (tone.beat // BAR + 1)
        name = name_of_pitch(tone.pitch, flats=flats)
        signs.add(x, tone.duration, LETTERS.index(name[0]) + 7 * int(name.lstrip("ABCDEFG#b")))
        if name[1] in SIGNS:
            paper.write(x - 7, signs.height + 4, SIGNS[name[1]], "end", size=12)
        paper.reach(x, signs.height - 26)
    signs.draw(paper)


def _draw_silent_bars(paper: Paper, top: float, line: Line, bar: float) -> None:
    """A rest in the melody; where there is none at all, a stroke a beat."""
    way = ""
    for at in range(len(line.chords)):
        if any(at * BAR <= tone.beat < (at + 1) * BAR for tone in line.notes):
            continue
        if line.who:
            way += f"M{num(bar * (at + 0.5) - 7)} {num(top + SPACE + 2)}h14"
            continue
        for beat in range(int(BAR)):
            x = bar * at + LEAD_IN + beat * BEAT
            way += f"M{num(x - 4)} {num(top + 3 * SPACE)}l8 {num(-2 * SPACE)}"
    paper.draw(f'<path d="{way}" stroke="{INK}" stroke-width="3.5"/>')


class _Signs:
    """The heads, stems, flags, dots and ledger lines of one staff, as few paths."""

    def __init__(self, top: float) -> None:
        self.bottom, self.height = top + 4 * SPACE, 0.0
        self.filled = self.hollow = self.stems = self.ledgers = ""

    def add(self, x: float, duration: float, place: int) -> None:
        y = self.height = self.bottom - (place - BOTTOM_LINE) * SPACE / 2
        head = f"M{num(x - 4.4)} {num(y + 1.4)}a4.6 3.4 -18 1 1 8.8 -2.8a4.6 3.4 -18 1 1 -8.8 2.8z"
        if duration >= 2:
            self.hollow += head
        else:
            self.filled += head
        if duration in (1.5, 3, 3.5):
            self.filled += f"M{num(x + 7)} {num(y - 2)}a1.3 1.3 0 1 1 0 .1z"
        up = -1 if place < MIDDLE_LINE else 1
        self.stems += f"M{num(x - up * 4.3)} {num(y)}v{num(up * 25)}"
        if duration <= 0.5:
            self.stems += f"q1 {num(-up * 6)} 6 {num(-up * 11)}"
        below, above = range(BOTTOM_LINE - 2, place - 1, -2), range(BOTTOM_LINE + 10, place + 1, 2)
        for at in (*below, *above):
            self.ledgers += f"M{num(x - 8)} {num(self.bottom - (at - BOTTOM_LINE) * SPACE / 2)}h16"

    def draw(self, paper: Paper) -> None:
        paper.draw(f'<path d="{self.filled}" fill="{INK}"/>')
        paper.draw(f'<path d="{self.hollow}{self.stems}" stroke="{INK}" stroke-width="1.3"/>')
        paper.draw(f'<path d="{self.ledgers}" stroke="{INK}" stroke-width=".8"/>')


def _signed(chord: str) -> str:
    """Bb7 as B♭7."""
    return chord[0] + chord[1:].replace("b", SIGNS["b"], 1).replace("#", SIGNS["#"], 1)


def _in_words(trace: Trace, lines: Iterable[Line]) -> str:
    form, names = form_of(trace), []
    for line in lines:
        chords = " ".join(chord.name for chord in line.chords)
        flats = form.key.flats
        tones = " ".join(name_of_pitch(tone.pitch, flats=flats) for tone in line.notes)
        who = f"{told(line.who)} {tones}" if line.who else "the groove"
        names.append(f"Bars {line.bars[0]} to {line.bars[1]} ({chords}): {who}.")
    who = listed(dict.fromkeys(told(line.who) for line in lines if line.who)) or "nobody"
    head = f"{TITLE} in {form.key.name}, {_tempo(trace):g} beats a minute; melody: {who}."
    return " ".join([head, *names])
