"""How long ten thousand orders take in both styles, and what a turn of a dial costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit.comparing import BOTH, compare
from labkit.shop.busy import Inventory, Payment, Shipping
from labkit.system.faults import Fault, duplicate, reply_lost, unavailable

BAD_LUCK = [
    fault
    for worker in (Payment, Inventory, Shipping)
    for fault in (unavailable(worker, 0.3), duplicate(worker, 0.1), reply_lost(worker, 0.03))
]


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    orders, turn, times = (40, 20, 2) if chosen.quick else (10_000, 300, 3)
    rows = [
        measured("good days", orders, times),
        measured("bad days", orders, times, faults=BAD_LUCK),
        measured("a turn of the dials", turn, times, faults=BAD_LUCK, per_second=40),
    ]
    print("Both styles, one core, seconds")
    cells = [
        (row["case"], f"{row['orders']:,}", f"{row['messages']:,}", shown(row["measured"]))
        for row in rows
    ]
    print(table(("case", "orders", "messages", "s"), cells))
    keep(chosen.json, {"orders": orders, "orders of a turn": turn}, rows)


def measured(
    case: str, orders: int, times: int, *, faults: Sequence[Fault] = (), per_second: float = 10
) -> Row:
    took, messages = [], 0
    for _ in range(times):
        began = time.perf_counter()
        found = asyncio.run(
            compare(*BOTH, orders=orders, faults=faults, per_second=per_second, progress=no_bar)
        )
        took.append(time.perf_counter() - began)
        messages = sum(result.card.messages for result in found.results.values())
    return {"case": case, "orders": orders, "messages": messages, "measured": spread(took)}


def no_bar(_: float) -> None:
    """A bar would be measured as well."""


if __name__ == "__main__":
    main()
