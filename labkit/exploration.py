"""Exploring: the same day under many seeds, and the smallest one that breaks a property."""

from __future__ import annotations

import inspect
import io
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from html import escape
from typing import Any, cast

from labkit.occurrences import Facts, Run
from labkit.system.errors import LabError
from labkit.system.service import reason
from labkit.verdict import Property, Verdict, but_never

Day = Callable[[int], Awaitable[Any]]
# An exploration that is done before this shows no progress.
PATIENCE_SECONDS = 5.0
WRITE = "Write `async def day(seed):`, and in it `async with Lab(…, simulate=seed) as lab:`"


async def explore(
    day: Day, properties: Property | Iterable[Property], *, seeds: Iterable[int] = range(1000)
) -> Explored:
    """Run a day under each seed, and judge what came of it.

        async def day(seed):
            async with Lab(Payment, Shipping, simulate=seed, faults=faults) as lab:
                …
                await lab.quiet()
                return lab

        await explore(day, leads_to(OrderPlaced, OrderConfirmed, OrderRejected))

    properties: one, or several, such as `invariants()`; all must hold. What the runs print is not
    shown, for it would be printed a thousand times; `replay` runs one seed again and shows it.

    Raises:
        LabError: the day is no such function, or it fails under one of the seeds.
    """
    wanted, numbers = _properties(properties), _seeds(seeds)
    _must_take_a_seed(day)
    explored = Explored(day, wanted)
    with _progress(len(numbers)) as one_more:
        for seed in numbers:
            # A lab says in the cell what it could not handle: a thousand would flood it.
            with redirect_stdout(io.StringIO()):
                run = await _run(day, seed)
            explored.take(seed, Facts(run))
            one_more()
    return explored


class Explored:
    """What came of exploring: true where the properties hold under every seed.

    runs: how many schedules were explored. failing: the seeds that break a property, in order.
    smallest: the lowest of them, or None. verdict: that on the smallest seed's run, or None.
    broken: under how many seeds each property is broken. never_occurred: what the properties
    speak of, where it occurred in no run.
    """

    def __init__(self, day: Day, properties: Sequence[Property]) -> None:
        self._day, self._properties = day, properties
        self._unseen = {name: None for p in properties for name in p.spoken}
        self.runs = 0
        self.failing: list[int] = []
        self.verdict: Verdict | None = None
        self.broken: Counter[str] = Counter()

    @property
    def smallest(self) -> int | None:
        return min(self.failing, default=None)

    @property
    def never_occurred(self) -> list[str]:
        return [name.word for name in self._unseen]

    def take(self, seed: int, facts: Facts) -> None:
        """Judge one run, and keep of it no more than is needed."""
        self.runs += 1
        for name in facts.names:
            self._unseen.pop(name, None)
        verdicts = [property.judge(facts) for property in self._properties]
        broken = [verdict for verdict in verdicts if not verdict]
        if broken:
            if self.smallest is None or seed < self.smallest:
                self.verdict = broken[0]
            self.failing.append(seed)
            self.broken.update(verdict.property.words for verdict in broken)

    async def replay(self, seed: int | None = None) -> Any:
        """Run one seed again, the smallest failing one if none is given, and return its lab."""
        if seed is None:
            seed = self.smallest
        if seed is None:
            raise LabError(
                "No schedule failed, so there is none to replay; name a seed: `replay(seed=7)`."
            )
        return await _run(self._day, seed)

    def __bool__(self) -> bool:
        return not self.failing

    def __repr__(self) -> str:
        told = [self._head] + [repr(self.verdict)] * (self.verdict is not None)
        return "\n".join([*told, *self._more])

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        picture = self.verdict._repr_mimebundle_() if self.verdict is not None else {}
        if "text/html" in picture:
            head, *more = (f"<p>{escape(line)}</p>" for line in (self._head, *self._more))
            bundle["text/html"] = "".join([head, picture["text/html"], *more])
        return bundle

    @property
    def _head(self) -> str:
        holding = self.runs - len(self.failing)
        if not self.failing:
            but = but_never(self.never_occurred, " in any of them")
            return f"All {self.runs:,} schedules hold.{but}"
        hold = "holds" if holding == 1 else "hold"
        return (
            f"{holding:,} of {self.runs:,} schedules {hold}. "
            f"Smallest failing seed: {self.smallest}."
        )

    @property
    def _more(self) -> list[str]:
        """The other properties that are broken, under whatever seed."""
        first = self.verdict.property.words if self.verdict is not None else ""
        return [
            f"Also broken under {count:,} {'seed' if count == 1 else 'seeds'}: {words}."
            for words, count in self.broken.items()
            if words != first
        ]


async def _run(day: Day, seed: int) -> Run:
    name = getattr(day, "__name__", "day")
    try:
        begun = day(seed)
        run = await begun if inspect.isawaitable(begun) else None
    except Exception as error:
        raise LabError(
            f"{name}({seed}) failed, and with it the exploration: {reason(error)}\n"
            f"Run `await {name}({seed})` to see it happen; what a fault may bring about, such as "
            "CommandFailed,\nthe day itself must take: `with suppress(CommandFailed):`."
        ) from error
    if not inspect.isawaitable(begun):
        raise LabError(f"explore awaits a day, and {name} is not async.\n{WRITE}.")
    if not (hasattr(run, "trace") and hasattr(run, "ledger")):
        raise LabError(
            f"{name}({seed}) should return its lab, and returned {run!r:.60}.\n"
            "End it with `return lab`, after `await lab.quiet()`."
        )
    return cast(Run, run)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """How far it has come, shown while it lasts, if it lasts; call it once for each seed."""
    from tqdm.auto import tqdm  # some 50 ms that only those pay who explore

    bar = tqdm(total=total, desc="exploring", unit="seed", delay=PATIENCE_SECONDS, leave=False)
    try:
        yield bar.update
    finally:
        bar.total = bar.n  # else a notebook keeps a red bar of what was broken off
        bar.close()


def _properties(given: Property | Iterable[Property]) -> list[Property]:
    several = isinstance(given, Iterable) and not isinstance(given, str)
    properties: list[Any] = list(cast(Iterable[Property], given)) if several else [given]
    strange = [found for found in properties if not isinstance(found, Property)]
    if strange or not properties:
        found = f"{strange[0]!r:.60}" if strange else "an empty list, which all hold"
        raise LabError(
            f"explore judges by one property or a list of them, and was given {found}.\n"
            "For example leads_to(OrderPlaced, OrderConfirmed), or invariants()."
        )
    return properties


def _seeds(given: Iterable[int]) -> list[int]:
    seeds = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if not seeds or not all(isinstance(seed, int) for seed in seeds):
        raise LabError(
            f"explore runs a day once for each of its seeds, and was given seeds={given!r:.60}.\n"
            "Write for example seeds=range(1000)."
        )
    return seeds


def _must_take_a_seed(day: object) -> None:
    try:
        inspect.signature(cast(Day, day)).bind(0)
    except (TypeError, ValueError):
        raise LabError(
            f"explore gives each day its seed, and {getattr(day, '__name__', repr(day)):.60} "
            f"does not take just one.\n{WRITE}."
        ) from None
