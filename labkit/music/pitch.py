"""Pitches and keys: their names, and which notes belong to a key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labkit.system.errors import LabError

LOWEST, HIGHEST = 0, 127
SHARP = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
WHITE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGN = {"": 0, "#": 1, "b": -1, "♯": 1, "♭": -1}

# Steps above the tonic, and those between them that a blues bends to.
SCALES = {
    "major": ((0, 2, 4, 5, 7, 9, 11), (3, 6, 10)),
    "minor": ((0, 2, 3, 5, 7, 8, 10), (6,)),
    "blues": ((0, 2, 4, 5, 7, 9, 10), (3, 6)),
}
MODES = {"": "major", "major": "major", "minor": "minor", "m": "minor", "blues": "blues"}


@dataclass(frozen=True)
class Key:
    """A tonic and what may be played over it.

    tonic: its pitch class, 0 for C to 11 for B.
    scale: pitch classes from the tonic upward; a minor key's are the natural ones.
    blue_notes: the pitch classes beside the scale that belong to it in jazz.
    """

    name: str
    tonic: int
    scale: tuple[int, ...]
    blue_notes: tuple[int, ...]
    minor: bool = False

    def contains(self, pitch: int) -> bool:
        """Whether a MIDI number is in the scale or one of the blue notes."""
        return pitch % 12 in self.scale or pitch % 12 in self.blue_notes

    @property
    def flats(self) -> bool:
        """Whether its black keys are written with flats."""
        if self.name[1:2] in ("#", "b"):
            return self.name[1] == "b"
        # A minor key is signed as the major key three steps above it; a blues bends downward.
        signed_as = (self.tonic + 3 * self.minor) % 12
        return signed_as in (0, 5, 10, 3, 8) or self.name.endswith("blues")


def key_named(name: str) -> Key:
    """The key of a name such as "F", "D minor", "Dm", "F# major" or "Bb blues".

    Raises LabError where there is no such key.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b♯♭]?)\s*(\w*)", _text(name))
    # "Dm" is D minor and "DM" is not.
    mode = MODES.get(found[3] if len(found[3]) == 1 else found[3].lower()) if found else None
    if found is None or mode is None:
        raise LabError(
            f"There is no key {name!r:.40}.\n"
            'Write a tonic from A to G with # or b where it has one, then "minor" or "blues" where '
            'it is not major: "F", "D minor", "Bb blues".'
        )
    tonic = (WHITE[found[1].upper()] + SIGN[found[2]]) % 12
    written = found[1].upper() + {"♯": "#", "♭": "b"}.get(found[2], found[2])
    scale, blue = SCALES[mode]
    return Key(
        name=written if mode == "major" else f"{written} {mode}",
        tonic=tonic,
        scale=tuple((tonic + step) % 12 for step in scale),
        blue_notes=tuple((tonic + step) % 12 for step in blue),
        minor=mode == "minor",
    )


def pitch_named(name: str) -> int:
    """The MIDI number of a name such as "C4" (60, middle C), "F#3" or "Bb-1".

    Raises LabError where there is no such pitch.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b♯♭]?)(-?\d{1,2})", _text(name))
    pitch = _number(found) if found else -1
    if not LOWEST <= pitch <= HIGHEST:
        raise LabError(
            f"There is no pitch {name!r:.40}.\n"
            'Write a letter from A to G, # or b where it has one, and the octave: "C4" is middle '
            'C, "Bb3" below it. They go from "C-1" to "G9".'
        )
    return pitch


def name_of_pitch(pitch: int, flats: bool = False) -> str:
    """The name of a MIDI number: 62 is "D4"; its black keys are sharps unless flats are asked for.

    Raises LabError where it is not from 0 to 127.
    """
    if isinstance(pitch, bool) or not isinstance(pitch, int) or not LOWEST <= pitch <= HIGHEST:
        raise LabError(
            f"A pitch is a whole number from {LOWEST} to {HIGHEST}, 60 for middle C, and was given "
            f"as {pitch!r:.40}."
        )
    return f"{(FLAT if flats else SHARP)[pitch % 12]}{pitch // 12 - 1}"


def _number(found: re.Match[str]) -> int:
    return 12 * (int(found[3]) + 1) + WHITE[found[1].upper()] + SIGN[found[2]]


def _text(name: object) -> str:
    return name.strip() if isinstance(name, str) else ""
