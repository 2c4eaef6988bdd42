"""A judge: tries what a learner wrote, and says what came of it, in one of six ways."""

from __future__ import annotations

import asyncio
import ctypes
import io
import re
import threading
import traceback
from collections.abc import Callable, Coroutine, Mapping
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from labkit.system.errors import LabError
from labkit.system.service import reason
from labkit.teaching.record import data, is_run, value
from labkit.teaching.task import Answers, Claim, Task, Trial, on_a_broker
from labkit.trace import Trace
from labkit.verdict import Verdict

Kind = Literal[
    "passed", "not attempted", "wrong", "error in your code", "error in our check", "too slow"
]
LIMIT_SECONDS = 10.0
LABKIT = str(Path(__file__).resolve().parent.parent)
# How labkit notes an error that is none of its own: `ValueError: …`.
OWN_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Exit|Interrupt):( |$)")
UNDONE = "NotImplementedError"


@dataclass(frozen=True)
class Outcome:
    """What came of trying a task: in one word, in plain words, and the run that shows it."""

    kind: Kind
    task: Task
    words: str = ""
    look: str = ""
    seed: int | None = None
    run: Any = None
    verdict: Verdict | None = None
    trial: Trial | None = None
    real: bool = False

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    def __str__(self) -> str:
        if self.passed:
            many = "1 point" if self.task.points == 1 else f"{self.task.points} points"
            return f"✔ {self.task.id}: passed ({many})."
        sign = "…" if self.kind == "not attempted" else "✘"
        lines = [f"{sign} {self.task.id}: {self.kind}.", self.words, self.story]
        lines += [f"Look: {self.look}"] * bool(self.look)
        lines += [f'Again: replay("{self.task.id}")'] * (self.run is not None)
        return "\n".join(line for line in lines if line)

    @property
    def story(self) -> str:
        """The smallest run that shows what is wrong, a line a message; "" where there is none."""
        if self.verdict is None or not self.verdict.counterexample:
            return ""
        return "\n".join(line for line in repr(self.verdict).splitlines() if line[:2] == "  ")


class TooSlow(BaseException):
    """The time for trying is over; raised in the thread that tries."""


def judge(
    task: Task, names: Mapping[str, object], *, limit_seconds: float = LIMIT_SECONDS
) -> Outcome:
    """Try a task with what the learner has defined; in a thread of its own, for a limited time."""
    return _timed(task, names, _try, limit_seconds)


def again(outcome: Outcome, names: Mapping[str, object]) -> Outcome:
    """Try once more, under its seed, the one day of which an outcome tells."""
    trial, seed, real = outcome.trial, outcome.seed, outcome.real
    assert trial is not None
    assert seed is not None

    async def day(task: Task, answers: Answers) -> Outcome:
        with on_a_broker() if real else nullcontext():
            return await _try_once(task, trial, answers, seed)

    return _timed(outcome.task, names, day, LIMIT_SECONDS)


def _timed(
    task: Task,
    names: Mapping[str, object],
    trying: Callable[[Task, Answers], Coroutine[Any, Any, Outcome]],
    limit_seconds: float,
) -> Outcome:
    if (absent := missing(task, names)) is not None:
        return absent
    found: list[Outcome] = []

    def work() -> None:
        with suppress(TooSlow):
            found.append(asyncio.run(trying(task, Answers(names))))

    # A handler may print or complain; nbgrader takes any word on stderr for a failure.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        thread = threading.Thread(target=work, name=f"labkit judges {task.id}", daemon=True)
        thread.start()
        thread.join(limit_seconds)
        if slow := thread.is_alive():
            _interrupt(thread)
    if slow or not found:  # what it finds when it is cut off counts for nothing
        return Outcome("too slow", task, too_slow(limit_seconds))
    return found[0]


def missing(task: Task, names: Mapping[str, object]) -> Outcome | None:
    """That a task was not attempted, where what it asks for is not there."""
    absent = [name for name in task.names if names.get(name, ...) is ...]
    return Outcome("not attempted", task, f"{absent[0]} is not there yet.") if absent else None


async def _try(task: Task, answers: Answers) -> Outcome:
    outcome = Outcome("passed", task)
    for trial in task.trials:
        for seed in trial.seeds:
            outcome = await _try_once(task, trial, answers, seed)
            if not outcome.passed:
                return outcome
    with on_a_broker():
        for trial in task.trials:
            if trial.real and outcome.passed:
                outcome = await _try_once(task, trial, answers, trial.seeds[0])
                outcome = replace(outcome, real=True)
    return outcome


