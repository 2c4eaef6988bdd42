"""A sequence diagram: one row a message, in the logical order of a trace, without clock times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labkit.steps import CRASHES, Mark, Step
from labkit.trace import Trace
from labkit.views.narrative import EMPTY, labels, narrative
from labkit.views.notation import (
    ARROWS,
    BOX_HEIGHT,
    FAULT,
    Point,
    arrow,
    band,
    bar,
    bolt,
    box_width,
    cross,
    dot,
    legend,
    lifeline,
    line,
    participant,
)
from labkit.views.picture import ALARM, PAPER, QUIET, Paper, Picture, num, readable, width
from labkit.views.sheet import End, Row, Sheet, lay_out, within

TALL = 25
TITLE = "Sequence diagram"
WAITS = "waits until it is back"


def sequence(trace: Trace, most: int = 60, marks: Mapping[str, str] | None = None) -> Picture:
    """Draw who said what to whom, one row a message; the first `most` rows, then how many more.

    marks: words for rows to which the eye should go, by the id of the message.
    """
    entries, marks = trace.steps(), marks or {}
    paper = Paper()
    if not entries:
        paper.write(0, 0, EMPTY)
        return paper.picture(TITLE, EMPTY)
    sheet = lay_out(entries[:most], labels(entries[:most]), marks)
    _draw_bands(paper, sheet)
    _draw_participants(paper, sheet)
    for row in sheet.rows:
        if isinstance(row.entry, Mark):
            _draw_mark(paper, sheet.x[row.entry.service], row.y, row.entry.note)
        else:
            _draw_message(paper, sheet, row, row.entry)
    if len(entries) > most:
        paper.write(paper.left, paper.bottom + 24, f"… {len(entries) - most:,} more", size=13)
    kinds, *signs = _signs(sheet)
    legend(paper, kinds, [sign for some in signs for sign in some])
    return paper.picture(TITLE, narrative(entries, marks))


def _draw_bands(paper: Paper, sheet: Sheet) -> None:
    """Under each marked row a band as wide as all participants, and what is to be said of it."""
    left, *_, right = sorted(
        x + side * box_width(name) / 2 for name, x in sheet.x.items() for side in (-1, 1)
    )
    for row in sheet.rows:
        if row.mark and isinstance(row.entry, Step):
            xs = [sheet.x[row.entry.sender], *(sheet.x[end.name] for end in row.ends)]
            bottom = row.y + row.height - 18
            words = f"here: {row.mark}"
            band(paper, (left, row.y - 18), (right, bottom), min(xs) + 9, words)


def _draw_participants(paper: Paper, sheet: Sheet) -> None:
    for name, x in sheet.x.items():
        y = BOX_HEIGHT / 2
        for start, end in [*sheet.gone.get(name, ()), (sheet.bottom, sheet.bottom)]:
            lifeline(paper, x, y, start)
            if end > start:
                lifeline(paper, x, start, end, absent=True)
            y = end
        for start, end in sheet.work.get(name, ()):
            bar(paper, x, start, end)
        participant(paper, x, 0, name)
        paper.reach(x, sheet.bottom)
        if len(sheet.rows) > TALL:  # so that far down one still sees whose line it is
            participant(paper, x, sheet.bottom + BOX_HEIGHT / 2, name)


def _draw_mark(paper: Paper, x: float, y: float, note: str) -> None:
    wide, colour = width(readable(note)[:40], 10) + 16, ALARM if note.startswith(CRASHES) else QUIET
    paper.draw(
        f'<rect x="{num(x - wide / 2)}" y="{num(y - 9)}" width="{num(wide)}" height="18" rx="3" '
        f'fill="{PAPER}" stroke="{colour}"/>'
    )
    paper.write(x, y + 3.5, note, "middle", size=10, fill=colour, most=40)


def _draw_message(paper: Paper, sheet: Sheet, row: Row, step: Step) -> None:
    x, kind = sheet.x[step.sender], step.message.kind
    right = not row.ends or sheet.x[row.ends[0].name] >= x
    side, rim = (1 if right else -1), sheet.rim(step.sender, row.y)
    above = 5 if row.ends else 8  # a note follows the arrow that goes to nobody
    paper.write(x + side * (rim + 6), row.y - above, row.label, "start" if right else "end")
    for end in row.ends:
        _draw_end(paper, sheet, row, end, kind)
    if row.failure:
        cross(paper, x, row.y)
        _write_note(paper, x, row.y, -side, row.failure)
    if not row.ends:
        _draw_unheard(paper, x if ARROWS[kind].dot else x + rim, row.y, kind)


def _draw_end(paper: Paper, sheet: Sheet, row: Row, end: End, kind: str) -> None:
    assert isinstance(row.entry, Step)
    x, to_x, y = sheet.x[row.entry.sender], sheet.x[end.name], row.y + end.low
    side = 1 if to_x >= x else -1
    # The dot of an event stands in the middle, so that one dot serves both sides of a fan.
    start = x if ARROWS[kind].dot else x + side * sheet.rim(row.entry.sender, row.y)
    tip = to_x - side * sheet.rim(end.name, y)
    if end.missed:
        middle = _last_gap(sheet, x, to_x)
        _draw_broken(paper, kind, (start, row.y), middle, (tip if to_x != x else x + 60, y))
        paper.write(middle, y + 15, end.note, "middle", size=10, fill=ALARM)
        if end.struck:
            bolt(paper, middle - width(end.note, 10) / 2 - 7, y + 12)
        return
    loop = [(start + 24, row.y), (start + 24, y)] if to_x == x else []
    arrow(paper, kind, (start, row.y), *loop, (tip, y))
    paper.reach(tip + 28 * bool(loop), y)
    if end.failed:
        cross(paper, to_x, y)
    if end.struck:
        bolt(paper, to_x + side * 12, y)
    if end.note:
        _write_note(paper, to_x + side * (10 if end.struck else 0), y, side, end.note)
    elif within(row.y, sheet.gone.get(end.name, ())):
        _write_note(paper, to_x, y, side, WAITS, QUIET)


def _write_note(paper: Paper, x: float, y: float, side: int, note: str, fill: str = ALARM) -> None:
    """Beside a lifeline, on the side where the arrow does not come or go."""
    anchor = "start" if side > 0 else "end"
    paper.write(x + side * 9, y + 3.5, note, anchor, size=10, fill=fill, most=44)


def _last_gap(sheet: Sheet, x: float, to_x: float) -> float:
    """Where to break an arrow: midway in the last gap, so on no lifeline and near its goal."""
    if x == to_x:
        return x + 30
    between = [other for other in sheet.x.values() if min(x, to_x) <= other <= max(x, to_x)]
    return (to_x + sorted(between, key=lambda other: abs(other - to_x))[1]) / 2


def _draw_broken(paper: Paper, kind: str, start: Point, middle: float, goal: Point) -> None:
    """An arrow that ends in a cross; dots go on to where it should have arrived."""
    height = start[1] + (goal[1] - start[1]) * (middle - start[0]) / (goal[0] - start[0])
    line(paper, ARROWS[kind].look, start, (middle, height))
    line(paper, f'stroke="{QUIET}" stroke-dasharray="1 4"', (middle, height), goal)
    if ARROWS[kind].dot:
        dot(paper, kind, *start)
    cross(paper, middle, height)


def _draw_unheard(paper: Paper, x: float, y: float, kind: str) -> None:
    """A message that goes nowhere: into the box for dead letters, or to nobody's ear."""
    style = ARROWS[kind]
    if kind == "dead":
        arrow(paper, kind, (x, y), (x + 34, y))
        envelope = f"M{num(x + 36)} {num(y - 5)}h15v10h-15zl7.5 6l7.5-6"
        paper.draw(f'<path d="{envelope}" stroke="{style.colour}" stroke-width="1.4"/>')
        paper.reach(x + 52, y)
        return
    line(paper, style.look, (x, y), (x + 30, y))
    paper.draw(f'<circle cx="{num(x + 34)}" cy="{num(y)}" r="4" stroke="{style.colour}"/>')
    if style.dot:
        dot(paper, kind, x, y)
    paper.write(x + 43, y + 3.5, "nobody listens", size=10, fill=ALARM)


def _signs(sheet: Sheet) -> Iterator[list[str]]:
    """For the legend: the kinds of messages that occur, and what else was drawn."""
    yield [row.entry.message.kind for row in sheet.rows if isinstance(row.entry, Step)]
    yield ["at work"] * bool(sheet.work) + ["absent"] * bool(sheet.gone)
    yield [FAULT] * any(end.struck for row in sheet.rows for end in row.ends)
