"""Sound and score: what one hears and reads is computed from the trace alone."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "labkit.music.listening_back": ["who_heard_whom"],
    "labkit.music.improvising": ["Part", "lick", "melody"],
    "labkit.music.jam": ["Bassist", "Drummer", "Keyboardist", "Saxophonist"],
    "labkit.music.jam_events": [
        "EveningBegan",
        "GrooveLost",
        "GrooveStarted",
        "PhrasePlayed",
        "RhythmEstablished",
        "SoloPassed",
        "SongEnded",
        "Tone",
    ],
    "labkit.music.leadsheet": ["lead_sheet"],
    "labkit.music.musician": ["Musician"],
    "labkit.music.pitch": ["key_named", "name_of_pitch", "pitch_named"],
    "labkit.music.recording": ["record"],
    "labkit.music.song": ["song_of"],
    "labkit.music.album": [
        "Brass",
        "Maestro",
        "Percussion",
        "Strings",
        "Take",
        "album_of",
        "takes_of",
    ],
    "labkit.music.engraving": ["score"],
    "labkit.music.pianoroll": ["piano_roll"],
}
_WHERE = {name: home for home, names in _HOME.items() for name in names}

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from labkit.music.album import Brass as Brass
    from labkit.music.album import Maestro as Maestro
    from labkit.music.album import Percussion as Percussion
    from labkit.music.album import Strings as Strings
    from labkit.music.album import Take as Take
    from labkit.music.album import album_of as album_of
    from labkit.music.album import takes_of as takes_of
    from labkit.music.engraving import score as score
    from labkit.music.improvising import Part as Part
    from labkit.music.improvising import lick as lick
    from labkit.music.improvising import melody as melody
    from labkit.music.jam import Bassist as Bassist
    from labkit.music.jam import Drummer as Drummer
    from labkit.music.jam import Keyboardist as Keyboardist
    from labkit.music.jam import Saxophonist as Saxophonist
    from labkit.music.jam_events import EveningBegan as EveningBegan
    from labkit.music.jam_events import GrooveLost as GrooveLost
    from labkit.music.jam_events import GrooveStarted as GrooveStarted
    from labkit.music.jam_events import PhrasePlayed as PhrasePlayed
    from labkit.music.jam_events import RhythmEstablished as RhythmEstablished
    from labkit.music.jam_events import SoloPassed as SoloPassed
    from labkit.music.jam_events import SongEnded as SongEnded
    from labkit.music.jam_events import Tone as Tone
    from labkit.music.leadsheet import lead_sheet as lead_sheet
    from labkit.music.listening_back import who_heard_whom as who_heard_whom
    from labkit.music.musician import Musician as Musician
    from labkit.music.pianoroll import piano_roll as piano_roll
    from labkit.music.pitch import key_named as key_named
    from labkit.music.pitch import name_of_pitch as name_of_pitch
    from labkit.music.pitch import pitch_named as pitch_named
    from labkit.music.recording import record as record
    from labkit.music.song import song_of as song_of


def __getattr__(name: str) -> Any:
    # Loaded when first used: a lab without musicians needs none of them.
    if name not in _WHERE:
        raise AttributeError(f"labkit.music has no {name}; it has {', '.join(__all__)}.")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
