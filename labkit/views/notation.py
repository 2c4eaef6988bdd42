"""The signs of our diagrams: a participant, an arrow of each kind, a cross, the legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.steps import YOU
from labkit.views.picture import (
    ALARM,
    BLUE,
    BOX,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    QUIET,
    VERMILION,
    Paper,
    num,
    shorten,
    width,
)

# ALARM on it is dark enough to be read (WCAG 2.2: 4.5 to 1).
BAND = "#fdf0e6"
LONGEST_NAME = 22
LONGEST_MARK = 60
BOX_HEIGHT = 26
WAITING = "listens, and nothing has come"
FAULT = "a fault strikes"
Point = tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """How one kind of message is drawn; no two kinds differ by their colour alone."""

    word: str
    colour: str
    head: str
    dash: str = ""
    thick: float = 1.6
    dot: bool = False

    @property
    def look(self) -> str:
        """The attributes of its line."""
        dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return f'stroke="{self.colour}" stroke-width="{self.thick}"{dash}'


def _filled(colour: str) -> str:
    return f'<path d="M1 1L9.5 5L1 9z" fill="{colour}"/>'


def _hollow(colour: str) -> str:
    return f'<path d="M1 1L9 5L1 9z" fill="{PAPER}" stroke="{colour}" stroke-width="1.4"/>'


def _open(colour: str) -> str:
    return f'<path d="M1.5 1.5L9 5L1.5 8.5" fill="none" stroke="{colour}" stroke-width="1.4"/>'


ARROWS = {
    "command": Arrow("command", BLUE, _filled(BLUE)),
    "reply": Arrow("reply", GREEN, _open(GREEN), dash="5 3", thick=1.2),
    "event": Arrow("event", VERMILION, _hollow(VERMILION), dot=True),
    "dead": Arrow("dead letter", PURPLE, _open(PURPLE), dash="7 2 1 2"),
    "unreadable": Arrow("unreadable", QUIET, _open(QUIET), dash="1 2"),
    "status": Arrow("status", QUIET, _filled(QUIET), thick=1),
}


def arrow(paper: Paper, kind: str, *points: Point) -> None:
    """Draw the arrow for a kind of message, from the first point by way of others to the last."""
    style = ARROWS[kind]
    line(paper, style.look, *points, head=(kind, style.head))
    if style.dot:
        dot(paper, kind, *points[0])


def waiting(paper: Paper, *points: Point) -> None:
    """Draw the way on which something is expected that has not come."""
    look = f'stroke="{QUIET}" stroke-dasharray="3 3"'
    line(paper, look, *points, head=("waits", _hollow(QUIET)))


def line(paper: Paper, look: str, *points: Point, head: tuple[str, str] | None = None) -> None:
    """Draw a line through these points."""
    way = "L".join(f"{num(x)} {num(y)}" for x, y in points)
    paper.draw(f'<path d="M{way}" {look}/>', head)


def dot(paper: Paper, kind: str, x: float, y: float) -> None:
    """Where an event comes from; from one dot it goes to many."""
    paper.draw(f'<circle cx="{num(x)}" cy="{num(y)}" r="3" fill="{ARROWS[kind].colour}"/>')


def cross(paper: Paper, x: float, y: float) -> None:
    """Here something ended that should not have ended."""
    where = f"M{num(x - 4)} {num(y - 4)}l8 8m0-8l-8 8"
    paper.draw(f'<path d="{where}" stroke="{PAPER}" stroke-width="5"/>')
    paper.draw(f'<path d="{where}" stroke="{ALARM}" stroke-width="2.2"/>')


def bolt(paper: Paper, x: float, y: float) -> None:
    """Here a fault of the lab struck."""
    where = f"M{num(x + 1.5)} {num(y - 6)}l-5 7h3.5l-1.5 5.5l5.5-7.5h-3.5l2-5z"
    paper.draw(f'<path d="{where}" fill="{ALARM}" stroke="{PAPER}" stroke-width=".8"/>')


def band(paper: Paper, start: Point, end: Point, x: float, words: str) -> None:
    """Under a row to which the eye should go; the words, near its lower edge, begin at x."""
    (left, top), (right, bottom) = start, end
    # Wider than it should need to be: nobody knows the fonts of whoever reads it.
    right = max(right, x + 1.2 * width(shorten(words, LONGEST_MARK)) + 6)
    look = f'y="{num(top)}" height="{num(bottom - top)}"'
    paper.draw(f'<rect x="{num(left)}" {look} width="{num(right - left)}" fill="{BAND}"/>')
    paper.draw(f'<rect x="{num(left)}" {look} width="3" fill="{ALARM}"/>')
    paper.reach(right, bottom)
    paper.write(x, bottom - 7, words, fill=ALARM, bold=True, most=LONGEST_MARK)


def box_width(name: str) -> float:
    """How wide the box of a participant is."""
    return max(46.0, width(shorten(name, LONGEST_NAME)) * 1.06 + (40 if name == YOU else 18))


def participant(
    paper: Paper,
    x: float,
    y: float,
    name: str,
    *,
    wide: float = 0,
    tall: float = BOX_HEIGHT,
    ghost: bool = False,
    light: bool = False,
) -> None:
    """A box with a name, its middle at this point; a person's is lighter, with a figure in it.

    ghost: dashed, for one that has no part in what happened. light: as if in brackets.
    """
    wide, you = wide or box_width(name), name == YOU
    light = light or ghost or you
    look = f'fill="{PAPER}" stroke="{QUIET}"' if light else f'fill="{BOX}" stroke="{INK}"'
    look += ' stroke-dasharray="4 3"' if ghost else ""
    left, top = x - wide / 2, y - tall / 2
    paper.reach(left, top)
    paper.reach(left + wide, top + tall)
    paper.draw(
        f'<rect x="{num(left)}" y="{num(top)}" width="{num(wide)}" height="{num(tall)}" '
        f'rx="{13 if you else 4}" {look}/>'
    )
    if you:
        _person(paper, x - 12, y)
    fill = QUIET if light and not you else INK
    middle = x + (9 if you else 0)
    paper.write(middle, y + 4, name, "middle", bold=not light, fill=fill, most=LONGEST_NAME)


def _person(paper: Paper, x: float, y: float) -> None:
    shoulders = f"M{num(x - 5)} {num(y + 7)}v-2a5 5 0 0 1 10 0v2z"
    paper.draw(
        f'<circle cx="{num(x)}" cy="{num(y - 4)}" r="3" fill="{QUIET}"/>'
        f'<path d="{shoulders}" fill="{QUIET}"/>'
    )


def legend(paper: Paper, kinds: Iterable[str], signs: Iterable[str] = ()) -> None:
    """Below all else: what the signs that occur mean, as many in a line as there is room for."""
    left, end = paper.left, max(paper.right, paper.left + 330)
    x, y = left, paper.bottom + 24
    for kind in [*(kind for kind in ARROWS if kind in set(kinds)), *signs]:
        word = ARROWS[kind].word if kind in ARROWS else kind
        sample = 34 if kind in ARROWS or kind == WAITING else 14
        wide = sample + width(word, 10) + 18
        if x > left and x + wide > end:
            x, y = left, y + 16
        _sample(paper, kind, x, y)
        paper.write(x + sample, y + 3.5, word, size=10, fill=QUIET)
        x += wide


def _sample(paper: Paper, kind: str, x: float, y: float) -> None:
    if kind in ARROWS:
        arrow(paper, kind, (x + 3, y), (x + 28, y))
    elif kind == "at work":
        bar(paper, x + 4, y - 6, y + 6)
    elif kind == "absent":
        lifeline(paper, x + 5, y - 8, y + 8, absent=True)
    elif kind == FAULT:
        bolt(paper, x + 6, y)
    elif kind == WAITING:
        waiting(paper, (x + 3, y), (x + 28, y))


def bar(paper: Paper, x: float, y: float, to_y: float) -> None:
    """Here a participant is at work, or waits for an answer that its work needs."""
    paper.draw(
        f'<rect x="{num(x - 4)}" y="{num(y)}" width="8" height="{num(to_y - y)}" '
        f'fill="#dfe8ef" stroke="#6d7f8c" stroke-width=".8"/>'
    )


def lifeline(paper: Paper, x: float, y: float, to_y: float, *, absent: bool = False) -> None:
    """A participant through time: a solid line while it is there, dots while it is not."""
    look = f'stroke="{QUIET}" stroke-dasharray="1 5"' if absent else 'stroke="#a6a6a6"'
    line(paper, look, (x, y), (x, to_y))