async def _try_once(task: Task, trial: Trial, answers: Answers, seed: int) -> Outcome:
    run = await live(task, trial, answers, seed)
    outcome = run if isinstance(run, Outcome) else weigh(task, trial, run, seed)
    return replace(outcome, trial=trial)


async def live(task: Task, trial: Trial, answers: Answers, seed: int) -> Any:
    """Run a day with the learner's code: a lab, a plain value, or the outcome where it raises."""
    try:
        run = await trial.day(answers, seed)
        # A value is judged as it would come out of another process (see labkit.grading).
        return run if is_run(run) else value(data(run))
    except SystemExit:
        words = "SystemExit: your code ends Python."
        return Outcome("error in your code", task, words, "where it says `exit()` or `sys.exit()`")
    except Exception as error:
        if words := _unfit(task, answers, error):
            return Outcome("error in your code", task, words, "the names that the task gives")
        return _raised(task, error)


def _unfit(task: Task, answers: Answers, error: Exception) -> str:
    """What the learner's code lacks, where a day asked it for something it does not have."""
    if isinstance(error, AttributeError):
        for name in task.names:
            if error.obj is getattr(answers, name) or type(error.obj) is getattr(answers, name):
                return f"{name} has no `{error.name}`, and the task asks for it."
    called = str(error).partition("(")[0].partition(".")[0]
    if isinstance(error, TypeError) and called in task.names:
        return f"It can't be called as the task calls it: {error}."
    return ""


def weigh(task: Task, trial: Trial, run: Any, seed: int) -> Outcome:
    """Judge what a day has brought; needs nothing that a learner wrote."""
    try:
        errors = _own_errors(run)
        if any(UNDONE in error for error in errors):
            return _not_yet(task)
        for claim in trial.claims:
            outcome = _weigh(task, claim, run, seed, errors)
            if not outcome.passed:
                return outcome
        return Outcome("passed", task, seed=seed, run=_shown(run))
    except Exception as error:
        return _raised(task, error)


def _weigh(task: Task, claim: Claim, run: Any, seed: int, errors: list[str]) -> Outcome:
    broken = claim.holds(run)
    verdict = broken if isinstance(broken, Verdict) else None
    if not broken if verdict is None else verdict:
        return Outcome("passed", task)
    happened = str(broken)
    if verdict is not None:
        happened = f"{verdict.breaches[0].order}: {verdict.breaches[0].why}"
    words = f"Expected: {claim.expected}.\nHappened: {happened.rstrip('.')}."
    look = claim.look if isinstance(claim.look, str) else claim.look(run)
    if errors:
        words = f"{errors[0]}\n{words}"
        return Outcome("error in your code", task, words, look, seed, _shown(run), verdict)
    return Outcome("wrong", task, words, look, seed, _shown(run), verdict)


def _shown(run: Any) -> Any:
    return run if isinstance(getattr(run, "trace", None), Trace) else None


def _own_errors(run: Any) -> list[str]:
    """What handlers of the learner's raised, that was neither meant nor labkit's."""
    trace = getattr(run, "trace", None)
    if not isinstance(trace, Trace) or all(moment.what != "failed" for moment in trace):
        return []
    return [problem for problem in trace.problems() if OWN_ERROR.search(problem)]


def _raised(task: Task, error: Exception) -> Outcome:
    if UNDONE in f"{type(error).__name__}: {error}":
        return _not_yet(task)
    own = not isinstance(error, LabError) and _innermost(error).startswith(LABKIT)
    if own:
        words = (
            f"{type(error).__name__}: {error}\n{_where(error)}\n"
            "That is a mistake of the course, not yours. Please report it with these lines."
        )
        return Outcome("error in our check", task, words)
    look = "" if isinstance(error, LabError) else "the line that it names"
    return Outcome("error in your code", task, reason(error), look)


def _innermost(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"In {Path(frame.filename).name}, line {frame.lineno}: {frame.line}"


def _not_yet(task: Task) -> Outcome:
    return Outcome("not attempted", task, "Your code still stands at NotImplementedError.")


def too_slow(seconds: float) -> str:
    """What to say of code that was not done in time."""
    return (
        f"It was not done after {seconds:g} s of real time.\n"
        "Is there a loop that never ends, or `time.sleep` in place of `await asyncio.sleep`?"
    )


def _interrupt(thread: threading.Thread) -> None:
    """Raise TooSlow in a thread that runs Python code; one that waits in C is left behind."""
    identity = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(TooSlow))
    thread.join(1.0)
