"""A jam session: in key, in time, to its end, and on without whoever drops out."""

import asyncio
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import labkit.music
from labkit import (
    BadMessage,
    Lab,
    LabError,
    Service,
    Trace,
    before_publish,
    delay,
    duplicate,
    on,
    reorder,
)
from labkit.music import (
    Bassist,
    Drummer,
    EveningBegan,
    GrooveLost,
    GrooveStarted,
    Keyboardist,
    Musician,
    PhrasePlayed,
    RhythmEstablished,
    Saxophonist,
    SoloPassed,
    SongEnded,
    Tone,
    key_named,
    lead_sheet,
    record,
    song_of,
    who_heard_whom,
)
from labkit.music.abc_notation import abc
from labkit.music.harmony import Form
from labkit.music.jam import KEYS, TEMPI
from labkit.music.listening_back import answers
from labkit.music.ranges import playable
from labkit.music.song import phrases_of, swung

BAND = (Bassist, Drummer, Keyboardist, Saxophonist)
EVENINGS = range(24)
GONE = before_publish(Saxophonist, message=PhrasePlayed, nth=3, back_after_seconds=math.inf)


class Uncle(Bassist):
    """Another one, who has not come to listen."""


class Trumpeter(Musician):
    instrument = "brass"

    def improvise(self, part):
        return [Tone(0, 1, 60 + part.key.tonic)]


def jam(evening=7, *band, simulate=1, **how):
    return run([EveningBegan(evening=evening)], Lab(*(band or BAND), simulate=simulate, **how))


def run(said, lab, before=None, after=None):
    """A day in a lab: some events, one after the other; and what a lab does before and after."""

    async def day():
        async with lab:
            if before:
                await before(lab)
            for event in said:
                await lab.publish(event)
                await lab.quiet()
            if after:
                await after(lab)
                await lab.quiet()
        return lab.trace

    return asyncio.run(day())


def leads(trace):
    """Who led which bars."""
    return [(phrase.bars, phrase.musician) for _, phrase in phrases_of(trace) if phrase.lead]


def bars_of(trace, musician):
    return [phrase.bars for _, phrase in phrases_of(trace) if phrase.musician == musician]


def key_of(trace):
    return key_named(trace.sent(RhythmEstablished)[0].data["key"])


def last_pitch(song, instrument):
    return max(note for note in song.notes if note.instrument == instrument).pitch


# -- each evening ---------------------------------------------------------------------------------


@pytest.mark.parametrize("evening", EVENINGS)
def test_every_note_is_in_the_announced_key_and_on_the_swinging_grid(evening):
    trace = jam(evening)
    song, key = song_of(trace), key_of(trace)
    pitched = [note for note in playable(song).notes if note.instrument != "drums"]
    assert len(pitched) > 200
    assert [note for note in pitched if not key.contains(note.pitch)] == []
    late = {round(note.start % 1, 3) for note in song.notes}
    assert late == {0.0, round(2 / 3, 3)}
    assert song.tempo == trace.sent(GrooveStarted)[0].data["tempo"]


@pytest.mark.parametrize("evening", EVENINGS)
def test_a_song_ends_on_the_tonic_and_together(evening):
    trace = jam(evening)
    song, key = song_of(trace), key_of(trace)
    assert last_pitch(song, "saxophone") % 12 == last_pitch(song, "bass") % 12 == key.tonic
    last_bars = [bars_of(trace, service.__name__)[-1] for service in BAND]
    assert len(set(last_bars)) == 1
    [ended] = trace.sent(SongEnded)
    assert ended.data["bars"] == last_bars[0][1] == 8 + 2 * Form(key).chorus
    final = song.beats - 4
    assert {note.instrument for note in song.notes if note.start == final} == {
        *("bass", "drums", "keys", "saxophone")
    }


def test_another_evening_is_another_song():
    melodies = set()
    for evening in EVENINGS:
        song = song_of(jam(evening, Bassist("F blues", 132), *BAND[1:]))
        notes = [note for note in song.notes if note.instrument == "saxophone"]
        melodies.add(tuple((note.start, note.pitch) for note in notes))
    assert len(melodies) == len(EVENINGS)


