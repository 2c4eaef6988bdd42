"""The studio album: nobody sounds without a cue, and what the Maestro does is heard."""

import asyncio
import math
import re
from contextlib import suppress

import pytest

from labkit import (
    BadMessage,
    CommandFailed,
    Lab,
    LabError,
    NoReply,
    Refused,
    Service,
    Trace,
    before_publish,
    command,
    reply_lost,
    unavailable,
)
from labkit.music import (
    Brass,
    Maestro,
    Percussion,
    Strings,
    album_of,
    key_named,
    record,
    takes_of,
)
from labkit.music.room import Room, next_bar
from labkit.music.theme import PARTS

SECTIONS = Percussion, Strings, Brass
CUES = Percussion.start_timpani_roll, Strings.play_violin_adagio, Brass.play_fanfare
CRASH = before_publish(Maestro, message=Strings.play_violin_adagio, back_after_seconds=math.inf)


def recorded(maestro=Maestro, faults=(), seed=1, **settings):
    """The lab after a recording, whatever came of it."""

    async def session():
        async with Lab(maestro, *SECTIONS, faults=faults, simulate=seed) as lab:
            with suppress(CommandFailed):
                await lab.call(Maestro.record_album, timeout_seconds=60, **settings)
            await lab.quiet()
        return lab

    return asyncio.run(session())


def cued(*cues, faults=()):
    """The lab after these cues, one after the other, without a Maestro."""

    async def session():
        async with Lab(*SECTIONS, faults=faults, simulate=1) as lab:
            for cue, settings in cues:
                await lab.call(cue, timeout_seconds=60, **settings)
            await lab.quiet()
        return lab

    return asyncio.run(session())


def refusal(cue, **settings) -> str:
    with pytest.raises(Refused) as refused:
        cued((cue, settings))
    return str(refused.value)


