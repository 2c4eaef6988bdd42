"""A form for the guide: its questions with the scales below them, in a notebook or in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from labkit.guide.questions import QUESTIONS, Question, question_of, reply_to
from labkit.guide.weighing import MOST, Advice, weigh

if TYPE_CHECKING:
    import ipywidgets

OPEN = "not answered"


class Form:
    """The questions, to be answered with the mouse, the keyboard, or from code.

        form = Form()
        form.answer(domains="one", where="yes")
        form.advice

    answers, weights: where it begins; as `weigh` takes them. Where no widgets can be shown, there
    are the questions as a table, with what may be answered to each.
    """

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        start = weigh(answers or {}, weights=weights)
        self.answers, self.weights = dict(start.answers), dict(start.weights)
        self._choices: dict[str, ipywidgets.ToggleButtons] = {}
        self._scales: ipywidgets.HTML | None = None
        self._widget: ipywidgets.VBox | None = None

    @property
    def advice(self) -> Advice:
        """What the answers given so far pull towards."""
        return weigh(self.answers, weights=self.weights)

    def answer(self, **answers: str | None) -> Advice:
        """Answer from code: `form.answer(load="peaks")`; None takes an answer back.

        Raises:
            LabError: there is no such question, or no such answer to it.
        """
        for name, answer in answers.items():
            question = question_of(name)
            if answer is not None:
                reply_to(question, answer)
        for name, answer in answers.items():
            self._answered(name, answer)
            if name in self._choices:
                self._choices[name].value = answer or ""
        return self.advice

    def __repr__(self) -> str:
        lines = []
        for question in QUESTIONS:
            lines.append(f"{question.name}: {question.words}")
            for name, reply in question.replies.items():
                mark = "→" if self.answers.get(question.name) == name else " "
                lines.append(f"  {mark} {name:10} {reply.words}")
        return "\n".join([*lines, "", self.advice.words])

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        page = f"<table>{''.join(self._rows())}</table>{self.advice.picture._repr_html_()}"
        return {"text/plain": repr(self), "text/html": page} | self._view(**options)

    def _rows(self) -> Iterator[str]:
        """The questions as a table, for a front-end without widgets."""
        yield _row("th", "name", "question", "what may be answered", "your answer")
        for question in QUESTIONS:
            replies = (f"{name}: {reply.words}" for name, reply in question.replies.items())
            answer = self.answers.get(question.name, OPEN)
            yield _row("td", question.name, question.words, "\n".join(replies), answer)

    def _view(self, **options: Any) -> dict[str, Any]:
        """How a front-end with widgets shows it; nothing where there are none."""
        try:
            self._widget = self._widget or self._build()
        except ImportError:
            return {}
        view = self._widget._repr_mimebundle_(**options) or {}
        return {kind: data for kind, data in view.items() if not kind.startswith("text/")}

    def _build(self) -> ipywidgets.VBox:
        import ipywidgets

        self._scales = ipywidgets.HTML(self.advice.picture._repr_html_())
        return ipywidgets.VBox([*(self._asked(each) for each in QUESTIONS), self._scales])

    def _asked(self, question: Question) -> ipywidgets.VBox:
        """One question: its words, a button for each answer, and how much it weighs."""
        import ipywidgets

        # Buttons, not a list to open: what keys do in a list, JupyterLab takes for itself.
        choice = self._choices[question.name] = ipywidgets.ToggleButtons(
            options=[(OPEN, ""), *((r.words, name) for name, r in question.replies.items())],
            value=self.answers.get(question.name, ""),
            style={"button_width": "auto"},
        )
        weight = ipywidgets.BoundedFloatText(
            value=self.weights.get(question.name, 1),
            min=0,
            max=MOST,
            step=0.5,
            description="weight",
            tooltip=f"How much {question.name} counts",
            layout={"width": "10em"},
        )
        choice.observe(lambda change: self._answered(question.name, change["new"]), "value")
        weight.observe(lambda change: self._weighed(question.name, change["new"]), "value")
        words = ipywidgets.Label(f"{question.name}: {question.words}", layout={"width": "auto"})
        row = ipywidgets.HBox([choice, weight], layout={"flex_flow": "row wrap"})
        return ipywidgets.VBox([words, row])

    def _answered(self, name: str, answer: str | None) -> None:
        self.answers.pop(name, None)
        if answer:
            self.answers[name] = answer
        self._draw()

    def _weighed(self, name: str, weight: float) -> None:
        self.weights[name] = weight
        self._draw()

    def _draw(self) -> None:
        if self._scales is not None:
            self._scales.value = self.advice.picture._repr_html_()


def _row(kind: str, *cells: str) -> str:
    lines = (escape(cell).replace("\n", "<br>") for cell in cells)
    left = f'<{kind} style="text-align: left">'
    return f"<tr>{''.join(f'{left}{line}</{kind}>' for line in lines)}</tr>"
