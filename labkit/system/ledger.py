"""The ledger: what services really did to the world, one line for each effect, never erased."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """One real effect: who did what for which order, and because of which message.

    once: the idempotency key under which it was done; a second one under the same key is not.
    """

    service: str
    effect: str
    key: str
    amount: int | None = None
    cause: str = ""
    once: str = ""


class Books(Protocol):
    """What a service asks of a ledger."""

    def write(self, entry: Entry) -> bool: ...

    def find(self, service: str, effect: str, key: str) -> Entry | None: ...

    def count(self, service: str, effect: str) -> int: ...


class Ledger:
    """The effects of a run, in the order in which they happened.

    A trace counts messages; only a ledger shows that a customer was charged twice, or that money
    was taken for nothing.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self._first: dict[tuple[str, str, str], Entry] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._once: set[tuple[str, str, str]] = set()
        for entry in entries:
            self.write(entry)

    def write(self, entry: Entry) -> bool:
        """Let an effect happen; False where it has happened already under its idempotency key."""
        once = entry.service, entry.effect, entry.once
        if entry.once and once in self._once:
            return False
        self._once.add(once)
        self._first.setdefault((entry.service, entry.effect, entry.key), entry)
        self._counts[entry.service, entry.effect] += 1
        self.entries.append(entry)
        return True

    def find(self, service: str, effect: str, key: str) -> Entry | None:
        """What a service has done for an order first, if it has."""
        return self._first.get((service, effect, key))

    def count(self, service: str, effect: str) -> int:
        """How often a service has done something, for whatever order."""
        return self._counts[service, effect]

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

    def shipped(self) -> list[str]:
        """The orders whose goods are with the customer: shipped, and not cancelled after that."""
        return in_order(self._happened("shipped") - self._happened("cancelled"))

    def orphaned(self) -> list[str]:
        """The orders that were charged and neither shipped nor refunded."""
        shipped = self._happened("shipped") - self._happened("cancelled")
        return in_order(self._happened("charged") - shipped - self._happened("refunded"))

    def _happened(self, effect: str) -> set[str]:
        return {entry.key for entry in self.entries if entry.effect == effect}

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


@lru_cache(maxsize=10_000)
def natural(key: str) -> tuple[tuple[str, int], ...]:
    """A sort key that compares the numbers in a text as numbers."""
    return tuple((text, int(part or 0)) for text, part in re.findall(r"([^0-9]*)([0-9]*)", key))
