"""Improvising: what to play over some chords, made from what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from labkit.music.harmony import Chord
from labkit.music.jam_events import Tone
from labkit.music.pitch import Key
from labkit.music.places import pitch_at, place_of

BAR = 4.0  # beats
LOUD = 0.5  # what is softer accompanies, and is no melody
# One bar each: (beat, duration) of its notes.
RHYTHMS = (
    ((0, 0.5), (0.5, 0.5), (1, 1), (2.5, 1.5)),
    ((0.5, 0.5), (1, 0.5), (1.5, 1), (2.5, 0.5), (3, 1)),
    ((0, 1), (1, 0.5), (1.5, 0.5), (2, 0.5), (2.5, 1.5)),
    ((0, 1.5), (1.5, 0.5), (2, 1), (3.5, 0.5)),
    ((0.5, 1), (1.5, 1), (2.5, 0.5), (3, 0.5), (3.5, 0.5)),
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 1.5), (3, 1)),
)
CADENCES = (
    ((0, 0.5), (0.5, 0.5), (1, 2)),
    ((0, 1), (1.5, 2)),
    ((0.5, 0.5), (1, 0.5), (1.5, 1.5)),
)


@dataclass(frozen=True)
class Motif:
    """A few notes that one remembers: when they come, and how far they move in steps of a scale."""

    rhythm: tuple[tuple[float, float], ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """What a musician goes by in the next bars.

    heard: the notes that it answers. lead: whether it has the solo. home: these are the last bars.
    """

    bars: tuple[int, int]
    key: Key
    chords: Sequence[Chord]
    heard: tuple[Tone, ...]
    dice: Random
    lead: bool = False
    home: bool = False


def motif_of(notes: Iterable[Tone], key: Key) -> Motif | None:
    """What stays in the ear: the last bar of a melody in which something moves."""
    line: dict[float, Tone] = {}
    for note in sorted(notes):
        if note.velocity >= LOUD:
            line[note.beat] = max(note, line.get(note.beat, note), key=lambda tone: tone.pitch)
    for bar in sorted({beat // BAR for beat in line}, reverse=True):
        tones = [tone for beat, tone in line.items() if beat // BAR == bar][:5]
        if len({tone.pitch for tone in tones}) > 1:
            rhythm = tuple((tone.beat % BAR, min(tone.duration, 2.0)) for tone in tones)
            places = [place_of(tone.pitch, key) for tone in tones]
            return Motif(rhythm, tuple(_sung(place - places[0]) for place in places))
    return None


def new_motif(dice: Random) -> Motif:
    """One of one's own."""
    rhythm = dice.choice(RHYTHMS)
    steps, place = [0], 0
    for _ in rhythm[1:]:
        place += dice.choice((-2, -1, -1, 1, 1, 2, 3))
        steps.append(place)
    return Motif(rhythm, tuple(steps))


def melody(part: Part, low: int, high: int) -> list[Tone]:
    """A solo: what was heard is echoed, varied, led on, and brought to a rest."""
    dice, key = part.dice, part.key
    motif = motif_of(part.heard, key) or new_motif(dice)
    own = new_motif(dice)
    ideas = [motif, _varied(motif, dice), dice.choice((own, _varied(own, dice), motif)), own]
    notes: list[Tone] = []
    near = (low + high) // 2 + dice.randint(-3, 3)
    for bar, chord in enumerate(part.chords):
        idea = ideas[bar % len(ideas)]
        if bar % 4 == 3:
            idea = Motif(dice.choice(CADENCES), idea.steps)
        line = _line(idea, chord, key, near, (low, high))
        notes += [tone._replace(beat=bar * BAR + tone.beat) for tone in line]
        near = (notes[-1].pitch + (low + high) // 2) // 2 + dice.randint(-4, 4)
    notes = _bent(notes, key, dice, (low, high))
    return _brought_home(notes, part, (low, high)) if part.home else notes


def lick(part: Part, low: int, high: int) -> list[Tone]:
    """An answer in the last of the bars, where a soloist breathes."""
    if part.home:
        return _brought_home([], part, (low, high))
    motif = motif_of(part.heard, part.key) or new_motif(part.dice)
    if part.dice.random() < 0.4:
        motif = _varied(motif, part.dice)
    bar, near = len(part.chords) - 1, (low + high) // 2
    line = _line(motif, part.chords[-1], part.key, near, (low, high))
    return [tone._replace(beat=bar * BAR + tone.beat, velocity=0.6) for tone in line]


def _sung(step: int) -> int:
    """A bass leaps over octaves; who sings it after moves less far."""
    return (step + 4) % 7 - 4 if abs(step) > 4 else step


def _varied(motif: Motif, dice: Random) -> Motif:
    """The same, higher or lower; or upside down; or with another rhythm."""
    how = dice.randrange(3)
    if how == 0:
        return Motif(motif.rhythm, tuple(-step for step in motif.steps))
    if how == 1:
        return Motif(motif.rhythm, tuple(step + 2 * bool(step) for step in motif.steps))
    rhythm = dice.choice(RHYTHMS)
    return Motif(rhythm, tuple(motif.steps[at % len(motif.steps)] for at in range(len(rhythm))))


def _line(motif: Motif, chord: Chord, key: Key, near: int, within: tuple[int, int]) -> list[Tone]:
    """A motif over a chord: it begins on a tone of the chord, and ends on one."""
    low, high = within
    first = min(_all(chord.tones, low, high), key=lambda pitch: (abs(pitch - near), pitch))
    place = place_of(first, key)
    pitches = [_folded(pitch_at(place + step, key), low, high) for step in motif.steps]
    goal = pitches[-1]
    ends = _all(chord.tones, low, high)
    pitches[-1] = min(ends, key=lambda pitch: (abs(pitch - goal), pitch))
    return [
        Tone(beat, duration, pitch, 0.8 if beat % 2 == 0 else 0.7)
        for (beat, duration), pitch in zip(motif.rhythm, pitches, strict=False)
    ]


def _bent(notes: list[Tone], key: Key, dice: Random, within: tuple[int, int]) -> list[Tone]:
    """Some short notes off the beat are bent to a blue note beside them."""
    bent = []
    for at, tone in enumerate(notes):
        passing = tone.beat % 1 and tone.duration <= 0.5 and 0 < at < len(notes) - 1
        blue = [p for p in (tone.pitch - 1, tone.pitch + 1) if p % 12 in key.blue_notes]
        if passing and blue and within[0] <= blue[0] <= within[1] and dice.random() < 0.4:
            tone = tone._replace(pitch=blue[0])
        bent.append(tone)
    return bent


def _brought_home(notes: list[Tone], part: Part, within: tuple[int, int]) -> list[Tone]:
    """What was to be played, up to the last bar; there the tonic alone."""
    last = (len(part.chords) - 1) * BAR
    kept = [tone for tone in notes if tone.beat < last]
    near = kept[-1].pitch if kept else sum(within) // 2
    tonics = _all((part.key.tonic,), *within)
    return [*kept, Tone(last, 3.5, min(tonics, key=lambda p: (abs(p - near), p)), 0.8)]


def _all(classes: Sequence[int], low: int, high: int) -> list[int]:
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


def _folded(pitch: int, low: int, high: int) -> int:
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch
