"""Progress: which tasks a learner has passed, in a small file beside the notebooks."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.system.errors import LabError
from labkit.teaching.starter import CHECK
from labkit.teaching.task import Task, task_of

FILE = ".labkit-progress.json"
SIGNS = {"passed": "✔ passed", "tried": "✘ not yet"}


@dataclass(frozen=True)
class Exercise:
    """One notebook's tasks, each with its state: "passed", "tried" or "" for not tried."""

    name: str
    tasks: Sequence[tuple[Task, str]]

    @property
    def points(self) -> str:
        got = sum(task.points for task, state in self.tasks if state == "passed")
        return f"{got} of {sum(task.points for task, _ in self.tasks)} points"


class Progress(list[Exercise]):
    """How far a learner is, exercise by exercise; shows itself as a table."""

    def __repr__(self) -> str:
        lines = []
        for exercise in self:
            lines.append(f"{exercise.name}: {exercise.points}")
            for task, state in exercise.tasks:
                lines.append(f"  {SIGNS.get(state, '… not tried'):11}  {task.id}: {task.title}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for exercise in self:
            states = "".join(
                f'<span title="{html.escape(task.title)}: {state or "not tried"}">'
                f"{SIGNS.get(state, '…')[0]}</span> "
                for task, state in exercise.tasks
            )
            link = f'<a href="../exercises/{exercise.name}.ipynb">{exercise.name}</a>'
            rows.append(f"<tr><td>{link}</td><td>{states}</td><td>{exercise.points}</td></tr>")
        head = "<tr><th>exercise</th><th>tasks</th><th>points</th></tr>"
        said = "✔ passed, ✘ not yet, … not tried"
        return f"<table><caption>{said}</caption>{head}{''.join(rows)}</table>"


def progress(root: Path | None = None) -> Progress:
    """Which tasks are passed so far, exercise by exercise.

    root: the course's folder; by default the nearest one from here upwards.
    """
    root = root or next((f for f in (Path.cwd(), *Path.cwd().parents) if _notebooks(f)), None)
    if root is None or not _notebooks(root):
        raise LabError(
            f"There is no course in {root or Path.cwd()}: no exercises/ with notebooks.\n"
            "Go to your copy of the course and try again."
        )
    known = read(root / "exercises") | read()
    found = Progress()
    for file in _notebooks(root):
        tasks = [(task, str(known.get(task.id, {}).get("state", ""))) for task in _tasks(file)]
        found.append(Exercise(file.stem, tasks))
    return found


def _notebooks(root: Path) -> list[Path]:
    # What a learner has made of an exercise may be unreadable; its solution is not.
    return sorted(root.glob("solutions/*.ipynb")) or sorted(root.glob("exercises/*.ipynb"))


def _tasks(notebook: Path) -> list[Task]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    checks = (CHECK.match("".join(cell["source"])) for cell in cells)
    return [task_of(check.group(1)) for check in checks if check]


def note(id: str, kind: str, folder: Path | None = None) -> None:
    """Remember how a check went; what was passed once stays passed."""
    known = read(folder)
    before = known.get(id, {})
    state = "passed" if "passed" in (kind, before.get("state")) else "tried"
    if kind == "not attempted" and not before:
        return
    known[id] = {"state": state, "tries": int(before.get("tries", 0)) + 1}
    path = _path(folder)
    try:
        # Written beside it and moved over it: an interrupt leaves the old file or the new one.
        new = path.with_suffix(".new")
        new.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError:
        pass  # a folder that can't be written to is no reason to fail a check


def read(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """What is known so far; a file that can't be read counts as none."""
    try:
        known = json.loads(_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def passed(id: str, folder: Path | None = None) -> bool:
    """Whether a task has been passed."""
    return read(folder).get(id, {}).get("state") == "passed"


def _path(folder: Path | None) -> Path:
    return (folder or Path.cwd()) / FILE
