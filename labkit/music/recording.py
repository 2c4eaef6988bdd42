"""A recording: music that can be heard in a notebook, measured, and kept in a file."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.music.midi import INSTALL, save_midi
from labkit.music.note import Music
from labkit.music.ranges import playable, players_of, seconds_of
from labkit.system.errors import LabError

if TYPE_CHECKING:
    from labkit.music.instruments import Samples

TO_HEAR_IT = f"To hear it: {INSTALL}"
SILENT_SECONDS = 1.0
MOST_SILENCES = 4


def record(music: Music, told: str = "") -> Recording:
    """Record what musicians played; nothing is computed before it is heard or measured.

    told: what a listener should know, below the line which says what plays and where it is silent.
    Raises LabError where the music has no notes, or one that nobody can play.
    """
    return Recording(playable(music), told)


class Recording:
    """Music to listen to: shows itself as a player, with a line in words."""

    def __init__(self, music: Music, told: str = "") -> None:
        self.music, self.told = music, told

    @cached_property
    def samples(self) -> Samples:
        """The sound, from -1 to 1, mono, `rate` samples a second, at the same gain for each take.

        Raises LabError where NumPy is not installed.
        """
        samples: Samples = _synth().render(self.music)
        return samples

    @property
    def rate(self) -> int:
        """How many samples make a second."""
        rate: int = _synth().RATE
        return rate

    @property
    def seconds(self) -> float:
        """How long the music lasts; the room rings a little longer."""
        return seconds_of(self.music)

    def silences(
        self, below_db: float = -50, at_least_seconds: float = 1.0
    ) -> list[tuple[float, float]]:
        """From when to when, in seconds, the sound stays below so many dBFS; measured."""
        found: list[tuple[float, float]] = _synth().silences(
            self.samples, below_db, at_least_seconds
        )
        return found

    def save(self, path: str | Path) -> Path:
        """Write it to a file: "take.wav" is its sound, "take.mid" its notes (MIDI).

        Raises LabError for any other kind of file, and where a package is missing.
        """
        path = Path(path)
        writers: dict[str, Callable[[Path], None]] = {
            ".wav": self._save_wav,
            ".mid": self._save_midi,
        }
        if path.suffix.lower() not in writers:
            raise LabError(
                f"A recording can't be saved as {path.name!r}.\n"
                'Its name ends in .wav for the sound, or in .mid for the notes: "take.wav".'
            )
        if not path.absolute().parent.is_dir():
            raise LabError(f"There is no folder {str(path.parent)!r}: make it first.")
        writers[path.suffix.lower()](path)
        return path

    def player(self) -> str:
        """The player as HTML, with the sound in it."""
        data = base64.b64encode(_synth().wav(self.samples)).decode()
        said = html.escape(repr(self))
        return (
            f'<figure style="margin: 0"><audio controls preload="metadata" aria-label="{said}" '
            f'src="data:audio/wav;base64,{data}" style="width: 100%; max-width: 40em"></audio>'
            f'<figcaption style="white-space: pre-line">{said}</figcaption></figure>'
        )

    def __repr__(self) -> str:
        return "\n".join(filter(None, [in_words(self.music), self.told]))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        try:
            shown: dict[str, Any] = self._widget._repr_mimebundle_()
        except LabError:
            return {"text/plain": f"{self!r}\n{TO_HEAR_IT}"}
        return {**shown, "text/plain": repr(self)}

    @cached_property
    def _widget(self) -> Any:
        # A widget's sound goes to the page and not into the notebook's file, where it would be some
        # megabytes for each recording; what is stored, and compared, are the words.
        import ipywidgets

        return ipywidgets.HTML(self.player())

    def _save_wav(self, path: Path) -> None:
        path.write_bytes(_synth().wav(self.samples))

    def _save_midi(self, path: Path) -> None:
        save_midi(self.music, path)


def in_words(music: Music) -> str:
    """What plays, how long, and where nothing sounds: one line, from the notes alone."""
    rests = [rest for rest in rests_of(music) if _long(music, rest)]
    told = [_rest_in_words(music, begin, end) for begin, end in rests[:MOST_SILENCES]]
    if len(rests) > MOST_SILENCES:
        told.append(f"{len(rests) - MOST_SILENCES} times more")
    silence = f"silent {', '.join(told)}" if told else "no silence"
    title = f"Recording of {music.title}" if music.title else "Recording"
    players = ", ".join(players_of(music))
    return f"{title}: {players}; {_clock(seconds_of(music))}; {silence}"


def rests_of(music: Music) -> Iterator[tuple[float, float]]:
    """From which beat to which no note sounds, before, between and after the notes."""
    sounded = 0.0
    for note in sorted(music.notes):
        if note.start > sounded:
            yield sounded, note.start
        sounded = max(sounded, note.start + note.duration)
    if music.beats > sounded:
        yield sounded, music.beats


def _long(music: Music, rest: tuple[float, float]) -> bool:
    begin, end = rest
    return (end - begin) * 60 / music.tempo >= SILENT_SECONDS


def _rest_in_words(music: Music, begin: float, end: float) -> str:
    beat, bar = 60 / music.tempo, music.beats_per_bar
    first, last = int(begin // bar) + 1, max(int(-(-end // bar)), 1)
    bars = f"bar {first}" if last <= first else f"bars {first}–{last}"
    return f"from {_clock(begin * beat, '.1f')} to {_clock(end * beat, '.1f')} ({bars})"


def _clock(seconds: float, form: str = ".0f") -> str:
    """0:38, or 0:38.2."""
    digits = int(form[1])
    minutes, rest = divmod(round(seconds, digits), 60)
    return f"{minutes:.0f}:{rest:0{3 + digits if digits else 2}{form}}"


def _synth() -> Any:
    try:
        from labkit.music import synth
    except ImportError:
        raise LabError(f"Sound needs NumPy, which is not installed.\n{TO_HEAR_IT}") from None
    return synth
