"""A comparison: the same orders under the same faults in each style, as cards side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from labkit.comparing.style import CHOREOGRAPHED, ORCHESTRATED, Style, day
from labkit.lab import Lab
from labkit.system.errors import LabError
from labkit.system.faults import Fault
from labkit.system.simulation import uncollected
from labkit.views.card import Card, fates, spoken
from labkit.views.charts import Panel, columns
from labkit.views.picture import Picture

BOTH = ORCHESTRATED, CHOREOGRAPHED
TITLE = "What became of a hundred orders"
FOR_A_PERSON = "HumanTaskOpened", "OrderOverdue"
# That they shall come, and that they have: these two messages are none of the shop's.
OF_THE_CUSTOMERS = 2
# A comparison that is done before this shows no progress; on a broker much of it is waiting.
PATIENCE_SECONDS, ON_A_BROKER_SECONDS = 5.0, 30.0


@dataclass(frozen=True, repr=False)
class Result:
    """What came of one style: its card, and how many stuck orders no person was told of."""

    card: Card
    silent: int

    @classmethod
    def of(cls, lab: Lab) -> Result:
        """Count one day."""
        trace = lab.trace
        said = spoken(trace)
        told = {order for order, message in said if message.type in FOR_A_PERSON}
        found = fates(trace, lab.ledger, said)
        stuck = {order for order, fate in found.items() if fate == "stuck"}
        card = Card.counted(trace, lab.ledger, said, found)
        return cls(replace(card, messages=card.messages - OF_THE_CUSTOMERS), len(stuck - told))

    def __add__(self, other: Result) -> Result:
        """Two days as one."""
        one, two = self.card, other.card
        sums = {name: getattr(one, name) + getattr(two, name) for name in SUMMED}
        times = tuple(sorted((*one.times_ms, *two.times_ms)))
        longest = max(one.longest_chain, two.longest_chain)
        return Result(
            Card(**sums, longest_chain=longest, times_ms=times), self.silent + other.silent
        )

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The numbers with their names; the times are virtual, so they are the same each time."""
        card = self.card
        a_message = card.messages / card.orders if card.orders else 0.0
        return [
            ("orders", f"{card.orders:,}"),
            ("confirmed", f"{card.confirmed:,}"),
            ("rejected", f"{card.rejected:,}"),
            ("stuck, a person is told", f"{card.stuck - self.silent:,}"),
            ("stuck, and nobody is told", f"{self.silent:,}"),
            ("doubled", f"{card.doubled:,}"),
            ("messages for an order", f"{a_message:.1f}"),
            ("longest chain", f"{card.longest_chain}"),
            ("half are done within", f"{card.p50_ms / 1000:.1f} s"),
            ("95 of 100 within", f"{card.p95_ms / 1000:.1f} s"),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name:26}{value:>10}" for name, value in self.rows)


# What two days have together.
SUMMED = ("orders", "confirmed", "rejected", "stuck", "doubled", "orphaned", "messages")


@dataclass(frozen=True, repr=False)
class Comparison:
    """What came of each style, by its name; shows itself as cards side by side."""

    results: Mapping[str, Result]

    def __getitem__(self, style: str | Style) -> Result:
        return self.results[style if isinstance(style, str) else style.name]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """What can be counted, without the times: the same in memory and on a broker."""
        names = ("orders", "confirmed", "rejected", "stuck", "doubled", "messages")
        return {
            style: {name: getattr(result.card, name) for name in names}
            for style, result in self.results.items()
        }

    @property
    def picture(self) -> Picture:
        """One column for each style: how a hundred orders ended, and how long most of them took."""
        panels = [
            Panel(name, {f"95 of 100 in {result.card.p95_ms / 1000:.1f} s": _shares(result)})
            for name, result in self.results.items()
        ]
        return columns(panels, "", TITLE)

    def __repr__(self) -> str:
        head = " " * 26 + "".join(f"{name:>16}" for name in self.results)
        rows = zip(*(result.rows for result in self.results.values()), strict=True)
        lines = (f"{row[0][0]:26}" + "".join(f"{value:>16}" for _, value in row) for row in rows)
        return "\n".join([head, *lines])


