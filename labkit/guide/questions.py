"""Questions about a system of your own, and how far each answer pulls towards which style."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labkit.system.errors import LabError
from labkit.system.message import did_you_mean

STYLES = "orchestration", "choreography", "hybrid"

CONDUCTOR = "02-the-conductors-baton"
FLOOR = "03-the-dance-floor"
UNDO = "07-taking-it-back"
BANDS = "11-same-song-two-bands"
HYBRID = "12-the-hybrid"


@dataclass(frozen=True)
class Reply:
    """One answer that can be given.

    pulls: how far it pulls towards a style; what is not named, it does not pull. why: for what
    reason. lesson, cell: where you have seen it.
    """

    words: str
    pulls: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    lesson: str = ""
    cell: str = ""


@dataclass(frozen=True)
class Question:
    """One question, and the answers to it by their short names."""

    name: str
    words: str
    replies: Mapping[str, Reply]


def _conductor(words: str, why: str, lesson: str, cell: str) -> Reply:
    return Reply(words, {"orchestration": 2, "hybrid": 1}, why, lesson, cell)


def _nobody(words: str, why: str, lesson: str, cell: str) -> Reply:
    return Reply(words, {"choreography": 2, "hybrid": 1}, why, lesson, cell)


# One rule for all of them but the first two: an answer pulls by 2, and by half of it towards a
# hybrid, which has what is asked for in one place and not in the other. The first two say whether
# there are two such places at all. The rules of thumb behind them: Yan Cui, "Choreography vs
# Orchestration in the land of serverless" (2020), and the Azure Architecture Center on the
# Choreography and the Saga pattern.
QUESTIONS = (
    Question(
        "domains",
        "How many business domains (bounded contexts) does one transaction cross?",
        {
            "one": Reply(
                "one",
                {"orchestration": 3, "hybrid": -2},
                "one service can know each step, and there is no border to change the style at",
                CONDUCTOR,
                "finished-orchestrator",
            ),
            "several": Reply(
                "several, and each has one step in it",
                {"choreography": 3, "hybrid": 1},
                "a conductor in one domain has to know the services of all the others",
                BANDS,
                "who-knows-whom",
            ),
            "nested": Reply(
                "several, and one of them has several steps inside",
                {"hybrid": 3, "choreography": 1},
                "there is room for both: events between domains, a conductor inside one of them",
                HYBRID,
                "failures-inside",
            ),
        },
    ),
    Question(
        "flow",
        "What is the work like?",
        {
            "commands": _conductor(
                "a few commands in a fixed order",
                "a fixed order of commands is one short method",
                CONDUCTOR,
                "order-orchestrator",
            ),
            "reactions": _nobody(
                "several reactions to the same fact, in no fixed order",
                "who reacts to the same fact does so at once, and waits for nobody",
                FLOOR,
                "first-choreographed-order",
            ),
            "both": Reply(
                "some of each, in different places",
                {"hybrid": 2},
                "each place can have the style that suits it",
                HYBRID,
                "hybrid-day",
            ),
        },
    ),
    Question(
        "where",
        "Must somebody be able to say at once where order o-7 is?",
        {
            "yes": _conductor(
                "yes, at once", "a conductor knows it and can be asked", CONDUCTOR, "where-is-o-7"
            ),
            "no": Reply("no, or not at once"),
        },
    ),
    Question(
        "wait",
        "Does the caller wait for the outcome?",
        {
            "yes": _conductor(
                "yes, the outcome is the answer",
                "a conductor's answer comes when all is done, or says what was refused",
                CONDUCTOR,
                "first-orchestrated-order",
            ),
            "no": _nobody(
                'no, "your order is placed" will do',
                "an event is said and done with; what follows, follows later",
                FLOOR,
                "twenty-orders",
            ),
        },
    ),
    Question(
        "observers",
        "How many services only want to know what happened (mail, points, reports)?",
        {
            "many": _nobody(
                "several, and new ones come",
                "an observer joins, and no service that was there changes",
                BANDS,
                "touched",
            ),
            "few": Reply("one or two, or none"),
        },
    ),
    Question(
        "decision",
        "Is a new step likely that may say no (a check, an approval)?",
        {
            "yes": _conductor(
                "yes",
                "a step that decides touches the conductor alone; without one, its neighbours",
                BANDS,
                "touched",
            ),
            "no": Reply("no"),
        },
    ),
    Question(
        "undo",
        "What must be taken back when a late step fails?",
        {
            "several": _conductor(
                "several steps",
                "the whole way back stands in one place, in reverse",
                UNDO,
                "with-a-saga",
            ),
            "one": Reply("one step"),
            "nothing": _nobody(
                "nothing",
                "without a way back, no service has to listen for what comes after it",
                UNDO,
                "subscriptions",
            ),
        },
    ),
    Question(
        "silence",
        "What does an order cost that is stuck, and nobody notices?",
        {
            "much": _conductor(
                "much: somebody must notice in time",
                "who waits for an answer notices when none comes",
                BANDS,
                "mute",
            ),
            "little": _nobody(
                "little: tomorrow is early enough",
                "patience without end costs nothing where nobody is in a hurry",
                BANDS,
                "cut-off-cards",
            ),
        },
    ),
    Question(
        "load",
        "Does the load outrun what the slowest service can do?",
        {
            "peaks": _nobody(
                "yes, now and then",
                "events wait at the broker; a conductor asks again, and makes the load larger",
                BANDS,
                "by-keyboard",
            ),
            "steady": Reply("no"),
        },
    ),
    Question(
        "outage",
        "Must the others go on while one service is away?",
        {
            "yes": _nobody(
                "yes",
                "what is meant for the one that is away waits for it, and the others go on",
                FLOOR,
                "wake-notification",
            ),
            "no": Reply("no"),
        },
    ),
    Question(
        "audit",
        "Must an auditor be shown the rules of the flow?",
        {
            "yes": _conductor(
                "yes",
                "the order of the steps can be read in one file, before anything runs",
                CONDUCTOR,
                "finished-orchestrator",
            ),
            "no": Reply("no"),
        },
    ),
    Question(
        "teams",
        "Who deploys the services?",
        {
            "one": _conductor(
                "one team, together",
                "a conductor needs an owner who may change it, and here there is one",
                BANDS,
                "who-knows-whom",
            ),
            "many": _nobody(
                "each its own team, on its own day",
                "no service that all the others' plans must pass through",
                BANDS,
                "who-knows-whom",
            ),
        },
    ),
)


def question_of(name: object, questions: Iterable[Question] = QUESTIONS) -> Question:
    """The question of that name; LabError with a near one where there is none."""
    known = {question.name: question for question in questions}
    if name not in known:
        raise LabError(
            f"The guide has no question {name!r:.60}{did_you_mean(str(name), known)}.\n"
            f"It asks about {', '.join(known)}."
        )
    return known[str(name)]


def reply_to(question: Question, answer: object) -> Reply:
    """The answer of that name; LabError with a near one where there is none."""
    if not isinstance(answer, str) or answer not in question.replies:
        there = ", ".join(f"{name!r} ({reply.words})" for name, reply in question.replies.items())
        raise LabError(
            f"{question.name} can't be answered with {answer!r:.60}"
            f"{did_you_mean(str(answer), question.replies)}.\n{question.words}\nAnswer {there}."
        )
    return question.replies[answer]
