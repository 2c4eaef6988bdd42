"""The seven invariants of the shop: what no fault, no seed and no style may break."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from pydantic import ValidationError

from labkit.occurrences import Facts, Name, Occurrence, What, named
from labkit.properties import missing, times
from labkit.system.errors import BadMessage, LabError
from labkit.system.message import Event, Message
from labkit.verdict import Breach, Property

TAKEN, SETTLING = ("charged", "captured"), ("shipped", "refunded")
UNDONE = ("refunded", "released", "cancelled", "voided")
PLACED = Name("event", "OrderPlaced")
ENDED = (Name("event", "OrderConfirmed"), Name("event", "OrderRejected"))
FOR_A_HUMAN = (Name("event", "OrderOverdue"), Name("event", "HumanTaskOpened"))


def invariants(
    stock: int | None = None, pivot: What = "shipped", within_seconds: float | None = None
) -> list[Property]:
    """All seven, as a list that `explore` takes; the fourth only where the stock is given."""
    return [
        nobody_charged_for_nothing(),
        each_effect_once(),
        every_order_ends(within_seconds),
        *([stock_is_conserved(stock)] if stock is not None else []),
        nothing_undone_after(pivot),
        messages_keep_their_contract(),
        causes_form_a_tree(),
    ]


def nobody_charged_for_nothing() -> Property:
    """I1: who has paid has the goods, or the money back, when all is quiet."""

    def breaches(facts: Facts) -> Iterable[Breach]:
        shipped, cancelled, refunded = (
            set(facts.of(Name("effect", effect))) for effect in ("shipped", "cancelled", "refunded")
        )
        for effect in TAKEN:
            for order, taken in facts.of(Name("effect", effect)).items():
                if order not in shipped - cancelled | refunded:
                    yield missing(facts, order, effect, SETTLING, taken)

    return Property("nobody charged and neither shipped nor refunded (I1)", breaches)


def each_effect_once() -> Property:
    """I2: a service does one and the same thing once under its idempotency key, or else its order.

    Two keys are two wishes: a retry under a new key is found by `at_most_once("charged")`.
    """

    def breaches(facts: Facts) -> Iterable[Breach]:
        lines: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for line, entry in enumerate(facts.entries):
            lines[entry.service, entry.effect, entry.once or entry.key].append(line)
        for (service, effect, _), each in lines.items():
            if len(each) > 1:
                first, second = (facts.entries[line] for line in each[:2])
                why = f"{effect} {times(len(each))} by {service}"
                yield Breach(
                    second.key, why, f"{effect} a second time", (second.cause, first.cause)
                )

    return Property("each effect at most once under its key (I2)", breaches)


def every_order_ends(within_seconds: float | None = None) -> Property:
    """I3: what is placed is confirmed or rejected, in that time if one is given, or a person knows.

    An order is placed with the event OrderPlaced, and then ends with OrderConfirmed or
    OrderRejected; or with a command place_order alone, and then ends with the answer to it.
    OrderOverdue and HumanTaskOpened tell a person, whenever it is.
    """
    if within_seconds is not None and not within_seconds > 0:
        raise LabError(
            f"every_order_ends: {within_seconds!r} seconds is not a time; write for example 30."
        )

    def breaches(facts: Facts) -> Iterable[Breach]:
        answers = _answers(facts)
        ended = [facts.of(name) for name in ENDED]
        told = {order for name in FOR_A_HUMAN for order in facts.of(name)}
        for order, (begin, placed) in _placed(facts).items():
            ends = [end for known in ended for end in known.get(order, ())]
            ends += answers.get(order, []) if begin != PLACED else []
            end = min(ends, key=lambda end: end.seconds, default=None)
            took = end.seconds - placed.seconds if end else 0.0
            if order in told:
                continue
            if end is None:
                yield missing(facts, order, begin, ("end",), [placed])
            elif within_seconds is not None and took > within_seconds:
                why = f"ends {took:.3g} s after {begin}"
                yield Breach(order, why, why, (end.id, placed.id))

    limit = f" within {within_seconds:g} s" if within_seconds is not None else ""
    return Property(f"every order ends{limit}, or is listed for a human (I3)", breaches)


def stock_is_conserved(stock: int) -> Property:
    """I4: no more lies aside than there is, none comes back that lay not aside, or is shipped so.

    An effect counts one piece, or as many as its amount says.
    """
    if isinstance(stock, bool) or not isinstance(stock, int) or stock < 0:
        raise LabError(
            f"stock_is_conserved: a stock is a number of pieces; this one is {stock!r:.60}.\n"
            "Give it what the Inventory began with."
        )

    def breaches(facts: Facts) -> Iterable[Breach]:
        aside: Counter[str] = Counter()
        total = 0
        broken: dict[str, Breach] = {}
        for entry in facts.entries:
            pieces = 1 if entry.amount is None else entry.amount
            moved = {"reserved": pieces, "released": -pieces}.get(entry.effect, 0)
            aside[entry.key] += moved
            total += moved
            why = ""
            if entry.effect == "reserved" and total > stock:
                why = f"{total:,} reserved of a stock of {stock:,}"
            elif entry.effect == "released" and aside[entry.key] < 0:
                why = "released what was not reserved"
            elif entry.effect == "shipped" and aside[entry.key] < 1:
                why = "shipped what was not reserved"
            if why:
                broken.setdefault(entry.key, Breach(entry.key, why, why, (entry.cause,)))
        return broken.values()

    return Property(f"the stock of {stock} is conserved (I4)", breaches)


def nothing_undone_after(pivot: What = "shipped") -> Property:
    """I5: after the step that decides, an order only goes on."""
    decided = named(pivot, "nothing_undone_after")

    def breaches(facts: Facts) -> Iterable[Breach]:
        begun = facts.of(decided)
        undone = [(effect, facts.of(Name("effect", effect))) for effect in UNDONE]
        for order, (decision, *_) in begun.items():
            found = [(o.line, effect, o) for effect, known in undone for o in known.get(order, ())]
            late = [undoing for undoing in sorted(found) if undoing[2].surely_after(decision)]
            if late:
                _, effect, first = late[0]
                why = f"{effect} after {decided}"
                yield Breach(order, why, why, (first.id, decision.id))

    return Property(f"nothing undone after {decided} (I5)", breaches, (decided,))


def messages_keep_their_contract() -> Property:
    """I6: each event and command can be read as what its receiver expects."""

    def breaches(facts: Facts) -> Iterable[Breach]:
        for message, _, _ in facts.said.values():
            if why := _unlike_its_contract(facts, message):
                yield Breach(
                    facts.order_of[message.id], why, "not as its contract says", (message.id,)
                )

    return Property("each message keeps its contract (I6)", breaches)


def causes_form_a_tree() -> Property:
    """I7: each message has its cause in an earlier one of its story, or is the story's first."""

    def breaches(facts: Facts) -> Iterable[Breach]:
        for message, at, _ in facts.said.values():
            cause, why = facts.said.get(message.causationid or ""), ""
            if message.causationid is None and message.id != message.story:
                why = f"{message.type} has no cause, and did not begin its story"
            elif message.causationid is not None and (cause is None or cause[1] >= at):
                why = f"{message.type} has a cause that was not said before it"
            elif cause is not None and cause[0].story != message.story:
                why = f"{message.type} has its cause in another story"
            if why:
                yield Breach(facts.order_of[message.id], why, "here the tree breaks", (message.id,))

    return Property("the causes form a tree (I7)", breaches)