def bars_by_instrument(music):
    found = {}
    for note in music.notes:
        found.setdefault(note.instrument, set()).add(int(note.start // 4) + 1)
    return {instrument: (min(bars), max(bars)) for instrument, bars in found.items()}


def silent_in_the_middle(music):
    """Of the sound, not of the notes; the end of a record is silent."""
    recording = record(music)
    spans = recording.silences(below_db=-50, at_least_seconds=0.3)
    return [end - begin for begin, end in spans if end < recording.seconds]


# In order, under one tempo


def test_each_section_plays_its_bars_when_its_cue_has_come():
    steps = [step.label for step in recorded().trace.steps()]
    assert steps == [
        "record_album",
        "start_timpani_roll",
        "start_timpani_roll done",
        "play_violin_adagio",
        "play_violin_adagio done",
        "play_fanfare",
        "play_fanfare done",
        "record_album done",
    ]


def test_each_cue_is_because_of_the_recording_and_each_take_because_of_its_cue():
    trace = recorded().trace
    (order,) = trace.sent(Maestro.record_album)
    for cue, (said, _) in zip(CUES, takes_of(trace), strict=True):
        (message,) = trace.sent(cue)
        assert message.causationid == order.id
        assert said.causationid == message.id


def test_the_sections_play_the_bars_that_the_score_gives_them():
    music = album_of(recorded().trace)
    assert bars_by_instrument(music) == {"timpani": (1, 4), "violins": (5, 12), "brass": (13, 16)}
    assert (music.beats, music.tempo) == (64, 72)


def test_every_note_names_the_message_in_which_it_stands():
    trace = recorded().trace
    said = {message.id: message for message in trace.sent()}
    for note in album_of(trace).notes:
        tone = [note.start, note.duration, note.pitch, note.velocity]
        assert tone in said[note.cause].data["notes"]


def test_the_notes_hang_on_no_seed():
    assert len({album_of(recorded(seed=seed).trace) for seed in range(10)}) == 1


def test_the_tempo_is_the_maestros():
    music = album_of(recorded(tempo=120).trace)
    assert music.tempo == 120
    assert record(music).seconds == 32


def test_they_really_wait_as_long_as_they_play():
    def seconds(maestro, sections):
        async def session():
            async with Lab(maestro, *sections, simulate=1) as lab:
                await lab.call(Maestro.record_album, timeout_seconds=100)
            return lab.trace.moments[-1].seconds

        return asyncio.run(session())

    live = seconds(Maestro(speed=1), [section(speed=1) for section in SECTIONS])
    assert live == pytest.approx(64 * 60 / 72, abs=1)
    assert seconds(Maestro(speed=10), [section(speed=10) for section in SECTIONS]) < live / 8


# The theme


def test_the_theme_stays_in_its_key_and_ends_in_major():
    minor, major = key_named("D minor"), key_named("D")
    *before, ending = (note for part in PARTS for note in [part.notes(part.first, part.last, 0)])
    pitches = {pitch % 12 for notes in before for _, _, pitch, _ in notes}
    leading_tone = key_named("D").scale[6]
    assert pitches - {leading_tone} <= set(minor.scale)
    assert {pitch % 12 for _, _, pitch, _ in ending} <= set(major.scale)
    last = max(start for start, *_ in ending)
    assert {pitch % 12 for start, _, pitch, _ in ending if start == last} == {2, 6, 9}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.instrument)
def test_each_voice_fills_its_bars(part):
    for voice in part.voices:
        assert len(voice.bars) == len(voice.loud) == part.last - part.first + 1
        for number in range(len(voice.bars)):
            assert max(start + beats for start, beats, *_ in voice.written(number)) == 4


def test_the_roll_swells():
    loud = [velocity for *_, velocity in PARTS[0].notes(1, 4, 0)]
    assert loud == sorted(loud)
    assert loud[-1] > 2 * loud[0]


# Nobody goes on without a cue


def test_the_strings_listen_to_their_commands_and_to_nothing_else():
    assert Strings().topics == ["command/Strings/+"]
    assert not Strings.reactions


def test_without_the_cue_there_is_no_violin():
    lab = cued(
        (Percussion.start_timpani_roll, {"bars": (1, 4)}),
        (Brass.play_fanfare, {"bars": (13, 16), "beat": 16}),
    )
    assert set(bars_by_instrument(album_of(lab.trace))) == {"timpani", "brass"}


def test_a_maestro_who_crashes_leaves_silence_until_the_end():
    lab = recorded(faults=[CRASH])
    music = album_of(lab.trace)
    assert bars_by_instrument(music) == {"timpani": (1, 4)}
    assert music.beats == 64
    (silence,) = record(music).silences()
    assert silence[1] - silence[0] > 30


def test_a_maestro_who_comes_back_begins_anew():
    back = before_publish(Maestro, message=Strings.play_violin_adagio)
    lab = recorded(faults=[back])
    bars = [take.bars for _, take in takes_of(lab.trace)]
    assert bars == [(1, 4), (1, 4), (5, 12), (13, 16)]
    assert lab.ledger.keys("recorded").count("bars 1–4") == 2


# He hesitates, and errs


def test_four_seconds_of_hesitation_are_heard_as_silence():
    (silence,) = silent_in_the_middle(album_of(recorded(Maestro(hesitates_seconds=4)).trace))
    assert silence >= 3


def test_without_hesitation_nothing_is_silent_in_the_middle():
    assert silent_in_the_middle(album_of(recorded().trace)) == []


def test_the_next_section_comes_in_on_a_bar_line():
    takes = [take for _, take in takes_of(recorded(Maestro(hesitates_seconds=4)).trace)]
    assert [take.starts for take in takes] == [0, 24, 56]


def test_all_cued_at_once_play_at_once():
    class Hasty(Service):
        @command
        async def record_album(self):
            await asyncio.gather(
                self.call(Percussion.start_timpani_roll, bars=(1, 4)),
                self.call(Strings.play_violin_adagio, bars=(5, 12)),
            )

    async def session():
        async with Lab(Hasty, *SECTIONS, simulate=1) as lab:
            await lab.call(Hasty.record_album)
        return lab.trace

    music = album_of(asyncio.run(session()))
    assert bars_by_instrument(music) == {"timpani": (1, 4), "violins": (1, 8)}


def test_the_wrong_cue_is_played_where_it_was_given():
    roll = Percussion.start_timpani_roll, {"bars": (1, 4)}
    fanfare = Brass.play_fanfare, {"bars": (13, 16), "beat": 16}
    music = album_of(cued(roll, fanfare).trace)
    assert bars_by_instrument(music)["brass"] == (5, 8)


# A take is struck


def test_a_take_that_was_struck_is_not_on_the_record():
    adagio = Strings.play_violin_adagio, {"bars": (5, 12), "beat": 16}
    roll = Percussion.start_timpani_roll, {"bars": (1, 4)}
    lab = cued(roll, adagio, (Strings.strike_take, {"bars": (5, 12)}))
    assert set(bars_by_instrument(album_of(lab.trace))) == {"timpani"}
    assert lab.ledger.keys("struck") == ["bars 5–12"]


def test_only_the_bars_that_are_named_are_struck():
    first = Strings.play_violin_adagio, {"bars": (5, 8)}
    second = Strings.play_violin_adagio, {"bars": (9, 12), "beat": 16}
    lab = cued(first, second, (Strings.strike_take, {"bars": (9, 12)}))
    assert [take.bars for _, take in takes_of(lab.trace)] == [(5, 8)]


def test_the_next_take_stands_where_the_struck_one_stood():
    adagio = Strings.play_violin_adagio, {"bars": (5, 12), "beat": 16}
    lab = cued(adagio, (Strings.strike_take, {"bars": (5, 12)}), adagio)
    assert [take.starts for _, take in takes_of(lab.trace)] == [16]


def test_without_striking_the_second_take_comes_after_the_first():
    adagio = Strings.play_violin_adagio, {"bars": (5, 12), "beat": 16}
    assert [take.starts for _, take in takes_of(cued(adagio, adagio).trace)] == [16, 48]


def test_to_strike_what_is_not_there_does_no_harm():
    async def session():
        async with Lab(Strings, simulate=1) as lab:
            return await lab.call(Strings.strike_take, bars=(5, 12)), lab.ledger

    struck, ledger = asyncio.run(session())
    assert struck == 0
    assert not ledger.keys("struck")


def test_a_take_can_be_struck_while_it_is_played():
    async def session():
        async with Lab(Strings, simulate=1) as lab:
            adagio = {"bars": (5, 12), "beat": 16}
            with pytest.raises(NoReply):
                await lab.call(Strings.play_violin_adagio, timeout_seconds=0.1, **adagio)
            assert await lab.call(Strings.strike_take, bars=(5, 12)) == 1
            await lab.call(Strings.play_violin_adagio, **adagio)
            await lab.quiet()
        return lab

    lab = asyncio.run(session())
    assert [take.starts for _, take in takes_of(lab.trace)] == [16]
    assert lab.ledger.keys("recorded") == ["bars 5–12"]


@pytest.mark.parametrize("befalls", [reply_lost, unavailable], ids=lambda fault: fault.__name__)
def test_the_maestro_strikes_a_take_that_fails_and_the_record_is_the_same(befalls):
    lab = recorded(faults=[befalls(Strings.play_violin_adagio, nth=1)])
    assert len(lab.trace.sent(Strings.strike_take)) == 1
    assert _without_causes(lab) == _without_causes(recorded())


def _without_causes(lab):
    return [(n.start, n.duration, n.pitch, n.velocity) for n in album_of(lab.trace).notes]


# Bad input


@pytest.mark.parametrize(
    ("cue", "bars", "why"),
    [
        (Strings.play_violin_adagio, (12, 5), r"go backwards.*\(5, 12\)"),
        (Strings.play_violin_adagio, (5, 13), "violin adagio in bars 5 to 12.*bars 5–13"),
        (Percussion.start_timpani_roll, (0, 4), "timpani roll in bars 1 to 4"),
        (Brass.play_fanfare, (13, 17), "fanfare in bars 13 to 16"),
    ],
)
def test_bars_that_are_not_theirs_are_refused(cue, bars, why):
    assert re.search(why, refusal(cue, bars=bars))


@pytest.mark.parametrize("tempo", [0, -3, 1_000, 19])
def test_a_tempo_in_which_nobody_can_play_is_refused(tempo):
    assert "from 20 to 400" in refusal(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo)


def test_the_maestro_refuses_it_too_before_anybody_plays():
    lab = recorded(tempo=1_000)
    assert not any(lab.trace.sent(cue) for cue in CUES)
    with pytest.raises(LabError, match="nothing on the record"):
        album_of(lab.trace)


def test_a_beat_before_the_first_is_refused():
    assert "begins with beat 0" in refusal(Brass.play_fanfare, bars=(13, 16), beat=-1)


@pytest.mark.parametrize("bars", ["5–12", (5,), (5, 6, 7), None])
def test_what_is_no_pair_of_bars_is_no_cue(bars):
    with pytest.raises(BadMessage, match="bars"):
        cued((Strings.play_violin_adagio, {"bars": bars}))


def test_two_tempi_make_no_album():
    roll = Percussion.start_timpani_roll, {"bars": (1, 4), "tempo": 72}
    adagio = Strings.play_violin_adagio, {"bars": (5, 12), "tempo": 60, "beat": 16}
    with pytest.raises(LabError, match=r"bars 1–4 at 72, bars 5–12 at 60"):
        album_of(cued(roll, adagio).trace)


def test_an_empty_trace_makes_no_album():
    with pytest.raises(LabError, match="nothing on the record"):
        album_of(Trace([]))


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan, 1_000])
def test_a_maestro_hesitates_for_a_sensible_time(seconds):
    with pytest.raises(LabError, match="hesitates_seconds"):
        Maestro(hesitates_seconds=seconds)


@pytest.mark.parametrize("speed", [0, -1, math.inf, math.nan, "fast", True])
def test_a_speed_that_is_none_is_named(speed):
    with pytest.raises(LabError, match="speed="):
        Strings(speed=speed)


# The room


@pytest.mark.parametrize("tempo", [0, 1_000, math.nan, "slow", None, True])
def test_a_room_has_a_tempo_in_which_one_can_play(tempo):
    with pytest.raises(LabError, match="from 20 to 400"):
        Room(tempo)


def test_who_is_a_little_late_is_still_in_time():
    assert [next_bar(beat) for beat in (0, 15.9, 16, 16.5, 16.6, 20)] == [0, 16, 16, 16, 20, 20]


def test_a_room_counts_its_beats_on_the_clock_of_the_lab():
    class Clock(Service):
        @command
        async def beats(self) -> list[float]:
            room = Room(tempo=60, speed=2)
            before = room.beat
            await room.until(8)
            await room.until(4)  # gone by, and not waited for
            return [before, room.beat, room.seconds(8)]

    async def session():
        async with Lab(Clock, simulate=1) as lab:
            return await lab.call(Clock.beats, timeout_seconds=60)

    assert asyncio.run(session()) == pytest.approx([0, 8, 4])