def test_the_same_evening_is_the_same_song_however_the_messages_run():
    first = jam(7, simulate=0)
    for seed in range(1, 20):
        trace = jam(7, simulate=seed)
        assert song_of(trace) == song_of(first)
        assert trace.text() == first.text()


@pytest.mark.parametrize("fault", [duplicate, reorder])
@pytest.mark.parametrize("seed", range(5))
def test_what_comes_twice_or_in_another_order_changes_no_note(fault, seed):
    faults = [fault(service, chance=0.4) for service in BAND]
    trace = jam(7, simulate=seed, faults=faults)
    assert any(moment.what == "struck" for moment in trace)
    assert song_of(trace) == song_of(jam(7))


def test_an_evening_may_have_a_second_song():
    evenings = [EveningBegan(evening=7), EveningBegan(evening=8)]
    trace = run(evenings, Lab(*BAND, simulate=1))
    assert len(trace.sent(SongEnded)) == len(trace.sent(RhythmEstablished)) == 2


# -- who answers whom -----------------------------------------------------------------------------


class LateBassist(Bassist):
    """The broker has its phrases long before it says so."""

    async def publish(self, event):
        await super().publish(event)
        if isinstance(event, PhrasePlayed):
            await asyncio.sleep(0.1)


def test_an_end_is_said_once_also_by_who_is_still_playing():
    [ended] = jam(7, LateBassist, Drummer, Keyboardist, Saxophonist).sent(SongEnded)
    assert ended.sender == "LateBassist"


def test_groove_then_rhythm_then_phrases_and_solos_that_are_passed():
    trace = jam(7)
    chain = [message.type for message in trace.why(trace.sent(SongEnded)[0])]
    assert chain[:4] == ["EveningBegan", "GrooveStarted", "RhythmEstablished", "PhrasePlayed"]
    assert chain.count("SoloPassed") >= 1
    assert chain[-1] == "SongEnded"
    assert {message.kind for message in trace.sent()} == {"event"}
    assert trace.problems() == trace.lost() == []


def test_call_and_response_between_the_soloists():
    counts = answers(jam(7))
    assert counts["Saxophonist", "Keyboardist"] >= 4
    assert counts["Keyboardist", "Saxophonist"] >= 4
    assert all(who != whom for who, whom in counts)


def test_a_phrase_is_made_of_what_was_heard():
    with_sax = song_of(jam(7))
    without = song_of(jam(7, *BAND[:3]))

    def keys(song):
        return [note.pitch for note in song.notes if note.instrument == "keys" and note.start > 16]

    assert keys(with_sax) != keys(without)


def test_a_solo_follows_the_end_of_another():
    trace = jam(7, Bassist("F", 132), *BAND[1:])
    assert leads(trace) == [
        ((5, 8), "Saxophonist"),
        ((9, 12), "Saxophonist"),
        ((13, 16), "Keyboardist"),
        ((17, 20), "Keyboardist"),
        ((21, 24), "Saxophonist"),
    ]
    passed = {message.id: message.sender for message in trace.sent(SoloPassed)}
    first = next(m for m, phrase in phrases_of(trace) if phrase.lead and m.sender == "Keyboardist")
    assert passed[first.causationid] == "Saxophonist"


def test_nobody_plays_before_a_groove():
    trace = jam(7, Drummer, Keyboardist, Saxophonist)
    assert [message.type for message in trace.sent()] == ["EveningBegan"]


def test_a_newcomer_needs_no_change_to_anybody():
    trace = jam(7, *BAND, Trumpeter)
    assert bars_of(trace, "Trumpeter") == bars_of(trace, "Bassist")
    assert trace.problems() == []


def test_a_newcomer_whose_code_fails_is_told_of_and_disturbs_nobody():
    class Beginner(Trumpeter):
        def improvise(self, part):
            return [Tone(0, 1, part.key.tonicc)]

    trace = jam(7, *BAND, Beginner)
    assert any("Beginner could not handle" in problem for problem in trace.problems())
    assert "tonicc" in trace.problems()[0]
    assert song_of(trace) == song_of(jam(7))


