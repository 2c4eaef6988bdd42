"""Harmony: which chord each bar of a song has, and where its choruses and its end are."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.music.pitch import FLAT, SHARP, Key

PHRASE = 4  # bars that are played at one go
GROOVE = 4  # bars before the first chorus, all on the tonic

CHORDS = {
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "7sus4": (0, 5, 7, 10),
}
Progression = tuple[tuple[int, str], ...]
# Steps above the tonic. All chords are in the key: a dominant whose third is not is suspended.
TONICS: dict[str, tuple[int, str]] = {"blues": (0, "7"), "major": (0, "maj7"), "minor": (0, "m7")}
CHORUSES: dict[str, Progression] = {
    # The twelve-bar blues.
    "blues": (
        *((0, "7"), (5, "7"), (0, "7"), (0, "7")),
        *((5, "7"), (5, "7"), (0, "7"), (0, "7")),
        *((7, "7sus4"), (5, "7"), (0, "7"), (7, "7sus4")),
    ),
    # A turnaround of ii–V–I.
    "major": (
        *((0, "maj7"), (9, "m7"), (2, "m7"), (7, "7")),
        *((4, "m7"), (9, "m7"), (2, "m7"), (7, "7")),
    ),
    # A circle of fifths.
    "minor": (
        *((0, "m7"), (5, "m7"), (10, "7"), (3, "maj7")),
        *((8, "maj7"), (2, "m7b5"), (7, "7sus4"), (0, "m7")),
    ),
}
ENDINGS: dict[str, Progression] = {
    "blues": ((7, "7sus4"), (5, "7"), (0, "7"), (0, "7")),
    "major": ((2, "m7"), (7, "7"), (0, "maj7"), (0, "maj7")),
    "minor": ((2, "m7b5"), (7, "7sus4"), (0, "m7"), (0, "m7")),
}


@dataclass(frozen=True)
class Chord:
    """name: "Gm7". root: its pitch class. tones: pitch classes from the root upward."""

    name: str
    root: int
    tones: tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """What is played over and over: a groove on the tonic, choruses, and an ending."""

    key: Key

    @property
    def _mode(self) -> str:
        if self.key.name.endswith("blues"):
            return "blues"
        return "minor" if self.key.minor else "major"

    @property
    def chorus(self) -> int:
        """How many bars a chorus has."""
        return len(CHORUSES[self._mode])

    def choruses(self, bar: int) -> int:
        """How many choruses have been played at the end of this bar."""
        return max(0, bar - GROOVE) // self.chorus

    def ends_chorus(self, bar: int) -> bool:
        """Whether this is the last bar of a chorus."""
        return bar > GROOVE and (bar - GROOVE) % self.chorus == 0

    def chords(self, bars: tuple[int, int], *, home: bool = False) -> list[Chord]:
        """The chord of each of these bars; home: they are the ending."""
        return [self._chord(bar, bar - bars[0] if home else None) for bar in _each(bars)]

    def _chord(self, bar: int, of_ending: int | None) -> Chord:
        if of_ending is not None:
            ending = ENDINGS[self._mode]
            step, kind = ending[min(of_ending, len(ending) - 1)]
        elif bar <= GROOVE:
            step, kind = TONICS[self._mode]
        else:
            step, kind = CHORUSES[self._mode][(bar - GROOVE - 1) % self.chorus]
        root = (self.key.tonic + step) % 12
        names = FLAT if self.key.flats else SHARP
        tones = tuple((root + tone) % 12 for tone in CHORDS[kind])
        return Chord(f"{names[root]}{kind}", root, tones)


def _each(bars: tuple[int, int]) -> range:
    return range(bars[0], bars[1] + 1)
