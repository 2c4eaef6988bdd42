"""Accompanying: what bass, drums and chords do under a solo, made from what was heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from labkit.music.harmony import Chord
from labkit.music.improvising import BAR, CADENCES, RHYTHMS, Part, motif_of
from labkit.music.jam_events import Tone
from labkit.music.pitch import Key
from labkit.music.places import lowest, pitch_at, place_of

COMPING = (
    ((0, 1.5), (1.5, 0.5)),
    ((0.5, 0.5), (2.5, 1)),
    ((1.5, 1), (3.5, 0.5)),
    ((0, 0.5), (2.5, 0.5)),
    ((1, 0.5), (2.5, 1)),
)
# Pieces of the kit: General MIDI 1.
KICK, SNARE, PEDAL, RIDE, CRASH, TOMS = 36, 38, 44, 51, 49, (48, 45, 41)


def comping(part: Part, low: int, bars: int) -> list[Tone]:
    """Chords behind somebody else, in the first of the bars."""
    notes: list[Tone] = []
    for bar, chord in enumerate(part.chords[:bars]):
        last = part.home and bar == len(part.chords) - 1
        rhythm = ((0.0, 3.5),) if last else part.dice.choice(COMPING)
        voices = [lowest(low, tone) for tone in chord.tones]
        notes += [
            Tone(bar * BAR + beat, duration, pitch, 0.42)
            for beat, duration in rhythm
            for pitch in sorted(voices)
        ]
    return notes


def riff(key: Key, chords: Sequence[Chord], dice: Random, low: int) -> list[Tone]:
    """What a bassist begins with: two bars, and the same again, so that one can join."""
    tonic = lowest(low, key.tonic)
    fifth, octave = tonic + 7, tonic + 12
    rhythms = [dice.choice(RHYTHMS), dice.choice(CADENCES)]
    between = [p for p in range(tonic, octave + 1) if p % 12 in key.scale]
    bars = []
    for rhythm in rhythms:
        pitches = [dice.choice((fifth, octave, dice.choice(between))) for _ in rhythm]
        bars.append(list(zip(rhythm, [tonic, *pitches[1:]], strict=True)))
    return [
        Tone(bar * BAR + beat, duration, pitch, 0.8)
        for bar in range(len(chords))
        for (beat, duration), pitch in bars[bar % 2]
    ]


def walking(part: Part, low: int, high: int) -> list[Tone]:
    """Four steps to a bar, from root to root."""
    notes: list[Tone] = []
    roots = [lowest(low, chord.root) for chord in part.chords]
    for bar, (chord, root) in enumerate(zip(part.chords, roots, strict=True)):
        if part.home and bar == len(roots) - 1:
            notes.append(Tone(bar * BAR, 3.5, lowest(low, part.key.tonic), 0.8))
            break
        coming = roots[(bar + 1) % len(roots)]
        tones = [p for p in range(root, min(root + 13, high)) if p % 12 in chord.tones]
        middle = [part.dice.choice(tones), part.dice.choice(tones[1:])]
        into = pitch_at(place_of(coming, part.key) + part.dice.choice((-1, 1)), part.key)
        for beat, pitch in enumerate([root, *middle, max(into, low)]):
            notes.append(Tone(bar * BAR + beat, 0.9, pitch, 0.75))
    return notes


def drumming(part: Part) -> list[Tone]:
    """A swinging ride; the snare answers what was heard, and the toms lead on."""
    heard = motif_of(part.heard, part.key)
    accents = [beat for beat, _ in heard.rhythm if beat % 1] if heard else []
    notes: list[Tone] = []
    bars = len(part.chords)
    for bar in range(bars):
        start = bar * BAR
        if part.home and bar == bars - 1:
            notes += [Tone(start, 3.5, CRASH, 0.6), Tone(start, 1, KICK, 0.7)]
            break
        notes += [Tone(start + beat, 0.5, RIDE, 0.5) for beat in (0, 1, 1.5, 2, 3, 3.5)]
        notes += [Tone(start + beat, 0.25, PEDAL, 0.5) for beat in (1, 3)]
        notes.append(Tone(start, 0.5, KICK, 0.45))
        notes += [Tone(start + b, 0.25, SNARE, 0.5) for b in accents if part.dice.random() < 0.6]
        if bar == bars - 1 and part.dice.random() < 0.7:
            beats = zip((2.5, 3, 3.5), TOMS, strict=True)
            notes += [Tone(start + beat, 0.5, tom, 0.5) for beat, tom in beats]
    return sorted(notes)
