"""Places: the notes of a key, counted from below."""

from __future__ import annotations

from bisect import bisect_left

from labkit.music.pitch import Key


def place_of(pitch: int, key: Key) -> int:
    """Which note of the scale it is, or the one above it; seven places are an octave."""
    octave, rest = divmod(pitch - key.tonic, 12)
    steps = [(tone - key.tonic) % 12 for tone in key.scale]
    return octave * len(steps) + bisect_left(steps, rest)


def pitch_at(place: int, key: Key) -> int:
    """The pitch at that place of the scale."""
    octave, step = divmod(place, len(key.scale))
    return key.tonic + 12 * octave + (key.scale[step] - key.tonic) % 12


def lowest(low: int, pitch_class: int) -> int:
    """The first pitch of this class from there upward."""
    return low + (pitch_class - low) % 12
