"""The guide: what comes of answers, and why; what changes nothing; what is no answer."""

import random
import re
import sys
from pathlib import Path

import pytest

from labkit import LabError
from labkit.guide import QUESTIONS, STYLES, Form, weigh

COURSE = Path(__file__).parent.parent.parent / "course"
LESSONS = {path.stem: path.read_text(encoding="utf-8") for path in COURSE.glob("[0-9]*.md")}

# Each with the reason for which it should come out so.
CASES = [
    # the seed's rules of thumb, and its examples
    ("within a bounded context", {"domains": "one"}, {"orchestration"}),
    ("simple, command-based workflow", {"flow": "commands"}, {"orchestration"}),
    ("between business domains", {"domains": "several"}, {"choreography"}),
    ("high scalability is needed", {"load": "peaks"}, {"choreography"}),
    ("resilience is needed", {"outage": "yes"}, {"choreography"}),
    (
        "between domains, and it must bear load and outages",
        {"domains": "several", "load": "peaks", "outage": "yes"},
        {"choreography"},
    ),
    (
        "Order's event is consumed by Shipping, which has a workflow of its own inside",
        {"domains": "nested", "flow": "both"},
        {"hybrid"},
    ),
    (
        "the studio album: a score, and the Maestro knows where they are",
        {"domains": "one", "flow": "commands", "where": "yes", "wait": "yes", "teams": "one"},
        {"orchestration"},
    ),
    (
        "the jam session: they react, and one may need a moment without the song stopping",
        {"flow": "reactions", "wait": "no", "outage": "yes", "teams": "many", "undo": "nothing"},
        {"choreography"},
    ),
    # systems of other kinds
    (
        "a loan: an auditor, a way back, and checks that come and go",
        {"domains": "one", "audit": "yes", "undo": "several", "decision": "yes", "load": "peaks"},
        {"orchestration"},
    ),
    (
        "news for whoever wants them: many listen, nobody waits, nothing is taken back",
        {"observers": "many", "wait": "no", "undo": "nothing", "silence": "little"},
        {"choreography"},
    ),
    (
        "a shop of several teams with forces on both sides, and a place for each",
        {
            "domains": "nested",
            "flow": "both",
            "where": "yes",
            "wait": "no",
            "observers": "many",
            "decision": "yes",
            "undo": "several",
            "silence": "much",
            "load": "peaks",
            "outage": "yes",
            "audit": "no",
            "teams": "many",
        },
        {"hybrid"},
    ),
    (
        "room for both, but every other answer asks for a conductor",
        {
            "domains": "nested",
            "flow": "commands",
            "where": "yes",
            "wait": "yes",
            "undo": "several",
            "silence": "much",
            "audit": "yes",
        },
        {"orchestration"},
    ),
    (
        "room for both, but every other answer asks for events",
        {"domains": "nested", "outage": "yes", "load": "peaks", "wait": "no"},
        {"choreography"},
    ),
    # ties
    ("as much to know as to bear", {"where": "yes", "load": "peaks"}, set(STYLES)),
    (
        "room for a conductor inside, and as much that asks for none at all",
        {"domains": "nested", "outage": "yes", "load": "peaks"},
        {"choreography", "hybrid"},
    ),
    ("all that is asked pulls nowhere", {"audit": "no", "load": "steady"}, set(STYLES)),
    ("nothing is answered", {}, set(STYLES)),
]


@pytest.mark.parametrize(("why", "answers", "leads"), CASES, ids=[case[0] for case in CASES])
def test_what_comes_of_answers(why, answers, leads):
    advice = weigh(answers)
    assert set(advice.leads) == leads, f"{why}\n{advice}"
    assert advice.tie == (len(leads) > 1)


def test_each_style_comes_out_somewhere_and_so_does_a_tie():
    assert {frozenset(leads) for _, _, leads in CASES} >= {
        *(frozenset({style}) for style in STYLES),
        frozenset(STYLES),
    }


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_questions_and_of_the_answers_changes_nothing(seed):
    dice = random.Random(seed)
    answers = {q.name: dice.choice(list(q.replies)) for q in QUESTIONS}
    weights = {q.name: dice.choice([0, 0.1, 0.2, 0.3, 0.7, 1, 3]) for q in QUESTIONS}
    advice = weigh(answers, weights=weights)
    for _ in range(10):
        mixed, asked = list(answers.items()), list(QUESTIONS)
        dice.shuffle(mixed)
        dice.shuffle(asked)
        other = weigh(dict(mixed), weights=weights, questions=asked)
        assert (other.totals, other.leads) == (advice.totals, advice.leads)
        assert {q.name for q, _, _ in other.turns()} == {q.name for q, _, _ in advice.turns()}
    assert repr(weigh(dict(mixed), weights=weights)) == repr(advice)


def test_a_tie_says_so_and_names_who_ties():
    told = repr(weigh({"where": "yes", "load": "peaks"}))
    assert "A tie between orchestration, choreography and hybrid, at 2 each" in told


def test_weights_that_only_rounding_tells_apart_tie():
    advice = weigh({"where": "yes", "wait": "yes", "load": "peaks"}, weights={
        "where": 0.1, "wait": 0.2, "load": 0.3,
    })  # fmt: skip
    assert 0.1 * 2 + 0.2 * 2 != 0.3 * 2
    assert set(advice.leads) >= {"orchestration", "choreography"}


def test_nothing_answered_is_no_advice():
    assert "Nothing lies on the scales" in repr(weigh({}))


def test_a_weight_turns_the_scales_and_so_does_a_pull_of_ones_own():
    answers = {"where": "yes", "load": "peaks"}
    assert weigh(answers, weights={"where": 2}).leads == ("orchestration",)
    assert weigh(answers, weights={"where": 0}).leads == ("choreography",)
    own = {"where": {"yes": {"hybrid": 3}}}
    assert weigh(answers, pulls=own).leads == ("hybrid",)
    assert weigh(answers).tie, "what was argued once is not kept"