def test_a_jam_can_be_listened_to_like_any_trace():
    assert "Saxophonist" in repr(jam(7).listen())


# -- who drops out --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_keyboardist_takes_the_lead_when_the_saxophonist_is_gone(seed):
    trace = jam(7, Bassist("F", 132), *BAND[1:], simulate=seed, faults=[GONE])
    assert bars_of(trace, "Saxophonist") == [(1, 4), (5, 8)]
    assert leads(trace) == [
        ((5, 8), "Saxophonist"),
        ((13, 16), "Keyboardist"),
        ((17, 20), "Keyboardist"),
        ((21, 24), "Keyboardist"),
    ]
    assert len(trace.sent(SongEnded)) == 1


def test_who_needs_a_moment_gives_the_lead_away_and_has_it_again():
    trace = jam(7, Bassist("F", 132), Drummer, Keyboardist, Saxophonist(rests=(9, 16)))
    assert leads(trace)[:2] == [((5, 8), "Saxophonist"), ((13, 16), "Keyboardist")]
    assert ((21, 24), "Saxophonist") in leads(trace) or leads(trace)[-1][1] == "Saxophonist"
    assert len(trace.sent(SongEnded)) == 1


@pytest.mark.parametrize("away", [Lab.sleep, Lab.mute, Lab.crash])
def test_the_song_goes_on_without_who_is_not_heard(away):
    night = [EveningBegan(evening=7)]
    trace = run(night, Lab(*BAND, simulate=1), before=lambda lab: away(lab, Saxophonist))
    assert {who for _, who in leads(trace)} == {"Keyboardist"}
    assert "saxophone" not in {note.instrument for note in song_of(trace).notes}
    assert len(trace.sent(SongEnded)) == 1


def test_who_wakes_too_late_plays_four_bars_to_an_empty_room():
    trace = run(
        [EveningBegan(evening=7)],
        Lab(*BAND, simulate=1),
        before=lambda lab: lab.sleep(Saxophonist),
        after=lambda lab: lab.wake(Saxophonist),
    )
    assert bars_of(trace, "Saxophonist") == [(1, 4)]


@pytest.mark.parametrize("gone", [Bassist, Drummer])
def test_the_song_goes_on_without_bass_or_drums(gone):
    fault = before_publish(gone, message=PhrasePlayed, nth=3, back_after_seconds=math.inf)
    trace = jam(7, Bassist("F", 132), *BAND[1:], faults=[fault])
    assert bars_of(trace, gone.__name__) == [(1, 4), (5, 8)]
    assert bars_of(trace, "Saxophonist")[-1] == (21, 24)


def test_there_is_no_silence_without_the_saxophonist():
    pytest.importorskip("numpy")
    for faults in ([], [GONE]):
        recording = record(song_of(jam(7, faults=faults)))
        inside = [span for span in recording.silences(-50, 0.25) if span[1] < recording.seconds]
        assert inside == []
        assert "no silence" in repr(recording)


# -- two bassists, and a deaf drummer -------------------------------------------------------------


def two_bassists(seed, faults=()):
    bassists = Bassist("F blues", 132), Uncle("Bb blues", 96)
    return jam(7, *bassists, *BAND[1:], simulate=seed, faults=faults)


def test_of_two_grooves_the_drummer_takes_up_the_one_that_it_hears_first():
    taken = []
    for seed in range(12):
        trace = two_bassists(seed)
        [rhythm] = trace.sent(RhythmEstablished)
        taken.append(rhythm.data["tempo"])
        grooves = [m.data["tempo"] for m in trace.received(GrooveStarted, by=Drummer)]
        assert grooves[0] == rhythm.data["tempo"]
        assert trace.why(rhythm)[1].data["tempo"] == rhythm.data["tempo"]
    assert set(taken) == {96.0, 132.0}


