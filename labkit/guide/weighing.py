"""A weighing: what each answer pulls towards, the sums, and what would turn them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.guide.questions import QUESTIONS, STYLES, Question, Reply, question_of, reply_to
from labkit.system.errors import LabError
from labkit.system.message import did_you_mean
from labkit.views.picture import listed

if TYPE_CHECKING:
    from labkit.guide.record import Record
    from labkit.views.picture import Picture

Pulls = Mapping[str, float]

# A weight beyond this is no weight but a verdict.
MOST = 100.0


@dataclass(frozen=True)
class Pull:
    """One answer on the scales: how far it pulls towards each style, its weight counted in."""

    question: Question
    answer: str
    weight: float
    towards: Pulls

    @property
    def reply(self) -> Reply:
        """The answer with its reason."""
        return self.question.replies[self.answer]

    @property
    def shown_in(self) -> str:
        """Where you have seen it: lesson and cell."""
        lesson, cell = self.reply.lesson, self.reply.cell
        return f"lesson {lesson[:2]}, {cell}" if lesson else ""


@dataclass(frozen=True, repr=False)
class Advice:
    """Answers on the scales. Shows itself as a picture, and each number in it can be changed.

    It is a sum of weights that somebody has set, and no verdict.
    """

    answers: Mapping[str, str]
    weights: Mapping[str, float]
    pulls: Mapping[str, Mapping[str, Pulls]]
    questions: Sequence[Question] = QUESTIONS

    @property
    def rows(self) -> list[Pull]:
        """What each answer pulls towards, in the order of the questions."""
        return [self._pull(q) for q in self.questions if q.name in self.answers]

    @property
    def totals(self) -> dict[str, float]:
        """The sum of all pulls, by style."""
        # fsum, and then rounded: the order in which they are added must not make a difference.
        return {
            style: round(math.fsum(row.towards.get(style, 0) for row in self.rows), 9)
            for style in STYLES
        }

    @property
    def leads(self) -> tuple[str, ...]:
        """The style towards which the answers pull furthest; several where it is a tie."""
        most = max(self.totals.values())
        return tuple(style for style, total in self.totals.items() if total == most)

    @property
    def tie(self) -> bool:
        """Whether no style is ahead of all others."""
        return len(self.leads) > 1

    def turns(self) -> list[tuple[Question, str, tuple[str, ...]]]:
        """What would turn it: (question, another answer to it, what would lead then)."""
        return [
            (question, other, now)
            for question in self.questions
            if question.name in self.answers
            for other in question.replies
            if (now := self._with({question.name: other}).leads) != self.leads
        ]

    def record(self, title: str = "Who directs our services", **parts: Any) -> Record:
        """A decision record of this weighing; its parts are told at `labkit.guide.Record`."""
        from labkit.guide.record import Record

        return Record(self, title, **parts)

    @property
    def picture(self) -> Picture:
        """The scales as a drawing."""
        from labkit.guide.scales import scales

        return scales(self)

    @property
    def words(self) -> str:
        """What came of it, in one or two sentences."""
        if not self.rows:
            return "Nothing lies on the scales yet: answer a question."
        totals = self.totals
        if self.tie:
            names = listed(self.leads)
            return (
                f"A tie between {names}, at {totals[self.leads[0]]:g} each. "
                "The scales do not decide it: which of your answers weighs more than it does here?"
            )
        others = ", ".join(f"{s} {t:g}" for s, t in totals.items() if s not in self.leads)
        turning = list(dict.fromkeys(question.name for question, _, _ in self.turns()))
        alone = "No other answer to a single question turns it."
        if turning:
            which = turning[0] if len(turning) == 1 else f"one of {listed(turning)}"
            alone = f"Another answer to {which} would turn it."
        return (
            f"The answers pull furthest towards {self.leads[0]}: {totals[self.leads[0]]:g} "
            f"({others}). {alone}"
        )

    def __repr__(self) -> str:
        return "\n".join([*_columns(self._lines()), self.words])

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.picture._repr_html_()}

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield ("question", "your answer", "weight", *STYLES, "seen in")
        for row in self.rows:
            pulls = (f"{row.towards.get(style, 0):g}" for style in STYLES)
            yield (row.question.name, row.answer, f"{row.weight:g}", *pulls, row.shown_in)
        yield ("sum", "", "", *(f"{total:g}" for total in self.totals.values()), "")

    def _pull(self, question: Question) -> Pull:
        answer = self.answers[question.name]
        own = self.pulls.get(question.name, {}).get(answer)
        pulls = question.replies[answer].pulls if own is None else own
        weight = self.weights.get(question.name, 1)
        return Pull(question, answer, weight, {s: weight * pulls.get(s, 0) for s in STYLES})

    def _with(self, answers: Mapping[str, str]) -> Advice:
        return Advice({**self.answers, **answers}, self.weights, self.pulls, self.questions)


def weigh(
    answers: Mapping[str, str],
    *,
    weights: Mapping[str, float] | None = None,
    pulls: Mapping[str, Mapping[str, Pulls]] | None = None,
    questions: Sequence[Question] = QUESTIONS,
) -> Advice:
    """Lay answers on the scales: `weigh({"domains": "one", "where": "yes"})`.

    answers: by the question's name; what you leave out pulls nowhere. weights: how much a question
    counts, 1 where you don't say; 0 leaves it out. pulls: what you hold against the course's own
    numbers: `{"undo": {"several": {"orchestration": 1}}}` takes their place for that answer.

    Raises:
        LabError: there is no such question, answer or style, or a number is none.
    """
    for name, answer in _mapping("answers", answers, '{"domains": "one"}'):
        reply_to(question_of(name, questions), answer)
    for name, weight in _mapping("weights", weights or {}, '{"load": 2}'):
        _must_be_a_weight(f"The weight of {question_of(name, questions).name}", weight, least=0)
    for name, replies in _mapping("pulls", pulls or {}, '{"load": {"peaks": {"hybrid": 2}}}'):
        question = question_of(name, questions)
        for answer, towards in _mapping(f"pulls[{name!r}]", replies, '{"peaks": {"hybrid": 2}}'):
            reply_to(question, answer)
            for style, pull in _mapping(f"{name}, {answer}", towards, '{"hybrid": 2}'):
                _must_be_a_style(style)
                _must_be_a_weight(f"The pull of {name}, {answer}, towards {style}", pull)
    return Advice(dict(answers), dict(weights or {}), dict(pulls or {}), tuple(questions))


def _mapping(what: str, given: object, example: str) -> Iterable[tuple[Any, Any]]:
    if not isinstance(given, Mapping):
        raise LabError(
            f"{what} is {given!r:.60}, and should be a dict.\nWrite for example {example}."
        )
    return given.items()


def _must_be_a_style(style: object) -> None:
    if style not in STYLES:
        raise LabError(
            f"There is no style {style!r:.60}{did_you_mean(str(style), STYLES)}.\n"
            f"There are {', '.join(STYLES)}."
        )


def _must_be_a_weight(what: str, number: object, least: float = -MOST) -> None:
    sound = isinstance(number, int | float) and not isinstance(number, bool)
    if not sound or not least <= number <= MOST:  # type: ignore[operator]
        raise LabError(
            f"{what} is {number!r:.60}.\nIt should be a number from {least:g} to {MOST:g}."
        )


def _columns(lines: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(lines)
    wide = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(wide[at]) if 2 <= at <= 5 else cell.ljust(wide[at])
            for at, cell in enumerate(row)
        )
        yield "  ".join(cells).rstrip()
