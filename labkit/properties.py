"""Properties: what must be true of every run, whatever goes wrong in it.

They are patterns of temporal logic in plain words (Dwyer, Avrunin and Corbett 1999: response,
absence, existence, precedence), and speak of each order by itself. What they speak of is an event,
a command (its being sent) or an effect in the ledger:

    leads_to(OrderPlaced, OrderConfirmed, OrderRejected)
    never("charged", after=OrderRejected)
    before(Payment.charge, "shipped")

Of an effect a run tells only during which handling it happened, so what was said in the same
handling counts as before it or after it, whichever the property would like. Two effects are
compared exactly, by their lines in the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from labkit.counterexample import where_it_stopped
from labkit.occurrences import Facts, Name, Occurrence, What, named
from labkit.system.errors import LabError
from labkit.verdict import Breach, Property


def leads_to(first: What, *outcomes: What) -> Property:
    """In each order in which `first` occurred, one of the outcomes occurs after it."""
    if not outcomes:
        raise LabError(
            "leads_to needs at least one outcome: what should come after the first.\n"
            "For example leads_to(OrderPlaced, OrderConfirmed, OrderRejected)."
        )
    begin, ends = named(first, "leads_to"), [named(outcome, "leads_to") for outcome in outcomes]

    def breaches(facts: Facts) -> Iterable[Breach]:
        ended = [facts.of(end) for end in ends]
        for order, begun in facts.of(begin).items():
            found = (occurrence for known in ended for occurrence in known.get(order, ()))
            if not any(occurrence.maybe_after(begun[0]) for occurrence in found):
                yield missing(facts, order, begin, ends, begun)

    words = f"each {begin} leads to {' or '.join(map(str, ends))}"
    return Property(words, breaches, (begin, *ends))


def never(what: What, *, after: What | None = None) -> Property:
    """It does not occur: in no order, or not after something else has occurred in that order."""
    name = named(what, "never")
    if after is None:
        return Property(f"never {name}", lambda facts: _found(facts, name))
    earlier = named(after, "never(…, after=…)")

    def breaches(facts: Facts) -> Iterable[Breach]:
        begun = facts.of(earlier)
        for order, found in facts.of(name).items():
            late = [(f, b) for f in found for b in begun.get(order, ()) if f.surely_after(b)]
            if late:
                yield _breach(order, f"{name} after {earlier}", *late[0])

    return Property(f"never {name} after {earlier}", breaches, (earlier,))


def exactly_once(what: What) -> Property:
    """In each order of which any message of the run speaks it occurs once, and only once.

    Where orders may end in another way, as those that are never shipped, say `at_most_once`.
    An event that is said again under the same id is the same event; an effect is always another.
    """
    name = named(what, "exactly_once")

    def breaches(facts: Facts) -> Iterable[Breach]:
        found = facts.of(name)
        yield from _again(name, found)
        for order in facts.orders:
            if order not in found:
                stopped = where_it_stopped(facts, order)
                yield Breach(order, f"never {name}", f"no {name} comes after this", (stopped,))

    return Property(f"{name} exactly once in each order", breaches, (name,))


def at_most_once(what: What) -> Property:
    """In no order it occurs twice."""
    name = named(what, "at_most_once")
    words = f"{name} at most once in each order"
    return Property(words, lambda facts: _again(name, facts.of(name)), (name,))


def before(first: What, second: What) -> Property:
    """In each order in which `second` occurs, `first` has occurred before it."""
    early, late = named(first, "before"), named(second, "before")

    def breaches(facts: Facts) -> Iterable[Breach]:
        begun = facts.of(early)
        for order, found in facts.of(late).items():
            if not any(found[0].maybe_after(b) for b in begun.get(order, ())):
                yield _breach(order, f"{late} without {early} before it", found[0])

    return Property(f"{early} before each {late}", breaches, (late,))


def within(first: What, second: What, *, seconds: float) -> Property:
    """In each order in which `first` occurred, `second` occurs at most so many seconds after it.

    In a simulation these are virtual seconds.
    """
    begin, end = named(first, "within"), named(second, "within")
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (number and 0 <= seconds < math.inf):
        raise LabError(f"within: {seconds!r} seconds is not a time; write for example seconds=5.")

    def breaches(facts: Facts) -> Iterable[Breach]:
        ended = facts.of(end)
        for order, begun in facts.of(begin).items():
            after = [o for o in ended.get(order, ()) if o.maybe_after(begun[0])]
            took = [o.seconds - begun[0].seconds for o in after]
            if not after:
                yield missing(facts, order, begin, [end], begun)
            elif min(took) > seconds:
                yield _breach(order, f"{end} {min(took):.3g} s after {begin}", after[0], begun[0])

    words = f"each {begin} leads to {end} within {seconds:g} s"
    return Property(words, breaches, (begin, end))


def missing(
    facts: Facts,
    order: str,
    begin: object,
    ends: Sequence[object],
    begun: Sequence[Occurrence],
) -> Breach:
    """The breach of an order in which nothing came of something that had begun."""
    none = f"no {ends[0]}" if len(ends) == 1 else f"neither {' nor '.join(map(str, ends))}"
    at = (where_it_stopped(facts, order), begun[0].id)
    return Breach(order, f"{begin}, and then {none}", f"after this {none}", at)


def times(count: int) -> str:
    return "twice" if count == 2 else f"{count:,} times"


def _found(facts: Facts, name: Name) -> Iterable[Breach]:
    for order, found in facts.of(name).items():
        yield _breach(order, str(name), found[0])


def _again(name: Name, found: dict[str, list[Occurrence]]) -> Iterable[Breach]:
    for order, each in found.items():
        if len(each) > 1:
            why, at = f"{name} {times(len(each))}", (each[1].id, each[0].id)
            yield Breach(order, why, f"{name} a second time", at)


def _breach(order: str, why: str, *found: Occurrence) -> Breach:
    return Breach(order, why, why, tuple(occurrence.id for occurrence in found))