@pytest.mark.parametrize("seed", range(6))
def test_a_groove_that_is_lost_is_found_again(seed):
    trace = two_bassists(seed)
    ours = trace.sent(RhythmEstablished)[0].data["tempo"]
    lost = [tuple(message.data["bars"]) for message in trace.sent(GrooveLost)]
    assert lost == [(1, 4), (5, 8)]
    tempi = {bars: set() for bars in bars_of(trace, "Drummer")}
    for _, phrase in phrases_of(trace):
        tempi[phrase.bars].add(phrase.tempo)
    assert [len(found) for found in tempi.values()] == [2, 2] + [1] * (len(tempi) - 2)
    assert tempi[9, 12] == {ours}
    assert len(trace.sent(SongEnded)) == 1


def test_it_is_found_in_the_same_bars_by_a_bassist_who_hears_it_early():
    slow = [delay(service, 0.1, message=PhrasePlayed) for service in (Bassist, Uncle)]
    for seed in range(4):
        plain, early = two_bassists(seed), two_bassists(seed, slow)
        found = [m.data["bars"] for m in early.sent(GrooveLost)]
        assert found == [m.data["bars"] for m in plain.sent(GrooveLost)] == [[1, 4], [5, 8]]


def test_who_plays_slower_is_soon_elsewhere():
    song = song_of(two_bassists(0))
    bass = sorted(n.start for n in song.notes if n.instrument == "bass" and n.start < 32)
    assert {round(start % 1, 3) for start in bass} - {0.0, round(2 / 3, 3)}


def test_a_deaf_drummer_goes_on_alone_and_nobody_is_told():
    trace = jam(7, Bassist("F", 132), Drummer(deaf_from_bar=9), Keyboardist, Saxophonist)
    assert trace.problems() == trace.lost() == []
    ended = trace.sent(SongEnded)[0].data["bars"]
    assert ended == bars_of(trace, "Saxophonist")[-1][1] == 24
    assert bars_of(trace, "Drummer")[-1][1] > ended
    counts = answers(trace)
    assert counts["Drummer", "Drummer"] > 4
    assert counts["Drummer", "Saxophonist"] == 1
    assert trace.sent(GrooveLost) == []


# -- from the trace alone -------------------------------------------------------------------------


def test_a_saved_trace_gives_the_same_song(tmp_path):
    trace = jam(7)
    trace.save(tmp_path / "jam.jsonl")
    assert song_of(Trace.load(tmp_path / "jam.jsonl")) == song_of(trace)


def test_each_note_names_the_message_that_says_it():
    trace = jam(7)
    said = {message.id: message.sender for message in trace.sent(PhrasePlayed)}
    assert {said[note.cause] for note in song_of(trace).notes if note.instrument == "keys"} == {
        "Keyboardist"
    }


def test_the_lead_sheet_has_the_melody_and_its_chords():
    trace = jam(7, Bassist("F", 132), *BAND[1:])
    sheet = lead_sheet(trace)
    assert "Bars 1 to 4 (Fmaj7 Fmaj7 Fmaj7 Fmaj7): the groove." in sheet.alt
    assert "Bars 13 to 16 (Fmaj7 Dm7 Gm7 C7): Keyboardist" in sheet.alt
    assert "Bars 21 to 24 (Gm7 C7 Fmaj7 Fmaj7): Saxophonist" in sheet.alt
    assert sheet.svg.count("♩") == 1
    assert sheet == lead_sheet(jam(7, Bassist("F", 132), *BAND[1:], simulate=5))


def test_the_lead_sheet_ends_with_the_band_and_not_with_a_deaf_drummer():
    deaf = jam(7, Bassist("F", 132), Drummer(deaf_from_bar=9), Keyboardist, Saxophonist)
    assert "Bars 21 to 24 (Gm7 C7 Fmaj7 Fmaj7): Saxophonist" in lead_sheet(deaf).alt


def test_an_engraved_lead_sheet_has_the_same_words():
    pytest.importorskip("verovio")
    trace = jam(7, Bassist("F", 132), *BAND[1:])
    sheet, plain = lead_sheet(trace, engraved=True), lead_sheet(trace)
    assert sheet.alt == plain.alt
    assert "Keyboardist" in sheet.svg
    assert sheet.svg.count("Gm7") == plain.svg.count(">Gm7<") > 0
    assert sheet == lead_sheet(trace, engraved=True)


