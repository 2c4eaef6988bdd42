"""Listening back: who answered whom in a jam session, counted from the causes in its trace."""

from __future__ import annotations

import math
from collections import Counter

from labkit.music.jam_events import SoloPassed
from labkit.music.song import phrases_of, said_in
from labkit.system.errors import LabError
from labkit.trace import Trace
from labkit.views.notation import BOX_HEIGHT, box_width, participant
from labkit.views.picture import BLUE, INK, QUIET, Paper, Picture, listed, num, told

TITLE = "Who answered whom"
RADIUS = 150.0
HEAD = ("answered", f'<path d="M1 1L9.5 5L1 9z" fill="{BLUE}"/>')
Point = tuple[float, float]


def answers(trace: Trace) -> Counter[tuple[str, str]]:
    """How often each musician answered which other one: {("Drummer", "Saxophonist"): 5}.

    A phrase answers the phrase, or the end of a solo, that is its cause.
    """
    said = [message for message, _ in [*phrases_of(trace), *said_in(trace, SoloPassed)]]
    sender = {message.id: message.sender for message in said}
    return Counter(
        (message.sender, sender[message.causationid])
        for message, _ in phrases_of(trace)
        if message.causationid in sender
    )


def who_heard_whom(trace: Trace) -> Picture:
    """Draw who answered whom, and how often; an arrow goes from who was heard to who answered.

    Raises LabError where nobody answered anybody.
    """
    counts = answers(trace)
    if not counts:
        raise LabError("Nobody has answered anybody in this trace: there is nothing to draw.")
    paper, names = Paper(), _musicians(trace)
    places = {name: _place(at, len(names)) for at, name in enumerate(names)}
    most = max(counts.values())
    for (who, whom), count in sorted(counts.items()):
        _draw(paper, places, whom, who, count, most)
    for name, (x, y) in places.items():
        participant(paper, x, y, name)
    paper.write(
        paper.left,
        paper.bottom + 24,
        "An arrow goes from who was heard to who answered.",
        size=10,
        fill=QUIET,
    )
    return paper.picture(TITLE, _in_words(counts, names))


def _musicians(trace: Trace) -> list[str]:
    """In the order of their names: whoever drops out in another run keeps its place."""
    return sorted({message.sender for message, _ in phrases_of(trace)})


def _place(at: int, of: int) -> Point:
    angle = 2 * math.pi * at / of - math.pi / 2 - (math.pi / 4 if of == 4 else 0)
    return 1.35 * RADIUS * math.cos(angle), RADIUS * math.sin(angle)


def _draw(
    paper: Paper, places: dict[str, Point], whom: str, who: str, count: int, most: int
) -> None:
    look = f'stroke="{BLUE}" stroke-width="{num(1 + 2.5 * count / most)}"'
    (x, y), (to_x, to_y) = places[whom], places[who]
    if whom == who:
        _draw_loop(paper, x, y, look, count)
        return
    # Each way has a side of its own, so that two arrows between two musicians don't lie together.
    far = math.hypot(to_x - x, to_y - y)
    aside = -(to_y - y) / far * 22, (to_x - x) / far * 22
    bend = (x + to_x) / 2 + aside[0], (y + to_y) / 2 + aside[1]
    start, end = _edge((x, y), whom, bend), _edge((to_x, to_y), who, bend)
    way = f"M{num(start[0])} {num(start[1])}Q{num(bend[0])} {num(bend[1])} "
    paper.draw(f'<path d="{way}{num(end[0])} {num(end[1])}" {look}/>', HEAD)
    # Nearer to who answers: in the middle of the picture two ways cross.
    at = 0.66
    label = [
        (1 - at) ** 2 * a + 2 * at * (1 - at) * b + at**2 * c
        for a, b, c in zip(start, bend, end, strict=True)
    ]
    paper.write(label[0], label[1] + 4, f"{count}×", "middle", size=12, fill=INK, bold=True)


def _draw_loop(paper: Paper, x: float, y: float, look: str, count: int) -> None:
    """One who hears only itself."""
    out = 1 if y >= 0 else -1
    edge, top = y + out * BOX_HEIGHT / 2, y + out * (BOX_HEIGHT / 2 + 46)
    way = f"M{num(x - 16)} {num(edge)}C{num(x - 34)} {num(top)} {num(x + 34)} {num(top)} "
    paper.draw(f'<path d="{way}{num(x + 16)} {num(edge)}" {look}/>', HEAD)
    paper.reach(x, top)
    paper.write(x, y + out * (BOX_HEIGHT / 2 + 34) + 4, f"{count}×", "middle", size=12, bold=True)


def _edge(middle: Point, name: str, towards: Point) -> Point:
    """Where a line to this box meets it."""
    wide, tall = box_width(name) / 2 + 3, BOX_HEIGHT / 2 + 3
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    share = min(wide / abs(dx) if dx else math.inf, tall / abs(dy) if dy else math.inf)
    return middle[0] + dx * share, middle[1] + dy * share


def _in_words(counts: Counter[tuple[str, str]], names: list[str]) -> str:
    sentences = []
    for name in names:
        heard = sorted((whom, count) for (who, whom), count in counts.items() if who == name)
        if not heard:
            sentences.append(f"{told(name)} answered nobody.")
            continue
        others = [
            f"{'itself' if whom == name else told(whom)} {_times(count)}" for whom, count in heard
        ]
        sentences.append(f"{told(name)} answered {listed(others)}.")
    return " ".join([f"{TITLE}.", *sentences])


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
