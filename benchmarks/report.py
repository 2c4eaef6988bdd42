"""What every benchmark shares: its options, its table, and its JSON with the machine it ran on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def options(about: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """`--quick` is small enough for a test, `--json FILE` keeps the numbers."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="a small run; its numbers mean little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    return parser.parse_args(arguments)


def spread(samples: Sequence[float], digits: int = 3) -> Row:
    """The median with the range around it."""
    middle = statistics.median(samples)
    return {
        "median": round(middle, digits),
        "least": round(min(samples), digits),
        "most": round(max(samples), digits),
    }


def shown(spread: Row, form: str = ",.2f") -> str:
    """`1.20 (1.11-1.42)`."""
    return f"{spread['median']:{form}} ({spread['least']:{form}}-{spread['most']:{form}})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the first to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    wide = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(wide[at]) if at else cell.ljust(wide[at]) for at, cell in enumerate(line)
        ).rstrip()
        for line in lines
    )


def keep(file: Path | None, settings: Row, rows: Sequence[Row]) -> None:
    """Write the numbers to a file, with what one needs to judge them."""
    if file is None:
        return
    machine = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    when = datetime.now(UTC).date().isoformat()
    found = {"date": when, "machine": machine, "settings": settings, "rows": list(rows)}
    file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
