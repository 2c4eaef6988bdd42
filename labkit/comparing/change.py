"""A change: which services it touches, and in which order they can be deployed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any

from labkit.lab import Lab
from labkit.shop.changes.decision import SUSPICIOUS
from labkit.steps import YOU
from labkit.system.errors import CommandFailed, LabError
from labkit.system.service import Command, Service, name_of
from labkit.trace import Trace, key_of

Member = type[Service] | Service
# A good order, and one that a fraud check refuses.
ORDERS = {"o-1": 129_900, "o-2": SUSPICIOUS}


@dataclass(frozen=True)
class Change:
    """A change request as one style carries it out: the shop before it, and after it.

    steps: what is deployed, by its name; by default each service that is new or another. A shop
    takes orders by the command place_order of its first service.
    """

    name: str
    style: str
    before: Sequence[Member]
    after: Sequence[Member]
    steps: Mapping[str, Member] = field(default_factory=dict)

    @property
    def touched(self) -> list[str]:
        """The services that were there before, and are of another class now."""
        old = {name_of(member): _class(member) for member in self.before}
        return [name_of(m) for m in self.after if old.get(name_of(m), _class(m)) is not _class(m)]

    @property
    def added(self) -> list[str]:
        """The services that are new."""
        old = {name_of(member) for member in self.before}
        return [name_of(member) for member in self.after if name_of(member) not in old]

    @property
    def deployed(self) -> dict[str, Member]:
        """What is deployed, one after the other, by its name."""
        changed = {*self.touched, *self.added}
        return dict(self.steps) or {name_of(m): m for m in self.after if name_of(m) in changed}


@dataclass(frozen=True)
class Deployments:
    """What came of every way to deploy a change, one service after the other.

    broken: the mixtures of old and new in which orders break, and what happens there.
    """

    change: Change
    orders: Sequence[tuple[str, ...]]
    broken: Mapping[tuple[str, ...], str]

    @property
    def safe(self) -> list[tuple[str, ...]]:
        """The orders of deployment that pass through no broken mixture."""
        return [order for order in self.orders if not self._first_break(order)]

    def __repr__(self) -> str:
        lines = []
        for order in self.orders:
            why = self._first_break(order)
            lines.append(f"{'breaks' if why else 'safe':7} {', '.join(order)}{why}")
        return "\n".join(lines)

    def _first_break(self, order: tuple[str, ...]) -> str:
        for many in range(1, len(order) + 1):
            mixture = tuple(sorted(order[:many]))
            if mixture in self.broken:
                return f"\n        with {' and '.join(order[:many])} new: {self.broken[mixture]}"
        return ""


async def deployments(change: Change, *, seeds: Sequence[int] = range(3)) -> Deployments:
    """Run a small day in every mixture of old and new services, and see which ways are safe.

    A mixture breaks where an order is stuck, ends in two ways, or a handler fails; and where a good
    order is rejected. It runs under each of the seeds, for some mistakes need a certain hurry.
    """
    steps = change.deployed
    broken: dict[tuple[str, ...], str] = {}
    for many in range(len(steps) + 1):
        for chosen in combinations(sorted(steps), many):
            shop = _mixed(change.before, [steps[name] for name in chosen])
            for seed in seeds:
                why = await _what_breaks(shop, seed)
                if why:
                    broken[chosen] = why
                    break
    if () in broken:
        raise LabError(
            f"{change.name}, {change.style}: orders break before anything is deployed:\n"
            f"{broken[()]}."
        )
    return Deployments(change, list(permutations(steps)), broken)


def _mixed(old: Sequence[Member], new: Sequence[Member]) -> list[Member]:
    """The old shop, in which each of the new services stands in place of its predecessor."""
    shop = {name_of(member): member for member in old}
    for member in new:
        shop[name_of(member)] = member
    return list(shop.values())


async def _what_breaks(shop: Sequence[Member], seed: int) -> str:
    """What goes wrong in one small day; "" where nothing does."""
    place = _entrance(shop[0])
    with redirect_stdout(io.StringIO()):
        async with Lab(*shop, simulate=seed) as lab:
            for order_id, amount in ORDERS.items():
                with suppress(CommandFailed):
                    await lab.call(place, order_id=order_id, amount=amount, timeout_seconds=100)
            await lab.quiet(at_most_seconds=600, at_most_messages=500)
    return "; ".join(_faults(lab))


def _faults(lab: Lab) -> Iterator[str]:
    trace, ledger = lab.trace, lab.ledger
    # That an order was taken is no end of it: only a parcel is, or a no.
    shipped = set(ledger.shipped())
    refused = {key_of(m) for m in trace.sent("OrderRejected")} | _refused(trace)
    unsettled = {*ledger.keys("refunded"), *refused}
    for order, word in (("o-1", "the good order"), ("o-2", "the suspicious order")):
        if order in shipped & unsettled:
            yield f"{word} is shipped, and the money goes back"
        elif order in ledger.orphaned() or order not in shipped | refused:
            yield f"{word} is stuck"
        elif order in refused and order == "o-1":
            yield f"{word} is rejected"
    for who in sorted({m.sender for m in trace.sent() if m.kind == "dead"}):
        yield f"{who} can't read a message"
    if trace.sent("HumanTaskOpened"):
        yield "a person must help"


def _refused(trace: Trace) -> set[str]:
    """The orders of which a customer was told no."""
    no = {m.causationid for m in trace.sent() if m.kind == "reply" and m.reason}
    return {key_of(m) for m in trace.sent(by=YOU) if m.id in no}


def _entrance(member: Member) -> Command[Any, Any]:
    commands = member.commands
    if "place_order" not in commands:
        raise LabError(
            f"{name_of(member)} stands first in its shop, and has no command place_order.\n"
            "Let the service that takes the orders stand first."
        )
    return commands["place_order"]


def _class(member: Member) -> type[Service]:
    return member if isinstance(member, type) else type(member)
