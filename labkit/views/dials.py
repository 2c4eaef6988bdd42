"""Dials: sliders beside a picture, which is made anew for each setting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from labkit.system.errors import LabError
from labkit.system.service import reason
from labkit.views.picture import Picture

if TYPE_CHECKING:
    import ipywidgets

Play = Callable[..., Awaitable[Picture]]


@dataclass(frozen=True)
class Dial:
    """One slider: what it is called, from where to where, in which steps, and where it begins."""

    words: str
    least: float
    most: float
    step: float
    start: float

    def __post_init__(self) -> None:
        if not (self.least <= self.start <= self.most and self.step > 0):
            raise LabError(
                f"The dial {self.words!r} goes from {self.least} to {self.most} in steps of "
                f"{self.step}, and can't begin at {self.start}.\n"
                "Write for example Dial('chance', 0, 0.8, 0.1, start=0.2)."
            )


async def dials(play: Play, **settings: Dial) -> Dials:
    """Sliders for these settings, and the picture that `play` makes of them.

        async def play(chance, progress):
            return multiples({chance: await compare(…, progress=progress)}, "chance")

        await dials(play, chance=Dial("chance that a service can't be asked", 0, 0.8, 0.1, 0.2))

    play: gets each setting by its name, and `progress`, which it may call with a share from 0 to 1.
    Where no widgets can be shown, there is the picture of where the dials begin.
    """
    if not settings:
        raise LabError("dials needs at least one: `await dials(play, chance=Dial(…))`.")
    shown = Dials(play, settings)
    await shown.play()
    return shown


class Dials:
    """The sliders with the picture that belongs to where they stand."""

    def __init__(self, play: Play, settings: Mapping[str, Dial]) -> None:
        self._play, self._settings = play, settings
        self.values = {name: dial.start for name, dial in settings.items()}
        self.picture: Picture | None = None
        self._first: Picture | None = None
        self._widget: ipywidgets.VBox | None = None
        self._tell: Callable[[float], object] = lambda share: None
        self._show: Callable[[str], object] = lambda html: None
        self._playing: asyncio.Task[None] | None = None
        self._stale = False

    async def play(self) -> None:
        """Make the picture of where the dials stand now."""
        self.picture = await self._play(progress=self._tell, **self.values)
        self._first = self._first or self.picture

    async def turn(self, **values: float) -> Picture:
        """Turn dials from the keyboard: `await board.turn(chance=0.4)`; the picture of it."""
        for name, value in values.items():
            dial = self._settings.get(name)
            if dial is None or not dial.least <= value <= dial.most:
                there = ", ".join(
                    f"{n} from {d.least} to {d.most}" for n, d in self._settings.items()
                )
                raise LabError(f"{name}={value!r:.60} is not on these dials. There are: {there}.")
        self.values |= values
        await self.play()
        assert self.picture is not None
        return self.picture

    def __repr__(self) -> str:
        return self._first.alt if self._first else "Dials that nobody has played yet."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        # The still picture is always the first one, so that a stored notebook does not change.
        bundle: dict[str, Any] = dict(self._first._repr_mimebundle_()) if self._first else {}
        return bundle | self._view(**options)

    def _view(self, **options: Any) -> dict[str, Any]:
        """How a front-end with widgets shows it; nothing where there are none."""
        try:
            self._widget = self._widget or self._build()
        except ImportError:
            return {}
        view = self._widget._repr_mimebundle_(**options) or {}
        return {
            kind: data for kind, data in view.items() if kind not in ("text/plain", "text/html")
        }

    def _build(self) -> ipywidgets.VBox:
        import ipywidgets

        bar = ipywidgets.FloatProgress(min=0, max=1, value=1, description="played")
        paper = ipywidgets.HTML(self._html())
        sliders = []
        for name, dial in self._settings.items():
            whole = all(isinstance(n, int) for n in (dial.least, dial.most, dial.step, dial.start))
            kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
            slider = kind(
                value=self.values[name],
                min=dial.least,
                max=dial.most,
                step=dial.step,
                description=dial.words,
                continuous_update=False,  # a run for each pixel would be too many
                style={"description_width": "initial"},
                layout={"width": "40em"},
            )
            slider.observe(lambda change, name=name: self._turned(name, change["new"]), "value")
            sliders.append(slider)

        def tell(share: float) -> None:
            # In steps of a fortieth: each is a message to the browser.
            if share >= bar.value + 0.025 or share in (0.0, 1.0):
                bar.value = share

        self._tell, self._show = tell, lambda html: setattr(paper, "value", html)
        return ipywidgets.VBox([*sliders, bar, paper])

    def _html(self) -> str:
        return self.picture._repr_html_() if self.picture else ""

    def _turned(self, name: str, value: float) -> None:
        """A slider was moved; what is playing just now is played to its end, then anew."""
        self.values[name] = value
        self._stale = True
        if self._playing is None or self._playing.done():
            self._playing = asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        while self._stale:
            self._stale = False
            self._tell(0.0)
            try:
                await self.play()
            except Exception as error:  # nobody awaits this task, so it must be said here
                self._show(f"<pre>{escape(reason(error))}</pre>")
            else:
                self._show(self._html())
            self._tell(1.0)
