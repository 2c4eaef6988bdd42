"""A piano roll: music as a picture that needs nothing but our own pen."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.music.measures import bars_of, runs, silent_bars
from labkit.music.note import Music, Note
from labkit.music.ranges import playable, players_of
from labkit.views.picture import ALARM, BLUE, BOX, QUIET, Paper, Picture, listed, num

BAR, STEP, LEAST_STEPS = 40.0, 2.4, 14
MOST_BARS_A_LINE = 20
NAMES = {"violins": "strings"}


def piano_roll(music: Music, *, why: str = "") -> Picture:
    """Draw who plays in which bar, and how high; the bars in which nobody plays are marked.

    why: the reason of the silence, where it is known.
    Raises LabError where the music has no notes, or one that nobody can play.
    """
    playable(music)
    paper, bars, y = Paper(), bars_of(music), 0.0
    paper.write(0, y, music.title or "Music", size=14, bold=True, most=80)
    paper.write(0, y + 16, f"{music.tempo:g} beats a minute", fill=QUIET)
    lines = -(-bars // MOST_BARS_A_LINE)
    each = -(-bars // lines)
    for first in range(0, bars, each):
        y = _line(paper, music, first, min(bars, first + each), y + 44, why)
    return paper.picture(music.title or "Music", score_in_words(music, why))


def score_in_words(music: Music, why: str = "") -> str:
    """Who plays in which bars, and where it is silent: what a score tells, from the notes alone."""
    told = [
        f"{_name(instrument).capitalize()} in {_bars(_sounding(music, instrument))}."
        for instrument in players_of(music)
    ]
    silent = silent_bars(music)
    because = f": {why}" if why and silent else ""
    rests = f"Silence in {_bars(silent)}{because}." if silent else "No bar is silent."
    head = f"{music.title or 'Music'}: {bars_of(music)} bars at {music.tempo:g} beats a minute."
    return " ".join([head, *told, rests])


def _line(paper: Paper, music: Music, first: int, last: int, y: float, why: str) -> float:
    """Draw some bars, one lane an instrument; how far down they reach."""
    top = y
    for instrument in players_of(music):
        notes = [note for note in music.notes if note.instrument == instrument]
        low, high = min(n.pitch for n in notes), max(n.pitch for n in notes)
        spare = max(0, LEAST_STEPS - (high - low)) // 2
        tall = (max(high - low, LEAST_STEPS) + 3) * STEP
        paper.draw(
            f'<rect x="0" y="{num(y)}" width="{num((last - first) * BAR)}" height="{num(tall)}" '
            f'fill="{BOX}"/>'
        )
        paper.write(-10, y + tall / 2 + 4, _name(instrument), "end", bold=True)
        for note in notes:
            # The lowest lies a step above the edge of its lane.
            _draw(paper, music, note, first, last, y + tall - (note.pitch - low + spare + 2) * STEP)
        y += tall + 6
    for bar in range(first, last + 1):
        x = (bar - first) * BAR
        paper.draw(
            f'<path d="M{num(x)} {num(top)}V{num(y - 6)}" stroke="{QUIET}" stroke-width="0.6"/>'
        )
        if bar < last:
            paper.write(x + 3, top - 4, str(bar + 1), size=9, fill=QUIET)
    for begin, end in _within(silent_bars(music), first, last):
        _mark(paper, (begin - first) * BAR, (end - first) * BAR, top, y - 6, why)
    paper.reach((last - first) * BAR, y)
    return y


def _draw(paper: Paper, music: Music, note: Note, first: int, last: int, y: float) -> None:
    bar = music.beats_per_bar
    begin = max(note.start / bar, first)
    end = min((note.start + note.duration) / bar, last)
    if begin < end:
        loud = 0.35 + 0.65 * note.velocity
        paper.draw(
            f'<rect x="{num((begin - first) * BAR + 0.4)}" y="{num(y)}" '
            f'width="{num(max(1.2, (end - begin) * BAR - 0.8))}" height="{num(STEP)}" '
            f'fill="{BLUE}" fill-opacity="{num(loud)}"/>'
        )


def _mark(paper: Paper, left: float, right: float, top: float, bottom: float, why: str) -> None:
    paper.draw(
        f'<rect x="{num(left + 1)}" y="{num(top)}" width="{num(right - left - 2)}" '
        f'height="{num(bottom - top)}" fill="#fdf1e6" stroke="{ALARM}"/>'
    )
    words = f"silence: {why}" if why else "silence"
    paper.write((left + right) / 2, bottom + 13, words, "middle", fill=ALARM, bold=True, most=80)


def _within(spans: list[tuple[int, int]], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The parts of stretches of bars that lie on one line, from the bar line to the bar line."""
    for begin, end in spans:
        here = max(begin - 1, first), min(end, last)
        if here[0] < here[1]:
            yield here


def _sounding(music: Music, instrument: str) -> list[tuple[int, int]]:
    bar = music.beats_per_bar
    theirs = [note for note in music.notes if note.instrument == instrument]
    return runs(
        sorted(
            {
                number + 1
                for note in theirs
                for number in range(
                    int(note.start // bar), -int(-(note.start + note.duration) // bar)
                )
            }
        )
    )


def _bars(spans: list[tuple[int, int]]) -> str:
    told = listed(str(a) if a == b else f"{a}–{b}" for a, b in spans)
    return f"bar {told}" if len(spans) == 1 and spans[0][0] == spans[0][1] else f"bars {told}"


def _name(instrument: str) -> str:
    # The section of violins has its cellos with it.
    return NAMES.get(instrument, instrument)
