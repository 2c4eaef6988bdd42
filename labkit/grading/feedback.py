"""Feedback: a page a learner, which needs no network and no colours to be understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from labkit.grading.classroom import Report
from labkit.grading.gradebook import by_learner
from labkit.grading.grader import Mark

PASSED, OPEN = "#00563b", "#8a2f00"  # on white 8.9 : 1 and 8.6 : 1
STYLE = f"""body{{font:16px/1.5 sans-serif;color:#222;background:#fff;max-width:50em;
margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse}}td,th{{border:1px solid #767676;padding:.3em .8em;
text-align:left}}pre{{white-space:pre-wrap;background:#f5f5f5;padding:.8em}}
.passed{{color:{PASSED}}}.open{{color:{OPEN}}}img{{max-width:100%;height:auto}}"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Feedback for {name}</title><style>{style}</style></head>
<body><main><h1>Feedback for {name}</h1>
{parts}
</main></body></html>
"""


def write_feedback(reports: Sequence[Report], folder: Path) -> None:
    """Write a page a learner into the folder."""
    folder.mkdir(exist_ok=True)
    taken: set[str] = set()
    for learner, own in by_learner(reports).items():
        name = re.sub(r"[^\w.@+ -]", "_", learner).strip(". ")[:100] or "learner"
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        (folder / f"{name}.html").write_text(page(learner, own), encoding="utf-8", errors="replace")


def page(learner: str, reports: Sequence[Report]) -> str:
    """What came of each task, what was repaired, and the runs that show what is wrong."""
    parts = "\n".join(_part(report) for report in reports)
    return PAGE.format(name=escape(learner), style=STYLE, parts=parts)


def _part(report: Report) -> str:
    lines = [f"<h2>{escape(report.exercise or report.file or 'Nothing')}</h2>"]
    if report.problem:
        lines.append(f"<pre>{escape(report.problem)}</pre>")
    if report.marks:
        rows = "".join(
            f"<tr><td>{escape(mark.title)}</td><td>{_word(mark)}</td>"
            f"<td>{mark.points} of {mark.of}</td></tr>"
            for mark in report.marks
        )
        total = f"{report.points} of {sum(mark.of for mark in report.marks)}"
        head = "<tr><th>Task</th><th>Outcome</th><th>Points</th></tr>"
        foot = f"<tr><th>Together</th><td></td><td>{total}</td></tr>"
        lines.append(f"<table>{head}{rows}{foot}</table>")
    if report.repairs:
        told = "".join(f"<li>{escape(repair)}</li>" for repair in report.repairs)
        lines.append(f"<h3>Repaired in your notebook</h3><ul>{told}</ul>")
    lines += [_task(mark) for mark in report.marks if mark.kind != "passed"]
    return "\n".join(lines)


def _word(mark: Mark) -> str:
    look = "passed" if mark.kind == "passed" else "open"
    return f'<span class="{look}">{mark.sign} {escape(mark.kind)}</span>'


def _task(mark: Mark) -> str:
    look = f"<p>Look: {escape(mark.look)}</p>" if mark.look else ""
    words = f"<pre>{escape(mark.words)}</pre>" if mark.words else ""
    return f"<h3>{escape(mark.title)}: {_word(mark)}</h3>\n{words}{look}{mark.picture}"
