"""Notes: the one form between trace, sound and score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Note:
    """One note, in musical time.

    start, duration: in beats; the first beat of bar 1 is 0.0.
    pitch: MIDI number, 60 is middle C; for drums the piece of the kit as General MIDI numbers it.
    instrument: "timpani", "violins", "brass", "bass", "drums", "keys" or "saxophone".
    velocity: how hard, above 0 and up to 1.
    cause: the id of the message that says it.
    """

    start: float
    duration: float
    pitch: int
    instrument: str
    velocity: float = 0.7
    cause: str = ""


@dataclass(frozen=True)
class Music:
    """Notes under one tempo, as they were played.

    tempo: beats a minute.
    beats: how long it lasts; longer than the last note where the end is silent.
    """

    notes: tuple[Note, ...]
    tempo: float
    beats: float
    beats_per_bar: int = 4
    title: str = ""
