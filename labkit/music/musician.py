"""A musician: hears what the others play, and answers it; nobody tells anybody what to do."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from labkit.music.harmony import PHRASE, Form
from labkit.music.hearing import FIRST, Heard, Said, Song, Span
from labkit.music.improvising import Part
from labkit.music.jam_events import (
    PhrasePlayed,
    RhythmEstablished,
    SoloPassed,
    SongEnded,
    Tone,
)
from labkit.music.pitch import key_named
from labkit.system.service import Service, on


class Musician(Service):
    """Comes in with the rhythm, plays four bars, listens to all, and answers the one it follows.

    Subclass it, name an `instrument`, and write `improvise`. solos: whether it would take a solo.
    """

    instrument: ClassVar[str] = "keys"
    solos: ClassVar[bool] = False

    def __init__(self) -> None:
        self._song: Song | None = None

    def improvise(self, part: Part) -> list[Tone]:
        """What it plays in the next four bars."""
        raise NotImplementedError

    @on(RhythmEstablished)
    async def come_in(self, rhythm: RhythmEstablished) -> None:
        song = self._song or Song(rhythm.key)
        # One that failed to play is asked again; see Service.retries.
        if song.played == 0 and song.rhythm in (None, rhythm):
            self._song, song.rhythm = song, rhythm
            await self._play(song, FIRST, None)

    @on(PhrasePlayed, SoloPassed)
    async def hear(self, said: Said) -> None:
        deaf = self.is_deaf(said.bars[0])
        if not _is_a_round(said.bars) or (deaf and said.musician != self.name):
            return
        if self._song is None and isinstance(said, PhrasePlayed) and said.bars == FIRST:
            # Somebody who heard the rhythm earlier was quicker: nobody promises an order.
            self._song = Song(said.key)
        song = self._song
        if song is None:
            return
        song.note(said)
        heard = await song.whole(said.bars, self.name if deaf else "")
        if heard is None or song.rhythm is None or song.over or song.played != said.bars[1]:
            return
        if heard.cue(self.name, song.rhythm.tempo) == said:
            await self.go_on(song, heard)

    @on(SongEnded)
    async def stop(self, _: SongEnded) -> None:
        if self._song is not None and not self.is_deaf(self._song.played + 1):
            self._leave(self._song)

    async def go_on(self, song: Song, heard: Heard) -> None:
        """Play the next bars, or stop where those were the last ones."""
        if song.last == heard.bars:
            self._leave(song)
        else:
            await self._play(song, (heard.bars[1] + 1, heard.bars[1] + PHRASE), heard)

    def is_deaf(self, bar: int) -> bool:
        """Whether it hears nobody but itself from this bar on."""
        return False

    def rests(self, bars: Span) -> bool:
        """Whether it is silent in these bars."""
        return False

    def key_and_tempo(self, song: Song, bars: Span) -> tuple[str, float]:
        """In which key and tempo it plays these bars."""
        assert song.rhythm is not None
        return song.rhythm.key, song.rhythm.tempo

    async def _play(self, song: Song, bars: Span, heard: Heard | None) -> None:
        phrase = self._phrase(song, bars, heard)
        song.played, song.last = bars[1], bars if phrase.last else None
        await self.publish(phrase)
        if phrase.lead and not phrase.last and song.form.ends_chorus(bars[1]):
            await self.publish(SoloPassed(musician=self.name, bars=bars))

    def _phrase(self, song: Song, bars: Span, heard: Heard | None) -> PhrasePlayed:
        assert song.rhythm is not None
        key, tempo = self.key_and_tempo(song, bars)
        rests, lead, home, answered = self.rests(bars), False, False, None
        if heard is not None:
            lead = song.leads_next(heard) == self.name and not rests
            home = song.goes_home(heard)
            answered = heard.answered(self.name, song.rhythm.tempo)
        part = Part(
            bars=bars,
            key=key_named(key),
            chords=Form(key_named(key)).chords(bars, home=home),
            heard=answered.notes if answered else (),
            # Thrown by what is heard: so another phrase is answered by another one.
            dice=Random(f"{self.name} {bars} {key} {tempo:g} {answered}"),
            lead=lead,
            home=home,
        )
        return PhrasePlayed(
            musician=self.name,
            instrument=self.instrument,
            bars=bars,
            notes=() if rests else tuple(self.improvise(part)),
            key=key,
            tempo=tempo,
            lead=lead,
            solos=self.solos,
            last=home,
        )

    def _leave(self, song: Song) -> None:
        song.end()
        self._song = None


def _is_a_round(bars: Span) -> bool:
    return bars[0] % PHRASE == 1 and bars[1] == bars[0] + PHRASE - 1
