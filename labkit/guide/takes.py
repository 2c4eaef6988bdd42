"""Two takes of one order, one from each style, of which one only hears which it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from labkit.lab import Lab
from labkit.music.listening import listen
from labkit.music.recording import Recording, record
from labkit.shop import careful
from labkit.steps import YOU, Step
from labkit.system.errors import LabError
from labkit.system.message import did_you_mean
from labkit.system.service import Service
from labkit.trace import Trace

TAKES = "A", "B"
STYLES = {"orchestrated": careful.OrderOrchestrator, "choreographed": careful.Order}


@dataclass(frozen=True, repr=False)
class Blind:
    """Two takes without their names: `takes["A"]` plays, `takes.reveal()` tells at the end."""

    _styles: Mapping[str, str]
    _traces: Mapping[str, Trace] = field(repr=False)

    def __getitem__(self, take: str) -> Recording:
        return _unnamed(self._trace(take))

    def voices(self, take: str) -> str:
        """The same for those who can't hear: which voice enters after which, without names."""
        steps = [step for step in self._trace(take).steps() if isinstance(step, Step)]
        numbers: dict[str, int] = {}
        for step in steps:
            numbers.setdefault(step.sender, len(numbers))
        order = (str(numbers[step.sender]) for step in steps if step.sender != YOU)
        return f"take {take}: voices {' '.join(order)}"

    def reveal(self, style: str = "orchestrated") -> str:
        """Which take is of this style: "A" or "B"."""
        if style not in STYLES:
            raise LabError(
                f"There is no take of {style!r:.60}{did_you_mean(str(style), STYLES)}.\n"
                f"One is {' and one '.join(STYLES)}."
            )
        return next(take for take, own in self._styles.items() if own == style)

    def trace(self, take: str) -> Trace:
        """What was played; look at it when you have said what you heard."""
        return self._trace(take)

    def _trace(self, take: str) -> Trace:
        if take not in self._traces:
            raise LabError(f"There is no take {take!r:.60}; there are {' and '.join(TAKES)}.")
        return self._traces[take]

    def __repr__(self) -> str:
        return f"Two takes of one order: {' and '.join(TAKES)}."


async def blind(seed: int) -> Blind:
    """Let one order run in each style; the seed's dice say which of them is take A."""
    styles = list(STYLES)
    Random(f"{seed} which take is which").shuffle(styles)
    named = dict(zip(TAKES, styles, strict=True))
    return Blind(named, {take: await _one_order(style) for take, style in named.items()})


async def _one_order(style: str) -> Trace:
    first: type[Service] = STYLES[style]
    goods = (careful.Payment, careful.Inventory, careful.Shipping)
    async with Lab(first, *goods, simulate=1) as lab:
        await lab.call(first.commands["place_order"], order_id="o-1", amount=129_900)
        return await lab.quiet()


def _unnamed(trace: Trace) -> Recording:
    """As it sounds, but for what would give it away: the services' names, and your own drum."""
    music = listen(trace).music
    notes = tuple(note for note in music.notes if note.instrument != "drums")
    return record(replace(music, notes=notes))
