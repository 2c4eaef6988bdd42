"""The room: musical time, in beats on the clock of the running loop."""

from __future__ import annotations

import asyncio
import math

from labkit.music.ranges import FASTEST, SLOWEST
from labkit.system.errors import LabError

BEATS_PER_BAR = 4
# Who is that little behind a bar line still comes in on it.
LATE_BEATS = 0.5


class Room:
    """Musical time: how many beats have gone by since the room was first asked.

    tempo: beats a minute, from 20 to 400.
    speed: how many times faster than it sounds it goes by; at 40, a minute takes 1.5 seconds.

    In a simulation it goes by on virtual time, and costs nothing. It says how long one waits and
    never what one plays: what is played, and on which beat, stands in the messages, so that a busy
    machine moves no note.

    Raises LabError where the tempo or the speed is none.
    """

    def __init__(self, tempo: float = 72.0, speed: float = 1.0) -> None:
        self.tempo = a_tempo(tempo)
        if not _number(speed) or not 0 < speed < math.inf:
            raise LabError(
                f"speed={speed!r:.40} is no speed.\n"
                "It says how many times faster than it sounds the music goes by: for example 40."
            )
        self.speed = float(speed)
        self._began: float | None = None

    @property
    def beat(self) -> float:
        """How many beats have gone by; the first time that one asks, none."""
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        return (now - self._began) * self.tempo * self.speed / 60

    def seconds(self, beats: float) -> float:
        """How long so many beats take in this room, on the clock of the loop."""
        return beats * 60 / self.tempo / self.speed

    async def until(self, beat: float) -> None:
        """Wait for a beat; one that has gone by already is not waited for."""
        await asyncio.sleep(max(0.0, self.seconds(beat - self.beat)))


def next_bar(beat: float, beats_per_bar: int = BEATS_PER_BAR) -> float:
    """The beat of the first bar line from here on, for one who is up to half a beat late for it."""
    return float(max(0, math.ceil((beat - LATE_BEATS) / beats_per_bar)) * beats_per_bar)


def a_tempo(tempo: object) -> float:
    """The tempo itself, where people can play in it.

    Raises LabError where it is not from 20 to 400 beats a minute.
    """
    if not _number(tempo) or not SLOWEST <= float(tempo) <= FASTEST:  # type: ignore[arg-type]
        told = f"{tempo:,g}" if _number(tempo) else f"{tempo!r:.40}"
        raise LabError(
            f"Nobody can play at a tempo of {told} beats a minute.\n"
            f"Give one from {SLOWEST} to {FASTEST}: an adagio has about 72, a swing about 140."
        )
    return float(tempo)  # type: ignore[arg-type]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
