"""Evidence: whatever was measured, as a table of names and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.comparing import Comparison, Result
from labkit.guide.markdown import table
from labkit.lab import Lab
from labkit.system.errors import LabError
from labkit.trace import Trace
from labkit.views.card import Card, Cards

Evidence = Lab | Card | Cards | Result | Comparison | Trace | Mapping[str, Any] | float | str


@dataclass(frozen=True)
class Table:
    """Columns of numbers, each with its heading; the first column holds their names."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, name: str, evidence: object) -> Table:
        """Read what was handed in under this name; LabError where it can't be read."""
        if isinstance(evidence, Comparison):
            return cls._columns({n: _numbers(r) or {} for n, r in evidence.results.items()})
        if isinstance(evidence, Cards):
            return cls._columns({n: _numbers(card) or {} for n, card in evidence.cards.items()})
        if isinstance(evidence, Mapping):
            inner = {str(head): _numbers(each) for head, each in evidence.items()}
            if inner and all(column is not None for column in inner.values()):
                return cls._columns({head: column or {} for head, column in inner.items()})
            if all(_is_plain(each) for each in evidence.values()):
                return cls._columns({"": {str(k): told(v) for k, v in evidence.items()}})
        elif _is_plain(evidence):
            return cls._columns({"": {"measured": told(evidence)}})
        elif (numbers := _numbers(evidence)) is not None:
            return cls._columns({"": numbers})
        raise LabError(
            f"{name!r:.60} is no evidence that can be read: {type(evidence).__name__}.\n"
            "Hand in a lab, its card() or its trace, a comparison, or numbers by their names."
        )

    @classmethod
    def _columns(cls, columns: Mapping[str, Mapping[str, str]]) -> Table:
        names = list(dict.fromkeys(name for column in columns.values() for name in column))
        rows = [[n, *(column.get(n, "–") for column in columns.values())] for n in names]
        return cls(["", *columns], rows)

    def lines(self) -> Iterator[str]:
        """The table in Markdown."""
        return table(self.heads, self.rows)


def _numbers(evidence: object) -> dict[str, str] | None:
    """What one run tells, by name; None where it is none."""
    if isinstance(evidence, Lab):
        return _numbers(evidence.card())
    if isinstance(evidence, Card | Result):
        return {name: told(number) for name, number in evidence.rows}
    if isinstance(evidence, Trace):
        senders = {message.sender for message in evidence.sent() if message.kind != "status"}
        return {
            "messages": f"{len(evidence):,}",
            "who spoke": f"{len(senders):,}",
            "lost": f"{len(evidence.lost()):,}",
            "failed": f"{len(evidence.failed()):,}",
            "heard by nobody": f"{len(evidence.unheard()):,}",
        }
    if isinstance(evidence, Mapping) and all(_is_plain(each) for each in evidence.values()):
        return {str(name): told(number) for name, number in evidence.items()}
    return None


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float | str)


def told(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value)
