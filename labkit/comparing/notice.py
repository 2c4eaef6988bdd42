"""Noticing: how long a shop with a muted service goes on before anybody is told."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout

from labkit.comparing.style import Style, day
from labkit.system.errors import LabError
from labkit.system.faults import mute
from labkit.system.message import Message
from labkit.system.service import Service, name_of
from labkit.trace import Trace, key_of
from labkit.views.charts import bars
from labkit.views.picture import Picture

WORDS = "OrderOverdue", "OrderRejected", "HumanTaskOpened"


async def noticed_after(
    style: Style, service: type[Service], *, orders: int = 1, seed: int = 1
) -> float | None:
    """Seconds of virtual time from the first order until a person could know; None: never.

    The service is muted from the start: it hears and works, and nothing that it says arrives. A
    person could know from an answer that is a failure, or from an event that tells of trouble.

    Raises:
        LabError: the style has no such service.
    """
    names = [name_of(member) for member in style.services]
    if name_of(service) not in names:
        raise LabError(
            f"{style.name} has no {name_of(service)} that could fall mute.\n"
            f"It has {', '.join(names)}."
        )
    with redirect_stdout(io.StringIO()):
        lab = await day(style, orders, 1.0, faults=[mute(service)], simulate=seed)
    return first_sign(lab.trace)


def first_sign(trace: Trace) -> float | None:
    """When somebody outside was told of trouble, in seconds from the first order; None: never.

    What a mute service says is sent and never arrives, so it tells nobody anything.
    """
    silent = {m.message.id for m in trace if m.what == "struck" and m.message and _lost(m.note)}
    begun = [m.seconds for m in trace if m.what == "sent" and m.message and _is_an_order(m.message)]
    for moment in trace:
        message = moment.message
        if moment.what != "sent" or message is None or message.id in silent:
            continue
        if message.type in WORDS or _is_a_bad_answer(message, trace):
            return moment.seconds - min(begun)
    return None


def chart(found: Mapping[str, Mapping[str, float | None]], title: str) -> Picture:
    """Bars: by style and by the service that was muted, the seconds until somebody could know."""
    rows = [
        (style, service, seconds)
        for style, each in found.items()
        for service, seconds in each.items()
    ]
    return bars(rows, title, "s", "nobody, as long as it ran")


def _lost(note: str) -> bool:
    return note.startswith("lost")


def _is_an_order(message: Message) -> bool:
    return message.causationid is None and bool(key_of(message))


def _is_a_bad_answer(message: Message, trace: Trace) -> bool:
    """Whether it tells a customer that something went wrong."""
    if message.kind != "reply" or not message.reason:
        return False
    return any(m.id == message.causationid and m.causationid is None for m in trace.sent())
