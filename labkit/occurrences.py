"""Occurrences: where in a run something was said or done, and for which order."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from labkit.steps import Moment, Step
from labkit.system.errors import LabError
from labkit.system.ledger import Entry, Ledger, in_order
from labkit.system.message import Event, Message
from labkit.system.service import Command
from labkit.trace import Trace, key_of

What = type[Event] | Command[Any, Any] | str
ENDS = ("done", "failed")


class Run(Protocol):
    """What can be judged: a Lab, or anything else that has a trace and a ledger."""

    @property
    def trace(self) -> Trace: ...

    @property
    def ledger(self) -> Ledger: ...


@dataclass(frozen=True)
class Name:
    """What is spoken of: an event, a command (its being sent), or an effect in the ledger."""

    kind: str
    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Occurrence:
    """It happened for an order at this message: which was said, or led to the effect.

    first, last: between which moments of the run; of an effect more is not known than that it
    happened while its message was handled. line: an effect's line in the ledger.
    """

    order: str
    id: str
    first: float
    last: float
    seconds: float
    line: int = -1

    def surely_after(self, other: Occurrence) -> bool:
        if self.line >= 0 and other.line >= 0:
            return self.line > other.line
        return self.first > other.last

    def maybe_after(self, other: Occurrence) -> bool:
        return self is not other and not other.surely_after(self)


def named(what: object, asked_by: str) -> Name:
    """The name of an event, a command or an effect; LabError where it is none."""
    if isinstance(what, Command):
        return Name("command", what.message_type)
    if isinstance(what, type) and issubclass(what, Event):
        return Name("event", what.__name__)
    if isinstance(what, str) and what.strip():
        return Name("effect", what)
    found = f"the event {what!r:.60} itself" if isinstance(what, Event) else f"{what!r:.60}"
    raise LabError(
        f"{asked_by} speaks of an event class such as OrderPlaced, a command such as "
        f'Payment.charge, or an effect such as "charged", and was given {found}.\n'
        "Write the name alone, without parentheses."
    )


class Facts:
    """A run as properties look at it: what occurred for which order, in which order of things."""

    def __init__(self, run: Run) -> None:
        try:
            self.trace, self.entries = run.trace, list(run.ledger)
            _ = self.trace.moments
        except AttributeError:
            raise LabError(
                f"A property judges a run, which has a trace and a ledger, and was given "
                f"{type(run).__name__}.\nGive it the lab: `verdict = each_effect_once()(lab)`."
            ) from None
        self.contracts = getattr(run, "contracts", {})
        self.said: dict[str, tuple[Message, int, float]] = {}
        self._arrivals: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        self._ends: dict[tuple[str, str], list[int]] = defaultdict(list)
        for at, moment in enumerate(self.trace.moments):
            if moment.message is not None:
                self._take(at, moment, moment.message)
        self.order_of = _orders([message for message, _, _ in self.said.values()])

    @cached_property
    def orders(self) -> list[str]:
        """Every order of which a message speaks."""
        return in_order({key_of(message) for message, _, _ in self.said.values()} - {""})

    def of(self, name: Name) -> dict[str, list[Occurrence]]:
        """Each time it occurred, by its order."""
        by_order: dict[str, list[Occurrence]] = defaultdict(list)
        for occurrence in self._by_name.get(name, ()):
            by_order[occurrence.order].append(occurrence)
        return {order: by_order[order] for order in in_order(by_order)}

    @property
    def names(self) -> Iterable[Name]:
        """All that occurred."""
        return self._by_name.keys()

    def part(self, order: str) -> Trace:
        """What was said of one order, and what befell the services meanwhile."""
        return Trace(self._parts.get(order, ()))

    def steps(self, order: str) -> list[Step]:
        """The messages of one order, in logical order."""
        return [step for step in self.part(order).steps() if isinstance(step, Step)]

    def _take(self, at: int, moment: Moment, message: Message) -> None:
        # What comes from outside was sent by nobody here; it is said when it first arrives.
        if moment.what in ("sent", "received"):
            self.said.setdefault(message.id, (message, at, moment.seconds))
        if moment.what == "received":
            self._arrivals[moment.where, message.id].append((at, moment.seconds))
        elif moment.what in ENDS:
            self._ends[moment.where, message.id].append(at)

    @cached_property
    def _by_name(self) -> dict[Name, list[Occurrence]]:
        known: dict[Name, list[Occurrence]] = defaultdict(list)
        for message, at, seconds in self.said.values():
            # A dead letter has the type of the event that it holds, and is none.
            if message.kind in ("event", "command"):
                occurrence = Occurrence(self.order_of[message.id], message.id, at, at, seconds)
                known[Name(message.kind, message.type)].append(occurrence)
        for entry, occurrence in zip(self.entries, self._effects(), strict=True):
            known[Name("effect", entry.effect)].append(occurrence)
        return known

    def _effects(self) -> list[Occurrence]:
        spans = list(self._spans())
        # The ledger is in order: none begins before one above it, or ends after one below it.
        for line in range(1, len(spans)):
            spans[line] = max(spans[line - 1][:2], spans[line][:2]) + spans[line][2:]
        last, found = math.inf, []
        for line in reversed(range(len(spans))):
            first, seconds, end = spans[line]
            last = max(first, min(last, end))
            entry = self.entries[line]
            found.append(Occurrence(entry.key, entry.cause, first, last, seconds, line))
        return found[::-1]

    def _spans(self) -> Iterable[tuple[float, float, float]]:
        """Of each effect: the moment and the second before, and the moment after which it wasn't.

        A message may come several times. The k-th effect then came after its k-th arrival, and
        before it was k times handled to the end; what has no cause may have been at any time.
        """
        times: Counter[tuple[str, str, str]] = Counter()
        for entry in self.entries:
            nth = times[entry.service, entry.effect, entry.cause]
            times[entry.service, entry.effect, entry.cause] += 1
            yield (*self._arrival(entry, nth), self._end(entry, nth))

    def _arrival(self, entry: Entry, nth: int) -> tuple[float, float]:
        arrivals = self._arrivals.get((entry.service, entry.cause), [])
        return arrivals[min(nth, len(arrivals) - 1)] if arrivals else (-1, 0.0)

    def _end(self, entry: Entry, nth: int) -> float:
        ends = self._ends.get((entry.service, entry.cause), [])
        return ends[nth] if nth < len(ends) else math.inf

    @cached_property
    def _parts(self) -> dict[str, list[Moment]]:
        parts: dict[str, list[Moment]] = {order: [] for order in self.order_of.values()}
        for moment in self.trace.moments:
            if moment.message is None:
                for part in parts.values():
                    part.append(moment)
            elif moment.message.id in self.order_of:
                parts[self.order_of[moment.message.id]].append(moment)
        return parts


def _orders(messages: Sequence[Message]) -> dict[str, str]:
    """Of which order each message speaks: by itself, by its cause, or by its story.

    Where a story speaks of no order at all, it is one by itself.
    """
    order_of: dict[str, str] = {}
    of_story: dict[str, str] = {}
    for message in messages:
        order_of[message.id] = key_of(message) or order_of.get(message.causationid or "", "")
        if order_of[message.id]:
            of_story.setdefault(message.story, order_of[message.id])
    for message in messages:
        order_of[message.id] = order_of[message.id] or of_story.get(message.story, message.story)
    return order_of
