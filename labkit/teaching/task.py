"""A task: what a learner writes, the runs that try it, and what must be true of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from labkit.system.errors import LabError
from labkit.system.message import did_you_mean
from labkit.verdict import Property

LEAST_HINTS = LEAST_WRONG = 3


_on_a_broker: ContextVar[bool] = ContextVar("on_a_broker", default=False)


def where(seed: int) -> dict[str, Any]:
    """Where the lab of a day is: `Lab(…, **where(seed))`; in memory, or on the lab's own broker."""
    return {"broker": "embedded", "seed": seed} if _on_a_broker.get() else {"simulate": seed}


@contextmanager
def on_a_broker() -> Iterator[None]:
    """Days that begin in here have a real broker."""
    token = _on_a_broker.set(True)
    try:
        yield
    finally:
        _on_a_broker.reset(token)


class Answers:
    """What a learner has defined, by its name: `answers.Payment`."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._names:
            raise AttributeError(f"nothing is called {name}")
        return self._names[name]


Day = Callable[[Answers, int], Awaitable[Any]]


@dataclass(frozen=True)
class Claim:
    """One thing that must be true of what came of a run.

    expected: in plain words. holds: a property of the run, or a function that says what is wrong,
    "" where nothing is. look: what to look at next where it is broken; or a function of the run,
    where that depends on the mistake.
    """

    expected: str
    holds: Property | Callable[[Any], str]
    look: str | Callable[[Any], str]


@dataclass(frozen=True)
class Trial:
    """A day that the learner's services have, under some seeds.

    day: gets the answers and a seed, and returns a lab or any value. claims: in the order in which
    a learner should hear of them. real: whether the first seed has a day on a real broker as well,
    so that nothing passes in memory that would fail there; for days in which nobody waits for long.
    """

    day: Day
    claims: Sequence[Claim]
    seeds: Sequence[int] = range(4)
    real: bool = False


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that people make, as code; and words that the message to them must hold."""

    code: str
    message: str


@dataclass(frozen=True)
class Task:
    """id: stays for ever. names: what the learner's cell defines. others: further right answers.

    hints: a question; where to look; nearly the line. why: what one may take along from it.
    """

    id: str
    title: str
    points: int
    names: Sequence[str]
    trials: Sequence[Trial]
    hints: Sequence[str]
    wrong: Sequence[WrongAnswer]
    why: str
    others: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.hints) < LEAST_HINTS or len(self.wrong) < LEAST_WRONG:
            raise LabError(
                f"The task {self.id} needs {LEAST_HINTS} hints and {LEAST_WRONG} wrong answers; "
                f"it has {len(self.hints)} and {len(self.wrong)}."
            )


def exercises() -> dict[str, Sequence[Task]]:
    """All tasks, by the exercise in which they stand."""
    package = import_module("labkit.teaching.exercises")
    names = sorted(module.name for module in iter_modules(package.__path__))
    return {name: import_module(f"{package.__name__}.{name}").TASKS for name in names}


def task_of(id: str) -> Task:
    """The task of that id; LabError with a near one where there is none."""
    known = {task.id: task for tasks in exercises().values() for task in tasks}
    if id not in known:
        raise LabError(
            f"There is no task {id!r}{did_you_mean(str(id), known)}.\n"
            f"There are: {', '.join(known)}."
        )
    return known[id]
