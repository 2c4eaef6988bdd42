"""Who told whom: the messages of a trace, summed up as links between its participants."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from labkit.steps import YOU, Step
from labkit.trace import Trace
from labkit.views.narrative import participants
from labkit.views.picture import listed, told


@dataclass
class Tally:
    """How often something was said on one link, by its name; and how often that never arrived."""

    said: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    def label(self, unsaid: str = "") -> str:
        """What stands at the link: `charge ×2, refund`."""
        names = [name + (f" ×{count:,}" if count > 1 else "") for name, count in self.said.items()]
        return (", ".join(names) or unsaid) + (f", {self.missed:,} lost" if self.missed else "")


@dataclass
class Links:
    """All links of a trace.

    commands: from caller and worker. answered: those of them on which replies came back.
    published: from publisher and event. heard: from event and listener; nothing was said yet on
    the link of one who listens and has not been reached. active: who said or heard anything.
    """

    names: list[str]
    active: set[str]
    commands: dict[tuple[str, str], Tally]
    answered: set[tuple[str, str]]
    published: dict[tuple[str, str], Tally]
    heard: dict[tuple[str, str], Tally]


def links_of(trace: Trace) -> Links:
    """Sum up a trace."""
    entries = trace.steps()
    links = Links([], set(), defaultdict(Tally), set(), defaultdict(Tally), defaultdict(Tally))
    for moment in trace:
        kind, _, event = moment.topic.partition("/")
        if moment.what == "listens" and kind == "event" and event not in ("+", "#"):
            links.heard.setdefault((event, moment.where), Tally())
    for step in entries:
        if isinstance(step, Step):
            _add(links, step)
    # In the order in which they joined: a newcomer finds a place, and nobody moves for it.
    there = [moment.where for moment in trace if moment.what == "listens" and moment.where != YOU]
    spoken_of = participants(entries)
    you = [name for name in spoken_of if name == YOU]
    links.names = list(dict.fromkeys([*you, *there, *spoken_of, *_workers(links)]))
    return links


def _add(links: Links, step: Step) -> None:
    kind, name = step.message.kind, step.label
    links.active.update((step.sender, *step.reached))
    if kind == "command":
        worker = step.message.type.rpartition(".")[0] or step.topic
        tally = links.commands[step.sender, worker]
        tally.said[name] += 1
        tally.missed += not step.reached
    elif kind == "reply":
        links.answered.update((caller, step.sender) for caller in step.reached)
    elif kind == "event":
        links.published[step.sender, name].said[name] += 1
        for listener in step.reached:
            links.heard[name, listener].said[name] += 1
        for listener in step.missed:
            links.heard[name, listener].missed += 1


def _workers(links: Links) -> Iterable[str]:
    return (worker for _, worker in links.commands)


def in_words(links: Links) -> str:
    """The alternative text of a topology."""
    sentences = []
    for caller in dict.fromkeys(caller for caller, _ in links.commands):
        told_to = [
            f"{told(worker)} ({told(tally.label(), 200)})"
            for (name, worker), tally in links.commands.items()
            if name == caller
        ]
        who = "You tell" if caller == YOU else f"{told(caller)} tells"
        sentences.append(f"{who} {listed(told_to)}.")
    sentences += [_event(links, event) for event in _events(links)]
    return " ".join(["Topology.", *sentences])


def _events(links: Links) -> list[str]:
    published = [event for _, event in links.published]
    return list(dict.fromkeys(published + [event for event, _ in links.heard]))


def _event(links: Links, event: str) -> str:
    by = [told(name) for name, what in links.published if what == event]
    ears = {name: tally for (what, name), tally in links.heard.items() if what == event}
    reached = [told(name) for name, tally in ears.items() if tally.said]
    waiting = [told(name) for name, tally in ears.items() if not tally.said]
    lost = [f"{told(name)} {tally.missed:,}" for name, tally in ears.items() if tally.missed]
    line = told(event) + (f" from {listed(by)}" if by else "")
    line += f" reaches {listed(reached)}" if reached else " reaches nobody"
    line += f"; {listed(waiting)} would listen" if waiting else ""
    return line + (f"; lost on the way to {listed(lost)}" if lost else "") + "."
