"""Charts: small multiples that say what they show, without a legend to look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.views.picture import BLUE, BOX, INK, QUIET, Paper, Picture, listed, num, width

# Okabe and Ito's colours, in the order in which parts are stacked; the last one is an alarm.
FILLS = ("#56B4E9", "#BBBBBB", "#E69F00", "#A84300", "#009E73", "#CC79A7")
HIGH, COLUMN, GAP, APART, LEAST_PANEL = 120.0, 34.0, 8.0, 36.0, 110.0
BAR, ROW, LONGEST = 14.0, 22.0, 300.0


@dataclass(frozen=True)
class Panel:
    """One of several small charts: its name, and the parts of each of its columns, by its label."""

    name: str
    columns: Mapping[str, Mapping[str, float]]


def columns(panels: Sequence[Panel], what: str, title: str) -> Picture:
    """Stacked columns, side by side for each panel; each part bears its name where it is thickest.

    what: that by which the columns differ. The parts of a column add up to a hundred.
    """
    paper, x = Paper(), 0.0
    parts = list(dict.fromkeys(p for panel in panels for c in panel.columns.values() for p in c))
    fills = dict(zip(parts, FILLS, strict=False))
    paper.write(0, -34, title, size=13, bold=True, most=90)
    for number, panel in enumerate(panels):
        wide = max(len(panel.columns) * (COLUMN + GAP) - GAP, LEAST_PANEL)
        inset = (wide - len(panel.columns) * (COLUMN + GAP) + GAP) / 2
        paper.write(x, -12, panel.name, bold=True)
        _axis(paper, x, wide, labels=number == 0)
        for at, (label, column) in enumerate(panel.columns.items()):
            left = x + inset + at * (COLUMN + GAP)
            _stack(paper, left, column, fills)
            paper.write(left + COLUMN / 2, HIGH + 15, label, "middle")
        x += wide + APART
    shown = [p for p in parts if any(c.get(p) for panel in panels for c in panel.columns.values())]
    _names(paper, x - APART + 16, panels[-1], shown, fills)
    if what:
        paper.write(0, HIGH + 34, f"{what} →", fill=QUIET, most=90)
    return paper.picture(title, _columns_in_words(panels, what, title))


def _axis(paper: Paper, x: float, wide: float, *, labels: bool) -> None:
    for share in (0, 50, 100):
        y = HIGH - HIGH * share / 100
        paper.draw(f'<path d="M{num(x - 4)} {num(y)}h{num(wide + 8)}" stroke="#d9d9d9"/>')
        if labels:
            paper.write(x - 8, y + 4, f"{share} %", "end", fill=QUIET)


def _stack(paper: Paper, left: float, column: Mapping[str, float], fills: dict[str, str]) -> None:
    y = HIGH
    for name, share in column.items():
        tall = HIGH * share / 100
        if tall <= 0:
            continue
        y -= tall
        paper.draw(
            f'<rect x="{num(left)}" y="{num(y)}" width="{num(COLUMN)}" height="{num(tall)}" '
            f'fill="{fills[name]}" stroke="#ffffff"/>'
        )
        if tall > 14:
            paper.write(left + COLUMN / 2, y + tall / 2 + 4, _whole(share), "middle")


def _names(
    paper: Paper, x: float, panel: Panel, shown: Sequence[str], fills: dict[str, str]
) -> None:
    """The parts' names beside the last column, in the order in which they are stacked."""
    for row, name in enumerate(reversed(shown)):
        y = 8 + row * 18
        paper.draw(
            f'<rect x="{num(x)}" y="{num(y - 9)}" width="11" height="11" fill="{fills[name]}"/>'
        )
        paper.write(x + 17, y + 1, name)


def _columns_in_words(panels: Sequence[Panel], what: str, title: str) -> str:
    told = []
    for panel in panels:
        each = [
            f"{label}: "
            + listed(f"{_whole(share)} % {name}" for name, share in column.items() if share)
            for label, column in panel.columns.items()
        ]
        told.append(f"{panel.name}: {'; '.join(each)}")
    by = f", by {what}" * bool(what)
    return f"{title}{by}. {'. '.join(told)}."


def _whole(share: float) -> str:
    """A share of a hundred, in which a few are not none, and nearly all not all."""
    return "<1" if 0 < share < 0.5 else ">99" if 99.5 <= share < 100 else f"{share:.0f}"


def bars(
    rows: Sequence[tuple[str, str, float | None]], title: str, unit: str, never: str = "never"
) -> Picture:
    """Horizontal bars in groups: (group, name, value); None is drawn as a bar without an end.

    unit: stands behind each value. never: what is written where there is no value.
    """
    paper, y, group = Paper(), 0.0, ""
    most = max((value for _, _, value in rows if value is not None), default=0.0) or 1.0
    edge = max((width(name) for _, name, _ in rows), default=0.0) * 1.12 + 10
    paper.write(0, -18, title, size=13, bold=True, most=90)
    for where, name, value in rows:
        if where != group:
            y += 10 if group else 0
            paper.write(0, y + 11, where, bold=True)
            y, group = y + ROW, where
        paper.write(edge - 6, y + 11, name, "end")
        _bar(paper, edge, y, value, most, f"{value:,.1f} {unit}" if value is not None else never)
        y += ROW
    told = ". ".join(
        f"{where}, {name}: " + (f"{value:,.1f} {unit}" if value is not None else never)
        for where, name, value in rows
    )
    return paper.picture(title, f"{title}. {told}.")


def _bar(paper: Paper, x: float, y: float, value: float | None, most: float, words: str) -> None:
    if value is None:
        # Open to the right: it goes on beyond the picture.
        paper.draw(
            f'<path d="M{num(x + LONGEST)} {num(y)}H{num(x)}V{num(y + BAR)}H{num(x + LONGEST)}" '
            f'fill="{BOX}" stroke="{INK}" stroke-dasharray="3 3"/>'
        )
        paper.write(x + 8, y + 11, words)
        return
    wide = max(LONGEST * value / most, 1.0)
    paper.draw(
        f'<rect x="{num(x)}" y="{num(y)}" width="{num(wide)}" height="{num(BAR)}" fill="{BLUE}"/>'
    )
    paper.write(x + wide + 6, y + 11, words)
