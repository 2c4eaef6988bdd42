"""The theme: sixteen bars in D minor that end in D major, as they are written for the album."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.music.pitch import pitch_named
from labkit.music.room import BEATS_PER_BAR

TITLE = "The studio album"
TEMPO = 72.0
LAST_BAR = 16

Written = tuple[float, float, int, float]


@dataclass(frozen=True)
class Voice:
    """One voice of a part, bar by bar.

    bars: what is played in each, as "pitch beats" with commas between; pitches that sound together
    have a + between them, and a dash rests. loud: the velocity in each bar.
    """

    bars: tuple[str, ...]
    loud: tuple[float, ...]

    def written(self, number: int) -> Iterator[Written]:
        """The notes of its bar of that number, counted from 0: beat, beats, pitch, velocity."""
        beat = 0.0
        for written in self.bars[number].split(", "):
            pitches, _, beats = written.partition(" ")
            for pitch in pitches.split("+") if pitches != "–" else ():
                yield beat, float(beats), pitch_named(pitch), self.loud[number]
            beat += float(beats)


@dataclass(frozen=True)
class Part:
    """What one section has to play, from its first bar to its last."""

    name: str
    instrument: str
    first: int
    voices: tuple[Voice, ...]

    @property
    def last(self) -> int:
        """Its last bar."""
        return self.first + len(self.voices[0].bars) - 1

    def notes(self, first: int, last: int, beat: float) -> tuple[Written, ...]:
        """The notes of some of its bars, the first of which begins on this beat."""
        return tuple(
            sorted(
                (beat + (bar - first) * BEATS_PER_BAR + start, beats, pitch, loud)
                for bar in range(first, last + 1)
                for voice in self.voices
                for start, beats, pitch, loud in voice.written(bar - self.first)
            )
        )


ROLL = Part(
    "timpani roll",
    "timpani",
    1,
    (
        Voice(
            ("D3 4", "D3 4", "D3 4", "A2 2, A2 0.5, A2 0.5, A2 1"),
            (0.3, 0.45, 0.65, 0.85),
        ),
    ),
)
# It leans on the dominant in its last bar, and only the fanfare lets it go.
ADAGIO = Part(
    "violin adagio",
    "violins",
    5,
    (
        Voice(
            (
                "A4 2, D5 1, E5 1",
                "F5 2, E5 1, D5 1",
                "E5 2, C5 1, D5 1",
                "D5 1, C#5 1, E5 2",
                "A5 2, G5 1, F5 1",
                "Bb5 2, A5 1, G5 1",
                "A5 1.5, G5 0.5, F5 1, E5 1",
                "D5 1, E5 1, C#5 2",
            ),
            (0.6, 0.65, 0.65, 0.7, 0.8, 0.85, 0.75, 0.7),
        ),
        Voice(
            (
                "D4+F4 4",
                "D4+Bb4 2, F4+Bb4 2",
                "E4+G4 4",
                "E4+A4 2, C#4+A4 2",
                "D4+A4 2, F4+D5 2",
                "G4+D5 2, E4+Bb4 2",
                "F4+A4 2, D4+Bb4 2",
                "D4+G4 1, C#4+A4 1, E4+G4 2",
            ),
            (0.4, 0.4, 0.4, 0.45, 0.5, 0.55, 0.5, 0.45),
        ),
        Voice(
            (
                "D3 3, C3 1",
                "Bb2 4",
                "C3 3, Bb2 1",
                "A2 2, G2 2",
                "F2 2, D3 2",
                "G2 2, C3 2",
                "F2 2, Bb2 2",
                "Bb2 1, A2 3",
            ),
            (0.55, 0.55, 0.55, 0.6, 0.65, 0.7, 0.65, 0.6),
        ),
    ),
)
FANFARE = Part(
    "fanfare",
    "brass",
    13,
    (
        Voice(
            (
                "D5 0.75, D5 0.25, D5 0.5, E5 0.5, F#5 1, A5 1",
                "B5 1.5, A5 0.5, G5 1, E5 1",
                "F#5 0.75, G5 0.25, A5 1, G5 0.75, F#5 0.25, E5 1",
                "D5 4",
            ),
            (0.8, 0.85, 0.9, 0.95),
        ),
        Voice(
            (
                "F#4+A4 0.75, F#4+A4 0.25, F#4+A4 0.5, G4+A4 0.5, A4+D5 1, A4+D5 1",
                "G4+D5 1.5, A4+D5 0.5, E4+B4 1, G4+C#5 1",
                "A4+D5 1, F#4+D5 1, G4+C#5 2",
                "F#4+A4 4",
            ),
            (0.6, 0.65, 0.7, 0.75),
        ),
        Voice(
            (
                "D3 1.5, C#3 0.5, D3 1, F#3 1",
                "G3 1.5, F#3 0.5, E3 1, A2 1",
                "A2 2, A2 2",
                "D2+D3 4",
            ),
            (0.75, 0.8, 0.85, 0.95),
        ),
    ),
)
PARTS = (ROLL, ADAGIO, FANFARE)
