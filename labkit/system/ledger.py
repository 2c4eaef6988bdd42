"""The ledger: what services really did to the world, one line for each effect, never erased."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One real effect: who did what for which order, and because of which message."""

    service: str
    effect: str
    key: str
    amount: int | None = None
    cause: str = ""


@dataclass
class Ledger:
    """The effects of a run, in the order in which they happened.

    A trace counts messages; only a ledger shows that a customer was charged twice, or that money
    was taken for nothing.
    """

    entries: list[Entry] = field(default_factory=list)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def keys(self, effect: str) -> list[str]:
        """The orders for which this effect happened, once for each time that it did."""
        return in_order(entry.key for entry in self.entries if entry.effect == effect)

    def doubled(self) -> list[str]:
        """The orders for which one and the same effect happened more than once."""
        times = Counter((entry.key, entry.service, entry.effect) for entry in self.entries)
        return in_order({key for (key, _, _), count in times.items() if count > 1})

    def orphaned(self) -> list[str]:
        """The orders that were charged and neither shipped nor refunded."""
        settled = {*self.keys("shipped"), *self.keys("refunded")}
        return in_order(set(self.keys("charged")) - settled)

    def __repr__(self) -> str:
        if not self.entries:
            return "The ledger is empty: no service has done anything yet."
        rows = sorted(self.entries, key=lambda entry: natural(entry.key))
        wide = max(len(row.key) for row in rows), max(len(row.service) for row in rows)
        return "\n".join(
            f"{row.key:{wide[0]}}  {row.service:{wide[1]}}  {row.effect}"
            + ("" if row.amount is None else f" {row.amount}")
            for row in rows
        )


def in_order(keys: Iterable[str]) -> list[str]:
    """Keys as a person would list them: o-2 before o-10."""
    return sorted(keys, key=natural)


def natural(key: str) -> list[tuple[str, int]]:
    """A sort key that compares the numbers in a text as numbers."""
    return [(text, int(part or 0)) for text, part in re.findall(r"([^0-9]*)([0-9]*)", key)]
