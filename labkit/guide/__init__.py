"""The guide: questions about a system of your own, a weighing of the answers, a record of it."""

from labkit.guide.form import Form
from labkit.guide.game_day import Measure, Played, Situation, board
from labkit.guide.questions import QUESTIONS, STYLES, Question, Reply
from labkit.guide.record import Record
from labkit.guide.situations import HYBRID, SITUATIONS
from labkit.guide.takes import Blind, blind
from labkit.guide.weighing import Advice, Pull, weigh

__all__ = [
    "HYBRID",
    "QUESTIONS",
    "SITUATIONS",
    "STYLES",
    "Advice",
    "Blind",
    "Form",
    "Measure",
    "Played",
    "Pull",
    "Question",
    "Record",
    "Reply",
    "Situation",
    "blind",
    "board",
    "weigh",
]
