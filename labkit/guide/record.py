"""A decision record: why a system has its style, with the numbers it was decided by, in Markdown.

The form is that of MADR 4.0 (Markdown Architectural Decision Records, adr.github.io/madr), which
grew out of Michael Nygard's "Documenting Architecture Decisions" (2011).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.guide.evidence import Evidence, Table
from labkit.guide.markdown import one_line, table
from labkit.guide.questions import STYLES
from labkit.guide.weighing import Advice, Pull
from labkit.system.errors import LabError
from labkit.system.message import did_you_mean

OPTIONS = {
    "orchestration": "one service directs the others by commands, and knows how far each case is",
    "choreography": "nobody directs; each service reacts to what the others say has happened",
    "hybrid": "events between the domains, and inside a domain with several steps a conductor",
}


@dataclass(frozen=True, repr=False)
class Record:
    """An architecture decision record (ADR); shows itself as Markdown, and can be saved.

    advice: what it rests on. title: what is decided. context: a few sentences about your system.
    decision: a style; where you leave it out, that towards which the answers pull furthest, and in
    a tie none. because: your reason. consequences, look_again: what you add to what the answers
    tell. evidence: by what it shows; a lab, its card or its trace, a comparison, a dict of numbers
    or one number. status, date: as you keep them, for example "accepted" and "2025-05-01".
    """

    advice: Advice
    title: str = "Who directs our services"
    context: str = ""
    decision: str | None = None
    because: str = ""
    consequences: Sequence[str] = ()
    look_again: Sequence[str] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    status: str = "proposed"
    date: str = ""

    def __post_init__(self) -> None:
        if self.decision is not None and self.decision not in STYLES:
            raise LabError(
                f"There is no style {self.decision!r:.60}"
                f"{did_you_mean(str(self.decision), STYLES)}.\n"
                f"Decide for one of {', '.join(STYLES)}, or leave it out."
            )
        for name in ("consequences", "look_again"):
            if isinstance(getattr(self, name), str):
                raise LabError(f'{name} is one text, and should be a list of them: `{name}=["…"]`.')
        if not isinstance(self.evidence, Mapping):
            raise LabError(
                f"evidence is {self.evidence!r:.60}, and should be a dict.\n"
                'Say what each piece shows: `evidence={"both styles on a bad day": cards}`.'
            )
        for name, evidence in self.evidence.items():
            Table.of(name, evidence)  # what can't be read is better known now

    @property
    def chosen(self) -> str | None:
        """The style decided for; None where that is still open."""
        leads = self.advice.leads
        return self.decision or (None if self.advice.tie else leads[0])

    @property
    def markdown(self) -> str:
        """The whole record, as it is saved."""
        head = ["---", f"status: {json.dumps(one_line(self.status), ensure_ascii=False)}"]
        head += [f"date: {one_line(self.date)}"] * bool(self.date)
        return "\n".join([*head, "---", "", self.body])

    @property
    def body(self) -> str:
        """The record without its front matter, which a notebook would take for a heading."""
        return "\n".join(self._lines()).strip() + "\n"

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write it to a file, such as "adr-001.md".

        Raises:
            LabError: there is another text in that file already, or no such folder.
        """
        path, text = Path(path), self.markdown
        if not path.absolute().parent.is_dir():
            raise LabError(f"There is no folder {str(path.parent)!r}: make it first.")
        if path.is_dir():
            raise LabError(f"{path.name} is a folder. Name a file in it, such as adr-001.md.")
        if path.exists() and not overwrite and path.read_bytes() != text.encode():
            raise LabError(
                f"{path.name} is there already, and says something else.\n"
                "A decision that changes gets a record of its own: take the next number. "
                "Or say `overwrite=True`."
            )
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def __repr__(self) -> str:
        return self.markdown

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.markdown, "text/markdown": self.body}

    def _lines(self) -> Iterator[str]:
        yield from (f"# {one_line(self.title)}", "")
        yield from ("## Context and Problem Statement", "")
        yield from filter(None, [self.context.strip()])
        yield from ("", "Several services work on one and the same case. Who says what comes next?")
        yield from ("", "## Decision Drivers", "", *_drivers(self.advice))
        yield from ("", "## Considered Options", "")
        yield from (f"* {style}: {what}" for style, what in OPTIONS.items())
        yield from ("", "## Decision Outcome", "", *self._outcome())
        yield from ("", "### Consequences", "", *self._consequences())
        yield from ("", "## More Information", "", "### When to look again", "")
        yield from self._look_again()
        yield from ("", "### Evidence", "", *self._evidence())

    def _outcome(self) -> Iterator[str]:
        totals = ", ".join(f"{style} {sum:g}" for style, sum in self.advice.totals.items())
        if self.chosen is None:
            yield f"Chosen option: none yet. The answers tie ({totals})."
            return
        because = one_line(self.because).removeprefix("because ").rstrip(".")
        because = because or "the answers pull furthest towards it"
        yield f'Chosen option: "{self.chosen}", because {because} ({totals}).'
        if self.chosen not in self.advice.leads:
            leads = " and ".join(self.advice.leads)
            yield f"\nIt was decided against the sum of the answers, which pull towards {leads}."

    def _consequences(self) -> Iterator[str]:
        style, rows = self.chosen, self.advice.rows
        for row in rows if style else ():
            own, further, most = _furthest(row, style or "")
            if further:
                yield (
                    f"* Bad, because {row.question.name} ({row.reply.words}) pulls further towards "
                    f"{further} ({most:g} against {own:g}): {row.reply.why}"
                )
            elif own > 0:
                reason = f": {row.reply.why}" if row.reply.why else ""
                yield f"* Good, because of {row.question.name} ({row.reply.words}){reason}"
        yield from (f"* {one_line(each)}" for each in self.consequences)
        if not style and not self.consequences:
            yield "* None before something is decided."

    def _look_again(self) -> Iterator[str]:
        for question, answer, leads in self.advice.turns():
            now = " and ".join(leads)
            yield (
                f"* when {question.name} becomes *{question.replies[answer].words}*: "
                f"then the answers pull towards {now}"
            )
        yield from (f"* {one_line(each)}" for each in self.look_again)
        if not self.look_again:
            yield "* when one of the numbers below is no longer what was measured"

    def _evidence(self) -> Iterator[str]:
        if not self.evidence:
            yield "None yet: nothing was measured for this decision."
        for name, evidence in self.evidence.items():
            yield from (f"**{one_line(name)}**", "", *Table.of(name, evidence).lines(), "")


def _furthest(row: Pull, style: str) -> tuple[float, str, float]:
    """How far an answer pulls towards this style; and another one, where that is further."""
    own = row.towards.get(style, 0)
    best = max(STYLES, key=lambda each: row.towards.get(each, 0))
    most = row.towards.get(best, 0)
    return own, (best if most > own else ""), most


def _drivers(advice: Advice) -> Iterator[str]:
    if not advice.rows:
        yield "None yet: no question is answered."
        return
    yield from table(
        ("driver", "answer", "weight", *STYLES, "seen in"),
        [
            (
                row.question.words,
                row.reply.words,
                f"{row.weight:g}",
                *(f"{row.towards.get(style, 0):g}" for style in STYLES),
                row.shown_in,
            )
            for row in advice.rows
        ]
        + [("**sum**", "", "", *(f"**{total:g}**" for total in advice.totals.values()), "")],
    )
