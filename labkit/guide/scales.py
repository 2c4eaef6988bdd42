"""The scales: a weighing as a drawing, one row an answer, one column a style."""

from __future__ import annotations

from labkit.guide.questions import STYLES
from labkit.guide.weighing import Advice, Pull
from labkit.views.picture import BLUE, QUIET, VERMILION, Paper, Picture, num

ROW, BAR, COLUMN, UNIT = 24.0, 12.0, 112.0, 18.0
LEFT, TITLE = 330.0, "Your answers on the scales"


def scales(advice: Advice) -> Picture:
    """How far each answer pulls towards each style, and the sums below."""
    paper, rows, totals = Paper(), advice.rows, advice.totals
    unit = min(
        UNIT, (COLUMN - 40) / max([1.0, *(abs(p) for r in rows for p in r.towards.values())])
    )
    paper.write(0, -34, TITLE, size=13, bold=True)
    _heads(paper)
    for at, row in enumerate(rows):
        _row(paper, at * ROW, row, unit)
    end = len(rows) * ROW
    paper.draw(f'<path d="M0 {num(end)}h{num(LEFT + 3 * COLUMN + 180)}" stroke="#999999"/>')
    paper.write(0, end + 16, "sum", bold=True)
    for at, style in enumerate(STYLES):
        leads = " (tie)" if advice.tie and rows and style in advice.leads else ""
        bold = style in advice.leads and bool(rows)
        paper.write(LEFT + at * COLUMN, end + 16, f"{totals[style]:g}{leads}", bold=bold)
    for at, sentence in enumerate(advice.words.split(". ")):
        paper.write(
            0, end + 40 + at * 17, sentence.rstrip(".") + "." * (sentence[-1] != "?"), most=150
        )
    # No picture here knows the reader's fonts, and theirs may be wider.
    paper.reach(LEFT + len(STYLES) * COLUMN + 210, end)
    return paper.picture(TITLE, _in_words(advice))


def _heads(paper: Paper) -> None:
    for at, style in enumerate(STYLES):
        paper.write(LEFT + at * COLUMN, -12, style, bold=True)
    paper.write(LEFT + len(STYLES) * COLUMN, -12, "seen in", fill=QUIET)


def _row(paper: Paper, y: float, row: Pull, unit: float) -> None:
    times = f" (× {row.weight:g})" if row.weight != 1 else ""
    paper.write(0, y + 11, f"{row.question.name}{times}:", bold=True, most=24)
    paper.write(110, y + 11, row.reply.words, most=38)
    for at, style in enumerate(STYLES):
        _bar(paper, LEFT + at * COLUMN, y, row.towards.get(style, 0), unit)
    paper.write(LEFT + len(STYLES) * COLUMN, y + 11, row.shown_in, fill=QUIET)


def _bar(paper: Paper, x: float, y: float, pull: float, unit: float) -> None:
    if not pull:
        paper.write(x, y + 11, "·", fill=QUIET)
        return
    wide = max(abs(pull) * unit, 1)
    fill = BLUE if pull > 0 else VERMILION
    paper.draw(
        f'<rect x="{num(x)}" y="{num(y + 1)}" width="{num(wide)}" height="{num(BAR)}" '
        f'fill="{fill}"/>'
    )
    paper.write(x + wide + 5, y + 11, f"{pull:g}")


def _in_words(advice: Advice) -> str:
    told = []
    for row in advice.rows:
        pulls = [f"{style} {pull:g}" for style, pull in row.towards.items() if pull]
        told.append(f"{row.question.name}, {row.reply.words}: {', '.join(pulls) or 'no pull'}")
    return ". ".join([TITLE, *told, advice.words])
