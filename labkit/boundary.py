"""A boundary: what crosses the border of a domain, what stays behind it, and what a change touches.

DOMAINS = {"Payment": [Payment], "Shipping": [Dispatcher, Warehouse]}
border(lab, DOMAINS)                  # messages that cross, messages that are hidden
no_command_crosses(DOMAINS)(lab)      # true, or the story of the command that did
blast_radius(before, after, DOMAINS)  # services and domains that a change touches
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labkit.occurrences import Facts
from labkit.steps import YOU, Step
from labkit.system.domain import Borders, Domains
from labkit.system.errors import LabError
from labkit.system.service import Service, name_of
from labkit.trace import Trace
from labkit.verdict import Breach, Property

Member = type[Service] | Service
ANSWERS = "answers"


@dataclass(frozen=True)
class Border:
    """The messages of a run, by whether they cross a border between domains.

    crossing: heard in another domain, by name. hidden: heard only in the domain that said them, by
    domain and name. All answers go by one name. What nobody hears, and what you say and hear, is in
    neither.
    """

    crossing: Counter[str] = field(default_factory=Counter)
    hidden: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def crossed(self) -> int:
        """How many messages crossed a border."""
        return self.crossing.total()

    @property
    def kept(self) -> int:
        """How many messages nobody outside of their domain heard."""
        return sum(counts.total() for counts in self.hidden.values())

    @property
    def known_outside(self) -> list[str]:
        """The messages that other domains know, and that can't be changed without asking them."""
        return [name for name in self.crossing if name != ANSWERS]

    def __repr__(self) -> str:
        told = f": {_told(self.crossing)}" if self.crossing else ""
        lines = [
            f"{_many(self.crossed, 'message')} cross{'es' * (self.crossed == 1)} a border{told}"
        ]
        for domain, counts in self.hidden.items():
            hidden = f"{counts.total():,} {'is' if counts.total() == 1 else 'are'} hidden"
            lines.append(f"{hidden} in {domain}: {_told(counts)}")
        return "\n".join(lines)


def border(run: object, domains: Domains) -> Border:
    """Which messages of a run crossed a border between domains, and which stayed behind one.

    run: a lab or a trace. domains: the services of each domain, by its name.

    Raises:
        LabError: that has no trace, or these are no domains.
    """
    trace = run if isinstance(run, Trace) else getattr(run, "trace", None)
    if not isinstance(trace, Trace):
        raise LabError(
            f"border reads a run, and was given {type(run).__name__}.\n"
            "Give it the lab: `border(lab, DOMAINS)`."
        )
    borders, found = Borders(domains, services_of(trace)), Border()
    for step in trace.steps():
        if not isinstance(step, Step):
            continue
        name = ANSWERS if step.message.kind == "reply" else step.label
        if borders.crossed(step.sender, step.reached):
            found.crossing[name] += 1
        elif borders.kept(step.sender, step.reached):
            found.hidden.setdefault(borders.of(step.sender) or "", Counter())[name] += 1
    return found


def no_command_crosses(domains: Domains) -> Property:
    """Nobody tells a service of another domain what to do; between domains there are events only.

    Also a command that never arrived is one. What you tell a service does not count: a person is
    inside the domain in which they work.
    """

    def breaches(facts: Facts) -> Iterable[Breach]:
        borders = Borders(domains, services_of(facts.trace))
        for message, _, _ in facts.said.values():
            receiver = message.type.rpartition(".")[0]
            if message.kind == "command" and borders.crossed(message.sender, [receiver]):
                here, there = borders.of(message.sender), borders.of(receiver)
                why = f"{message.sender} of {here} tells {receiver} of {there}: {message.type}"
                at = f"a command from {here} into {there}"
                yield Breach(facts.order_of[message.id], why, at, (message.id,))

    Borders(domains, ())  # what is wrong with them is better known now than after a thousand runs
    return Property("no command crosses the border of a domain", breaches)


@dataclass(frozen=True)
class BlastRadius:
    """What a change touches: services that were there and are others now or gone, by domain."""

    touched: dict[str, list[str]]
    added: list[str]

    @property
    def services(self) -> list[str]:
        """The services that are touched; new ones are not among them."""
        return [name for names in self.touched.values() for name in names]

    def __repr__(self) -> str:
        told = [f"{', '.join(names)} (of {domain})" for domain, names in self.touched.items()]
        counted = f"{_many(len(self.services), 'service')} in {_many(len(self.touched), 'domain')}"
        new = f"; new: {', '.join(self.added)}" if self.added else ""
        return f"{counted} touched" + (f": {'; '.join(told)}" if told else "") + new


def blast_radius(
    before: Sequence[Member], after: Sequence[Member], domains: Domains
) -> BlastRadius:
    """Which services a change touches, and in how many domains: whose owners must agree on a day.

    before, after: the services of the shop, as they are given to a lab. A service is touched where
    another class now stands under its name, or none.
    """
    old, new = _classes(before), _classes(after)
    borders = Borders(domains, [*old, *new])
    touched: dict[str, list[str]] = {}
    for name, kind in old.items():
        if new.get(name) is not kind:
            touched.setdefault(borders.of(name) or name, []).append(name)
    return BlastRadius(touched, [name for name in new if name not in old])


def services_of(trace: Trace) -> list[str]:
    """The services that take part in a run, in the order in which they joined."""
    return list(dict.fromkeys(moment.where for moment in trace if moment.where != YOU))


def _classes(members: Sequence[Member]) -> dict[str, type]:
    return {name_of(m): m if isinstance(m, type) else type(m) for m in members}


def _told(counts: Counter[str]) -> str:
    return ", ".join(name + (f" ×{n}" if n > 1 else "") for name, n in counts.items())


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")
