"""Instruments: each makes the samples of one note, from sums of waves and from noise."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labkit.music.ranges import KIT

Samples = NDArray[np.float64]
Peaks = tuple[tuple[float, float, float], ...]

RATE = 22_050
TABLE = 16_384
BRIGHTEST_HERTZ = 9_500
ROLL_SECONDS = 0.9  # a longer timpani note is a roll
# So that a note of each at the same velocity is about as loud; see docs/instruments.md.
GAIN = {
    "timpani": 0.19,
    "violins": 0.09,
    "brass": 0.105,
    "bass": 0.15,
    "drums": 0.26,
    "keys": 0.14,
    "saxophone": 0.085,
}
# Resonances of the body or the bell: hertz, strength, width in octaves.
VIOLIN: Peaks = ((290, 0.7, 0.4), (520, 1.0, 0.5), (1100, 0.7, 0.5), (2500, 0.9, 0.6))
BELL: Peaks = ((750, 0.7, 0.9), (1500, 1.0, 0.7), (2700, 0.55, 0.6))
REED: Peaks = ((430, 1.0, 0.6), (880, 0.8, 0.45), (1500, 0.4, 0.4), (2600, 0.22, 0.4))
# Four violins: cents beside the tone, strength. The first two keep the section in tune.
SECTION = ((0, 1.2), (0, 0.9), (-4, 0.7), (4, 0.7))
# A kettle's modes beside its tone: ratio, strength, seconds (Rossing 1982).
KETTLE = (
    (1.0, 1.0, 0.9),
    (1.504, 0.65, 0.7),
    (1.742, 0.2, 0.3),
    (2.0, 0.5, 0.5),
    (2.494, 0.3, 0.4),
    (2.99, 0.2, 0.3),
    (3.46, 0.12, 0.2),
)
# A cymbal's tones, in no harmony.
PLATE = tuple(round(317 * 1.155**n) + 61 * (n * n % 7) for n in range(24))


def sound(instrument: str, pitch: int, seconds: float, velocity: float) -> Samples:
    """The samples of one note at RATE: mono, with what rings on after its end."""
    loud = GAIN[instrument] * velocity**1.3
    made = PLAYERS[instrument](pitch, seconds, velocity)
    return np.asarray(made * loud)


# -- the seven ------------------------------------------------------------------------------------


def timpani(pitch: int, seconds: float, velocity: float) -> Samples:
    """A stroke, or for long notes a roll of two hands that swells a little."""
    rolls = seconds > ROLL_SECONDS
    strokes = [_stroke(pitch, hand, round(velocity, 2), rolls) for hand in range(4)]
    total = _count(seconds + 0.25)
    out = np.zeros(total + len(strokes[0]))
    dice, at, number = _dice("roll", pitch), 0.0, 0
    while at < seconds and (rolls or number == 0):
        force = 0.42 + 0.2 * at / seconds if rolls else 1.0
        # Whole waves apart, or the strokes would take each other's tone away.
        begin = _count(round(at * _hertz(pitch)) / _hertz(pitch))
        stroke = strokes[number % 4]
        out[begin : begin + len(stroke)] += force * dice.uniform(0.8, 1.0) * stroke
        at, number = at + dice.uniform(0.06, 0.075), number + 1
    return out[:total] * ending(total, 0.25)


def violins(pitch: int, seconds: float, velocity: float) -> Samples:
    """A section of four: a slow bow, each with a vibrato and a tuning of their own."""
    time, dice = _times(seconds + 0.22), _dice("violins", pitch)
    wave = _wave(pitch, VIOLIN, slope=1.05 - 0.5 * round(velocity, 1))
    out = np.zeros(len(time))
    for cents, loud in SECTION:
        sway = _vibrato(time, dice.uniform(5.1, 6.1), 0.005, _hertz(pitch), dice.uniform())
        cycles = _cycles(_hertz(pitch + cents / 100) * sway, dice.uniform(0, 0.25))
        out += loud * _read(wave, cycles)
    out += 0.05 * noise(f"bow {pitch % 8}", len(time), 1500, 6000)
    attack = min(0.09 + 0.12 * (1 - velocity) + 0.05, 0.5 * seconds)
    return out * (0.5 * _swelling(len(time), attack) * ending(len(time), 0.22))


def brass(pitch: int, seconds: float, velocity: float) -> Samples:
    """Two horns that start with an edge: the louder, the brighter."""
    time, dice = _times(seconds + 0.09), _dice("brass", pitch)
    force = _swelling(len(time), 0.028) * (0.8 + 0.2 * np.exp(-time / 0.12))
    force = force * ending(len(time), 0.09)
    bright = np.clip(force * (0.45 + 0.55 * velocity), 0, 1) ** 2
    soft, full = _wave(pitch, BELL, slope=2.2), _wave(pitch, BELL, slope=0.4)
    out = np.zeros(len(time))
    for cents in (-1.5, 1.5):
        lip = _vibrato(time - 0.2, 5.1, 0.002, _hertz(pitch)) - 0.016 * np.exp(-time / 0.018)
        cycles = _cycles(_hertz(pitch + cents / 100) * lip, dice.uniform() / 8)
        out += _read(soft, cycles) * (1 - bright) + _read(full, cycles) * bright
    out += 0.25 * np.exp(-time / 0.02) * noise("lips", len(time), 700, 4000)
    return out * (0.7 * force)


def bass(pitch: int, seconds: float, velocity: float) -> Samples:
    """An upright bass, plucked: what is high dies first, and a finger is heard."""
    time = _times(seconds + 0.07)
    cycles = _cycles(_hertz(pitch) * (1 + 0.004 * np.exp(-time / 0.03)))
    low, middle, high = _bands(pitch)
    growl = 1 - 0.5 * np.exp(-time / 0.03)
    out = 0.9 * _read(low, cycles) * np.exp(-time / 1.1)
    out += 0.75 * _read(middle, cycles) * np.exp(-time / 0.42) * growl
    out += 0.45 * velocity * _read(high, cycles) * np.exp(-time / 0.09)
    out += 0.5 * np.exp(-time / 0.009) * noise("finger", len(time), 500, 2600)
    return out * (_swelling(len(time), 0.004) * ending(len(time), 0.07))


def keys(pitch: int, seconds: float, velocity: float) -> Samples:
    """An electric piano: a tine and its tone bar (frequency modulation, Chowning 1973)."""
    time, hertz = _times(seconds + 0.14), _hertz(pitch)
    ring = 0.45 + 1.5 * 2 ** ((48 - pitch) / 24)
    index = 0.4 + (0.8 + 1.4 * velocity) * np.exp(-time / (0.22 * ring))
    cycles = _cycles(np.full(len(time), hertz))
    tone = _sine(cycles + index / (2 * np.pi) * _sine(cycles)) * np.exp(-time / ring)
    partial = 14 if 14 * hertz < BRIGHTEST_HERTZ else 5
    tine = 0.3 * velocity * _sine(partial * cycles) * np.exp(-time / 0.09)
    sway = 1 + 0.07 * _sine(4.6 * time)
    return (1.5 * (tone + tine) * sway) * (_swelling(len(time), 0.003) * ending(len(time), 0.14))


def saxophone(pitch: int, seconds: float, velocity: float) -> Samples:
    """A reed with breath in it, which slides up to the tone."""
    time = _times(seconds + 0.07)
    force = _swelling(len(time), 0.045) * (0.86 + 0.14 * np.exp(-time / 0.15))
    force = force * ending(len(time), 0.07)
    full = np.clip(force * (0.4 + 0.6 * velocity), 0, 1)
    scoop = _vibrato(time - 0.1, 5.0, 0.006, _hertz(pitch)) - 0.035 * np.exp(-time / 0.035)
    cycles = _cycles(_hertz(pitch) * scoop)
    dark, reed = _wave(pitch, REED, slope=1.8), _wave(pitch, REED, slope=1.0)
    out = _read(dark, cycles) * (1 - full) + _read(reed, cycles) * full
    breath = noise(f"breath {pitch % 8}", len(time), 700, 3600)
    out += breath * (0.045 + 0.30 * np.exp(-time / 0.04))
    return out * (1.4 * force)


def drums(pitch: int, seconds: float, velocity: float) -> Samples:
    """One piece of the kit; a drum rings as long as it rings."""
    return _piece(KIT[pitch])


PLAYERS: dict[str, Callable[[int, float, float], Samples]] = {
    "timpani": timpani,
    "violins": violins,
    "brass": brass,
    "bass": bass,
    "drums": drums,
    "keys": keys,
    "saxophone": saxophone,
}


# -- strokes --------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _stroke(pitch: int, hand: int, velocity: float, rolls: bool) -> Samples:
    """One stroke on a kettle; four hands, so that a roll is no machine gun."""
    time, dice = _times(1.6), _dice("stroke", pitch, hand)
    out = np.zeros(len(time))
    for ratio, strength, seconds in KETTLE:
        # Overtones come and go with the force of the stroke; the tones of a roll add up.
        tone = 0.3 if rolls else 1.0
        loud = strength * (tone if ratio == 1 else velocity * dice.uniform(0.7, 1.1))
        start = 0.0 if ratio == 1 else dice.uniform()
        out += loud * _sine(_hertz(pitch) * ratio * time + start) * np.exp(-time / seconds)
    felt = np.exp(-time / 0.018) * noise(f"felt {hand}", len(time), 120, 1500)
    out += (0.35 + 0.5 * velocity) * felt
    return out * _swelling(len(time), 0.004)


@lru_cache(maxsize=32)
def _piece(name: str) -> Samples:
    if name == "kick":
        time = _times(0.35)
        tone = _sine(52 * time + 1.1 * (1 - np.exp(-time / 0.022))) * np.exp(-time / 0.10)
        return 1.6 * tone + 0.4 * _hiss(0.35, 0.006, 400, 3200)
    if name.endswith("tom"):
        time = _times(0.45)
        hertz = {"low": 92, "mid": 124, "high": 165}[name.split()[0]]
        tone = _sine(hertz * time + 0.5 * (1 - np.exp(-time / 0.03))) * np.exp(-time / 0.14)
        return 1.2 * tone + 0.4 * _hiss(0.45, 0.012, 300, 2500)
    if name == "snare":
        sweep = _hiss(0.3, 0.085, 1300, 7500) * _swelling(_count(0.3), 0.012)
        tap = _hiss(0.3, 0.02, 500, 4000) + 0.5 * _ring(0.3, (186, 331), 0.05)
        return 0.8 * sweep + 0.5 * tap
    if name == "side stick":
        return 0.9 * _ring(0.12, (1710, 2480, 410), 0.016) + 0.4 * _hiss(0.12, 0.005, 1500, 6000)
    if name.endswith("hi-hat"):
        ring = {"closed": 0.03, "pedal": 0.045, "open": 0.25}[name.split()[0]]
        tone = _hiss(0.6, ring, 5500, 10500) + 0.35 * _ring(0.6, PLATE[18:], ring)
        return (0.55 if name.startswith("pedal") else 0.8) * tone
    if name == "crash":
        return 1.1 * _hiss(1.4, 0.4, 2200, 10500) + 0.5 * _ring(1.4, PLATE[6:], 0.45)
    ping = 0.9 * _ring(1.1, PLATE[12:], 0.28) + 0.55 * _hiss(1.1, 0.010, 2500, 9000)
    shimmer = 0.16 * _hiss(1.1, 0.3, 4500, 10500)
    bell = _ring(1.1, (793, 1187, 1771, 2613), 0.3) if name == "ride bell" else 0.0
    return ping + shimmer + 0.8 * bell


def _hiss(seconds: float, ring: float, low: float, high: float) -> Samples:
    """Noise that dies away."""
    time = _times(seconds)
    start = np.minimum(1, time / 0.001)
    hiss = noise(f"hiss {ring}", len(time), low, high) * np.exp(-time / ring)
    return hiss * start * ending(len(time), 0.05)


def _ring(seconds: float, hertz: tuple[int, ...], ring: float) -> Samples:
    """Metal: tones that have nothing to do with each other."""
    time, dice = _times(seconds), _dice("ring", *hertz)
    out = np.zeros(len(time))
    for each in hertz:
        dies = np.exp(-time / (ring * dice.uniform(0.6, 1.2)))
        out += _sine(each * time + dice.uniform()) * dies
    return out * (ending(len(time), 0.05) / math.sqrt(len(hertz)))


# -- waves ----------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _wave(pitch: int, peaks: Peaks, slope: float) -> Samples:
    """One cycle of a tone: its partials fall with the slope, and resonances lift some."""
    hertz = _hertz(pitch)
    partials = np.arange(1, max(2, int(BRIGHTEST_HERTZ / hertz) + 1))
    lifted = np.full(len(partials), 0.10)
    for centre, strength, octaves in peaks:
        lifted += strength * np.exp(-((np.log2(partials * hertz / centre) / octaves) ** 2))
    return _cycle(partials, lifted / partials**slope)


@lru_cache(maxsize=64)
def _bands(pitch: int) -> tuple[Samples, Samples, Samples]:
    """A plucked string's partials in three groups, for each dies at its own pace."""
    highest = min(24, int(BRIGHTEST_HERTZ / _hertz(pitch)))
    bands = np.arange(1, 3), np.arange(3, 8), np.arange(8, highest + 1)
    low, middle, high = (_cycle(band, 1 / band**0.7) for band in bands)
    return low, middle, high


