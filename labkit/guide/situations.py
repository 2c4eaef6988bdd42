"""Six situations that befall a shop, each with what is asked of it and what it may cost."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import replace

from labkit.comparing import Change, Result, Style, noticed_after
from labkit.comparing.change import Member
from labkit.comparing.requests import DECISION, OBSERVER
from labkit.comparing.style import day
from labkit.coupling import coupling
from labkit.guide.game_day import Measure, Number, Situation
from labkit.lab import Lab
from labkit.shop import OrderPlaced, busy, careful, hybrid
from labkit.shop.changes.decision import SUSPICIOUS
from labkit.system.errors import CommandFailed, LabError
from labkit.system.faults import Fault, partition
from labkit.system.message import Message
from labkit.system.service import Service
from labkit.trace import Trace, key_of

# The shop of lesson 12, as patient as the conductor of the busy shop. Its services take no time for
# their work, so it is no third band at the peak.
HYBRID = Style(
    "hybrid",
    (
        careful.Order,
        careful.Payment,
        hybrid.Dispatcher(timeout_seconds=5),
        hybrid.Warehouse,
        hybrid.CarrierDesk,
    ),
    OrderPlaced,
)

# What several of them measure.

MESSAGES = Measure("messages for an order", "less")
KNOWS = Measure("seconds until 95 of 100 customers know", "less")
TOUCHED = Measure("services touched that were there before", "less")
ENDS = ("OrderConfirmed", "OrderRejected")


async def _quietly(
    style: Style, orders: int, per_second: float, faults: Sequence[Fault] = ()
) -> Lab:
    # A lab says in the cell what it could not handle: here it is counted instead.
    with redirect_stdout(io.StringIO()):
        return await day(style, orders, per_second, simulate=1, faults=faults)


def _messages(lab: Lab) -> float:
    card = Result.of(lab).card
    return round(card.messages / card.orders, 1)


def _know_within(trace: Trace) -> Number:
    """By when 95 of 100 customers have heard how their order has ended, in seconds."""
    begun: dict[str, float] = {}
    heard: dict[str, float] = {}
    placed = {message.id for message in trace.sent() if _is_first(message)}
    for moment in trace:
        message = moment.message
        if moment.what != "sent" or message is None:
            continue
        begun.setdefault(message.story, moment.seconds)
        if message.type in ENDS or (message.kind == "reply" and message.causationid in placed):
            heard.setdefault(message.story, moment.seconds)
    waits = sorted(
        heard[message.story] - begun[message.story] if message.story in heard else math.inf
        for message in trace.sent()
        if message.id in placed
    )
    wait = waits[min(len(waits) - 1, int(0.95 * len(waits)))] if waits else math.inf
    return None if wait == math.inf else round(wait, 1)


def _is_first(message: Message) -> bool:
    return message.causationid is None and bool(key_of(message))


# The six.


async def _carrier_refuses(style: Style) -> Sequence[Number]:
    services = tuple(_without_vans(service) for service in style.services)
    lab = await _quietly(replace(style, services=services), 20, 10)
    # Who reacts to a no: to a refused command, or to an event that tells of it.
    told_of = {
        moment.where
        for moment in lab.trace
        if moment.what == "received" and moment.message and _is_a_no(moment.message)
    }
    return [len(told_of - {CUSTOMERS}), _messages(lab)]


def _is_a_no(message: Message) -> bool:
    return message.type in ("ShipmentRejected", "OrderRejected") or (
        message.kind == "reply" and bool(message.reason)
    )


async def _loyalty_joins(style: Style) -> Sequence[Number]:
    change = _change(OBSERVER, style)
    services = [_without_vans(service) for service in change.after]
    async with Lab(*services, simulate=1) as lab:
        with suppress(CommandFailed):
            await lab.call(services[0].commands["place_order"], order_id="o-1", amount=129_900)
        await lab.quiet()
    given = sum(entry.amount or 0 for entry in lab.ledger if entry.effect == "points given")
    return [len(change.touched), given]


async def _payment_is_mute(style: Style) -> Sequence[Number]:
    seconds = await noticed_after(style, busy.Payment)
    lab = await _quietly(style, 1, 1)
    return [None if seconds is None else round(seconds, 1), _messages(lab)]


async def _everybody_comes(style: Style) -> Sequence[Number]:
    lab = await _quietly(style, 300, 60)
    return [lab.card().confirmed, _messages(lab), _know_within(lab.trace)]


async def _fraud_is_checked(style: Style) -> Sequence[Number]:
    change = _change(DECISION, style)
    async with Lab(*change.after, simulate=1) as lab:
        for order_id, amount in (("o-1", 129_900), ("o-2", SUSPICIOUS)):
            place = change.after[0].commands["place_order"]
            with suppress(CommandFailed):
                await lab.call(place, order_id=order_id, amount=amount)
        await lab.quiet()
    known = coupling(lab)
    return [len(change.touched), max(known.efferent(service) for service in known.services)]


async def _inventory_is_away(style: Style) -> Sequence[Number]:
    away = [partition(_keeper_of_stock(style), AWAY_SECONDS, begins_seconds=2)]
    lab = await _quietly(style, 40, 2, away)
    return [lab.card().confirmed, _know_within(lab.trace)]


def _change(request: Mapping[str, Change], style: Style) -> Change:
    if style.name not in request:
        raise LabError(
            f"Nobody has carried out this change request for {style.name}.\n"
            f"It is there for {', '.join(request)}."
        )
    return request[style.name]


CARRIERS = busy.Shipping, careful.Shipping, hybrid.CarrierDesk


def _without_vans(service: Member) -> Member:
    return service(vans=0) if service in CARRIERS else service


def _keeper_of_stock(style: Style) -> type[Service]:
    for service in (busy.Inventory, hybrid.Warehouse):
        if service in style.services:
            return service
    raise LabError(
        f"{style.name} has nobody who keeps the stock and could be away.\n"
        "Give it labkit.shop.busy.Inventory, or labkit.shop.hybrid.Warehouse."
    )


AWAY_SECONDS = 900
CUSTOMERS = "Customers"

SIX = (
    Situation(
        "refusal",
        "The carrier has no van today. Twenty orders come, and each has been charged and reserved "
        "when Shipping says no.",
        "In which style do fewer services have to know what a refusal means?",
        [Measure("services that must know of a refusal", "less"), MESSAGES],
        _carrier_refuses,
    ),
    Situation(
        "observer",
        "Marketing wants points for each order. Loyalty must hear of orders, and decides nothing.",
        "In which style do fewer services change?",
        [TOUCHED, Measure("points for an order that is refused", "less")],
        _loyalty_joins,
    ),
    Situation(
        "mute",
        "Payment works, and nothing that it says arrives. No error is raised anywhere.",
        "In which style can a person know of it sooner?",
        [Measure("seconds until a person could know", "less"), MESSAGES],
        _payment_is_mute,
    ),
    Situation(
        "peak",
        "Sixty customers a second, three hundred in all; the services can serve twenty a second.",
        "In which style are more of the three hundred orders confirmed?",
        [Measure("confirmed", "more"), MESSAGES, KNOWS],
        _everybody_comes,
    ),
    Situation(
        "decision",
        "The bank wants a fraud check before any money is taken, and the check may say no.",
        "In which style do fewer services change?",
        [TOUCHED, Measure("services that one service must know, at most", "less")],
        _fraud_is_checked,
    ),
    Situation(
        "outage",
        "Inventory has no connection for a quarter of an hour. Forty orders come meanwhile.",
        "In which style are more of the forty orders confirmed?",
        [Measure("confirmed", "more"), KNOWS],
        _inventory_is_away,
    ),
)

SITUATIONS = {situation.name: situation for situation in SIX}
