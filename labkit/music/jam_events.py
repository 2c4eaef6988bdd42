"""What is said in a jam session: facts alone, and nobody is asked for anything."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from labkit.music.pitch import key_named
from labkit.music.room import a_tempo
from labkit.system.errors import LabError
from labkit.system.message import Event


def playable_key(name: str) -> str:
    """The name itself, as `key_named` writes it; LabError where there is no such key."""
    return key_named(name).name


def _key(name: str) -> str:
    try:
        return playable_key(name)
    except LabError as error:  # pydantic tells the field's name to it
        raise ValueError(error) from None


def _tempo(tempo: float) -> float:
    try:
        return a_tempo(tempo)
    except LabError as error:
        raise ValueError(error) from None


def _bars(bars: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= bars[0] <= bars[1]:
        raise ValueError(
            f"bars go from the first, counted from 1, to the last: (1, 4), and not {bars}"
        )
    return bars


KeyName = Annotated[str, AfterValidator(_key)]
Tempo = Annotated[float, AfterValidator(_tempo)]
Bars = Annotated[tuple[int, int], AfterValidator(_bars)]


class Tone(NamedTuple):
    """A note of a phrase, as it would be written: eighths are even, and who plays swings them.

    beat: where it begins, counted from 0 at the phrase's first bar. duration: in beats.
    pitch: MIDI number; for drums the piece of the kit. velocity: above 0 and up to 1.
    """

    beat: float
    duration: float
    pitch: int
    velocity: float = 0.7


class EveningBegan(Event):
    """The lights go down; another evening is another song."""

    evening: int


class GrooveStarted(Event):
    """A bassist has begun. key: "F blues", "D minor" or "Bb". tempo: in beats a minute."""

    key: KeyName
    tempo: Tempo


class RhythmEstablished(Event):
    """A drummer has taken it up. feel: "swing", where the second eighth of a beat comes late."""

    key: KeyName
    tempo: Tempo
    feel: str = "swing"


class PhrasePlayed(Event):
    """A musician has played some bars; all that others need to answer stands in it.

    bars: the first and the last. lead: whether it was the solo. solos: whether who plays it would
    take one. last: whether it ended the song, which everybody hears.
    """

    musician: str
    instrument: str
    bars: Bars
    notes: tuple[Tone, ...]
    key: KeyName
    tempo: Tempo
    lead: bool = False
    solos: bool = False
    last: bool = False


class SoloPassed(Event):
    """A solo is over. bars: its last ones."""

    musician: str
    bars: Bars


class GrooveLost(Event):
    """There are two tempi in the room. tempo: what most of us play. other: what else is heard."""

    musician: str
    bars: Bars
    tempo: Tempo
    other: Tempo


class SongEnded(Event):
    """The last note has been played. bars: how many the song had."""

    musician: str
    bars: int
