"""Measures: notes as they are written, bar by bar, in voices that never overlap."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from labkit.music.note import Music, Note
from labkit.music.ranges import beats_of
from labkit.system.errors import LabError

# What one sign can say: its beats, and how it is written (4 is a quarter), with how many dots.
SIGNS = {
    4.0: ("1", 0),
    3.0: ("2", 1),
    2.0: ("2", 0),
    1.5: ("4", 1),
    1.0: ("4", 0),
    0.75: ("8", 1),
    0.5: ("8", 0),
    0.25: ("16", 0),
}
GRID = 0.25
MOST_BARS = 200


@dataclass(frozen=True)
class Sign:
    """One written note, chord or rest.

    beat, beats: where it begins in its bar, and how long it is. pitches: none for a rest.
    tied: "" or i, m, t: the first, a middle or the last one of a sound that needs several signs.
    long: how many beats the sound lasts of which this is a sign.
    """

    beat: float
    beats: float
    pitches: tuple[int, ...] = ()
    tied: str = ""
    long: float = 0.0


Voice = list[Sign]


def bars_of(music: Music) -> int:
    """How many bars it has, with those that are silent.

    Raises LabError where nobody would read so many.
    """
    bars = math.ceil(beats_of(music) / music.beats_per_bar - 1e-9)
    if bars > MOST_BARS:
        raise LabError(f"This music has {bars:,} bars; a score shows {MOST_BARS} at most.")
    return bars


def measures(music: Music, notes: Iterable[Note]) -> list[list[Voice]]:
    """For each bar the voices of these notes, each filled with rests; none where nobody plays."""
    bars: list[list[Voice]] = [[] for _ in range(bars_of(music))]
    for voice in _voices(notes):
        for number, signs in _by_bar(voice, music.beats_per_bar).items():
            bars[number].append(list(_filled(signs, music.beats_per_bar)))
    return bars


def silent_bars(music: Music) -> list[tuple[int, int]]:
    """From which bar to which, counted from 1, nobody plays a note."""
    sounding: set[int] = set()
    for note in music.notes:
        first = int(note.start // music.beats_per_bar)
        last = math.ceil((note.start + note.duration) / music.beats_per_bar - 1e-9)
        sounding.update(range(first, max(last, first + 1)))
    return runs(bar + 1 for bar in range(bars_of(music)) if bar not in sounding)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as stretches without a gap, each by its first and its last."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _voices(notes: Iterable[Note]) -> list[Voice]:
    """Notes of one length that begin together are a chord; what overlaps is another voice."""
    chords: dict[tuple[float, float], set[int]] = defaultdict(set)
    for note in notes:
        chords[_on_grid(note.start), max(GRID, _on_grid(note.duration))].add(note.pitch)
    voices: list[Voice] = []
    # The highest comes first, and so becomes the upper voice.
    for (beat, beats), pitches in sorted(chords.items(), key=lambda c: (c[0][0], -max(c[1]))):
        sign = Sign(beat, beats, tuple(sorted(pitches)), long=beats)
        free = next((v for v in voices if v[-1].beat + v[-1].beats <= beat), None)
        if free is None:
            voices.append([sign])
        else:
            free.append(sign)
    return voices


def _by_bar(voice: Voice, bar: int) -> dict[int, Voice]:
    """What crosses a bar line, or has a length that no sign has, is cut and tied."""
    bars: dict[int, Voice] = defaultdict(list)
    for sound in voice:
        cuts = list(_cut(sound.beat, sound.beats, bar))
        for nth, (beat, beats) in enumerate(cuts):
            tied = (
                "" if len(cuts) == 1 else "i" if nth == 0 else "t" if nth == len(cuts) - 1 else "m"
            )
            number = int(beat // bar)
            bars[number].append(replace(sound, beat=beat - number * bar, beats=beats, tied=tied))
    return bars


def _filled(signs: Voice, bar: int) -> Iterator[Sign]:
    """The voice with its rests."""
    beat = 0.0
    for sign in [*signs, Sign(bar, 0)]:
        for start, beats in _cut(beat, sign.beat - beat, bar):
            yield Sign(start, beats)
        if sign.beats:
            yield sign
        beat = sign.beat + sign.beats


def _cut(beat: float, beats: float, bar: int) -> Iterator[tuple[float, float]]:
    while beats > 0:
        room = min(beats, bar - beat % bar)
        long = next(each for each in SIGNS if each <= room)
        yield beat, long
        beat, beats = beat + long, beats - long


def _on_grid(beat: float) -> float:
    return round(beat / GRID) * GRID
