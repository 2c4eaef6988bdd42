"""Ranges: what each instrument can play, and what can be played at all."""

from __future__ import annotations

from labkit.music.note import Music, Note
from labkit.music.pitch import name_of_pitch
from labkit.system.errors import LabError

# From the lowest pitch to the highest, as MIDI numbers.
RANGES = {
    "timpani": (36, 60),
    "violins": (36, 100),  # the section has its cellos with it
    "brass": (36, 84),
    "bass": (28, 67),
    "keys": (28, 103),
    "saxophone": (44, 87),
}
# The drum kit by the numbers of General MIDI 1; the snare is played with brushes.
KIT = {
    35: "kick",
    36: "kick",
    37: "side stick",
    38: "snare",
    40: "snare",
    41: "low tom",
    42: "closed hi-hat",
    43: "low tom",
    44: "pedal hi-hat",
    45: "mid tom",
    46: "open hi-hat",
    47: "mid tom",
    48: "high tom",
    49: "crash",
    50: "high tom",
    51: "ride",
    53: "ride bell",
    57: "crash",
    59: "ride",
}
INSTRUMENTS = (*RANGES, "drums")
SLOWEST, FASTEST = 20, 400
LONGEST_MINUTES = 10


def playable(music: Music) -> Music:
    """The music itself, where it can be played.

    Raises LabError where it has no notes, and names the first note that nobody can play.
    """
    if not isinstance(music, Music):
        raise LabError(f"That needs a Music, and was given {music!r:.60}.")
    if not music.notes:
        raise LabError("This music has no notes: there is nothing to hear.")
    if not SLOWEST <= music.tempo <= FASTEST:
        raise LabError(
            f"The tempo is {music.tempo:,g} beats a minute; it can be from {SLOWEST} to {FASTEST}."
        )
    if not 1 <= music.beats_per_bar <= 16:
        raise LabError(f"A bar has from 1 to 16 beats, and was given {music.beats_per_bar:,g}.")
    for note in music.notes:
        if wrong := _wrong(note):
            raise LabError(f"{note.instrument} at beat {note.start:g}: {wrong}")
    if seconds_of(music) > 60 * LONGEST_MINUTES:
        raise LabError(
            f"This music lasts {seconds_of(music) / 60:,.0f} minutes; {LONGEST_MINUTES} can be "
            "played. Take fewer bars, or a higher tempo."
        )
    return music


def beats_of(music: Music) -> float:
    """How many beats it lasts, to the end of the last note or of the silence after it."""
    return max([music.beats, *(note.start + note.duration for note in music.notes)])


def seconds_of(music: Music) -> float:
    """How long it lasts under its tempo."""
    return beats_of(music) * 60 / music.tempo


def players_of(music: Music) -> list[str]:
    """Its instruments, in the order in which they come in."""
    return list(dict.fromkeys(note.instrument for note in sorted(music.notes)))


def _wrong(note: Note) -> str:
    if note.instrument not in INSTRUMENTS:
        return f"there is no such instrument. There are: {', '.join(INSTRUMENTS)}."
    if not 0 <= note.start < float("inf"):
        return "a note starts at beat 0 or later."
    if not 0 < note.duration < float("inf"):
        return f"a note lasts more than 0 beats, and was given {note.duration:g}."
    if not 0 < note.velocity <= 1:
        return f"a velocity is above 0 and up to 1, and was given as {note.velocity:g}."
    if note.instrument == "drums":
        if note.pitch not in KIT:
            pieces = ", ".join(f"{number} {name}" for number, name in KIT.items())
            return f"the kit has no piece {note.pitch}. It has: {pieces}."
        return ""
    low, high = RANGES[note.instrument]
    told = name_of_pitch(note.pitch)  # says so where it is no pitch at all
    if low <= note.pitch <= high:
        return ""
    return (
        f"{told} ({note.pitch}) is out of range, which goes from {name_of_pitch(low)} ({low}) to "
        f"{name_of_pitch(high)} ({high})."
    )
