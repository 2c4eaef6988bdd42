"""The studio album: a Maestro who tells three sections what to play, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from labkit.music.note import Music, Note
from labkit.music.room import BEATS_PER_BAR, Room, next_bar
from labkit.music.theme import ADAGIO, FANFARE, LAST_BAR, ROLL, TEMPO, TITLE, Part, Written
from labkit.system.errors import CommandFailed, LabError, Refused
from labkit.system.message import Message
from labkit.system.service import Command, Service, command
from labkit.trace import Trace

# A minute of music takes half a second, or a lesson would be a concert.
SPEED = 120.0
# How much longer than a section plays the Maestro waits for its answer.
PATIENCE_SECONDS = 2.0
MOST_SECONDS = 120.0
Bars = tuple[int, int]


class Take(BaseModel):
    """What a section has played, as it tells the Maestro.

    bars: the first and the last of the score. starts, ends: on which beats of the recording.
    notes: of each its beat, how many beats it lasts, its MIDI number and its velocity.
    """

    model_config = ConfigDict(frozen=True)

    instrument: str
    bars: Bars
    tempo: float
    starts: float
    ends: float
    notes: tuple[Written, ...]


@dataclass(eq=False)
class OnTape:
    """That a section plays or has played some bars, from a beat on."""

    bars: Bars
    starts: float


class Section(Service):
    """Musicians who wait for their cue, and come in on the next bar line.

    speed: how many times faster than it sounds they play.
    """

    part: ClassVar[Part]

    def __init__(self, speed: float = SPEED) -> None:
        self.speed = Room(speed=speed).speed
        self.tape: list[OnTape] = []
        self.free = 0.0  # from which beat on they have nothing more to play

    @command
    async def strike_take(self, bars: Bars) -> int:
        """Strike what was played of these bars, or is just being played; how many takes."""
        struck = [take for take in self.tape if take.bars == bars]
        if struck:
            self.tape = [take for take in self.tape if take.bars != bars]
            # The tape is wound back: the next take begins where the first of these did.
            self.free = min(take.starts for take in struck)
            self.effect("struck", in_words(bars))
        return len(struck)

    async def play(self, bars: Bars, tempo: float, beat: float) -> Take:
        """Play some bars from this beat on, or from the next bar line.

        Raises Refused where these are not their bars, or nobody can play in that tempo.
        """
        self._must_be_theirs(bars)
        room = self._room(tempo, beat)
        # Nobody plays two things at once: who is not done comes in when he is.
        starts = next_bar(max(beat, self.free))
        beats = (bars[1] - bars[0] + 1) * BEATS_PER_BAR
        take, self.free = OnTape(bars, starts), starts + beats
        self.tape.append(take)
        await room.until(beats)
        if take not in self.tape:
            raise Refused(f"{in_words(bars)} were struck before they were played to their end")
        self.effect("recorded", in_words(bars))
        return Take(
            instrument=self.part.instrument,
            bars=bars,
            tempo=tempo,
            starts=starts,
            ends=starts + beats,
            notes=self.part.notes(*bars, starts),
        )

    def _must_be_theirs(self, bars: Bars) -> None:
        (first, last), part = bars, self.part
        if first > last:
            raise Refused(f"bars={bars} go backwards; write the first one first: ({last}, {first})")
        if first < part.first or last > part.last:
            raise Refused(
                f"the score has the {part.name} in bars {part.first} to {part.last}, and the cue "
                f"was for {in_words(bars)}"
            )

    def _room(self, tempo: float, beat: float) -> Room:
        if not 0 <= beat < math.inf:
            raise Refused(f"beat={beat:g} is no beat of a recording, which begins with beat 0")
        try:
            return Room(tempo, self.speed)
        except LabError as error:
            raise Refused(str(error)) from None


class Percussion(Section):
    """Has bars 1 to 4 of the score."""

    part = ROLL

    @command
    async def start_timpani_roll(self, bars: Bars, tempo: float = TEMPO, beat: float = 0.0) -> Take:
        return await self.play(bars, tempo, beat)


class Strings(Section):
    """Have bars 5 to 12 of the score."""

    part = ADAGIO

    @command
    async def play_violin_adagio(self, bars: Bars, tempo: float = TEMPO, beat: float = 0.0) -> Take:
        return await self.play(bars, tempo, beat)


class Brass(Section):
    """Has bars 13 to 16 of the score."""

    part = FANFARE

    @command
    async def play_fanfare(self, bars: Bars, tempo: float = TEMPO, beat: float = 0.0) -> Take:
        return await self.play(bars, tempo, beat)


class Maestro(Service):
    """Has the score, and cues each section when the one before it is done.

    hesitates_seconds: how much music is missing before he cues the strings.
    speed: how many times faster than it sounds he waits; as that of the sections.
    """

    def __init__(self, hesitates_seconds: float = 0.0, speed: float = SPEED) -> None:
        if not 0 <= hesitates_seconds <= MOST_SECONDS:
            raise LabError(
                f"A Maestro can't hesitate for {hesitates_seconds:g} seconds.\n"
                f"hesitates_seconds goes from 0 to {MOST_SECONDS:g}; 4 are a long time."
            )
        self.hesitates_seconds, self.speed = hesitates_seconds, Room(speed=speed).speed

    @command
    async def record_album(self, tempo: float = TEMPO) -> float:
        """Record the sixteen bars under one tempo; on which beat the last of them ends."""
        try:
            room = Room(tempo, self.speed)
        except LabError as error:
            raise Refused(str(error)) from None
        roll = await self._record(Percussion, Percussion.start_timpani_roll, (1, 4), room, 0)
        now = roll.ends + await self._hesitate(room)
        adagio = await self._record(Strings, Strings.play_violin_adagio, (5, 12), room, now)
        fanfare = await self._record(Brass, Brass.play_fanfare, (13, 16), room, adagio.ends)
        return fanfare.ends

    async def _record(
        self, section: type[Section], cue: Command[Any, Take], bars: Bars, room: Room, beat: float
    ) -> Take:
        """Cue a section; a take of which no good news comes is struck, and recorded once more."""
        seconds = room.seconds((bars[1] - bars[0] + 1) * BEATS_PER_BAR) + PATIENCE_SECONDS
        score: dict[str, Any] = {"bars": bars, "tempo": room.tempo, "beat": beat}
        try:
            return await self.call(cue, timeout_seconds=seconds, **score)
        except Refused:
            raise
        except CommandFailed:
            # It may have been played, or not: to strike what is not there does no harm.
            await self.call(section.strike_take, bars=bars)
            return await self.call(cue, timeout_seconds=seconds, **score)

    async def _hesitate(self, room: Room) -> float:
        beats = math.ceil(self.hesitates_seconds * room.tempo / 60)
        await Room(room.tempo, room.speed).until(beats)
        return beats


def album_of(trace: Trace) -> Music:
    """What is on the record: all takes that were played and not struck, from the messages alone.

    It lasts sixteen bars at least: what nobody has played is silence.

    Raises LabError where nothing was recorded, or not all of it in one tempo.
    """
    takes = takes_of(trace)
    if not takes:
        raise LabError(
            "There is nothing on the record: no section has played a take that was kept.\n"
            "Cue one first: `await lab.call(Percussion.start_timpani_roll, bars=(1, 4))`."
        )
    tempi = sorted({take.tempo for _, take in takes})
    if len(tempi) > 1:
        told = ", ".join(f"{in_words(take.bars)} at {take.tempo:g}" for _, take in takes)
        raise LabError(
            f"An album has one tempo, and this one was played {told} beats a minute.\n"
            "Give each cue the same tempo=."
        )
    notes = (
        Note(start, beats, pitch, take.instrument, loud, message.id)
        for message, take in takes
        for start, beats, pitch, loud in take.notes
    )
    beats = max(LAST_BAR * BEATS_PER_BAR, *(take.ends for _, take in takes))
    return Music(tuple(sorted(notes)), tempi[0], float(beats), BEATS_PER_BAR, TITLE)


def takes_of(trace: Trace) -> list[tuple[Message, Take]]:
    """The takes that were kept, each with the reply in which it stands, in the order of playing."""
    kept: list[tuple[Message, Take]] = []
    for moment in trace:
        message = moment.message
        if message is None:
            continue
        if moment.what == "sent" and (take := _take_in(message)) is not None:
            kept.append((message, take))
        elif moment.what == "done" and message.type == f"{moment.where}.strike_take":
            struck = tuple(message.data["bars"])
            kept = [
                (said, take)
                for said, take in kept
                if (said.sender, take.bars) != (moment.where, struck)
            ]
    return sorted(kept, key=lambda each: (each[1].starts, each[0].id))


def in_words(bars: Bars) -> str:
    """Some bars of the score: "bars 5–12", or "bar 5" where it is one."""
    first, last = bars
    return f"bar {first}" if first == last else f"bars {first}–{last}"


def _take_in(message: Message) -> Take | None:
    # Looked for in each answer, so that a section of a learner's own is on the record as well.
    if message.kind != "reply" or not isinstance(message.data, dict):
        return None
    try:
        return Take.model_validate(message.data)
    except ValidationError:
        return None
