"""Events per second and the time of a command, of labkit beside bare aiomqtt and FastStream."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.cases import (
    BYTES,
    WINDOW,
    Opened,
    bare,
    faststream,
    labkit,
    labkit_from_a_cell,
)
from benchmarks.report import Row, keep, options, shown, spread, table
from labkit.system.broker import broker_for


@dataclass(frozen=True)
class Size:
    """How much is measured: so many rounds of one burst of events and some commands in a row."""

    rounds: int
    events: int
    commands: int


FULL = Size(rounds=5, events=5000, commands=1000)
QUICK = Size(rounds=1, events=200, commands=20)
WARMING = QUICK
HAS_FASTSTREAM = importlib.util.find_spec("faststream") is not None

CASES: dict[str, Opened] = {
    "bare aiomqtt": bare,
    "labkit": labkit,
    "labkit, from a cell": labkit_from_a_cell,
    "FastStream": faststream,
}


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    size = QUICK if chosen.quick else FULL
    logging.disable(logging.WARNING)
    rows = [
        row for which in ("mosquitto", "embedded") for row in asyncio.run(compared(which, size))
    ]
    print(f"{size.rounds} rounds, interleaved; events of {BYTES} bytes, QoS 1, window of {WINDOW}")
    print(in_words(rows))
    keep(chosen.json, {**asdict(size), "bytes": BYTES, "window": WINDOW}, rows)


async def compared(which: str, size: Size) -> list[Row]:
    """All cases on one kind of broker, in turns, so that what slows the machine slows them all."""
    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    p50s: dict[str, list[float]] = defaultdict(list)
    p99s: dict[str, list[float]] = defaultdict(list)
    for _ in range(size.rounds):
        for name, opened in CASES.items():
            if opened is faststream and not (HAS_FASTSTREAM and which == "mosquitto"):
                continue  # by default it speaks MQTT 5, and the embedded broker does not
            seconds, busy, answers = await measured(opened, which, size)
            rates[name].append(size.events / seconds)
            costs[name].append(1e6 * busy / size.events)
            p50s[name].append(1000 * statistics.median(answers))
            p99s[name].append(1000 * sorted(answers)[int(len(answers) * 0.99)])
    return [
        {
            "case": name,
            "broker": which,
            "events_per_second": spread(rates[name], 0),
            "processor_us_per_event": spread(costs[name], 0),
            "command_p50_ms": spread(p50s[name]),
            "command_p99_ms": spread(p99s[name]),
        }
        for name in rates
    ]


async def measured(opened: Opened, which: str, size: Size) -> tuple[float, float, list[float]]:
    """One round of one case on a broker of its own; `busy` is this process's processor time."""
    async with opened(broker_for(which)) as case:
        await case.burst(WARMING.events)
        await case.ask(WARMING.commands)
        began = time.process_time()
        seconds = await case.burst(size.events)
        busy = time.process_time() - began
        return seconds, busy, await case.ask(size.commands)


def in_words(rows: Sequence[Row]) -> str:
    """The numbers as a table, with their ratios to bare aiomqtt on the same broker."""
    head = (
        "case",
        "broker",
        "events/s",
        "x bare",
        "µs/event",
        "command p50 ms",
        "x bare",
        "p99 ms",
    )
    base = {row["broker"]: row for row in rows if row["case"] == "bare aiomqtt"}
    lines = []
    for row in rows:
        rate, p50 = row["events_per_second"], row["command_p50_ms"]
        beside = base[row["broker"]]
        row["events_to_bare"] = round(rate["median"] / beside["events_per_second"]["median"], 2)
        row["command_to_bare"] = round(p50["median"] / beside["command_p50_ms"]["median"], 2)
        lines.append(
            (
                row["case"],
                row["broker"],
                shown(rate, ",.0f"),
                f"{row['events_to_bare']:.2f}",
                shown(row["processor_us_per_event"], ",.0f"),
                shown(p50),
                f"{row['command_to_bare']:.2f}",
                shown(row["command_p99_ms"]),
            )
        )
    return table(head, lines)


if __name__ == "__main__":
    main()
