"""How long a learner waits: for `import labkit`, and for the first diagram of a fresh kernel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.report import Row, keep, options, shown, spread, table

HEAVY = ("numpy", "pandas", "nbformat", "matplotlib", "IPython", "amqtt")
IMPORTS = {
    "bare Python": "pass",
    "import labkit": "import labkit",
    "from labkit import Lab, …": "from labkit import Event, Lab, Service, command, on",
}
FIRST_CELL = """
from labkit import Lab
from labkit.shop import Inventory, OrderOrchestrator, Payment, Shipping

async with Lab(OrderOrchestrator, Payment, Inventory, Shipping) as lab:
    await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=129_900)
    await lab.quiet()

lab.trace
"""


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    times = 3 if chosen.quick else 15
    rows = [imported(name, code, times) for name, code in IMPORTS.items()]
    bare = rows[0]["seconds"]["median"]
    for row in rows:
        row["beyond_bare"] = round(row["seconds"]["median"] - bare, 3)
    rows.append(first_diagram(1 if chosen.quick else 5))
    print(in_words(rows))
    keep(chosen.json, {"times": times}, rows)


def imported(name: str, code: str, times: int) -> Row:
    """Whole processes, so that nothing is warm but the disk; and which heavy modules came along."""
    ask = f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    samples, loaded = [], ""
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, check=True
        )
        samples.append(time.perf_counter() - began)
        loaded = done.stdout.strip()
    return {"case": name, "seconds": spread(samples), "heavy": loaded}


def first_diagram(times: int) -> Row:
    """From the moment a ready kernel gets the cell to the moment its picture arrives."""
    from jupyter_client.manager import start_new_kernel

    samples = []
    for _ in range(times):
        manager, client = start_new_kernel()
        try:
            samples.append(_seconds_to_picture(client))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return {"case": "fresh kernel's first cell to first diagram", "seconds": spread(samples)}


def _seconds_to_picture(client: object) -> float:
    arrived: list[float] = []

    def look(message: dict) -> None:
        if message["msg_type"] == "error":
            raise RuntimeError(json.dumps(message["content"]["evalue"]))
        if "text/html" in message["content"].get("data", {}):
            arrived.append(time.perf_counter())

    began = time.perf_counter()
    client.execute_interactive(FIRST_CELL, output_hook=look)  # type: ignore[attr-defined]
    return arrived[0] - began


def in_words(rows: Sequence[Row]) -> str:
    head = ("case", "seconds", "beyond bare", "heavy modules loaded")
    lines = [
        (
            row["case"],
            shown(row["seconds"], ".3f"),
            f"{row['beyond_bare']:.3f}" if "beyond_bare" in row else "",
            row.get("heavy", ""),
        )
        for row in rows
    ]
    return table(head, lines)


if __name__ == "__main__":
    main()
