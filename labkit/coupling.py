"""Coupling: who must know whom for the shop to work, read from a trace and the contracts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from labkit.steps import YOU
from labkit.system.errors import LabError
from labkit.system.message import Message
from labkit.system.service import Command
from labkit.trace import Kind, Trace

if TYPE_CHECKING:
    from pydantic import BaseModel


class Run(Protocol):
    """What is looked at: a lab, or anything else that has a trace and contracts."""

    @property
    def trace(self) -> Trace: ...

    @property
    def contracts(self) -> Mapping[str, type[BaseModel]]: ...


@dataclass(frozen=True)
class Coupling:
    """Who knows whom: for each service those that it must know, each with the messages.

    A command binds its *sender*: who says `Payment.charge` must know Payment, what it can be told
    and how it answers. An event binds its *listener*: who reacts to PaymentCharged must know what
    Payment says. Whoever is known may not change that message without asking.
    """

    knows: Mapping[str, Mapping[str, frozenset[str]]]
    depth: int
    contracts: Mapping[str, type[BaseModel]]

    @property
    def services(self) -> list[str]:
        """All of them, in the order in which they joined."""
        return list(self.knows)

    def efferent(self, service: str) -> int:
        """*Ce*: how many others it must know (Martin 1994)."""
        return len(self._of(service))

    def afferent(self, service: str) -> int:
        """*Ca*: how many others must know it (Martin 1994)."""
        self._of(service)
        return sum(service in known for known in self.knows.values())

    def instability(self, service: str) -> float | None:
        """*I* = Ce / (Ce + Ca): 0, others rest on it; 1, it rests on others; None: neither.

        Martin, *OO Design Quality Metrics* (1994), and *Agile Software Development* (2002).
        """
        ce, ca = self.efferent(service), self.afferent(service)
        return ce / (ce + ca) if ce + ca else None

    def fields(self, service: str) -> int:
        """How many fields of others' messages it must know, as their contracts say."""
        messages = {name for known in self._of(service).values() for name in known}
        return sum(len(self.contracts[m].model_fields) for m in messages if m in self.contracts)

    def bound_by(self, message: Kind) -> list[str]:
        """The services that stop when this message changes, whoever says it not counted."""
        name = message.message_type if isinstance(message, Command) else _name(message)
        return [
            service
            for service, known in self.knows.items()
            if any(name in messages for messages in known.values())
        ]

    def ring(self) -> list[str]:
        """Services that know each other in a circle, or [] (Martin: *acyclic dependencies*)."""
        for start in self.knows:
            if path := self._way_back(start, start, [start]):
                return path
        return []

    def _way_back(self, start: str, here: str, path: list[str]) -> list[str]:
        for there in self.knows.get(here, {}):
            if there == start:
                return path
            if there not in path and (found := self._way_back(start, there, [*path, there])):
                return found
        return []

    def _of(self, service: str) -> Mapping[str, frozenset[str]]:
        if service not in self.knows:
            raise LabError(f"There is no {service} in this run; there are {', '.join(self.knows)}.")
        return self.knows[service]

    def __repr__(self) -> str:
        wide = max(map(len, (*self.knows, "service")))
        lines = [f"{'service':{wide}}  Ce  Ca     I  fields  must know"]
        for service, known in self.knows.items():
            told = "; ".join(f"{name} ({', '.join(sorted(m))})" for name, m in known.items())
            index = self.instability(service)
            lines.append(
                f"{service:{wide}}  {self.efferent(service):2}  {self.afferent(service):2}  "
                f"{'   –' if index is None else f'{index:4.2f}'}  {self.fields(service):6}  "
                f"{told or 'nobody'}"
            )
        ring = self.ring()
        circle = f"in a circle: {' → '.join([*ring, ring[0]])}" if ring else "no circle"
        return "\n".join([*lines, f"longest chain: {self.depth}; {circle}"])


def coupling(run: Run) -> Coupling:
    """Who had to know whom in this run; you and others outside are not counted.

    What did not happen on that day does not show: a refusal binds those who react to it only once
    somebody refuses.

    Raises:
        LabError: that has no trace.
    """
    try:
        trace, contracts = run.trace, run.contracts
    except AttributeError:
        raise LabError(
            f"coupling reads a run, and was given {type(run).__name__}.\n"
            "Give it the lab: `coupling(lab)`."
        ) from None
    return Coupling(_who_knows_whom(trace), _longest_chain(trace), contracts)


def _who_knows_whom(trace: Trace) -> dict[str, dict[str, frozenset[str]]]:
    inside = [m.where for m in trace if m.what == "listens" and m.where != YOU]
    found: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in inside}
    for moment in trace:
        message = moment.message
        if moment.what != "received" or message is None:
            continue
        who, whom = _binds(message, moment.where)
        if who in found and whom in found and who != whom:
            found[who][whom].add(message.type)
    return {
        who: {whom: frozenset(messages) for whom, messages in known.items()}
        for who, known in found.items()
    }


def _binds(message: Message, receiver: str) -> tuple[str, str]:
    """Who must know whom because of a message that arrived."""
    if message.kind == "command":
        return message.sender, receiver
    if message.kind == "event":
        return receiver, message.sender
    return "", ""


def _longest_chain(trace: Trace) -> int:
    depth: dict[str, int] = {}
    for message in trace.sent():
        if message.kind in ("command", "event"):
            depth[message.id] = depth.get(message.causationid or "", 0) + 1
    return max(depth.values(), default=0)


def _name(message: Kind) -> str:
    return message if isinstance(message, str) else message.__name__ if message else ""
