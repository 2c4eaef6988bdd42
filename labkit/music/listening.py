"""Listening: any trace as music, in which services are instruments and messages are notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from labkit.music.note import Music, Note
from labkit.music.recording import Recording, record
from labkit.steps import YOU, Moment, Step, at_logical_times
from labkit.system.errors import LabError
from labkit.trace import Trace

TEMPO = 144.0  # a logical step is a beat
MOST_BEATS = 240  # 100 seconds
YOUR_DRUM = 37  # a side stick
# One voice after the other as services join: instrument, its lowest note.
VOICES = (
    ("keys", 53),
    ("saxophone", 65),
    ("violins", 77),
    ("brass", 41),
    ("bass", 29),
    ("timpani", 41),
    ("keys", 77),
    ("saxophone", 53),
    ("violins", 53),
    ("brass", 65),
    ("bass", 41),
)
# What is concurrent must sound well together: the five notes of F major in which nothing clashes.
STEPS = (0, 2, 4, 7, 9, 12, 14, 16)
# A theme that climbs and falls back; each new kind of message takes its next note.
THEME = (0, 2, 3, 4, 5, 4, 6, 7, 5, 3, 1, 2)
COMMAND, REPLY, EVENT = (0.45, 0.85), (0.8, 0.55), (0.95, 0.7)  # duration in beats, velocity
DAMPED_BEATS = 0.2


def listen(trace: Trace) -> Recording:
    """A trace as music in logical time, one step a beat; what is concurrent sounds together.

    A command is short and firm, its reply softer on the same note, an event is held while others
    react to it. A lost message is a rest, a failure a damped note a semitone off, a message that
    comes twice is played twice; who says no more is heard no more. The first 240 beats are played.

    Raises LabError where nothing has been said yet.
    """
    if not len(trace):
        raise LabError(
            "There is nothing to hear: nothing has been said in this trace yet.\n"
            "Publish or call something first, then `trace = await lab.quiet()`."
        )
    score = _Score.of(trace.moments)
    notes = tuple(sorted(score.notes()))
    if not notes:
        raise LabError("There is nothing to hear: every message of this trace was lost.")
    music = Music(notes, TEMPO, float(min(score.beats, MOST_BEATS)))
    return record(music, score.told())


@dataclass
class _Score:
    """The steps with their beats, and who plays what."""

    steps: list[tuple[int, Step]]
    voices: dict[str, tuple[str, int]]
    degrees: dict[str, int]
    beats: int = 0
    held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, moments: Iterable[Moment]) -> _Score:
        moments = list(moments)
        timed = [(time, step) for time, step in at_logical_times(moments) if isinstance(step, Step)]
        # A beat for each time at which something is said: where nothing is, nobody waits.
        beats = {time: beat for beat, time in enumerate(sorted({time for time, _ in timed}))}
        score = cls([(beats[time], step) for time, step in timed], {}, {}, len(beats))
        score._cast(moments)
        for beat, step in score.steps:
            score.degrees.setdefault(_theme(step), THEME[len(score.degrees) % len(THEME)])
            cause = step.message.causationid or ""
            score.held[cause] = max(beat, score.held.get(cause, 0))
        return score

    def _cast(self, moments: list[Moment]) -> None:
        """Who joins first plays first; so the same services sound the same, whatever befalls."""
        joined = [moment.where for moment in moments if moment.what == "listens"]
        spoke = [name for _, step in self.steps for name in (step.sender, *step.reached)]
        services = [name for name in dict.fromkeys([*joined, *spoke]) if name != YOU]
        self.voices = {name: VOICES[at % len(VOICES)] for at, name in enumerate(services)}

    def notes(self) -> Iterator[Note]:
        for beat, step in self.played():
            if not _lost(step):
                yield from self._said(beat, step)
            for name in _failed_at(step):
                yield self._note(name, beat + 0.5, step, DAMPED_BEATS, 0.6, off=-1)

    def played(self) -> list[tuple[int, Step]]:
        return [(beat, step) for beat, step in self.steps if beat < MOST_BEATS]

    def _said(self, beat: int, step: Step) -> Iterator[Note]:
        duration, velocity = {"command": COMMAND, "event": EVENT}.get(step.message.kind, REPLY)
        if step.message.kind == "event" and not step.late:
            until = min(self.held.get(step.message.id, beat), MOST_BEATS - 1)
            duration += max(0, until - beat)
        if _says_no(step):
            yield self._note(step.sender, beat, step, DAMPED_BEATS, velocity, off=-1)
            return
        yield self._note(step.sender, beat, step, duration, velocity)
        arrivals = Counter(step.reached).most_common(1)
        for again in range(1, arrivals[0][1] if arrivals else 1):
            yield self._note(step.sender, beat + again / 2, step, DAMPED_BEATS, velocity)

    def _note(
        self, name: str, beat: float, step: Step, duration: float, velocity: float, off: int = 0
    ) -> Note:
        cause = step.message.id
        if name == YOU:
            return Note(beat, duration, YOUR_DRUM, "drums", velocity, cause)
        instrument, lowest = self.voices[name]
        pitch = lowest + STEPS[self.degrees[_theme(step)]] + off
        return Note(beat, duration, pitch, instrument, velocity, cause)

    def told(self) -> str:
        """Who plays what, how much of it is played, and what went wrong."""
        heard = {step.sender for _, step in self.played()}
        players = [f"{name}: {voice}" for name, (voice, _) in self.voices.items() if name in heard]
        if YOU in heard:
            players.insert(0, "you: side stick")
        lines = [", ".join(players)]
        if self.beats > MOST_BEATS:
            lines.append(f"the first {MOST_BEATS} of {self.beats:,} beats")
        lost = sum(_lost(step) for _, step in self.played())
        wrong = sum(len(_failed_at(step)) + _says_no(step) for _, step in self.played())
        if lost:
            lines.append(f"{lost:,} lost, heard as {'a rest' if lost == 1 else 'rests'}")
        if wrong:
            lines.append(
                f"{wrong:,} failed, heard as {'a wrong note' if wrong == 1 else 'wrong notes'}"
            )
        return "; ".join(lines)


def _failed_at(step: Step) -> list[str]:
    """The services for which an event was too much; where a command fails, its reply says no."""
    return list(step.failed) if step.message.kind == "event" else []


def _says_no(step: Step) -> bool:
    return step.message.kind == "reply" and not step.message.type.endswith(".done")


def _lost(step: Step) -> bool:
    return bool(step.missed) and not step.reached


def _theme(step: Step) -> str:
    """What a note stands for: an event, or a command with its replies."""
    said = step.message
    return said.type.rpartition(".")[0] if said.kind == "reply" else said.type
