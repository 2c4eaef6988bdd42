"""Where everything in a topology stands: trees of commands on the left, the bus, listeners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.steps import YOU
from labkit.views.links import Links, Tally
from labkit.views.notation import BOX_HEIGHT, box_width
from labkit.views.picture import shorten, width

LONGEST_LABEL = 30
WIRE_ROW, BOX_ROW, LEAST_GAP = 25.0, 44.0, 70.0


@dataclass
class Wire:
    """One event on its way between a participant and the bus."""

    event: str
    tally: Tally
    heard: bool
    y: float = 0.0

    @property
    def label(self) -> str:
        return shorten(self.tally.label(self.event), LONGEST_LABEL)


@dataclass
class Box:
    """A participant, and those whom it commands; so tall that each line from it runs straight.

    ghost: it has neither said nor heard anything. again: it stands in another place already.
    """

    name: str
    depth: int
    wires: list[Wire]
    workers: list[tuple[Box, str]]
    ghost: bool = False
    again: bool = False
    x: float = 0.0
    wide: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def all(self) -> Iterator[Box]:
        """This box and all below it in the tree of commands."""
        yield self
        for worker, _ in self.workers:
            yield from worker.all()


def stand(links: Links) -> tuple[list[Box], float]:
    """Give each participant its place; also where the bus runs, from top to bottom."""
    left, right = _sides(links)
    height = max(_pile(left), _pile(right))
    for side in (left, right):
        _move_down(side, (height - _pile(side)) / 2)
    bus = _columns(left)
    wide = max((box_width(box.name) for box in right), default=0)
    gap = max((width(wire.label) for box in right for wire in box.wires), default=0) + 46
    for box in right:
        box.wide, box.x = wide, bus + gap + wide / 2
    return [each for box in left + right for each in box.all()], bus


def _sides(links: Links) -> tuple[list[Box], list[Box]]:
    """Trees of commands stand on the left; whoever is in none, where there are fewer lines."""
    workers = {worker for _, worker in links.commands}
    placed: set[str] = set()
    callers = list(dict.fromkeys(caller for caller, _ in links.commands))
    callers.sort(key=lambda name: name in workers)  # who is called by nobody comes first
    left = [_tree(name, 0, links, placed) for name in callers if name not in placed]
    deepest = max((box.depth for tree in left for box in tree.all()), default=0)
    right: list[Box] = []
    for name in links.names:
        if name not in placed:
            lines = [sum(max(1, len(each.wires)) for each in _all(side)) for side in (left, right)]
            stays = name == YOU or lines[0] < lines[1] or not links.published
            box = _tree(name, deepest if stays else 0, links, placed)
            (left if stays else right).append(box)
    return left, right


def _all(boxes: list[Box]) -> Iterator[Box]:
    return (each for box in boxes for each in box.all())


def _tree(name: str, depth: int, links: Links, placed: set[str]) -> Box:
    if name in placed:
        return Box(name, depth, [], [], again=True)
    placed.add(name)
    wires = [Wire(e, tally, True) for (e, who), tally in links.heard.items() if who == name]
    wires += [Wire(e, tally, False) for (who, e), tally in links.published.items() if who == name]
    workers = [
        (_tree(worker, depth + 1, links, placed), shorten(tally.label(), LONGEST_LABEL))
        for (caller, worker), tally in links.commands.items()
        if caller == name
    ]
    return Box(name, depth, wires, workers, ghost=name not in links.active)


def _pile(boxes: list[Box]) -> float:
    """Stack boxes, and those below them, so that each line has a row of its own."""
    y = 0.0
    for box in boxes:
        y = _stack(box, y)
    return y


def _stack(box: Box, y: float) -> float:
    rows = []
    for worker, _ in box.workers:
        y = _stack(worker, y)
        rows.append(worker.middle)
    for wire in box.wires:
        wire.y = y
        rows.append(y)
        y += WIRE_ROW
    end = y - WIRE_ROW + BOX_ROW if box.wires else y if rows else y + BOX_ROW
    rows = rows or [y]
    box.top, box.bottom = min(rows) - BOX_HEIGHT / 2, max(rows) + BOX_HEIGHT / 2
    return end


def _move_down(boxes: list[Box], by: float) -> None:
    for box in _all(boxes):
        box.top, box.bottom = box.top + by, box.bottom + by
        for wire in box.wires:
            wire.y += by


def _columns(trees: list[Box]) -> float:
    """Set the columns of the left side; where the bus runs."""
    x, edge = 0.0, 0.0
    boxes = list(_all(trees))
    for depth in range(max((box.depth for box in boxes), default=-1) + 1):
        column = [box for box in boxes if box.depth == depth]
        wide = max((box_width(box.name) for box in column), default=0)
        for box in column:
            box.x, box.wide = x + wide / 2, wide
        edge = x + wide
        labels = (width(label) + 40 for box in column for _, label in box.workers)
        x = edge + max(labels, default=LEAST_GAP)
    wires = (box.x + box.wide / 2 + width(w.label) + 46 for box in boxes for w in box.wires)
    return max([edge + LEAST_GAP, *wires])
