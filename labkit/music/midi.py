"""MIDI: the notes of a piece as a file that other music programs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labkit.music.note import Music
from labkit.music.ranges import beats_of, players_of
from labkit.system.errors import LabError

INSTALL = 'pip install "orchestration-or-choreography[sound]"'
# The programs of General MIDI 1 less one; drums have a channel of their own.
PROGRAMS = {"timpani": 47, "violins": 48, "brass": 61, "bass": 32, "keys": 4, "saxophone": 66}
DRUM_CHANNEL = 9
TICKS = 480  # a beat


def save_midi(music: Music, path: Path) -> None:
    """Write a MIDI file of one track, with one channel for each instrument.

    Raises LabError where mido is not installed.
    """
    try:
        import mido
    except ImportError:
        raise LabError(f"MIDI files need mido, which is not installed.\n{INSTALL}") from None
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS)
    track = mido.MidiTrack()
    file.tracks.append(track)
    # The format knows Latin letters only.
    title = music.title.encode("latin-1", "replace").decode("latin-1")
    track.append(mido.MetaMessage("track_name", name=title))
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(music.tempo)))
    for player in players_of(music):
        if player != "drums":
            program = {"channel": _channel(player), "program": PROGRAMS[player]}
            track.append(mido.Message("program_change", **program))
    now = 0
    for tick, starts, channel, pitch, force in sorted(_strokes(music)):
        stroke = {"channel": channel, "note": pitch, "velocity": force, "time": tick - now}
        track.append(mido.Message("note_on" if starts else "note_off", **stroke))
        now = tick
    left = max(0, round(beats_of(music) * TICKS) - now)
    track.append(mido.MetaMessage("end_of_track", time=left))
    file.save(str(path))


def _channel(instrument: str) -> int:
    return DRUM_CHANNEL if instrument == "drums" else list(PROGRAMS).index(instrument)


def _strokes(music: Music) -> Iterator[tuple[int, bool, int, int, int]]:
    """Tick, whether a note starts there or ends, channel, pitch, and velocity from 0 to 127."""
    for note in music.notes:
        begin = round(note.start * TICKS)
        end = max(begin + 1, round((note.start + note.duration) * TICKS))
        force = max(1, round(127 * note.velocity))
        yield begin, True, _channel(note.instrument), note.pitch, force
        yield end, False, _channel(note.instrument), note.pitch, 0
