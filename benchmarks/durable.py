"""What durability costs: steps a second, and how soon an order goes on after a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit.durable.dbos_engine import DbosEngine
from labkit.durable.engine import Engine, Run, Workflow
from labkit.durable.journal import Journal

CHILD = "--child"
ENGINES: dict[str, Callable[[Path], Engine]] = {"journal": Journal, "DBOS on SQLite": DbosEngine}


async def nothing(key: str) -> str:
    """What a step does here: so its engine is all that takes time."""
    return key


async def many_steps(run: Run, steps: int) -> list[float]:
    """How long each step took, in seconds."""
    took = []
    for _ in range(steps):
        began = time.perf_counter()
        await run.step("step", nothing)
        took.append(time.perf_counter() - began)
    return took


def order(*, dies: bool) -> Workflow:
    """Six steps; in the middle its process may die."""

    async def six_steps(run: Run) -> str:
        for number in range(6):
            if number == 3 and dies:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            await run.step("step", nothing)
        return "confirmed"

    return six_steps


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    steps, rounds = (20, 1) if chosen.quick else (1_000, 5)
    here = [name for name in ENGINES if name == "journal" or find_spec("dbos")]
    rows: list[Row] = []
    for name in here:
        told = [speed(name, steps) for _ in range(rounds)]
        recovered = [recovery(name) for _ in range(rounds)]
        row: Row = {
            "case": name,
            "steps a second": spread([each["rate"] for each in told], 0),
            "step p50 ms": spread([each["p50"] for each in told], 2),
            "step p95 ms": spread([each["p95"] for each in told], 2),
            "start ms": spread([each["start"] for each in recovered], 0),
            "recovery ms": spread([each["recovery"] for each in recovered], 1),
        }
        rows.append(row)
    head = tuple(rows[0])
    lines = [(row["case"], *(shown(row[name], ",g") for name in head[1:])) for row in rows]
    print(table(head, lines))
    keep(chosen.json, {"steps": steps, "rounds": rounds}, rows)


def speed(name: str, steps: int) -> Row:
    """One order of many steps, in a process of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return read(child(name, "steps", folder, steps))


def recovery(name: str) -> Row:
    """Kill an order in its middle, and let another process bring it to its end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        died = child(name, "dies", folder)
        assert died.returncode != 0, died.stderr
        return read(child(name, "recovers", folder))


def child(name: str, what: str, folder: str, steps: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.durable", CHILD, name, what, folder, str(steps)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read(done: subprocess.CompletedProcess[str]) -> Row:
    assert done.returncode == 0, done.stderr
    numbers: Row = json.loads(done.stdout.splitlines()[-1])
    return numbers


async def live(name: str, what: str, folder: str, steps: str) -> Row:
    """What a child does; its numbers."""
    began = time.perf_counter()
    engine = ENGINES[name](Path(folder) / "orders.db")
    await engine.waiting()
    start = time.perf_counter() - began
    numbers: Row = {"start": 1000 * start}
    began = time.perf_counter()
    if what == "steps":
        took = sorted(await engine.run(many_steps, "o-1", steps=int(steps)))
        numbers["rate"] = int(steps) / (time.perf_counter() - began)
        numbers["p50"], numbers["p95"] = (1000 * took[int(at * len(took))] for at in (0.5, 0.95))
    elif what == "dies":
        await engine.run(order(dies=True), "o-1")
    else:
        ends = await engine.recover(order(dies=False))
        assert ends == {"o-1": "confirmed"}, ends
        numbers["recovery"] = 1000 * (time.perf_counter() - began)
    await engine.close()
    return numbers


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        print(json.dumps(asyncio.run(live(*sys.argv[2:]))))
    else:
        main()