def test_each_number_that_is_weighed_is_shown():
    told = repr(weigh({"undo": "several"}, weights={"undo": 2.5}))
    line = next(line for line in told.splitlines() if line.startswith("undo"))
    assert line.split()[1:6] == ["several", "2.5", "5", "0", "2.5"]
    assert line.endswith("lesson 07, with-a-saga")


def test_what_would_turn_it_does_turn_it():
    answers = {"domains": "nested", "flow": "both", "where": "yes", "load": "peaks"}
    advice = weigh(answers)
    turns = advice.turns()
    assert turns
    for question, other, leads in turns:
        assert weigh({**answers, question.name: other}).leads == leads != advice.leads


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.name)
def test_what_pulls_says_why_and_was_seen_in_a_lesson(question):
    for reply in question.replies.values():
        assert bool(reply.pulls) == bool(reply.why) == bool(reply.cell)
        assert set(reply.pulls) <= set(STYLES)
        if reply.cell:
            assert re.search(rf"^:id: {reply.cell}$", LESSONS[reply.lesson], re.MULTILINE)


def test_both_styles_have_as_many_questions_that_pull_towards_them():
    def asked(style: str) -> int:
        return sum(
            any(reply.pulls.get(style) == 2 for reply in q.replies.values()) for q in QUESTIONS
        )

    assert abs(asked("orchestration") - asked("choreography")) <= 1


def test_without_a_border_there_is_no_hybrid():
    dice = random.Random(1)
    for _ in range(500):
        answers = {q.name: dice.choice(list(q.replies)) for q in QUESTIONS}
        assert "hybrid" not in weigh({**answers, "domains": "one"}).leads


BAD = [
    ({"domain": "one"}, {}, "did you mean domains?"),
    ({3: "one"}, {}, "no question 3"),
    ({"domains": "nestd"}, {}, "did you mean nested?"),
    ({"where": True}, {}, "'yes' (yes, at once)"),
    ({"where": None}, {}, "can't be answered with None"),
    ({"where": ["yes"]}, {}, "can't be answered with ['yes']"),
    (["where"], {}, "should be a dict"),
    ({}, {"weights": {"loud": 1}}, "did you mean load?"),
    ({}, {"weights": {"load": "much"}}, "The weight of load is 'much'"),
    ({}, {"weights": {"load": -1}}, "from 0 to 100"),
    ({}, {"weights": {"load": float("nan")}}, "The weight of load is nan"),
    ({}, {"weights": {"load": True}}, "The weight of load is True"),
    ({}, {"weights": 3}, "weights is 3"),
    ({}, {"pulls": {"load": {"peak": {}}}}, "did you mean peaks?"),
    ({}, {"pulls": {"load": {"peaks": 2}}}, "should be a dict"),
    ({}, {"pulls": {"load": {"peaks": {"choregraphy": 2}}}}, "did you mean choreography?"),
    ({}, {"pulls": {"load": {"peaks": {"hybrid": "2"}}}}, "towards hybrid is '2'"),
]


@pytest.mark.parametrize(("answers", "more", "told"), BAD)
def test_what_is_no_answer_is_told_with_what_would_be_one(answers, more, told):
    with pytest.raises(LabError, match=re.escape(told)):
        weigh(answers, **more)


def test_the_picture_tells_all_that_the_table_tells():
    advice = weigh({"domains": "nested", "load": "peaks"}, weights={"load": 2})
    alt = advice.picture.alt
    assert "load, yes, now and then: choreography 4, hybrid 2" in alt
    assert advice.words in alt
    for sentence in advice.words.split(". "):
        assert sentence.rstrip(".") in advice.picture.svg.split("</desc>")[1]
    assert "<img alt=" in advice._repr_mimebundle_()["text/html"]


# The form.


def test_a_form_can_be_answered_from_code_and_says_the_same_in_words():
    form = Form({"where": "yes"})
    assert form.answer(load="peaks").tie
    assert form.answer(load=None).leads == ("orchestration",)
    assert form.answers == {"where": "yes"}
    assert "→ yes        yes, at once" in repr(form)
    for question in QUESTIONS:
        assert question.words in repr(form)


def test_a_form_takes_no_wrong_answer_and_keeps_the_right_ones():
    form = Form({"where": "yes"})
    with pytest.raises(LabError, match=r"did you mean peaks\?"):
        form.answer(where="no", load="peak")
    assert form.answers == {"where": "yes"}
    with pytest.raises(LabError, match="no question 'loud'"):
        Form({"loud": "yes"})


def test_what_is_chosen_in_the_form_moves_the_scales_below_it():
    form = Form()
    assert "application/vnd.jupyter.widget-view+json" in form._repr_mimebundle_()
    before = form._scales.value
    form._choices["load"].value = "peaks"
    assert form.advice.leads == ("choreography",)
    assert form._scales.value != before
    form.answer(load="steady")
    assert form._choices["load"].value == "steady"


def test_without_widgets_the_questions_can_be_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    bundle = Form({"where": "yes"})._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    page = bundle["text/html"]
    assert page.count("<tr>") == 1 + len(QUESTIONS)
    assert all(f"{name}: " in page for q in QUESTIONS for name in q.replies)
    assert ">yes</td>" in page
    assert '<img alt="Your answers on the scales.' in page


def test_every_answer_of_every_question_can_be_weighed():
    assert 10 <= len({question.name for question in QUESTIONS}) == len(QUESTIONS) <= 14
    for question in QUESTIONS:
        for reply in question.replies:
            assert weigh({question.name: reply}).rows[0].answer == reply
