"""What an engine of durable execution promises, whichever one it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from labkit.system import errors
from labkit.system.errors import CommandFailed, LabError

T = TypeVar("T")


class Twin(LabError):
    """Two executors of one name: only one of them may go on, and what was begun stays begun."""


class OtherVersion(LabError):
    """A run that began under another version of its workflow; it stays open."""


class OtherCode(LabError):
    """A run whose recorded steps are not those that its workflow asks for; it stays open."""


class Run(Protocol):
    """One run of a workflow, as the workflow sees it; what has happened in it is recalled."""

    @property
    def id(self) -> str:
        """Which run it is, such as an order's id."""

    async def step(self, name: str, do: Callable[[str], Awaitable[T]]) -> T:
        """Do something to the world, write down what came of it, and never do it again after that.

        do: is given the step's idempotency key, the same each time. It may be called twice: who
        dies before the answer is written does not know that it was done. Answers are JSON.

        Raises:
            CommandFailed: the step failed, as it did the first time.
            OtherCode: another step was recorded in this place.
            Twin: another executor has taken over.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait until that long after this was reached first; a new process waits for the rest."""

    async def sleep_until(self, when: float) -> None:
        """Wait until then, in seconds since 1970, or of a simulation's own clock."""

    async def patched(self, name: str) -> bool:
        """Whether this run goes the new way; one that was past this place before does not."""


Workflow = Callable[..., Awaitable[Any]]


class Engine(Protocol):
    """Brings runs of workflows to their end, through any death of its process.

    A workflow is `async def place_order(run, **given)`. It touches the world in steps only, and is
    otherwise the same each time: no clock, no dice, no file.
    """

    async def run(self, workflow: Workflow, id: str, /, **given: Any) -> Any:
        """Begin a run, or go on with the one of that id; return its answer, also a second time.

        Raises:
            CommandFailed: the workflow has ended with it.
            OtherVersion: it began under another version.
            LabError: the engine's database can't be used.
        """

    async def recover(self, *workflows: Workflow) -> dict[str, Any]:
        """Bring on all runs of these workflows that have not ended; the answer, or the error, each.

        Those of another version stay as they are, see `waiting`.
        """

    async def waiting(self) -> dict[str, str]:
        """The runs that have not ended, each with the version under which it began."""

    async def close(self) -> None:
        """Let go of the database; what has not ended stays in it."""


def name_of(workflow: Workflow) -> str:
    """How a workflow is called in the database."""
    return str(getattr(workflow, "__name__", workflow))


async def outcome(work: Awaitable[Any]) -> str:
    """How it ended, as a text to be kept: with an answer, or with a failure that is an answer too.

    Any other error is nothing that the world has said: it goes through, and nothing is written.
    """
    try:
        ended = {"answer": await work}
    except CommandFailed as failure:
        ended = {"failure": type(failure).__name__, "words": str(failure)}
    return as_json(ended)


def as_json(value: dict[str, Any]) -> str:
    """As it is kept; LabError where JSON has no word for it."""
    try:
        return json.dumps(value)
    except TypeError as error:
        raise LabError(
            f"What a workflow is given, and what a step or workflow answers, is written down, and "
            f"{value!s:.60} can't be ({error}).\nUse numbers, texts, lists and dicts."
        ) from None


def told(text: str) -> Any:
    """The answer that was kept, or the failure, raised again."""
    kept = json.loads(text)
    if "failure" not in kept:
        return kept["answer"]
    kind = getattr(errors, kept["failure"], CommandFailed)
    raise kind(kept["words"])


def other_code(run: str, number: int, recorded: str, asked: str) -> OtherCode:
    return OtherCode(
        f"{run}: its step {number} was {recorded!r}, and the workflow asks for {asked!r} there.\n"
        "The code has changed under a run that had begun. The run stays as it is: bring it on with "
        "the code under which it began, or put the change behind `if await run.patched(…):`."
    )


def other_version(run: str, began: str, ours: str) -> OtherVersion:
    return OtherVersion(
        f"{run} began under version {began!r}, and this engine has version {ours!r}.\n"
        f"The run stays as it is: start an engine with version={began!r} to bring it to its end."
    )
