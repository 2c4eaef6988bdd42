"""A counterexample: of all that a run was, the few messages that show how it went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labkit.occurrences import Facts
from labkit.steps import Moment, Step
from labkit.trace import Trace

MOST = 12


def where_it_stopped(facts: Facts, order: str) -> str:
    """The message after which the order went no further, as far as one can see.

    The last one that went wrong, else the last that should have led to something.
    """
    steps = facts.steps(order)
    wrong = [step for at, step in enumerate(steps) if _wrong(step) and not _healed(steps[at:])]
    open_ended = [step for step in steps if step.message.kind != "reply" and step.reached]
    return (wrong or open_ended or steps)[-1].message.id if steps else ""


def cut(facts: Facts, order: str, at: Sequence[str]) -> tuple[Trace, int]:
    """What led to these messages, and the faults in the order's story; how many were left out.

    Of more than twelve messages the middle is left out.
    """
    steps = {step.message.id: step for step in facts.steps(order)}
    known = [id for id in at if id in facts.said]
    wanted = _ancestors(facts, known or steps)
    wanted |= {id for id, step in steps.items() if _wrong(step) or step.struck}
    # What is of no order, or of another one, led to this: it comes first.
    before = sorted(wanted - steps.keys(), key=lambda id: facts.said[id][1])
    told = [*before, *(id for id in steps if id in wanted)]
    kept = _both_ends(told, {*known[:1]})
    return _only(facts, kept), len(told) - len(kept)


def _wrong(step: Step) -> bool:
    return bool(step.missed or step.failed)


def _healed(steps: Sequence[Step]) -> bool:
    """Whether the first of these was said again, and then all went well."""
    first, *later = steps
    return any(step.message.type == first.message.type and not _wrong(step) for step in later)


def _ancestors(facts: Facts, ids: Iterable[str]) -> set[str]:
    """These messages, and all that led to them."""
    found: set[str] = set()
    for id in ids:
        while id in facts.said and id not in found:
            found.add(id)
            id = facts.said[id][0].causationid or ""
    return found


def _both_ends(told: list[str], must: set[str]) -> set[str]:
    """The first and the last of them, and what must not be missing."""
    if len(told) <= MOST:
        return set(told)
    half = MOST // 2
    kept = {*told[:half], *told[-half:]}
    return kept if must <= kept else {*told[: half - 1], *must, *told[-half:]}


def _only(facts: Facts, kept: set[str]) -> Trace:
    """Those messages, and what befell meanwhile the services that take part in them."""
    moments = facts.trace.moments
    told = [at for at, moment in enumerate(moments) if moment.message and moment.message.id in kept]
    taking_part = {moments[at].where for at in told}
    begun, left = False, len(told)
    found: list[Moment] = []
    for moment in moments:
        if moment.message is None:
            if moment.what != "struck" or (begun and moment.where in taking_part):
                found.append(moment)
        elif moment.message.id in kept:
            begun, left = True, left - 1
            found.append(moment)
        elif not left and moment.what == "received":
            # What befalls it after the story's end belongs here until it hears of something else.
            taking_part.discard(moment.where)
    return Trace(found)
