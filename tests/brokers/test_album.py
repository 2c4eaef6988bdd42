"""The studio album on each broker: the same notes as in simulation, whatever befalls."""

import asyncio
import math
from contextlib import suppress

import pytest

from labkit import CommandFailed, Lab, before_publish, reply_lost
from labkit.music import Brass, Maestro, Percussion, Strings, album_of

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
LOST = reply_lost(Strings.play_violin_adagio, nth=1)
DIES = before_publish(Maestro, message=Strings.play_violin_adagio, back_after_seconds=math.inf)
BACK = before_publish(Maestro, message=Brass.play_fanfare, back_after_seconds=0.2)


def recorded(maestro, faults, seconds=20.0, **where):
    async def session():
        async with Lab(maestro, Percussion, Strings, Brass, faults=faults, **where) as lab:
            with suppress(CommandFailed):
                await lab.call(Maestro.record_album, timeout_seconds=seconds)
            await lab.quiet()
        return lab.trace

    return asyncio.run(session())


@on_each_broker
@pytest.mark.parametrize(
    ("maestro", "faults", "seconds"),
    [
        (Maestro, [], 20),
        (Maestro(hesitates_seconds=4), [], 20),
        (Maestro, [LOST], 20),
        (Maestro, [DIES], 2),
        (Maestro, [BACK], 20),
    ],
    ids=["in order", "hesitates", "a reply is lost", "dies", "dies and comes back"],
)
def test_the_record_is_the_same_note_for_note(broker, maestro, faults, seconds):
    real = recorded(maestro, faults, seconds, broker=broker)
    simulated = recorded(maestro, faults, seconds, simulate=3)
    assert album_of(real) == album_of(simulated)
    assert real.text() == simulated.text()


@on_each_broker
def test_each_musician_and_each_command_of_the_score_is_in_the_trace_in_causal_order(broker):
    trace = recorded(Maestro, [], broker=broker)
    said = [(step.sender, step.message.type) for step in trace.steps()]
    assert said == [
        ("you", "Maestro.record_album"),
        ("Maestro", "Percussion.start_timpani_roll"),
        ("Percussion", "Percussion.start_timpani_roll.done"),
        ("Maestro", "Strings.play_violin_adagio"),
        ("Strings", "Strings.play_violin_adagio.done"),
        ("Maestro", "Brass.play_fanfare"),
        ("Brass", "Brass.play_fanfare.done"),
        ("Maestro", "Maestro.record_album.done"),
    ]
