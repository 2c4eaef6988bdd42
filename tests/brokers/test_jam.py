"""A jam session on each broker: the same evening is the same song, note for note."""

import asyncio
import math

import pytest

from labkit import Lab, before_publish
from labkit.music import (
    Bassist,
    Drummer,
    EveningBegan,
    GrooveStarted,
    Keyboardist,
    PhrasePlayed,
    RhythmEstablished,
    Saxophonist,
    SoloPassed,
    SongEnded,
    song_of,
)

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
BAND = Drummer, Keyboardist, Saxophonist
GONE = before_publish(Saxophonist, message=PhrasePlayed, nth=3, back_after_seconds=math.inf)


def jam(*band, faults=(), **where):
    async def evening():
        async with Lab(*band, faults=faults, **where) as lab:
            await lab.publish(EveningBegan(evening=7))
            await lab.quiet()
        return lab.trace

    return asyncio.run(evening())


@on_each_broker
def test_the_same_evening_is_the_same_song_as_in_simulation(broker):
    real = jam(Bassist("F", 132), *BAND, broker=broker)
    simulated = jam(Bassist("F", 132), *BAND, simulate=3)
    assert song_of(real) == song_of(simulated)
    assert real.text() == simulated.text()


@on_each_broker
def test_without_the_saxophonist_too(broker):
    real = jam(Bassist("F", 132), *BAND, faults=[GONE], broker=broker)
    simulated = jam(Bassist("F", 132), *BAND, faults=[GONE], simulate=3)
    assert song_of(real) == song_of(simulated)
    assert len(real.sent(SongEnded)) == 1


@on_each_broker
def test_each_musician_and_each_event_takes_part_in_its_order(broker):
    trace = jam(Bassist("F", 132), *BAND, broker=broker)
    assert {message.sender for message in trace.sent(PhrasePlayed)} == {
        *("Bassist", "Drummer", "Keyboardist", "Saxophonist")
    }
    assert len(trace.sent(SoloPassed)) == 2
    [groove], [rhythm] = trace.sent(GrooveStarted), trace.sent(RhythmEstablished)
    assert (groove.sender, rhythm.sender) == ("Bassist", "Drummer")
    for phrase in trace.sent(PhrasePlayed):
        chain = [message.id for message in trace.why(phrase)]
        assert chain.index(groove.id) < chain.index(rhythm.id) < chain.index(phrase.id)