def test_an_engraver_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("labkit.music.leadsheet.find_spec", lambda _: None)
    with pytest.raises(LabError, match="needs verovio"):
        lead_sheet(jam(7), engraved=True)


def test_a_bar_in_abc_has_eight_eighths_and_a_sign_at_each_black_key():
    tones = [Tone(0.5, 0.5, 70), Tone(1, 2, 71), Tone(3, 0.5, 58), Tone(3.5, 3, 84)]
    written = abc([("Sax", [("F7", tones), ("C7", [])])], 132, flats=True)
    assert written.splitlines()[-1] == '"Sax · F7"z1_B1 =B4 _B,1c\'1  | "C7"z8 |]'


def test_who_answered_whom_is_drawn_and_told():
    picture = who_heard_whom(jam(7, Bassist("F", 132), *BAND[1:]))
    assert "Keyboardist answered Bassist once and Saxophonist 4 times." in picture.alt
    assert picture.svg.count("4×") >= 2


@pytest.mark.parametrize("make", [song_of, lead_sheet, who_heard_whom])
def test_an_empty_trace_has_no_song(make):
    with pytest.raises(LabError, match=r"nobody has|Nobody has"):
        make(Trace())


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tempo", [0, 1000, -5, math.nan])
def test_a_tempo_that_nobody_can_play_is_refused(tempo):
    with pytest.raises(LabError, match="beats a minute"):
        Bassist(tempo=tempo)
    with pytest.raises(BadMessage, match=r"GrooveStarted: tempo=.*beats a minute"):
        GrooveStarted(key="F", tempo=tempo)


@pytest.mark.parametrize("key", ["H", "", "F dorian"])
def test_a_key_that_does_not_exist_is_refused(key):
    with pytest.raises(LabError, match="There is no key"):
        Bassist(key)
    with pytest.raises(BadMessage, match=r"RhythmEstablished: key=.*here is no key"):
        RhythmEstablished(key=key, tempo=120)


@pytest.mark.parametrize("bars", [(0, 3), (8, 5)])
def test_bars_run_forward_from_one(bars):
    with pytest.raises(BadMessage, match="bars go from the first"):
        SoloPassed(musician="Saxophonist", bars=bars)


def test_a_foreign_phrase_of_odd_bars_does_not_disturb_the_band():
    class Heckler(Service):
        @on(RhythmEstablished)
        async def shout(self, rhythm):
            await self.publish(
                PhrasePlayed(
                    musician="Heckler",
                    instrument="brass",
                    bars=(2, 3),
                    notes=[(0, 1, 60)],
                    key=rhythm.key,
                    tempo=rhythm.tempo,
                    lead=True,
                )
            )

    trace = jam(7, *BAND, Heckler)
    assert bars_of(trace, "Bassist") == bars_of(jam(7), "Bassist")


# -- what the notes are made of -------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_every_chord_is_in_its_key(name):
    key = key_named(name)
    form = Form(key)
    bars = (1, 4 + form.chorus)
    for chord in [*form.chords(bars), *form.chords((5, 8), home=True)]:
        assert [tone for tone in chord.tones if not key.contains(tone)] == []
    assert form.chords((5, 8), home=True)[-1].root == key.tonic


def test_even_eighths_swing_and_beats_stay():
    eighths = [swung(beat / 2) for beat in range(6)]
    assert eighths == pytest.approx([0, 2 / 3, 1, 5 / 3, 2, 8 / 3])
    assert all(early < late for early, late in pairwise(eighths))


def test_the_evening_throws_only_what_can_be_played():
    assert [key_named(name).name for name in KEYS] == list(KEYS)
    assert all(Bassist(tempo=tempo) for tempo in TEMPI)


# -- the public names -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", labkit.music.__all__)
def test_a_name_of_the_music_can_be_had_and_no_module_hides_it(name):
    assert getattr(labkit.music, name) is not None
    assert not (Path(labkit.music.__file__).parent / f"{name}.py").exists()


def test_a_lab_without_musicians_loads_none():
    code = "from labkit import Lab; import sys; print('labkit.music.jam' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
