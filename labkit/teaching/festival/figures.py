"""The figures of a festival: what its style costs, and what it saves, counted on a fine day."""

from __future__ import annotations

from labkit.coupling import coupling
from labkit.lab import Lab
from labkit.teaching.festival import choreography, hybrid, orchestration
from labkit.teaching.festival.days import Services, fine_day
from labkit.teaching.festival.styles import members, talk

# In all of them less is better.
MEASURES = {
    "messages": "said by the festival's services on a fine day",
    "chain": "the most messages one of which led to the next",
    "knows": "the most others that one service must know",
    "flow": "the services in whose code stands what comes next",
}
REFERENCES: dict[str, Services] = {
    module.STYLE: module.SERVICES for module in (orchestration, choreography, hybrid)
}


def figures(lab: Lab) -> dict[str, int]:
    """A festival's fine day in numbers: messages, chain, knows, flow; less is better."""
    inside = members(lab.trace)
    known = coupling(lab)
    leading = {
        *(said.sender for said in talk(lab.trace, "command")),
        *(said.sender for said in talk(lab.trace, "event")),
    }
    return {
        "messages": sum(message.sender in inside for message in lab.trace.sent()),
        "chain": known.depth,
        "knows": max((known.efferent(service) for service in inside), default=0),
        "flow": len(leading & set(inside)),
    }


async def figures_of_the_styles() -> dict[str, dict[str, int]]:
    """The same numbers of the course's own festivals, one in each style."""
    return {style: figures(await fine_day(services)) for style, services in REFERENCES.items()}
