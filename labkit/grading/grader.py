"""A grader: has a submission's cells and days run in a nursery, and judges here what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from labkit.grading.contained import Gone, Lost, Nursery, Talk, error
from labkit.teaching.judge import LIMIT_SECONDS, Kind, Outcome, weigh
from labkit.teaching.record import value
from labkit.teaching.task import Task, Trial, exercises


@dataclass(frozen=True)
class Step:
    """A cell to run, or a task to check there.

    task: to which a cell belongs. stub: what stands in for the cell later, where it does not work.
    """

    task: str
    source: str = ""
    stub: str = ""
    check: bool = False


@dataclass(frozen=True)
class Mark:
    """What came of a task, ready to be told: plain, so that it goes from process to process."""

    task: str
    title: str
    kind: Kind
    points: int
    of: int
    words: str = ""
    look: str = ""
    picture: str = ""

    @property
    def sign(self) -> str:
        return {"passed": "✔", "not attempted": "…"}.get(self.kind, "✘")


def grade(steps: Sequence[Step], nursery: Nursery) -> list[Mark]:
    """A mark for each task. What ends or blocks the process costs one task; the rest goes on."""
    tasks = {task.id: task for tasks in exercises().values() for task in tasks}
    way = _Way(steps, tasks)
    while not way.over:
        try:
            with nursery.child() as asked:
                way.go(Talk(asked))
        except Lost as lost:
            way.give_up("error in our check", str(lost))
    return [_mark(way.found[step.task]) for step in steps if step.check]


class _Way:
    """The way through one notebook; begun anew, without what ended it, as often as it must be."""

    def __init__(self, steps: Sequence[Step], tasks: Mapping[str, Task]) -> None:
        self.steps, self.tasks, self.over = steps, tasks, False
        self.found: dict[str, Outcome] = {}
        self.broken: dict[int, Outcome] = {}  # by the number of the cell that did not come back
        # A notebook may have any number of slow cells of its own; all of them together get this.
        many = 2 + sum(step.check for step in steps)
        self.end = time.monotonic() + many * LIMIT_SECONDS

    def go(self, talk: Talk) -> None:
        errors: dict[str, Outcome] = {}
        stubs: list[str] = []
        for at, step in enumerate(self.steps):
            task, until = self.tasks[step.task], time.monotonic() + LIMIT_SECONDS
            if until > self.end + LIMIT_SECONDS:
                return self.give_up("too slow", "The notebook as a whole takes too long.")
            try:
                if not step.check:
                    outcome = self.broken.get(at) or _cell(task, step, talk, until)
                    if outcome is not None:
                        if step.stub or step.task not in errors:
                            errors[step.task] = outcome
                        stubs += [step.stub] * bool(step.stub)
                    continue
                if step.task not in self.found:
                    self.found[step.task] = _try(task, talk, until, errors.get(step.task))
                while stubs:  # later cells may need the names
                    talk.ask(task, until, "cell", stubs.pop())
            except Gone as gone:
                if step.check:
                    self.found[step.task] = gone.outcome
                else:
                    self.broken[at] = gone.outcome
                return
        self.over = True

    def give_up(self, kind: Kind, why: str) -> None:
        for step in self.steps:
            if step.check and step.task not in self.found:
                self.found[step.task] = Outcome(kind, self.tasks[step.task], why)
        self.over = True


def _cell(task: Task, step: Step, talk: Talk, until: float) -> Outcome | None:
    """What was wrong with a cell; a stub is no error."""
    said = str(talk.ask(task, until, "cell", step.source).get("error") or "")
    if not said or "NotImplementedError" in said:
        return None
    return error(task, said, "the cell itself: run it alone in your notebook")


def _try(task: Task, talk: Talk, until: float, broken: Outcome | None) -> Outcome:
    outcome = Outcome("passed", task)
    for number, trial in enumerate(task.trials):
        for seed in trial.seeds:
            answer = talk.ask(task, until, "day", task.id, number, seed)
            outcome = _judged(task, trial, seed, answer)
            if outcome.kind == "not attempted" and broken is not None:
                return broken
            if not outcome.passed:
                return outcome
    changed = talk.ask(task, until, "end", task.id)
    return _told(task, changed) if changed else outcome


def _told(task: Task, answer: Mapping[str, Any]) -> Outcome:
    """What the learner's process says itself; a pass is nothing that it can say."""
    kinds: dict[Any, Kind] = {kind: kind for kind in get_args(Kind) if kind != "passed"}
    kind = kinds.get(answer.get("kind"), "error in your code")
    return Outcome(kind, task, str(answer.get("words")), str(answer.get("look")))


def _judged(task: Task, trial: Trial, seed: int, answer: Mapping[str, Any]) -> Outcome:
    if "run" not in answer:
        return _told(task, answer)
    try:
        run = value(answer["run"])
    except Exception:  # it may hand over anything
        return error(task, "It gives back what can't be read.", "what your code returns")
    return weigh(task, trial, run, seed)


def _mark(outcome: Outcome) -> Mark:
    task, picture = outcome.task, ""
    if outcome.verdict is not None and outcome.verdict.counterexample:
        picture = outcome.verdict.sequence()._repr_html_()
    words = "\n".join(text for text in (outcome.words, outcome.story) if text)
    points = task.points if outcome.passed else 0
    return Mark(
        task.id, task.title, outcome.kind, points, task.points, words, outcome.look, picture
    )
