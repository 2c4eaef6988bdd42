"""The result card: a run in a few numbers, the same for both styles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from labkit.system.ledger import Ledger, in_order
from labkit.system.message import Message
from labkit.trace import Trace, key_of

Fate = Literal["confirmed", "rejected", "stuck"]
Said = list[tuple[str, Message]]


@dataclass(frozen=True)
class Card:
    """What became of the orders of one run.

    confirmed, rejected and stuck add up to the orders: shipped; ended without goods or cost;
    neither. p50_ms and p95_ms are the times from an order's first message to its last.
    """

    orders: int
    confirmed: int
    rejected: int
    stuck: int
    doubled: int
    orphaned: int
    messages: int
    longest_chain: int
    times_ms: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, trace: Trace, ledger: Ledger) -> Card:
        """Count what a trace and a ledger tell."""
        said = spoken(trace)
        return cls.counted(trace, ledger, said, fates(trace, ledger, said))

    @classmethod
    def counted(cls, trace: Trace, ledger: Ledger, said: Said, fates: Mapping[str, Fate]) -> Card:
        """The same where it is known already what was said, and what became of each order."""
        ends = Counter(fates.values())
        return cls(
            orders=ends.total(),
            confirmed=ends["confirmed"],
            rejected=ends["rejected"],
            stuck=ends["stuck"],
            doubled=len(ledger.doubled()),
            orphaned=len(ledger.orphaned()),
            messages=len(said),
            longest_chain=_longest_chain(said),
            times_ms=tuple(sorted(_times(trace, said))),
        )

    @property
    def p50_ms(self) -> float:
        """The time that half of the orders needed at most."""
        return _percentile(self.times_ms, 0.5)

    @property
    def p95_ms(self) -> float:
        """The time that 95 of 100 orders needed at most."""
        return _percentile(self.times_ms, 0.95)

    @property
    def rows(self) -> list[tuple[str, int]]:
        """The counts with their names, without the times, which differ from run to run."""
        names = ("orders", "confirmed", "rejected", "stuck", "doubled", "orphaned", "messages")
        return [(name, getattr(self, name)) for name in names] + [
            ("longest chain", self.longest_chain)
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name:14}{value:>8,}" for name, value in self.rows)


def side_by_side(**cards: Card) -> Cards:
    """Cards in columns: `side_by_side(orchestrated=…, choreographed=…)`."""
    return Cards(cards)


@dataclass(frozen=True)
class Cards:
    """Several result cards as one table."""

    cards: dict[str, Card]

    def __repr__(self) -> str:
        head = " " * 14 + "".join(f"{name:>16}" for name in self.cards)
        rows = zip(*(card.rows for card in self.cards.values()), strict=True)
        lines = (f"{row[0][0]:14}" + "".join(f"{value:>16,}" for _, value in row) for row in rows)
        return "\n".join([head, *lines])


def spoken(trace: Trace) -> Said:
    """What was said, each message with the order of which it speaks."""
    return [(key_of(message), message) for message in trace.sent()]


def fates(trace: Trace, ledger: Ledger, said: Said) -> dict[str, Fate]:
    """What became of each order, in their order."""
    orders = in_order({key for key, _ in said if key})
    shipped, orphaned = set(ledger.shipped()), set(ledger.orphaned())
    ended = _ended(trace, said)
    return {
        order: "confirmed"
        if order in shipped
        else "rejected"
        if order in ended and order not in orphaned
        else "stuck"
        for order in orders
    }


def _ended(trace: Trace, said: Said) -> set[str]:
    """The orders of which somebody has said the last word: an answer, or an outcome event."""
    ends = ("OrderConfirmed", "OrderRejected")
    answers = {m.causationid for m in trace.received() if m.kind == "reply"}
    # What has no cause was asked from outside: by you, or by customers.
    asked = {key for key, m in said if m.causationid is None and m.id in answers}
    return asked | {key for key, m in said if m.type in ends}


def _longest_chain(said: Said) -> int:
    depth: dict[str, int] = {}
    for _, message in said:
        if message.kind != "reply":
            depth[message.id] = depth.get(message.causationid or "", 0) + 1
    return max(depth.values(), default=0)


def _times(trace: Trace, said: Said) -> Iterable[float]:
    """Of each order, the milliseconds from its first moment to its last."""
    order_of = {message.story: key for key, message in said if key}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for _, _, _, message, seconds, _ in trace.moments:
        if message is not None and (order := order_of.get(message.story)):
            last[order] = seconds
            if order not in first:
                first[order] = seconds
    return [1000 * (last[order] - first[order]) for order in first]


def _percentile(times: tuple[float, ...], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