def _placed(facts: Facts) -> dict[str, tuple[Name, Occurrence]]:
    """What began each order: the event where there is one, else the command."""
    commands = [name for name in facts.names if name.kind == "command" and _places(name.word)]
    return {
        order: (name, each[0])
        for name in [*commands, PLACED]
        for order, each in facts.of(name).items()
    }


def _answers(facts: Facts) -> dict[str, list[Occurrence]]:
    """Of each order the answers that reached whoever had placed it."""
    answers: dict[str, list[Occurrence]] = defaultdict(list)
    for at, moment in enumerate(facts.trace.moments):
        reply = moment.message
        if moment.what == "received" and reply is not None and reply.kind == "reply":
            asked = facts.said.get(reply.causationid or "")
            if asked and _places(asked[0].type) and moment.where == asked[0].sender:
                order = facts.order_of[asked[0].id]
                answers[order].append(Occurrence(order, reply.id, at, at, moment.seconds))
    return answers


def _places(command: str) -> bool:
    return command.rpartition(".")[2] == "place_order"


def _unlike_its_contract(facts: Facts, message: Message) -> str:
    if message.kind == "unreadable":
        return f"{message.type} can't be read: {message.reason}"
    contract = facts.contracts.get(message.type)
    if contract is None or message.kind not in ("event", "command"):
        return ""
    try:
        if issubclass(contract, Event):
            contract.read(message.data)
        else:
            contract.model_validate(message.data)
    except (BadMessage, ValidationError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return ""
