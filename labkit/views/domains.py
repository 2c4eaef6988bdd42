"""A topology on two levels: domains and what goes between them, and the services inside each."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.steps import YOU
from labkit.system.domain import Borders, Domains
from labkit.trace import Trace
from labkit.views.frames import BUS, GAP, LONGEST_LABEL, ROW, Box, Frame, Row, frames_of, stand
from labkit.views.links import Links, links_of
from labkit.views.narrative import EMPTY
from labkit.views.notation import BOX_HEIGHT, arrow, box_width, cross, legend, participant
from labkit.views.picture import (
    ALARM,
    QUIET,
    VERMILION,
    Paper,
    Picture,
    listed,
    num,
    shorten,
    told,
    width,
)

TITLE = "Domains"
INSIDE = "#f4f7fa"


def domains(trace: Trace, domains: Domains) -> Picture:
    """Draw who told whom, inside each domain and across its border.

    domains: the services of each domain, by its name, such as {"Payment": [Payment], …}.

    Raises:
        LabError: these are no domains; it says why.
    """
    links, paper = links_of(trace), Paper()
    services = dict.fromkeys(moment.where for moment in trace if moment.where != YOU)
    borders = Borders(domains, services)
    frames = frames_of(trace, links, borders, list(map(str, domains)))
    if not links.active or not frames:
        paper.write(0, 0, EMPTY)
        return paper.picture(TITLE, EMPTY)
    edge, bus = stand(frames)
    for frame in frames:
        _draw_frame(paper, frame, edge)
    said = [
        (who, tally.label()) for (who, _), tally in links.published.items() if not borders.of(who)
    ]
    bottom = frames[-1].bottom + ROW * len(said)
    _draw_bus(paper, frames[0].top, bottom, bus)
    boxes = [each for frame in frames for each in frame.all()]
    asked = [row.label for box in boxes for row in box.rows if row.kind == "asked"]
    asked += [shorten(label, LONGEST_LABEL) for _, label in said]
    outside = bus + BUS / 2 + max(map(width, asked), default=0) + 24
    for box in boxes:
        _draw_box(paper, box, edge, bus, outside)
    for at, (who, label) in enumerate(said):
        _draw_said(paper, who, label, bottom - ROW * at - BOX_HEIGHT / 2, bus, outside)
    legend(paper, [*_kinds(frames)])
    return paper.picture(TITLE, in_words(frames, links, borders))


def _draw_frame(paper: Paper, frame: Frame, edge: float) -> None:
    if not frame.name:
        return
    wide, high = edge + GAP, frame.bottom - frame.top
    paper.draw(
        f'<rect x="{num(-GAP)}" y="{num(frame.top)}" width="{num(wide)}" height="{num(high)}" '
        f'rx="8" fill="{INSIDE}" stroke="{QUIET}" stroke-width="1.4" stroke-dasharray="8 4"/>'
    )
    paper.reach(-GAP, frame.top)
    paper.reach(edge, frame.bottom)
    paper.write(10 - GAP, frame.top + 17, frame.name, bold=True, size=12)
    if frame.kept:
        paper.write(edge - 10, frame.top + 17, frame.stays, "end", size=10, fill=QUIET)


def _draw_bus(paper: Paper, top: float, bottom: float, x: float) -> None:
    top, bottom = top - 4, bottom + 4
    paper.draw(
        f'<rect x="{num(x - BUS / 2)}" y="{num(top)}" width="{num(BUS)}" '
        f'height="{num(bottom - top)}" rx="6" fill="#fdf1e6" stroke="{VERMILION}"/>'
    )
    paper.reach(x + BUS / 2, bottom)
    paper.write(x, top - 6, "event bus", "middle", bold=True)


def _draw_box(paper: Paper, box: Box, edge: float, bus: float, outside: float) -> None:
    tall, light = box.bottom - box.top, box.abroad
    participant(
        paper, box.x, box.middle, box.name, wide=box.wide, tall=tall, ghost=box.ghost, light=light
    )
    right = box.x + box.wide / 2
    for worker, label, answered in box.workers:
        y, end = worker.middle, worker.x - worker.wide / 2
        _told(paper, (right, end), y, answered=answered)
        if worker.abroad:
            cross(paper, edge, y - 3 * answered)
            paper.write(right + 10, y - 9, label, fill=ALARM, bold=True)
        else:
            paper.write(right + 10, y - 9, label)
    for row in box.rows:
        if row.kind == "asked":
            _draw_asked(paper, row, right, bus, outside)
            continue
        here, there = (right, row.y), (bus - BUS / 2, row.y)
        arrow(paper, "event", *((there, here) if row.kind == "heard" else (here, there)))
        paper.write(edge + 10, row.y - 5, row.label)


def _draw_asked(paper: Paper, row: Row, right: float, bus: float, outside: float) -> None:
    """Commands come over the broker as well, so this one passes the bus; only it is for one."""
    _told(paper, (outside, right), row.y, answered=row.answered)
    paper.write(bus + BUS / 2 + 8, row.y - 7, row.label)
    _draw_outsider(paper, row.other, outside, row.y)


def _draw_said(paper: Paper, who: str, label: str, y: float, bus: float, outside: float) -> None:
    arrow(paper, "event", (outside, y), (bus + BUS / 2, y))
    paper.write(bus + BUS / 2 + 12, y - 5, label, most=LONGEST_LABEL)
    _draw_outsider(paper, who, outside, y)


def _draw_outsider(paper: Paper, name: str, x: float, y: float) -> None:
    wide = box_width(name)
    participant(paper, x + wide / 2, y, name, wide=wide, tall=BOX_HEIGHT - 4)


def _told(paper: Paper, way: tuple[float, float], y: float, *, answered: bool) -> None:
    start, end = way
    arrow(paper, "command", (start, y - 3 * answered), (end, y - 3 * answered))
    if answered:
        arrow(paper, "reply", (end, y + 5), (start, y + 5))


def _kinds(frames: list[Frame]) -> Iterator[str]:
    for box in (each for frame in frames for each in frame.all()):
        if box.workers or any(row.kind == "asked" for row in box.rows):
            yield "command"
        if any(answered for _, _, answered in box.workers) or any(r.answered for r in box.rows):
            yield "reply"
        if any(row.kind != "asked" for row in box.rows):
            yield "event"


# In words


def in_words(frames: list[Frame], links: Links, borders: Borders) -> str:
    """The alternative text: each domain, then what goes between them."""
    named = [frame for frame in frames if frame.name]
    sentences = [f"Two-level topology of {listed(told(f.name) for f in named)}."] if named else []
    for frame in named:
        inside = [told(box.name) for box in frame.all() if not box.abroad]
        many = "1 message stays" if frame.kept == 1 else f"{frame.kept:,} messages stay"
        stays = f"; {many} inside" if frame.kept else ""
        sentences.append(f"{told(frame.name)} has {listed(dict.fromkeys(inside))}{stays}.")
    for (caller, worker), tally in links.commands.items():
        crosses = borders.crossed(caller, [worker])
        who = "You tell" if caller == YOU else f"{told(caller)} tells"
        line = f"{who} {told(worker)}: {told(tally.label(), 200)}"
        sentences.append(line + (", a command across a border." if crosses else "."))
    for event in dict.fromkeys(event for _, event in links.published):
        by = [told(who) for who, what in links.published if what == event]
        ears = [told(who) for (what, who), t in links.heard.items() if what == event and t.said]
        sentences.append(f"{told(event)} from {listed(by)} reaches {listed(ears) or 'nobody'}.")
    return " ".join(sentences)
