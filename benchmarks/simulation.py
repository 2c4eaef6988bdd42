"""How long a thousand schedules of an order take in simulation, and how fast one large lab is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit import CommandFailed, Lab, explore, invariants, reply_lost, slow, unavailable
from labkit.shop import OrderPlaced
from labkit.shop.careful import Inventory, Order, OrderOrchestrator, Payment, Shipping

PLAYERS = (Payment, Inventory, Shipping)
FAULTS = (unavailable(Inventory, 0.2), slow(Shipping, 0.02, 0.5), reply_lost(Payment, 0.1))
Day = Callable[[int], Awaitable[Lab]]


class Patient(OrderOrchestrator):
    """It awaits each step for 30 s instead of 5."""

    def __init__(self) -> None:
        super().__init__(timeout_seconds=30.0)


def a_day(conductor: type[OrderOrchestrator]) -> Day:
    """One order through four services under faults."""
    place = conductor.place_order

    async def day(seed: int) -> Lab:
        async with Lab(conductor, *PLAYERS, simulate=seed, faults=FAULTS) as lab:
            with suppress(CommandFailed):
                order = {"order_id": "o-1", "amount": 30}
                await lab.call(place, timeout_seconds=300, **order)
            await lab.quiet(at_most_seconds=300)
            return lab

    return day


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    schedules, orders, times = (10, 20, 2) if chosen.quick else (1000, 1000, 5)
    rows = [
        repeated("not judged", times, lambda: run(a_day(OrderOrchestrator), schedules)),
        repeated("judged", times, lambda: judged(a_day(OrderOrchestrator), schedules)),
        repeated("judged, time-outs of 30 s", times, lambda: judged(a_day(Patient), schedules)),
        repeated("orchestrated", times, lambda: conducted(orders)),
        repeated("choreographed", times, lambda: danced(orders)),
    ]
    print(f"{schedules:,} schedules of one order under faults, seconds")
    print(table(("case", "s"), [(row["case"], shown(row["measured"])) for row in rows[:3]]))
    print(f"\n{orders:,} orders at once in one lab, messages/s")
    print(table(("case", "1/s"), [(r["case"], shown(r["measured"], ",.0f")) for r in rows[3:]]))
    keep(chosen.json, {"schedules": schedules, "orders": orders}, rows)


def repeated(case: str, times: int, measure: Callable[[], Awaitable[float]]) -> Row:
    return {"case": case, "measured": spread([asyncio.run(measure()) for _ in range(times)])}


async def run(day: Day, schedules: int) -> float:
    began = time.perf_counter()
    for seed in range(schedules):
        await day(seed)
    return time.perf_counter() - began


async def judged(day: Day, schedules: int) -> float:
    began = time.perf_counter()
    found = await explore(day, invariants(stock=1_000_000), seeds=range(schedules))
    took = time.perf_counter() - began
    assert found, found
    return took


async def conducted(orders: int) -> float:
    """Messages a second, commands and their replies."""
    async with Lab(OrderOrchestrator, *PLAYERS, simulate=1) as lab:
        began = time.perf_counter()
        place = OrderOrchestrator.place_order
        placed = (lab.call(place, order_id=f"o-{n}", amount=30) for n in range(orders))
        await asyncio.gather(*placed)
        await lab.quiet()
        return len(lab.trace) / (time.perf_counter() - began)


async def danced(orders: int) -> float:
    """Messages a second, all of them events."""
    async with Lab(Order, *PLAYERS, simulate=1) as lab:
        began = time.perf_counter()
        placed = (OrderPlaced(order_id=f"o-{n}", amount=30) for n in range(orders))
        await asyncio.gather(*(lab.publish(order) for order in placed))
        await lab.quiet()
        return len(lab.trace) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
