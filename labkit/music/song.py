"""A song: what was played in a jam session, from its trace alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from labkit.music.harmony import Form
from labkit.music.improvising import BAR
from labkit.music.jam_events import PhrasePlayed, RhythmEstablished, Tone
from labkit.music.note import Music, Note
from labkit.music.pitch import key_named
from labkit.system.errors import LabError
from labkit.system.message import Event, Message
from labkit.trace import Trace

E = TypeVar("E", bound=Event)


def song_of(trace: Trace) -> Music:
    """The song that was played, as music to `record`: whatever of it was heard by anybody.

    Raises LabError where nobody played.
    """
    phrases = phrases_of(trace)
    if not any(phrase.notes for _, phrase in phrases):
        raise LabError(
            "There is no song in this trace: nobody has played a phrase that somebody heard.\n"
            "A jam begins with `await lab.publish(EveningBegan(evening=7))`, and needs a Bassist "
            "and a Drummer."
        )
    tempo, feel = _tempo_and_feel(trace, phrases)
    notes = [
        _note(message, phrase, tone, tempo, swings=feel == "swing")
        for message, phrase in phrases
        for tone in phrase.notes
    ]
    last = max(phrase.bars[1] for _, phrase in phrases)
    return Music(tuple(sorted(notes)), tempo, last * BAR, title="the jam")


def phrases_of(trace: Trace) -> list[tuple[Message, PhrasePlayed]]:
    """What was played and heard, bar by bar; each phrase with the message that says it."""
    heard = said_in(trace, PhrasePlayed)
    return sorted(heard, key=lambda pair: (pair[1].bars, pair[1].musician, pair[0].id))


def said_in(trace: Trace, kind: type[E]) -> list[tuple[Message, E]]:
    """Each event of a kind that reached anybody, once."""
    known = {(message.source, message.id): message for message in trace.received(kind)}
    return [(message, kind.read(message.data)) for message in known.values()]


def form_of(trace: Trace) -> Form:
    """The form of the song in a trace."""
    rhythms = said_in(trace, RhythmEstablished)
    key = rhythms[0][1].key if rhythms else phrases_of(trace)[0][1].key
    return Form(key_named(key))


def _tempo_and_feel(
    trace: Trace, phrases: Iterable[tuple[Message, PhrasePlayed]]
) -> tuple[float, str]:
    for _, rhythm in said_in(trace, RhythmEstablished):
        return rhythm.tempo, rhythm.feel
    return next(phrase.tempo for _, phrase in phrases), "swing"


def _note(
    message: Message, phrase: PhrasePlayed, tone: Tone, tempo: float, *, swings: bool
) -> Note:
    begin, end = tone.beat, tone.beat + tone.duration
    if swings:
        begin, end = swung(begin), swung(end)
    # Who plays in a tempo of its own begins with the others, and is soon elsewhere.
    slower = tempo / phrase.tempo
    start = (phrase.bars[0] - 1) * BAR + begin * slower
    instrument, cause = phrase.instrument, message.id
    return Note(start, (end - begin) * slower, tone.pitch, instrument, tone.velocity, cause)


def swung(beat: float) -> float:
    """Where an even eighth comes when it swings: the second of a beat at two thirds of it."""
    whole, rest = divmod(beat, 1)
    return whole + (2 / 3 if rest == 0.5 else rest)
