"""The rules of a style: who may tell whom what to do, and who may react to whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from labkit.shop.festival import WORLD
from labkit.steps import YOU
from labkit.system.domain import Borders
from labkit.system.errors import LabError
from labkit.trace import Trace

STYLES = ("orchestration", "choreography", "hybrid")
OUTSIDE = {YOU, *(service.__name__ for service in WORLD)}


class Said(NamedTuple):
    """One service said something, and another one heard it."""

    sender: str
    type: str
    receiver: str


def breach(trace: Trace, style: str, domains: Mapping[str, list[str]]) -> str:
    """What a style forbids, and happened in a run; "" where nothing did."""
    told, heard = talk(trace, "command"), talk(trace, "event")
    if style == "orchestration":
        return _on_the_side(told, heard) if told else ""
    if style == "choreography":
        return _told(told)
    if style == "hybrid":
        try:
            borders = Borders(domains, members(trace))
        except LabError as error:
            return f"DOMAINS can't be read: {error}"
        return _across(told, borders) or _two_in_a_domain(told, borders)
    return f"STYLE is {style!r:.40}, and not one of {', '.join(STYLES)}"


def lack(trace: Trace, style: str, domains: Mapping[str, list[str]]) -> str:
    """What makes a style, and did not happen on a fine day; "" where it did."""
    told, heard = talk(trace, "command"), talk(trace, "event")
    if style == "orchestration" and not told:
        return "nobody tells anybody what to do, so there is no orchestrator"
    if style == "hybrid" and not told:
        return "no command is told inside a domain, so there is nobody who directs one"
    if style == "hybrid":
        borders = Borders(domains, members(trace))
        if not any(borders.crossed(said.sender, [said.receiver]) for said in heard):
            return "no event crosses a border: it is all one domain, with one who directs"
    return ""


def members(trace: Trace) -> list[str]:
    """The services of the festival, without the world around it."""
    listening = (moment.where for moment in trace if moment.what == "listens")
    return [name for name in dict.fromkeys(listening) if name not in OUTSIDE]


def talk(trace: Trace, kind: str) -> list[Said]:
    """What reached one of the festival's services from somebody else, each pair once."""
    inside = set(members(trace))
    return list(
        dict.fromkeys(
            Said(moment.message.sender, moment.message.type, moment.where)
            for moment in trace
            if moment.what == "received"
            and moment.message is not None
            and moment.message.kind == kind
            and moment.where in inside
            and moment.message.sender != moment.where
        )
    )


def _on_the_side(told: list[Said], heard: list[Said]) -> str:
    if two := _two_who_direct(told):
        return f"two services direct: {two}"
    director = told[0].sender
    for said in heard:
        if said.receiver != director:
            return f"{said.receiver} reacts to {said.type} by itself, although {director} directs"
    return ""


def _told(told: list[Said]) -> str:
    if told:
        return f"{told[0].sender} tells {told[0].receiver} what to do ({told[0].type})"
    return ""


def _across(told: list[Said], borders: Borders) -> str:
    for said in told:
        if borders.crossed(said.sender, [said.receiver]):
            there = f"from {borders.of(said.sender)} to {borders.of(said.receiver)}"
            return f"the command {said.type} crosses the border {there}"
    return ""


def _two_in_a_domain(told: list[Said], borders: Borders) -> str:
    within: dict[str | None, list[Said]] = defaultdict(list)
    for said in told:
        within[borders.of(said.sender)].append(said)
    for domain, commands in within.items():
        if two := _two_who_direct(commands):
            return f"inside {domain} two services direct: {two}"
    return ""


def _two_who_direct(told: Iterable[Said]) -> str:
    by_sender = {said.sender: said for said in reversed(list(told))}
    if len(by_sender) < 2:
        return ""
    return " and ".join(f"{said.sender} ({said.type})" for said in list(by_sender.values())[:2])