async def compare(
    *styles: Style,
    orders: int = 500,
    per_second: float = 10.0,
    faults: Iterable[Fault] = (),
    seed: int = 1,
    orders_a_day: int = 500,
    real: bool = False,
    broker: str | None = None,
    progress: Callable[[float], object] | None = None,
) -> Comparison:
    """Let each style have the same orders under the same faults, both if none is named.

    per_second: how many customers come in a second. orders_a_day: these share one lab; the next
    day is a new one, under the next seed. real: on a broker in place of the simulation, where all
    orders have one day; broker: on this one, as `Lab` takes it. progress: told how much is done,
    from 0 to 1; by default a bar is shown where it takes long.

    A fault strikes a service, whoever asks it: so one plan serves all styles. Its dice hang on
    each message, and the styles say different messages; the chances are the same, not the victims.

    Raises:
        LabError: there is nothing to do, or a fault names a service that a style does not have.
    """
    chosen = styles or BOTH
    _must_be_positive(orders=orders, per_second=per_second, orders_a_day=orders_a_day)
    real = real or broker is not None
    days = [orders] if real else list(_days(orders, orders_a_day))
    results: dict[str, Result] = {}
    plan = list(faults)
    patience = ON_A_BROKER_SECONDS if real else PATIENCE_SECONDS
    with _bar(orders * len(chosen), progress, patience) as one_more:
        for style in chosen:
            for number, many in enumerate(days):
                where = {"seed": seed, "broker": broker} if real else {"simulate": seed + number}
                result = await _result(style, many, per_second, one_more, faults=plan, **where)
                known = results.get(style.name)
                results[style.name] = result if known is None else known + result
    return Comparison(results)


async def _result(style: Style, *of_the_day: Any, **lab: Any) -> Result:
    # A lab says in the cell what it could not handle: here it is counted instead.
    with uncollected(), redirect_stdout(io.StringIO()):
        return Result.of(await day(style, *of_the_day, **lab))


def multiples(comparisons: Mapping[object, Comparison], what: str, title: str = TITLE) -> Picture:
    """A small chart for each style: what became of the orders at each value of `what`.

    comparisons: by the value under which each was made, in the order of the columns.
    """
    if not comparisons:
        raise LabError(
            "multiples draws comparisons, and was given none.\n"
            "Give it one for each value: `{0.1: await compare(…), 0.2: …}`."
        )
    styles = next(iter(comparisons.values())).results
    panels = [
        Panel(
            name,
            {
                str(value): _shares(comparison.results[name])
                for value, comparison in comparisons.items()
            },
        )
        for name in styles
    ]
    return columns(panels, what, title)


def _shares(result: Result) -> dict[str, float]:
    """Of a hundred orders: how many ended in which way."""
    card = result.card
    ends = {
        "confirmed": card.confirmed,
        "rejected": card.rejected,
        "stuck, a person knows": card.stuck - result.silent,
        "stuck, nobody knows": result.silent,
    }
    return {name: 100 * many / card.orders for name, many in ends.items()}


def _days(orders: int, orders_a_day: int) -> Iterator[int]:
    for begun in range(0, orders, orders_a_day):
        yield min(orders_a_day, orders - begun)


def _must_be_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        kinds = (int, float) if name == "per_second" else (int,)
        if type(number) not in kinds or not 0 < number < math.inf:
            raise LabError(
                f"compare: {name}={number!r:.60} is no number of orders; write for example 20."
            )


@contextmanager
def _bar(
    total: int, progress: Callable[[float], object] | None, patience: float
) -> Iterator[Callable[[], object]]:
    """How far it has come, told or shown; call it once for each order that is placed."""
    if progress is not None:
        told, done = progress, count(1)
        yield lambda: told(next(done) / total)
        return
    from tqdm.auto import tqdm  # some 50 ms that only those pay who compare

    bar = tqdm(total=total, desc="comparing", unit="order", delay=patience, leave=False)
    try:
        yield lambda: bar.update()
    finally:
        bar.total = bar.n
        bar.close()
