"""The gradebook: who has how many points for what, for a spreadsheet and for a program."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from labkit.grading.classroom import Report
from labkit.teaching.task import Task

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_gradebook(reports: Sequence[Report], tasks: Sequence[Task], folder: Path) -> None:
    """Write grades.csv (a row a learner, a column a task) and grades.json (all but the pictures).

    Who has handed in nothing for a task has an empty cell there, and who has not passed it a 0.
    """
    columns = [task.id for task in tasks]
    with (folder / "grades.csv").open("w", encoding="utf-8-sig", newline="", errors="replace") as f:
        rows = csv.writer(f)
        rows.writerow(["learner", *columns, "total", "of", "note"])
        for learner, own in by_learner(reports).items():
            points = {mark.task: mark.points for report in own for mark in report.marks}
            row = [points.get(id, "") for id in columns]
            note = " ".join(_note(report) for report in own if _note(report))
            of = sum(task.points for task in tasks)
            rows.writerow([_safe(learner), *row, sum(points.values()), of, _safe(note)])
    known = [asdict(report) for report in reports]
    for report in known:
        for mark in report["marks"]:
            del mark["picture"]
    text = json.dumps(known, indent=1, ensure_ascii=True)
    (folder / "grades.json").write_text(text + "\n", encoding="utf-8")


def by_learner(reports: Sequence[Report]) -> Mapping[str, list[Report]]:
    found: dict[str, list[Report]] = {}
    for report in sorted(reports, key=lambda report: (report.learner, report.file)):
        found.setdefault(report.learner, []).append(report)
    return found


def _note(report: Report) -> str:
    repaired = f"{report.exercise}: {len(report.repairs)} repaired." if report.repairs else ""
    return " ".join(f"{report.problem} {repaired}".split())


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else text
