"""The synthesiser: from notes to samples, the same bytes for the same notes."""

from __future__ import annotations

import io
import wave
from functools import lru_cache

import numpy as np

from labkit.music.instruments import RATE, Samples, ending, noise, sound
from labkit.music.note import Music
from labkit.music.ranges import seconds_of

TAIL_SECONDS = 1.2  # for the last note and the room
ROOM_SECONDS = 0.9
WET = 0.22
KNEE, CEILING = 0.6, 0.88  # -1.1 dBFS
BLOCK = 65_536
WINDOW_SECONDS = 0.02


def render(music: Music) -> Samples:
    """The samples of playable music, mono at RATE, from -1 to 1; at a fixed gain."""
    mix = np.zeros(round((seconds_of(music) + TAIL_SECONDS) * RATE))
    beat, made = 60 / music.tempo, dict[tuple[str, int, int, float], Samples]()
    for note in sorted(music.notes):
        samples = round(note.duration * beat * RATE)
        same = note.instrument, note.pitch, samples, note.velocity
        if same not in made:
            made[same] = sound(note.instrument, note.pitch, samples / RATE, note.velocity)
        begin = round(note.start * beat * RATE)
        end = min(len(mix), begin + len(made[same]))
        mix[begin:end] += made[same][: end - begin]
    return _under_the_ceiling(_in_a_room(mix))


def wav(samples: Samples) -> bytes:
    """A WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.round(samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def silences(
    samples: Samples, below_db: float, at_least_seconds: float
) -> list[tuple[float, float]]:
    """From when to when, in seconds, no sample reaches so many dBFS."""
    window = round(WINDOW_SECONDS * RATE)
    peaks = np.abs(samples[: len(samples) // window * window]).reshape(-1, window).max(axis=1)
    quiet = np.concatenate(([False], peaks < 10 ** (below_db / 20), [False]))
    begins, ends = np.flatnonzero(np.diff(quiet)).reshape(-1, 2).T * (window / RATE)
    spans = zip(begins.tolist(), ends.tolist(), strict=True)
    return [(begin, end) for begin, end in spans if end - begin >= at_least_seconds]


def _in_a_room(dry: Samples) -> Samples:
    """With the echoes of a small hall, block by block (overlap-add convolution)."""
    echoes = _echoes()
    step = BLOCK - len(echoes) + 1
    blocks = -(-len(dry) // step)
    padded = np.zeros((blocks, step))
    padded.reshape(-1)[: len(dry)] = dry
    heard = np.fft.irfft(np.fft.rfft(padded, BLOCK) * np.fft.rfft(echoes, BLOCK), BLOCK)
    out = np.zeros(blocks * step + BLOCK)
    for number, block in enumerate(heard):
        out[number * step : number * step + BLOCK] += block
    return dry + WET * out[: len(dry)]


@lru_cache(maxsize=1)
def _echoes() -> Samples:
    """What the hall makes of a clap: noise that is 60 dB down after ROOM_SECONDS."""
    time = np.arange(round(ROOM_SECONDS * RATE)) / RATE
    clap = noise("room", len(time), 180, 5200) * np.exp(-6.9 * time / ROOM_SECONDS)
    clap[time < 0.014] = 0  # the walls are some metres away
    clap *= ending(len(time), 0.1)
    return np.asarray(clap / np.sqrt(np.sum(clap**2)))


def _under_the_ceiling(mix: Samples) -> Samples:
    """Loud peaks are rounded off; what is below the knee stays as it is."""
    over = np.maximum(np.abs(mix) - KNEE, 0)
    room = CEILING - KNEE
    return np.where(over > 0, np.sign(mix) * (KNEE + room * np.tanh(over / room)), mix)
