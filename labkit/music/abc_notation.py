"""ABC notation: a lead sheet as a text that engravers read, and that one can read oneself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from labkit.music.improvising import BAR
from labkit.music.jam_events import Tone
from labkit.music.pitch import name_of_pitch

SIGNS = {"b": "_", "#": "^"}
EIGHTHS = int(BAR * 2)  # in a bar

# Of each bar: its chord, and its notes with beats counted from 0.
Bar = tuple[str, Sequence[Tone]]


def abc(lines: Iterable[tuple[str, Sequence[Bar]]], tempo: float, *, flats: bool) -> str:
    """The notes of a treble staff in ABC notation, standard 2.1; eighths are even.

    lines: of each line what stands before its first chord, and its bars. Each black key has its
    own sign.
    """
    head = ["X:1", "M:4/4", "L:1/8", f"Q:1/4={tempo:g}", "K:C clef=treble"]
    body = []
    for words, bars in lines:
        written = [_bar(chord, tones, flats=flats) for chord, tones in bars]
        body.append(" | ".join(written).replace('"', f'"{words} · ', 1) + " |")
    body[-1] = body[-1].removesuffix("|") + "|]"
    return "\n".join([*head, *body, ""])


def _bar(chord: str, tones: Sequence[Tone], *, flats: bool) -> str:
    return f'"{chord}"' + "".join(_signs(tones, flats=flats))


def _signs(tones: Sequence[Tone], *, flats: bool) -> Iterator[str]:
    if not tones:
        yield f"z{EIGHTHS}"
        return
    begins = [round(tone.beat * 2) for tone in tones]
    if begins[0]:
        yield f"z{begins[0]}"
    signed: dict[str, str] = {}
    for tone, (begin, end) in zip(tones, pairwise([*begins, EIGHTHS]), strict=True):
        long = max(1, min(round(tone.duration * 2), end - begin))
        name = name_of_pitch(tone.pitch, flats=flats)
        sign = SIGNS.get(name[1], "")
        place = _place(name)
        natural = "=" if not sign and signed.get(place) else ""
        signed[place] = sign
        yield f"{sign or natural}{place}{long}"
        if end - begin > long:
            yield f"z{end - begin - long}"
        # Eighths of one beat share a beam, and others don't.
        if end % 2 == 0:
            yield " "


def _place(name: str) -> str:
    """C4 is C, C5 is c, an octave above c', one below C,."""
    letter, octave = name[0], int(name.lstrip("ABCDEFG#b"))
    if octave >= 5:
        return letter.lower() + "'" * (octave - 5)
    return letter + "," * (4 - octave)
