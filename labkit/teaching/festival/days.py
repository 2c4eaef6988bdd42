"""The days that a festival may have: a fine one, a stormy one, and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, cast

from labkit.lab import Lab
from labkit.shop.festival import WORLD, Band, Visitors, Weather
from labkit.system.domain import Borders, Domains
from labkit.system.errors import LabError
from labkit.system.faults import (
    Fault,
    after_effect,
    before_publish,
    duplicate,
    kill,
    reorder,
    reply_lost,
)
from labkit.system.message import Event
from labkit.system.service import Command, Service, name_of
from labkit.teaching.task import where

Services = Sequence[type[Service]]
Act = tuple[Command[Any, Any], dict[str, Any]]
# One visitor more than there are seats for, and one whose bank does not pay.
QUEUE = ("o-1-broke", "o-2", "o-3", "o-4")
VISITORS = ("o-1", "o-2-broke", "o-3", "o-4")
STORM_SECONDS, BEFORE_THE_STORM, AFTER_THE_STORM = 1.0, "o-1", "o-3"
LATE_SECONDS = 8.0
MOST_SECONDS, MOST_MESSAGES = 600.0, 1000


class StyleClaimed(Event):
    """How the festival says that it is led; domains are told by who claims a hybrid."""

    style: str
    domains: dict[str, list[str]] = {}  # noqa: RUF012  # pydantic copies it


async def fine_day(services: Services, seed: int = 1, claim: StyleClaimed | None = None) -> Lab:
    """The band is there, the weather holds, nothing goes wrong; four visitors queue."""
    band = Band.arrive, {"after_seconds": 0.01}
    return await _day(services, seed, claim, [band], queue=QUEUE)


async def stormy_day(services: Services, seed: int = 1, claim: StyleClaimed | None = None) -> Lab:
    """A storm breaks after a second, on odd seeds before the band is there; no faults."""
    times = {BEFORE_THE_STORM: 0.1, "o-2": STORM_SECONDS, AFTER_THE_STORM: STORM_SECONDS + 5}
    band = STORM_SECONDS + 1 if seed % 2 else 0.01
    return await _day(
        services,
        seed,
        claim,
        [
            (Visitors.come, {"at_seconds": times}),
            (Band.arrive, {"after_seconds": band}),
            (Weather.turn, {"after_seconds": STORM_SECONDS}),
        ],
    )


async def bad_day(services: Services, seed: int, claim: StyleClaimed | None = None) -> Lab:
    """Messages come twice, late and not at all, services die, and on odd seeds a storm breaks."""
    dice = Random(f"festival {seed}")
    times = {order_id: round(dice.uniform(0, 2), 3) for order_id in VISITORS}
    acts: list[Act] = [
        (Visitors.come, {"at_seconds": times}),
        (Band.arrive, {"after_seconds": round(dice.uniform(0, 2), 3)}),
        # To wait for quiet is to look every 10 ms: what is late is mostly waited for like this.
        (Weather.hold, {"seconds": LATE_SECONDS}),
    ]
    if seed % 2:
        acts.append((Weather.turn, {"after_seconds": round(dice.uniform(0.2, 2), 3)}))
    faults = [fault for service in classes(services) for fault in all_that_may_befall(service)]
    return await _day(services, seed, claim, acts, faults=faults)


async def _day(
    services: Services,
    seed: int,
    claim: StyleClaimed | None,
    acts: Iterable[Act],
    *,
    queue: Sequence[str] = (),
    faults: Sequence[Fault] = (),
) -> Lab:
    """Let the world do its acts, all at once, and after them the queue come, one by one."""
    async with Lab(*WORLD, *classes(services), faults=faults, **where(seed)) as lab:
        if claim is not None:
            await lab.publish(claim)
        patience: dict[str, Any] = {"timeout_seconds": MOST_SECONDS}
        await asyncio.gather(*(lab.call(act, **given, **patience) for act, given in acts))
        if queue:
            await lab.call(Visitors.queue, order_ids=list(queue), **patience)
        await lab.quiet(at_most_seconds=MOST_SECONDS, at_most_messages=MOST_MESSAGES)
    return lab


def all_that_may_befall(service: type[Service]) -> list[Fault]:
    return [
        duplicate(service, 0.1),
        reorder(service, 0.1),
        reply_lost(service, 0.1),
        kill(service, 0.02),
        after_effect(service, 0.04),
        before_publish(service, 0.04),
    ]


def classes(services: object) -> list[type[Service]]:
    """The services of a festival; LabError where they are not given as a list of classes."""
    given = list(services) if isinstance(services, list | tuple) else []
    odd = [each for each in given if not (isinstance(each, type) and issubclass(each, Service))]
    if odd or not given:
        found = odd[0] if odd else services
        raise LabError(
            f"SERVICES holds {found!r:.60}.\n"
            "Write a list of the classes themselves: SERVICES = [Seats, Payment, …]."
        )
    return given


def claimed(style: object, domains: object = None) -> StyleClaimed:
    """What is said at the beginning of a day; LabError where it can't be said."""
    if not isinstance(style, str):
        raise LabError(f'STYLE is {style!r:.60}. Write a word, such as STYLE = "choreography".')
    if domains is None or domains == {}:
        return StyleClaimed(style=style)
    Borders(cast(Domains, domains), ())  # says what is wrong with them
    told = {
        str(domain): [each if isinstance(each, str) else name_of(each) for each in members]
        for domain, members in cast(Domains, domains).items()
    }
    return StyleClaimed(style=style, domains=told)
