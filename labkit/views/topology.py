"""A topology: who told whom, by a command or by way of the event bus, summed up over a trace."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.trace import Trace
from labkit.views.boxes import Box, Wire, stand
from labkit.views.links import Links, in_words, links_of
from labkit.views.narrative import EMPTY
from labkit.views.notation import WAITING, arrow, legend, participant, waiting
from labkit.views.picture import QUIET, VERMILION, Paper, Picture, num

TITLE = "Topology"
BUS = 20.0


def topology(trace: Trace, bus: bool | None = None) -> Picture:
    """Draw who told whom: callers left of their workers, and the others around the event bus.

    bus: whether to draw the bus and what goes over it; None: where an event was published.
    """
    links, paper = links_of(trace), Paper()
    if not links.names:
        paper.write(0, 0, EMPTY)
        return paper.picture(TITLE, EMPTY)
    # In an orchestrated run services may also listen to events; without any, no bus is needed.
    if bus is None:
        bus = bool(links.published)
    if not bus:
        links.published, links.heard = {}, {}
    boxes, bus_x = stand(links)
    for box in boxes:
        _draw_box(paper, box)
    if bus:
        _draw_bus(paper, bus_x)
    for box in boxes:
        for worker, label in box.workers:
            answered = (box.name, worker.name) in links.answered
            _draw_command(paper, box, worker, label, answered=answered)
        for wire in box.wires:
            _draw_wire(paper, box, wire, bus_x)
    legend(paper, *_signs(links))
    return paper.picture(TITLE, in_words(links))


def _draw_box(paper: Paper, box: Box) -> None:
    tall, light = box.bottom - box.top, box.again
    participant(
        paper, box.x, box.middle, box.name, wide=box.wide, tall=tall, ghost=box.ghost, light=light
    )


def _draw_command(paper: Paper, caller: Box, worker: Box, label: str, *, answered: bool) -> None:
    start, end = caller.x + caller.wide / 2, worker.x - worker.wide / 2
    y = worker.middle - (3 if answered else 0)
    arrow(paper, "command", (start, y), (end, y))
    if answered:
        arrow(paper, "reply", (end, y + 8), (start, y + 8))
    paper.write(start + 10, y - 6, label)


def _draw_wire(paper: Paper, box: Box, wire: Wire, bus: float) -> None:
    side = 1 if bus > box.x else -1
    here, there = (box.x + side * box.wide / 2, wire.y), (bus - side * BUS / 2, wire.y)
    way = (there, here) if wire.heard else (here, there)
    if wire.tally.said:
        arrow(paper, "event", *way)
    else:
        waiting(paper, *way)
    paper.write(min(here[0], there[0]) + 12, wire.y - 5, wire.label)


def _draw_bus(paper: Paper, x: float) -> None:
    top, bottom = paper.top - 4, paper.bottom + 4
    paper.draw(
        f'<rect x="{num(x - BUS / 2)}" y="{num(top)}" width="{num(BUS)}" '
        f'height="{num(bottom - top)}" rx="6" fill="#fdf1e6" stroke="{VERMILION}"/>'
    )
    paper.reach(x + BUS / 2, bottom)
    paper.write(x, top - 19, "event bus", "middle", bold=True)
    paper.write(x, top - 6, "(MQTT broker)", "middle", size=10, fill=QUIET)


def _signs(links: Links) -> Iterator[list[str]]:
    """For the legend: the kinds of messages that occur, and who waits for some."""
    said = {"command": links.commands, "reply": links.answered, "event": links.published}
    yield [kind for kind, found in said.items() if found]
    yield [WAITING] * any(not tally.said for tally in links.heard.values())
