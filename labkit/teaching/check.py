"""What an exercise notebook calls: check, hint, replay, look and solution."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

from labkit.system.errors import LabError
from labkit.teaching import answer, progress
from labkit.teaching.judge import Outcome, again, judge
from labkit.teaching.task import Answers, Task, task_of

_last: dict[str, Outcome] = {}
_hints: Counter[str] = Counter()


class CheckFailed(LabError):
    """A task is not solved yet; the message says what was expected, and what happened."""


def check(id: str) -> None:
    """Try what you wrote for a task. Prints one line when it passes.

    Raises:
        CheckFailed: it does not; with the smallest run that shows why, drawn where there is one.
    """
    task = task_of(id)
    outcome = _last[id] = judge(task, _names(task))
    progress.note(id, outcome.kind)
    if not outcome.passed:
        _draw(outcome)
        raise CheckFailed(str(outcome))
    print(outcome)


def hint(id: str) -> None:
    """Print the next hint for a task; after a failed check, first what that one says."""
    task, last = task_of(id), _last.get(id)
    if last is not None and last.look and not last.passed:
        print(f"Your last check says: look at {last.look}")
    at = min(_hints[id], len(task.hints) - 1)
    _hints[id] += 1
    print(f"Hint {at + 1} of {len(task.hints)}: {task.hints[at]}")


def replay(id: str) -> Any:
    """Run once more what showed the mistake, with your code as it is now; a lab, with its trace.

    It is the same day under the same seed, so after a change you see what that has changed.
    """
    task, last = task_of(id), _last.get(id)
    if last is None or last.run is None or last.trial is None:
        raise LabError(f'Nothing to replay: run `check("{id}")` first; a failed run is kept.')
    now = again(last, _names(task))
    if now.run is None:
        raise LabError(str(now))
    if now.passed:
        print(f'This run is as it should be now; `check("{id}")` tries all the others.')
    return now.run


def look(id: str) -> Any:
    """What your code does on the first day of a task's trials, before anybody judges it."""
    task = task_of(id)
    outcome = judge(task, _names(task))
    return outcome.run.trace if outcome.run is not None else print(outcome)


def solution(id: str, *, give_up: bool = False) -> None:
    """Print the course's answer to a task that you have passed, where yours differs, and why."""
    task = task_of(id)
    if not give_up and not progress.passed(id):
        raise LabError(
            f'{id} is not passed yet. `hint("{id}")` helps, and `solution("{id}", give_up=True)` '
            "tells all the same."
        )
    if task.others:
        print(f"{len(task.others) + 1} answers of different shape are known to pass.")
    courses = answer.of_the_course(id)
    print(f"The course's own:\n\n{courses or '(It stands in the folder solutions/.)'}\n")
    own = answer.of_the_learner(task.names, _cells())
    if own and courses:
        print(_compared(answer.differences(own, courses)))
    print(task.why)


def _compared(differences: str) -> str:
    if not differences:
        return "Yours is the same.\n"
    return f"Where yours differs (- yours, + the course's):\n\n{differences}\n"


def _cells() -> list[str]:
    """The cells that were run so far; none outside of a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return []
    shell = get_ipython()
    return [] if shell is None else list(shell.user_ns.get("In", ()))


def _names(task: Task) -> dict[str, object]:
    """What the learner has defined: in the notebook, or in the script that calls."""
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is not None:
        return dict(shell.user_ns)
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return dict(frame.f_globals) if frame is not None else {}


def _draw(outcome: Outcome) -> None:
    if outcome.verdict is None or not outcome.verdict.counterexample:
        return
    try:
        from IPython.display import display
    except ImportError:
        return
    display(outcome.verdict.sequence())  # type: ignore[no-untyped-call]


__all__ = ["Answers", "CheckFailed", "check", "hint", "look", "replay", "solution"]
