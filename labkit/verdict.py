"""A verdict: whether a property holds in a run, and if not, the story that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

from labkit.counterexample import cut
from labkit.occurrences import Facts, Name, Run
from labkit.steps import Step
from labkit.trace import Trace
from labkit.views.picture import Picture
from labkit.views.sequence import sequence

MOST_ORDERS = 10


@dataclass(frozen=True)
class Breach:
    """For one order a property does not hold.

    why: in plain words. here: what is wrong at the first of the messages. at: their ids.
    """

    order: str
    why: str
    here: str
    at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Property:
    """What must be true of a run; call it on one, such as a lab, and it gives its verdict.

    words: what must be true. spoken: what it speaks of; without the first it says nothing.
    """

    words: str
    breaches: Callable[[Facts], Iterable[Breach]] = field(repr=False, compare=False)
    spoken: tuple[Name, ...] = field(default=(), repr=False)

    def __call__(self, run: Run) -> Verdict:
        return self.judge(Facts(run))

    def judge(self, facts: Facts) -> Verdict:
        """The verdict on a run whose facts are known."""
        return Verdict(self, tuple(self.breaches(facts)), facts)

    def __repr__(self) -> str:
        return self.words


class Verdict:
    """True where the property holds; else its breaches, and the story of the first one.

    breaches: an order each, and why. counterexample: a trace of at most twelve messages.
    never_occurred: what the property speaks of, where it never occurred in this run.
    """

    def __init__(self, property: Property, breaches: Sequence[Breach], facts: Facts) -> None:
        self.property, self.breaches = property, breaches
        self.never_occurred = [n.word for n in property.spoken[:1] if n not in facts.names]
        self._facts = facts

    def __bool__(self) -> bool:
        return not self.breaches

    @property
    def counterexample(self) -> Trace:
        """What led to the first breach, and the faults on the way; empty where all holds."""
        return self._cut[0]

    @property
    def marks(self) -> dict[str, str]:
        """Where it first went wrong: words, by the id of a message of the counterexample."""
        return {breach.at[0]: breach.here for breach in self.breaches[:1] if breach.at}

    def sequence(self) -> Picture:
        """The counterexample as a picture, with the place where it first went wrong."""
        return sequence(self.counterexample, marks=self.marks)

    def __repr__(self) -> str:
        return "\n".join([*self._head, *self._story, *self._more])

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if self._story:
            words = [f"<p>{escape(line)}</p>" for line in (*self._head, *self._more)]
            bundle["text/html"] = "".join([*words, self.sequence()._repr_html_()])
        return bundle

    @cached_property
    def _cut(self) -> tuple[Trace, int]:
        if self:
            return Trace(), 0
        return cut(self._facts, self.breaches[0].order, self.breaches[0].at)

    @property
    def _head(self) -> list[str]:
        if self:
            return [f"Holds: {self.property}.{but_never(self.never_occurred)}"]
        orders = [breach.order for breach in self.breaches]
        first = self.breaches[0]
        return [f"Broken: {self.property}.", f"{_counted(orders)}{first.order}: {first.why}."]

    @property
    def _story(self) -> list[str]:
        lines = []
        for step in self.counterexample.steps():
            here = self.marks.get(step.message.id) if isinstance(step, Step) else None
            lines.append(f"  {step}" + (f"   <-- here: {here}" if here else ""))
        return lines

    @property
    def _more(self) -> list[str]:
        left_out = self._cut[1]
        many = "message is" if left_out == 1 else "messages are"
        return [f"In the middle {left_out} {many} left out."] if left_out else []


def but_never(words: Sequence[str], where: str = "") -> str:
    """The rest of a sentence: what a property spoke of, and never occurred, proves nothing."""
    return f" But {' and '.join(words)} never occurred{where}." if words else ""


def _counted(orders: Sequence[str]) -> str:
    different = list(dict.fromkeys(orders))
    if len(different) == 1:
        return ""
    told = ", ".join(different[:MOST_ORDERS]) + (", …" if len(different) > MOST_ORDERS else "")
    return f"For {len(different):,} orders: {told}.\n"
