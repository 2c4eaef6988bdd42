"""Game day: six situations, of which one chooses a style first and then lets all of them play."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.comparing import BOTH, Style
from labkit.guide.evidence import told

Number = float | None
Play = Callable[[Style], Awaitable[Sequence[Number]]]


@dataclass(frozen=True)
class Measure:
    """What is measured, and whether more of it is better, or less."""

    words: str
    better: Literal["more", "less"]

    def best(self, numbers: Mapping[str, Number]) -> tuple[str, ...]:
        """Who has the best number; None is "never", and worse than any."""
        known = {name: number for name, number in numbers.items() if number is not None}
        if not known:
            return tuple(numbers)
        best = max(known.values()) if self.better == "more" else min(known.values())
        return tuple(name for name, number in known.items() if number == best)


@dataclass(frozen=True)
class Situation:
    """Something that happens to a shop.

    asks: what the bet is about; it is the first of the measures. play: one style's numbers, in the
    order of the measures.
    """

    name: str
    story: str
    asks: str
    measures: Sequence[Measure]
    play: Play

    async def played(self, *styles: Style) -> Played:
        """Let each style play it, both if none is named."""
        found = {style.name: await self._numbers(style) for style in styles or BOTH}
        return Played(self, found)

    async def _numbers(self, style: Style) -> Mapping[str, Number]:
        numbers = await self.play(style)
        return {m.words: number for m, number in zip(self.measures, numbers, strict=True)}

    def __repr__(self) -> str:
        return f"{self.name}: {self.story}\n  {self.asks}"


@dataclass(frozen=True, repr=False)
class Played:
    """What each style made of a situation: by style, the numbers by what was measured."""

    situation: Situation
    found: Mapping[str, Mapping[str, Number]]

    def best(self, measure: Measure | None = None) -> str:
        """Which style has the best number, by default in what was asked; "all" where it is equal.

        It says so of this number in this situation, and of nothing else.
        """
        return " and ".join(self._ahead(measure or self.situation.measures[0])) or "all"

    def _ahead(self, measure: Measure) -> tuple[str, ...]:
        best = measure.best({style: each[measure.words] for style, each in self.found.items()})
        return best if len(best) < len(self.found) else ()

    def starred(self, measure: Measure) -> list[str]:
        """Its numbers in words, one a style; the better one has a star."""
        ahead = self._ahead(measure)
        return [
            f"{told(numbers[measure.words])}{'*' if style in ahead else ' '}"
            for style, numbers in self.found.items()
        ]

    def __repr__(self) -> str:
        wide = max(len(measure.words) for measure in self.situation.measures)
        broad = max(13, *map(len, self.found)) + 2
        lines = [" " * wide + "".join(f"{style:>{broad}}" for style in self.found)]
        for measure in self.situation.measures:
            numbers = (told(each[measure.words]) for each in self.found.values())
            lines.append(f"{measure.words:{wide}}" + "".join(f"{n:>{broad}}" for n in numbers))
        return "\n".join(lines)


def board(played: Sequence[Played]) -> Board:
    """All numbers of a game day, a line each; the better one has a star."""
    return Board(tuple(played))


@dataclass(frozen=True, repr=False)
class Board:
    """What was measured in several situations; no sum, for who would know the weights?"""

    played: Sequence[Played]

    def __repr__(self) -> str:
        rows = list(self._rows())
        wide = [max(len(row[at]) for row in rows) for at in range(2)] if rows else [0, 0]
        broad = max([14, *(len(cell) for row in rows for cell in row[2:])]) + 2
        return "\n".join(
            f"{name:{wide[0]}}  {measure:{wide[1]}}" + "".join(f"{n:>{broad}}" for n in numbers)
            for name, measure, *numbers in rows
        )

    def _rows(self) -> Iterator[tuple[str, ...]]:
        if self.played:
            yield ("situation", "measured", *(f"{style} " for style in self.played[0].found))
        for each in self.played:
            for at, measure in enumerate(each.situation.measures):
                name = "" if at else each.situation.name
                yield (name, measure.words, *each.starred(measure))
