"""A picture with the words that tell the same, and the paper on which pictures are drawn."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

# The page is opaque, so that a picture reads the same in a light and in a dark JupyterLab.
PAPER, BOX, INK, QUIET = "#ffffff", "#f0f0ee", "#222222", "#595959"
# Colours that the colour-blind can tell apart (Okabe and Ito 2008); ALARM is their
# vermilion, darkened until it can be read as letters.
BLUE, GREEN, VERMILION, PURPLE, ALARM = "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#A84300"

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
MARGIN = 14


@dataclass(frozen=True)
class Picture:
    """A drawing, and its alternative text for those who can't see it."""

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        # An <img> with a data address is the one form that JupyterLab shows, with its
        # alternative text, in a notebook that was cloned and not yet trusted.
        data = base64.b64encode(self.svg.encode()).decode()
        source = f"data:image/svg+xml;base64,{data}"
        return f'<img alt="{escape(self.alt)}" src="{source}" style="max-width:100%">'

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.alt, "text/html": self._repr_html_()}

    def save(self, path: str | Path) -> None:
        """Write the drawing to an SVG file."""
        Path(path).write_text(self.svg, encoding="utf-8", newline="\n")


class Paper:
    """What has been drawn so far, and how far it reaches; words lie above lines."""

    def __init__(self) -> None:
        self.left = self.right = self.top = self.bottom = 0.0
        self._heads: dict[str, str] = {}
        self._shapes: list[str] = []
        self._words: list[str] = []

    def reach(self, x: float, y: float) -> None:
        """Leave room for this point."""
        self.left, self.right = min(self.left, x), max(self.right, x)
        self.top, self.bottom = min(self.top, y), max(self.bottom, y)

    def draw(self, shape: str, head: tuple[str, str] | None = None) -> None:
        """Add a shape; `head` is the name and the outline of an arrowhead at its end."""
        if head is not None:
            self._heads[head[0]] = head[1]
            # No text can hold a NUL (see `readable`), so it may stand for the figure's own id.
            shape = shape.replace("/>", f' marker-end="url(#\0{head[0]})"/>')
        self._shapes.append(shape)

    def write(
        self,
        x: float,
        y: float,
        words: str,
        anchor: str = "start",
        *,
        size: float = 11,
        fill: str = INK,
        bold: bool = False,
        most: int = 60,
    ) -> None:
        """Add words; a long text is shortened, and a pointer that rests on it is told the rest."""
        words = readable(words)
        short = shorten(words, most)
        wide = width(short, size) * (1.06 if bold else 1)
        start = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        self.reach(start, y - size)
        self.reach(start + wide, y + size / 3)
        look = "" if anchor == "start" else f' text-anchor="{anchor}"'
        look += "" if size == 11 else f' font-size="{num(size)}"'
        look += "" if fill == INK else f' fill="{fill}"'
        look += ' font-weight="600"' if bold else ""
        rest = "" if short == words else f"<title>{escape(_fenced(shorten(words, 2000)))}</title>"
        self._words.append(
            f'<text x="{num(x)}" y="{num(y)}"{look}>{rest}{escape(_fenced(short))}</text>'
        )

    def picture(self, title: str, alt: str) -> Picture:
        """All that was drawn, framed, with its title and the words that tell the same."""
        x, y = self.left - MARGIN, self.top - MARGIN
        wide, high = self.right + MARGIN - x, self.bottom + MARGIN - y
        box = " ".join(map(num, (x, y, wide, high)))
        edge = " ".join(
            f'{name}="{num(value)}"'
            for name, value in zip(
                ("x", "y", "width", "height"), (x + 0.5, y + 0.5, wide - 1, high - 1), strict=True
            )
        )
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{num(wide)}" height="{num(high)}" '
            f'viewBox="{box}" role="img" aria-labelledby="\0t \0d" '
            f'font-family="{FONT}" font-size="11" fill="{INK}">'
            f'<title id="\0t">{escape(title)}</title><desc id="\0d">{escape(alt)}</desc>'
            f"{self._markers()}"
            f'<rect {edge} rx="8" fill="{PAPER}" stroke="#d9d9d9"/>'
            f'<g fill="none">{"".join(self._shapes)}</g>'
            f'<g paint-order="stroke" stroke="{PAPER}" stroke-width="3" stroke-linejoin="round">'
            f"{''.join(self._words)}</g></svg>"
        )
        # Figures may stand in one page, so their ids must differ; a hash keeps them repeatable.
        own = "f" + hashlib.blake2b(svg.encode(), digest_size=4).hexdigest()
        return Picture(svg.replace("\0", own), alt)

    def _markers(self) -> str:
        markers = "".join(
            f'<marker id="\0{name}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="9" '
            f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
            f"{outline}</marker>"
            for name, outline in sorted(self._heads.items())
        )
        return f"<defs>{markers}</defs>" if markers else ""


def readable(text: str) -> str:
    """The text without what would break a picture or reorder what stands around it."""
    return "".join(map(_readable, text))


def told(text: str, most: int = 60) -> str:
    """A text from outside, as a part of an alternative text."""
    return _fenced(shorten(readable(text), most))


def shorten(text: str, most: int) -> str:
    """At most that many characters, an ellipsis for the rest."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def listed(names: Iterable[str]) -> str:
    """The names as one would say them: a, b and c."""
    *others, last = list(names) or [""]
    return f"{', '.join(others)} and {last}" if others else last


def width(text: str, size: float = 11) -> float:
    """How wide a text will be, about: no picture here knows the reader's fonts."""
    return size * sum(_width(sign) for sign in text)


def num(number: float) -> str:
    """A coordinate in as few characters as a tenth of a point needs."""
    return f"{round(number, 1) + 0:g}" if abs(number) < 1e5 else f"{number:.0f}"


def _fenced(text: str) -> str:
    """Isolated (UAX 9) where it runs from right to left, lest it reorder its neighbours."""
    if text.isascii() or not any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in text):
        return text
    return f"\u2068{text}\u2069"


def _readable(sign: str) -> str:
    if " " <= sign <= "~":
        return sign
    kind = unicodedata.category(sign)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind == "Cs" or sign in "\ufffe\uffff":  # no part of XML
        return "\ufffd"
    # Of the invisible signs only the joiners are kept: emoji and Indic scripts need them.
    return "" if kind == "Cf" and sign not in "\u200c\u200d" else sign


def _width(sign: str) -> float:
    if sign in "ijl.,:;'|!()[] ftrI-/":
        return 0.33
    if sign in "mwMW@%—":
        return 0.88
    if unicodedata.combining(sign):
        return 0.0
    if unicodedata.east_asian_width(sign) in "WF":
        return 1.2
    return 0.68 if sign.isupper() else 0.57
