"""Where everything stands in a picture of domains: a frame for each, and the services inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labkit.steps import YOU, Step
from labkit.system.domain import Borders
from labkit.trace import Trace
from labkit.views.links import Links, Tally
from labkit.views.notation import BOX_HEIGHT, box_width
from labkit.views.picture import shorten, width

LONGEST_LABEL = 44
ROW, BOX_ROW, HEAD, GAP, BUS = 26.0, 44.0, 28.0, 18.0, 20.0


@dataclass
class Row:
    """One line from a box: an event that it says or hears, or a command from outside the lab.

    other: who says that command. answered: whether a reply went back.
    """

    kind: str
    label: str
    other: str = ""
    answered: bool = False
    y: float = 0.0


@dataclass
class Box:
    """A service in its domain, or a light copy of one that is told across a border."""

    name: str
    depth: int
    ghost: bool = False
    abroad: bool = False
    rows: list[Row] = field(default_factory=list)
    workers: list[tuple[Box, str, bool]] = field(default_factory=list)
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
        for worker, _, _ in self.workers:
            yield from worker.all()


@dataclass
class Frame:
    """A domain with its services; without a name for a service of which the domains say nothing."""

    name: str
    boxes: list[Box]
    kept: int
    top: float = 0.0
    bottom: float = 0.0

    @property
    def stays(self) -> str:
        """How many messages nobody outside has heard."""
        return f"{self.kept:,} stay{'s' * (self.kept == 1)} inside" if self.kept else ""

    def all(self) -> Iterator[Box]:
        """Every box in it."""
        return (each for box in self.boxes for each in box.all())


def frames_of(trace: Trace, links: Links, borders: Borders, given: list[str]) -> list[Frame]:
    """A frame for each of the given domains that takes part, then whoever is in none of them."""
    kept = _kept(trace, borders)
    members: dict[str, list[str]] = {name: [] for name in given}
    for name in links.names:
        if (domain := borders.of(name)) is not None:
            members.setdefault(domain, []).append(name)
    return [
        Frame(domain if domain in given else "", _trees(names, links), kept.get(domain, 0))
        for domain, names in members.items()
        if names
    ]


def _kept(trace: Trace, borders: Borders) -> dict[str, int]:
    kept: dict[str, int] = {}
    for step in trace.steps():
        if isinstance(step, Step) and borders.kept(step.sender, step.reached):
            domain = borders.of(step.sender) or ""
            kept[domain] = kept.get(domain, 0) + 1
    return kept


def _trees(names: list[str], links: Links) -> list[Box]:
    """The services of a domain as trees of commands, whoever is told by nobody there first."""
    told_here = {w for caller, w in links.commands if {caller, w} <= {*names} and caller != w}
    placed: set[str] = set()
    roots = sorted(names, key=lambda name: name in told_here)
    return [_tree(name, 0, names, links, placed) for name in roots if name not in placed]


def _tree(name: str, depth: int, names: list[str], links: Links, placed: set[str]) -> Box:
    if name in placed or name not in names:
        return Box(name, depth, abroad=name not in names)
    placed.add(name)
    box = Box(name, depth, ghost=name not in links.active, rows=list(_lines(name, links)))
    for (caller, worker), tally in links.commands.items():
        if caller == name:
            below = _tree(worker, depth + 1, names, links, placed)
            box.workers.append((below, _label(tally), (caller, worker) in links.answered))
    return box


def _lines(name: str, links: Links) -> Iterator[Row]:
    services = {*links.names}
    for (event, who), tally in links.heard.items():
        if who == name and tally.said:
            yield Row("heard", _label(tally, event))
    for (who, event), tally in links.published.items():
        if who == name:
            yield Row("said", _label(tally, event))
    for (caller, worker), tally in links.commands.items():
        if worker == name and (caller == YOU or caller not in services):
            answered = (caller, worker) in links.answered
            yield Row("asked", _label(tally), other=caller, answered=answered)


def _label(tally: Tally, unsaid: str = "") -> str:
    return shorten(tally.label(unsaid), LONGEST_LABEL)


def stand(frames: list[Frame]) -> tuple[float, float]:
    """Give each service its place; where the frames end on the right, and where the bus runs."""
    edge = _columns(frames)
    _rows(frames)
    return edge, _bus_at(frames, edge)


def _columns(frames: list[Frame]) -> float:
    """Set the columns, callers left of their workers; where the frames end on the right."""
    boxes = [box for frame in frames for box in frame.all()]
    deepest = max(box.depth for box in boxes if not box.abroad)
    for box in boxes:
        # Whoever commands nobody stands near the bus, and what is abroad beyond the border.
        if box.abroad:
            box.depth = deepest + 1
        elif not box.workers:
            box.depth = deepest
    x, edge = 0.0, 0.0
    for depth in range(deepest + 2):
        column = [box for box in boxes if box.depth == depth]
        wide = max((box_width(box.name) for box in column), default=0.0)
        for box in column:
            box.x, box.wide = x + wide / 2, wide
        if depth == deepest:
            edge = x + wide + GAP
        labels = (width(label) + 40 for box in column for _, label, _ in box.workers)
        x += wide + max(labels, default=2 * GAP) + (GAP if depth == deepest else 0)
    heads = (width(f.name, 13) + width(f.stays, 10) + 50 for f in frames)
    return max([edge, *heads])


def _rows(frames: list[Frame]) -> None:
    """Stack the frames and what is in them, so that each line has a row of its own."""
    y = 0.0
    for frame in frames:
        frame.top = y
        y += (HEAD if frame.name else GAP / 2) + BOX_HEIGHT / 2 + 4
        for box in frame.boxes:
            y = _stack(box, y)
        frame.bottom = y - BOX_ROW + BOX_HEIGHT / 2 + 10
        y = frame.bottom + GAP


def _stack(box: Box, y: float) -> float:
    taken = []
    for worker, _, _ in box.workers:
        y = _stack(worker, y)
        taken.append(worker.middle)
    for row in box.rows:
        row.y = y
        taken.append(y)
        y += ROW
    if box.rows or not taken:
        y += BOX_ROW - (ROW if box.rows else 0)
    taken = taken or [y - BOX_ROW]
    box.top, box.bottom = min(taken) - BOX_HEIGHT / 2, max(taken) + BOX_HEIGHT / 2
    return y


def _bus_at(frames: list[Frame], edge: float) -> float:
    boxes = [box for frame in frames for box in frame.all()]
    labels = [width(r.label) + 40 for box in boxes for r in box.rows if r.kind != "asked"]
    abroad = [box.x + box.wide / 2 - edge + GAP for box in boxes if box.abroad]
    return edge + max([2 * GAP, *labels, *abroad]) + BUS / 2
