"""The jam session: a bassist, a drummer, a keyboardist and a saxophonist without a conductor."""

from __future__ import annotations

from random import Random

from labkit.music.accompanying import comping, drumming, riff, walking
from labkit.music.harmony import GROOVE, PHRASE
from labkit.music.hearing import Heard, Song, Span
from labkit.music.improvising import Part, lick, melody
from labkit.music.jam_events import (
    EveningBegan,
    GrooveLost,
    GrooveStarted,
    RhythmEstablished,
    SongEnded,
    Tone,
    playable_key,
)
from labkit.music.musician import Musician
from labkit.music.room import a_tempo
from labkit.system.service import on

KEYS = ("F blues", "Bb blues", "C blues", "F", "Bb", "Eb", "D minor", "G minor", "C minor")
TEMPI = range(104, 172, 4)


class Bassist(Musician):
    """Begins: its groove names key and tempo.

    key, tempo: what it plays, whatever evening it is; the evening's dice where none is given.
    Raises LabError where nobody could play in them.
    """

    instrument = "bass"

    def __init__(self, key: str | None = None, tempo: float | None = None) -> None:
        super().__init__()
        self._key = None if key is None else playable_key(key)
        self._tempo = None if tempo is None else a_tempo(tempo)
        self._evening = 0
        self._groove: GrooveStarted | None = None
        self._together = 1  # from this bar on it plays what all play

    @on(EveningBegan)
    async def lay_down_a_groove(self, night: EveningBegan) -> None:
        if self._song is None:
            self._evening, self._together = night.evening, 1
            dice = Random(f"{night.evening} {self.name} groove")
            key, tempo = dice.choice(KEYS), dice.choice(TEMPI)
            self._groove = GrooveStarted(key=self._key or key, tempo=self._tempo or tempo)
            await self.publish(self._groove)

    @on(GrooveLost)
    async def find_the_groove(self, lost: GrooveLost) -> None:
        # In the next bars it may be playing already: only after those it is the same for all.
        if self._together == 1 and self._groove is not None and self._groove.tempo == lost.other:
            self._together = lost.bars[1] + PHRASE + 1

    def improvise(self, part: Part) -> list[Tone]:
        if part.bars[1] <= GROOVE:
            return riff(part.key, part.chords, Random(f"{self._evening} {self.name} riff"), 31)
        return walking(part, 31, 55)

    def key_and_tempo(self, song: Song, bars: Span) -> tuple[str, float]:
        groove, ours = self._groove, super().key_and_tempo(song, bars)
        # A key it hears at once; that its tempo is another one, others have to tell it.
        if groove is None or groove.tempo == ours[1] or 1 < self._together <= bars[0]:
            return ours
        return groove.key, groove.tempo

    async def go_on(self, song: Song, heard: Heard) -> None:
        # Asked before it plays: while its phrase is on the way, others may end the song.
        ends = song.last == heard.bars
        await super().go_on(song, heard)
        if ends and self._began(song):
            await self.publish(SongEnded(musician=self.name, bars=heard.bars[1]))

    def _began(self, song: Song) -> bool:
        """Whether the song is its own: it was its groove that was taken up."""
        groove, rhythm = self._groove, song.rhythm
        if groove is None or rhythm is None:
            return False
        return (groove.key, groove.tempo) == (rhythm.key, rhythm.tempo)


class Drummer(Musician):
    """Takes up the first groove that it hears, and says so when there are two in the room.

    deaf_from_bar: from there on it hears nobody but itself, and nobody is told.
    """

    instrument = "drums"

    def __init__(self, deaf_from_bar: int | None = None) -> None:
        super().__init__()
        self._deaf_from_bar = deaf_from_bar

    @on(GrooveStarted)
    async def add_a_beat(self, groove: GrooveStarted) -> None:
        if self._song is None and not self._counting_in:
            self._counting_in = True
            await self.publish(RhythmEstablished(key=groove.key, tempo=groove.tempo))

    def improvise(self, part: Part) -> list[Tone]:
        return drumming(part)

    def is_deaf(self, bar: int) -> bool:
        return self._deaf_from_bar is not None and bar >= self._deaf_from_bar

    async def go_on(self, song: Song, heard: Heard) -> None:
        assert song.rhythm is not None
        ours = song.rhythm.tempo
        for other in sorted({phrase.tempo for phrase in heard.phrases.values()} - {ours}):
            lost = GrooveLost(musician=self.name, bars=heard.bars, tempo=ours, other=other)
            await self.publish(lost)
        await super().go_on(song, heard)

    _counting_in = False

    def _leave(self, song: Song) -> None:
        super()._leave(song)
        self._counting_in = False


class Keyboardist(Musician):
    """Plays chords behind others, answers them, and takes the lead when it is free."""

    instrument = "keys"
    solos = True

    def improvise(self, part: Part) -> list[Tone]:
        if part.lead:
            left = [tone._replace(velocity=0.36) for tone in comping(part, 48, PHRASE)]
            return sorted([*left, *melody(part, 65, 86)])
        if part.bars[1] <= GROOVE or part.home:
            return comping(part, 53, PHRASE)
        return sorted([*comping(part, 53, PHRASE - 1), *lick(part, 65, 84)])


class Saxophonist(Musician):
    """Plays solos, and answers those of others.

    rests: the bars, first and last, in which it needs a moment.
    """

    instrument = "saxophone"
    solos = True

    def __init__(self, rests: tuple[int, int] | None = None) -> None:
        super().__init__()
        self._rests = rests

    def improvise(self, part: Part) -> list[Tone]:
        return melody(part, 56, 78) if part.lead else lick(part, 58, 76)

    def rests(self, bars: Span) -> bool:
        return self._rests is not None and self._rests[0] <= bars[1] and bars[0] <= self._rests[1]
