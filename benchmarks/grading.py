"""How long grading a class takes, by `labkit grade`, `nbgrader autograde` and pytest with nbval."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit.teaching.task import exercises, task_of

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "01-coordinating-chaos.ipynb"
TASKS = [task.id for task in exercises()["coordinating_chaos"]]


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    many, few, rounds = (4, 2, 1) if chosen.quick else (100, 10, 3)
    before = os.getloadavg()[0]
    rows = [
        measured("labkit grade, all of them right", labkit, many, rounds, right=True),
        measured("labkit grade, right and wrong", labkit, many, rounds),
        measured("nbgrader autograde", nbgrader, few, rounds),
        measured("pytest --nbval-lax", nbval, few, rounds),
    ]
    base = rows[1]["each_more"]["median"]
    head = ("case", "notebooks", "all of them, s", "each further one, s", "x labkit")
    lines = [
        (
            row["case"],
            f"{row['notebooks']}",
            shown(row["seconds"]),
            shown(row["each_more"], ",.3f"),
            f"{row['each_more']['median'] / base:.1f}",
        )
        for row in rows
    ]
    print(f"{rounds} rounds; the machine's load was {before:.1f} before them")
    print(table(head, lines))
    keep(chosen.json, {"notebooks": many, "few": few, "load_before": round(before, 1)}, rows)


def measured(case: str, grade: Any, count: int, rounds: int, *, right: bool = False) -> Row:
    """Seconds for all, and for one more: what two runs of different size differ by."""
    all_of_them, each = [], []
    for _ in range(rounds):
        one, more = (seconds(grade, size, right) for size in (1, count))
        all_of_them.append(more)
        each.append((more - one) / (count - 1))
    return {
        "case": case,
        "notebooks": count,
        "seconds": spread(all_of_them),
        "each_more": spread(each, 4),
    }


def seconds(grade: Any, count: int, right: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        notebooks = {f"learner-{n:03}": handed_in(n, right) for n in range(count)}
        return float(grade(Path(folder), notebooks))


def handed_in(number: int, right: bool) -> str:
    """The solution; or for each task a right answer, one of its known mistakes, or none."""
    made = json.loads((ROOT / "solutions" / NOTEBOOK).read_text(encoding="utf-8"))
    starter = json.loads((ROOT / "exercises" / NOTEBOOK).read_text(encoding="utf-8"))
    dice = random.Random(number)
    for cell, stub in zip(made["cells"], starter["cells"], strict=True):
        if cell["id"] in TASKS and not right:
            task = task_of(cell["id"])
            mistakes = [mistake.code for mistake in task.wrong]
            same = "".join(cell["source"])
            cell["source"] = dice.choice([same, same, *task.others, *mistakes, stub["source"]])
    return json.dumps(made)


def put(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def labkit(folder: Path, notebooks: dict[str, str]) -> float:
    for learner, text in notebooks.items():
        put(folder / "class" / learner, NOTEBOOK, text)
    return timed(folder, "labkit", "grade", "class", "--out", "out")


def nbgrader(folder: Path, notebooks: dict[str, str]) -> float:
    """Its autograder alone; that the assignment was made before is not counted."""
    (folder / "source" / "a").mkdir(parents=True)
    shutil.copy(ROOT / "solutions" / NOTEBOOK, folder / "source" / "a")
    timed(folder, "nbgrader", "generate_assignment", "a", "--create")
    for learner, text in notebooks.items():
        put(folder / "submitted" / learner / "a", NOTEBOOK, text)
    return timed(folder, "nbgrader", "autograde", "a")


def nbval(folder: Path, notebooks: dict[str, str]) -> float:
    files = [str(put(folder / who, NOTEBOOK, text)) for who, text in notebooks.items()]
    return timed(folder, "pytest", "-q", "--nbval-lax", "--nbval-current-env", *files, fine=(0, 1))


def timed(folder: Path, module: str, *arguments: str, fine: Sequence[int] = (0,)) -> float:
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in fine:
        raise RuntimeError(f"{module}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