def _cycle(partials: NDArray[np.int64], strengths: Samples) -> Samples:
    """A table of one cycle, as loud as any other (root mean square 1)."""
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[partials] = strengths * np.exp(1j * partials**2 * 0.7)  # spread, or it would click
    cycle = np.fft.irfft(spectrum)
    return np.asarray(cycle / np.sqrt(np.mean(cycle**2)))


def _read(table: Samples, cycles: Samples) -> Samples:
    heard: Samples = table[(cycles * TABLE).astype(np.int64) & (TABLE - 1)]
    return heard


def _sine(cycles: Samples) -> Samples:
    return np.asarray(np.sin(2 * np.pi * cycles))


def _cycles(hertz: Samples, start: float = 0.0) -> Samples:
    """How many cycles have passed, at each sample."""
    cycles: Samples = start + np.cumsum(hertz) / RATE
    return cycles


def _vibrato(time: Samples, pace: float, depth: float, hertz: float, start: float = 0.0) -> Samples:
    """A factor around 1 that sways so many times a second, once the tone stands."""
    # High tones sway no wider than the vibrato is fast, or the ear would lose their pitch.
    depth = min(depth, 0.7 * pace / hertz)
    grown = np.clip((time - 0.15) / 0.35, 0, 1)
    return np.asarray(1 + depth * grown * np.sin(2 * np.pi * (pace * time + start)))


