"""Where everything in a sequence diagram stands: rows, columns, fans, and who is at work when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from labkit.steps import CRASHES, FALLS_ASLEEP, IS_BACK, Mark, Step
from labkit.views.narrative import failures, participants
from labkit.views.notation import BOX_HEIGHT, LONGEST_NAME, box_width
from labkit.views.picture import shorten, width

LONGEST_LABEL = 34
Span = tuple[float, float]


@dataclass
class End:
    """Where one arrow of a message ends, how far below its beginning, and what happened there."""

    name: str
    missed: bool = False
    failed: bool = False
    struck: bool = False
    note: str = ""
    low: float = 0.0


@dataclass
class Row:
    """One entry of the trace, and how far down it stands.

    failure: why its sender failed. mark: what is to be said of it besides.
    """

    entry: Step | Mark
    y: float
    label: str = ""
    failure: str = ""
    mark: str = ""
    ends: list[End] = field(default_factory=list)

    @property
    def height(self) -> float:
        below = (end.low + 13 * end.missed for end in self.ends)
        return 28 + max(below, default=0) + (16 if self.mark else 0)


@dataclass
class Sheet:
    """All that is to be drawn. `work` and `gone`: from where to where, for each participant."""

    rows: list[Row]
    x: dict[str, float]
    bottom: float
    work: dict[str, list[Span]]
    gone: dict[str, list[Span]]

    def rim(self, name: str, y: float) -> float:
        """How far from the middle of a lifeline arrows touch it: a bar is wider than a line."""
        return 4 if within(y, self.work.get(name, ())) else 0


def lay_out(
    entries: Sequence[Step | Mark], said: dict[str, str], marks: Mapping[str, str]
) -> Sheet:
    """Give each entry its row and each participant its column."""
    names = participants(entries)
    place = {name: at for at, name in enumerate(names)}
    failed = failures(entries)
    rows, y = [], BOX_HEIGHT / 2 + 26.0
    for entry in entries:
        row = Row(entry, y)
        if isinstance(entry, Step):
            wrong = failed.get(entry.message.id, {})
            row.label = shorten(said[entry.message.id], LONGEST_LABEL)
            row.ends = _ends(entry, place, wrong)
            row.mark = marks.get(entry.message.id, "")
            row.failure = wrong.get(entry.sender, "") if entry.message.kind == "reply" else ""
        rows.append(row)
        y += row.height
    gone = _gone(rows, y)
    return Sheet(rows, _columns(names, rows), y, _work(rows, gone), gone)


def within(y: float, spans: Iterable[Span]) -> bool:
    """Whether one of the spans covers this height."""
    return any(start <= y <= end for start, end in spans)


def _ends(step: Step, place: dict[str, int], failed: dict[str, str]) -> list[End]:
    """A fan on each side of the sender: the farthest on top, so that no two arrows cross."""
    said = step.struck.get(step.sender, "") if step.sender not in step.reached else ""
    ends = [
        End(name, missed=True, struck=bool(said), note=_never(name, said)) for name in step.missed
    ]
    for name, count in Counter(step.reached).items():
        # A failure tells of its fault already.
        strokes = [step.struck.get(name, "")] if name not in failed else []
        strokes += [said] if not ends else []
        strokes = [stroke for stroke in strokes if stroke]
        notes = strokes or ([f"×{count}"] if count > 1 else [])
        notes += ["too late"] if step.late else []
        notes += [failed[name]] if name in failed else []
        ends += [End(name)] * (count > 1)
        ends.append(End(name, failed=name in failed, struck=bool(strokes), note=" · ".join(notes)))
    here, low = place[step.sender], {True: 0.0, False: 0.0}
    ends.sort(key=lambda end: -abs(place[end.name] - here))
    for end in ends:
        side = place[end.name] >= here
        end.low = low[side] + (12 if end.name == step.sender else 0)
        low[side] = end.low + (24 if end.missed else 12)
    return ends


def _never(name: str, stroke: str) -> str:
    _, _, why = stroke.partition(": ")
    return why or f"never reached {shorten(name, LONGEST_NAME)}"


def _columns(names: Sequence[str], rows: Iterable[Row]) -> dict[str, float]:
    """Neighbours stand as near as their boxes, and the words between them, allow."""
    place = {name: at for at, name in enumerate(names)}
    gaps = [(box_width(a) + box_width(b)) / 2 + 16 for a, b in pairwise(names)]
    for _, start, end, wide in sorted(set(_needs(rows, place))):
        missing = wide - sum(gaps[start:end])
        if missing > 0:
            for at in range(start, end):
                gaps[at] += missing / (end - start)
    x, columns = 0.0, {}
    for name, gap in zip(names, [*gaps, 0.0], strict=True):
        columns[name] = round(x, 1)
        x += gap
    return columns


def _needs(rows: Iterable[Row], place: dict[str, int]) -> Iterator[tuple[int, int, int, float]]:
    """The room that each label needs: over how many columns, from which to which, how much."""
    for row in rows:
        if isinstance(row.entry, Step) and row.ends:
            here, there = place[row.entry.sender], place[row.ends[0].name]
            start, end = sorted((here, there))
            if start < end:
                yield end - start, start, end, width(row.label) + 26


def _gone(rows: Iterable[Row], bottom: float) -> dict[str, list[Span]]:
    """While who is absent: from its crash, or its falling asleep, until it is back."""
    gone: dict[str, list[Span]] = {}
    since: dict[str, float] = {}
    for row in rows:
        if not isinstance(row.entry, Mark):
            continue
        if row.entry.note.startswith((CRASHES, FALLS_ASLEEP)):
            since.setdefault(row.entry.service, row.y)
        elif row.entry.note == IS_BACK and row.entry.service in since:
            gone.setdefault(row.entry.service, []).append((since.pop(row.entry.service), row.y))
    for name, start in since.items():
        gone.setdefault(name, []).append((start, bottom))
    return gone


def _work(rows: Sequence[Row], gone: dict[str, list[Span]]) -> dict[str, list[Span]]:
    """From a message's arrival to the last thing said, or answered, because of it."""
    last: dict[tuple[str, str], float] = {}
    said_by = {r.entry.message.id: r.entry for r in rows if isinstance(r.entry, Step)}
    for row in rows:
        if isinstance(row.entry, Step):
            message = row.entry.message
            last[row.entry.sender, message.causationid or ""] = row.y
            command = said_by.get(message.causationid or "")
            awaited = message.kind == "reply" and row.entry.reached and not row.entry.late
            if command is not None and awaited:
                last[command.sender, command.message.causationid or ""] = row.y
    work: dict[str, list[Span]] = {}
    for row in rows:
        for end in row.ends:
            assert isinstance(row.entry, Step)
            start = row.y + end.low
            stop = last.get((end.name, row.entry.message.id), start)
            stop = min([stop, *(a for a, _ in gone.get(end.name, ()) if a > start)])
            if stop > start and not end.missed:
                _merge(work.setdefault(end.name, []), (start, stop))
    return work


def _merge(spans: list[Span], span: Span) -> None:
    if spans and span[0] <= spans[-1][1]:
        start, end = spans.pop()
        span = start, max(end, span[1])
    spans.append(span)
