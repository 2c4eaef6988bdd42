"""A class: what all its learners have handed in, graded side by side."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from labkit.grading.contained import Nursery
from labkit.grading.grader import Mark, Step, grade
from labkit.grading.merge import merged
from labkit.grading.submission import Cell, Submission, cells_of
from labkit.system.errors import LabError
from labkit.teaching.starter import ANSWER, CHECK, STUB
from labkit.teaching.task import Task, task_of

_nursery: Nursery | None = None  # of a process that grades


@dataclass(frozen=True)
class Report:
    """What came of one submission. enclosed: whether the system itself kept its code in."""

    learner: str
    file: str
    exercise: str = ""
    problem: str = ""
    repairs: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    enclosed: bool = False

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks)


def pristine(root: Path) -> dict[str, list[Cell]]:
    """The exercises as the course gives them, by their names.

    They are made from the solutions: in exercises/ a learner may have written already.
    """
    files = sorted(root.glob("solutions/*.ipynb")) or sorted(root.glob("exercises/*.ipynb"))
    if not files:
        raise LabError(f"There are no exercises in {root}: no solutions/ with notebooks.")
    return {file.stem: [_asked(cell) for cell in cells_of(file)] for file in files}


def tasks_of(cells: Sequence[Cell]) -> list[Task]:
    """The tasks that a notebook checks, in its order."""
    return [task_of(check.group(1)) for cell in cells if (check := CHECK.match(cell["source"]))]


def reports(
    submissions: Sequence[Submission],
    course: Mapping[str, list[Cell]],
    hidden: Sequence[str],
    workers: int = os.cpu_count() or 1,
) -> Iterator[Report]:
    """One report a submission, in their order, each as soon as it is there."""
    workers = min(workers, len(submissions)) or 1
    # New processes: a fork of this one would take along its threads and what it knows.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (list(hidden),)) as pool:
        waiting = []
        for submission in submissions:
            report, steps = prepared(submission, course)
            waiting.append((report, pool.submit(_graded, report, steps) if steps else None))
        for report, future in waiting:
            try:
                yield report if future is None else future.result()
            except BrokenProcessPool:
                yield replace(report, problem="The process that grades has ended. Grade it again.")


def prepared(submission: Submission, course: Mapping[str, list[Cell]]) -> tuple[Report, list[Step]]:
    """A report without marks, and what is to be run for them."""
    told = submission.learner, submission.file, submission.exercise, submission.problem
    if submission.problem:
        return Report(*told), []
    steps, repairs = merged(course[submission.exercise], submission.cells)
    return Report(*told, tuple(repairs)), steps


def marked(report: Report, steps: Sequence[Step], nursery: Nursery) -> Report:
    marks = tuple(grade(steps, nursery))
    return replace(report, marks=marks, enclosed=nursery.enclosed)


def _asked(cell: Cell) -> Cell:
    def stub(answer: re.Match[str]) -> str:
        return "\n".join(answer.group(1) + line for line in STUB)

    return {**cell, "source": ANSWER.sub(stub, cell["source"])}


def _begin(hidden: list[str]) -> None:
    global _nursery
    _nursery = Nursery(hidden)


def _graded(report: Report, steps: list[Step]) -> Report:
    assert _nursery is not None
    return marked(report, steps, _nursery)
