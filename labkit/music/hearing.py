"""Hearing: a song as one musician hears it, and what follows from it for all of them alike."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.music.harmony import GROOVE, PHRASE, Form
from labkit.music.jam_events import PhrasePlayed, RhythmEstablished, SoloPassed
from labkit.music.pitch import key_named

Span = tuple[int, int]
Said = PhrasePlayed | SoloPassed

FIRST: Span = (1, GROOVE)
# The room's clock. Musicians play as fast as they hear each other, so it only tells when somebody
# is gone: after so many beats in which nothing was heard. They are counted one by one, so that on
# a machine that is busy they get longer for all.
BEAT_SECONDS, PATIENCE_BEATS = 0.04, 16
# Everybody knows when it is over: after two choruses at least, when all have had a solo.
LEAST_CHORUSES, MOST_CHORUSES = 2, 3
# Who solos first, and whom one follows where nobody solos.
SOLOISTS = ("saxophone", "brass", "violins", "keys")
GUIDES = ("bass", "drums")


@dataclass(frozen=True)
class Heard:
    """What one musician has heard of the same bars, when it listened no longer."""

    bars: Span
    phrases: Mapping[str, PhrasePlayed]
    passed: SoloPassed | None = None

    @property
    def lead(self) -> PhrasePlayed | None:
        """Whose solo it was."""
        leads = [phrase for phrase in self.phrases.values() if phrase.lead]
        return min(leads, key=lambda phrase: phrase.musician, default=None)

    @property
    def soloists(self) -> list[PhrasePlayed]:
        """Who would take a solo, and was not silent."""
        return [phrase for phrase in self.phrases.values() if phrase.solos and phrase.notes]

    def cue(self, me: str, tempo: float) -> Said | None:
        """What a musician answers of it; the same one, in whatever order all of it came."""
        if self.passed is not None and self.passed.musician != me:
            return self.passed
        return min(self.phrases.values(), key=lambda p: self._far(p, me, tempo), default=None)

    def answered(self, me: str, tempo: float) -> PhrasePlayed | None:
        """The phrase that a musician answers."""
        cue = self.cue(me, tempo)
        return self.phrases.get(cue.musician) if isinstance(cue, SoloPassed) else cue

    def _far(self, phrase: PhrasePlayed, me: str, tempo: float) -> tuple[object, ...]:
        """The soloist first; a soloist listens to those who answer it; last of all to itself."""
        answers = self.lead is not None and phrase.solos
        guide = _rank(phrase.instrument, GUIDES)
        own = phrase.musician == me
        return own, phrase.tempo != tempo, not phrase.lead, not answers, guide, phrase.musician


class Song:
    """A song as one musician hears it: bars are its clock, and a round is what all play in four."""

    def __init__(self, key: str) -> None:
        self.form = Form(key_named(key))
        self.rhythm: RhythmEstablished | None = None
        self.played = 0  # the last bar that it has played itself
        self.last: Span | None = None  # the bars after which it goes home
        self.led: Counter[str] = Counter()  # whole choruses
        self.over = False
        self._phrases: dict[Span, dict[str, PhrasePlayed]] = {}
        self._passed: dict[Span, SoloPassed] = {}
        self._closed: dict[Span, Heard] = {}
        self._news = asyncio.Event()

    def note(self, said: Said) -> None:
        """Keep what was heard."""
        if isinstance(said, SoloPassed):
            self._passed[said.bars] = said
        else:
            self._phrases.setdefault(said.bars, {})[said.musician] = said
        self._tell()

    def end(self) -> None:
        self.over = True
        self._tell()

    async def whole(self, bars: Span, only: str = "") -> Heard | None:
        """All that is heard of a round: of whoever was heard in the round before.

        Whoever says nothing for too long is not waited for. In the first round nobody knows who
        else is there, so there one listens that long. only: the one that is listened to.
        """
        silent = 0
        while bars not in self._closed and not self.over:
            before = self._closed.get((bars[0] - PHRASE, bars[0] - 1))
            begun = bars == FIRST or before is not None
            if begun and (self._complete(bars, before, only) or silent >= PATIENCE_BEATS):
                self._close(bars)
            elif not await self._news_within_a_beat():
                silent += begun
        return self._closed.get(bars)

    def leads_next(self, heard: Heard) -> str:
        """Who plays the next solo: everybody comes to the same answer, and nobody is asked."""
        last, ended = heard.lead, self.form.ends_chorus(heard.bars[1])
        if last is not None and last in heard.soloists and not ended:
            return last.musician
        others = [phrase for phrase in heard.soloists if phrase is not last] or heard.soloists
        chosen = min(others, key=self._turn, default=None)
        return chosen.musician if chosen else ""

    def goes_home(self, heard: Heard) -> bool:
        """Whether the next bars are the last ones."""
        done = self.form.choruses(heard.bars[1])
        if not self.form.ends_chorus(heard.bars[1]) or done < LEAST_CHORUSES:
            return False
        all_have = bool(heard.soloists) and all(self.led[p.musician] for p in heard.soloists)
        return all_have or done >= MOST_CHORUSES

    def _turn(self, phrase: PhrasePlayed) -> tuple[object, ...]:
        return self.led[phrase.musician], _rank(phrase.instrument, SOLOISTS), phrase.musician

    def _complete(self, bars: Span, before: Heard | None, only: str) -> bool:
        there = self._phrases.get(bars, {})
        if only or before is None:
            return only in there
        passes = self.form.ends_chorus(bars[1]) and any(p.lead for p in there.values())
        return set(before.phrases) <= set(there) and (not passes or bars in self._passed)

    def _close(self, bars: Span) -> None:
        heard = Heard(bars, dict(self._phrases.get(bars, {})), self._passed.get(bars))
        self._closed[bars] = heard
        if heard.lead is not None and self.form.ends_chorus(bars[1]):
            self.led[heard.lead.musician] += 1
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _news_within_a_beat(self) -> bool:
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