def _hertz(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def _count(seconds: float) -> int:
    return round(seconds * RATE)


def _times(seconds: float) -> Samples:
    return np.arange(_count(seconds)) / RATE


def _swelling(count: int, seconds: float) -> Samples:
    """From silence to 1 in so many seconds."""
    many = max(1, min(count, _count(seconds)))
    out = np.ones(count)
    out[:many] = np.sin(np.linspace(0, np.pi / 2, many)) ** 2
    return out


def ending(count: int, seconds: float) -> Samples:
    """1, and down to silence in the last seconds."""
    return _swelling(count, seconds)[::-1]


def noise(name: str, count: int, low: float, high: float) -> Samples:
    """Noise between two frequencies, always the same for a name (root mean square 1)."""
    long = _long_noise(name, low, high)
    return np.resize(long, count)


@lru_cache(maxsize=128)
def _long_noise(name: str, low: float, high: float) -> Samples:
    spectrum = np.fft.rfft(_dice("noise", name).standard_normal(32_768))
    hertz = np.fft.rfftfreq(32_768, 1 / RATE)
    spectrum /= (1 + (low / np.maximum(hertz, 1)) ** 6) * (1 + (hertz / high) ** 6)
    out = np.fft.irfft(spectrum)
    return np.asarray(out / np.sqrt(np.mean(out**2)))


def _dice(*names: object) -> np.random.Generator:
    """Dice that hang on the names alone, the same in every process."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, names)).encode()))
