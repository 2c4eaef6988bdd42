"""The synthesiser is measured: in tune, told apart, never too loud, the same in each process."""

import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from labkit.music.instruments import RATE
from labkit.music.note import Music, Note
from labkit.music.ranges import INSTRUMENTS, KIT, RANGES
from labkit.music.synth import render

CEILING = 10 ** (-1 / 20)  # -1 dBFS


def alone(instrument: str, pitch: int, seconds: float = 1.4, velocity: float = 0.7):
    return render(Music((Note(0, seconds, pitch, instrument, velocity),), 60, seconds))


def pitches(instrument: str) -> list[int]:
    if instrument == "drums":
        return sorted(KIT)
    low, high = RANGES[instrument]
    return [*range(low, high, 4), high]


def hertz_heard(samples, near: float) -> float:
    """The strongest tone within half a semitone of a frequency."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    spectrum[np.abs(np.log2(np.maximum(hertz, 1) / near)) > 1 / 24] = 0
    return hertz[np.argmax(spectrum)]


def hertz_by_period(samples, near: float) -> float:
    """The tone whose period repeats the sound best (autocorrelation), to a fraction of a sample."""
    finer, size = 16, 1 << 16
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size)) ** 2
    alike = np.fft.irfft(power, finer * size)
    # Some periods later the same repetition is measured more finely, up to where it is ambiguous.
    times = min(20, max(1, int(0.04 * near)))
    at, spread = (round(finer * RATE / near * share) for share in (times, 0.015 * times))
    best = at - spread + int(np.argmax(alike[at - spread : at + spread + 1]))
    return times * finer * RATE / best


MEASURES = [hertz_heard, BY_PERIOD := hertz_by_period]


def centroid(samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float((spectrum * np.fft.rfftfreq(len(samples), 1 / RATE)).sum() / spectrum.sum())


@pytest.mark.parametrize(
    ("instrument", "measure"),
    # A kettle's overtones do not repeat with its tone, so it has no period.
    [(name, how) for how in MEASURES for name in RANGES if (name, how) != ("timpani", BY_PERIOD)],
)
def test_each_instrument_is_in_tune_over_its_range(instrument, measure):
    off = {}
    for pitch in pitches(instrument):
        wanted = 440 * 2 ** ((pitch - 69) / 12)
        steady = alone(instrument, pitch)[round(0.2 * RATE) : round(1.3 * RATE)]
        off[pitch] = 1200 * np.log2(measure(steady, wanted) / wanted)
    assert {pitch: cents for pitch, cents in off.items() if abs(cents) > 5} == {}


@pytest.mark.parametrize("measure", MEASURES)
def test_the_measure_would_notice_a_mistuned_instrument(measure):
    mistuned = alone("keys", 60)[round(0.2 * RATE) : round(1.3 * RATE)]
    wanted = 440 * 2 ** ((60.06 - 69) / 12)
    assert 1200 * np.log2(measure(mistuned, wanted) / wanted) == pytest.approx(-6, abs=0.7)


def test_any_two_instruments_can_be_told_apart_by_their_brightness():
    bright = {
        name: np.median([centroid(alone(name, pitch)) for pitch in pitches(name)])
        for name in INSTRUMENTS
    }
    alike = [
        (one, other)
        for one, other in combinations(bright, 2)
        if abs(bright[one] / bright[other] - 1) <= 0.1
        or abs(bright[other] / bright[one] - 1) <= 0.1
    ]
    assert alike == []


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_note_is_heard_and_keeps_below_the_ceiling(instrument):
    for pitch in pitches(instrument):
        peak = np.abs(alone(instrument, pitch, 1.0, 1.0)).max()
        assert 0.05 < peak <= CEILING, (pitch, peak)


def test_fifty_notes_at_once_keep_below_the_ceiling():
    notes = [Note(0, 2, p, name, 1.0) for name in INSTRUMENTS for p in pitches(name)]
    assert len(notes) > 50
    assert 0.8 < np.abs(render(Music(tuple(notes), 60, 2))).max() <= CEILING


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_harder_note_is_louder(instrument):
    pitch = pitches(instrument)[len(pitches(instrument)) // 2]
    soft, hard = (np.std(alone(instrument, pitch, 1.0, force)) for force in (0.4, 0.8))
    assert hard > 1.5 * soft


def test_the_gain_is_fixed_so_that_two_takes_can_be_compared():
    one = Note(0, 1, 62, "violins")
    short = render(Music((one,), 60, 4))
    with_more = render(Music((one, Note(3, 1, 62, "brass", 1.0)), 60, 4))
    np.testing.assert_allclose(short[: 2 * RATE], with_more[: 2 * RATE], atol=1e-9)


def test_instruments_are_about_as_loud_as_each_other():
    typical = {"timpani": 41, "violins": 69, "brass": 60, "bass": 41, "keys": 60, "saxophone": 65}
    level = {
        name: 20 * np.log10(np.std(alone(name, pitch, 0.8)[: RATE // 2]))
        for name, pitch in typical.items()
    }
    assert max(level.values()) - min(level.values()) < 6, level


def test_a_long_note_of_the_timpani_is_a_roll_and_a_short_one_a_stroke():
    def late(seconds):
        samples = alone("timpani", 38, seconds)
        return np.std(samples[round(0.6 * RATE) : round(0.8 * RATE)]) / np.std(samples[: RATE // 5])

    assert late(0.85) < 0.5
    assert late(2.0) > 0.7


PRINT_A_HASH = """
import hashlib
from labkit.music.instruments import PLAYERS
from labkit.music.note import Music, Note
from labkit.music.synth import render, wav

notes = [Note(at / 2, 1.5, 51, name, 0.6) for at, name in enumerate(PLAYERS)]
print(hashlib.sha256(wav(render(Music(tuple(notes), 120, 8)))).hexdigest())
"""


def test_two_processes_make_the_same_bytes():
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PRINT_A_HASH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1
    assert len(hashes.pop().strip()) == 64


def test_the_order_in_which_notes_are_given_changes_nothing():
    notes = [Note(0, 1, pitch, "brass", 0.9) for pitch in (60, 64, 67, 72)]
    there, back = (render(Music(tuple(some), 60, 1)) for some in (notes, notes[::-1]))
    assert (there == back).all()
