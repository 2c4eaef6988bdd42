"""Exercise 00: react and publish, answer or refuse, read a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from labkit.lab import Lab
from labkit.system.errors import CommandFailed, LabError
from labkit.system.message import Event, Message
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where


class NotePlayed(Event):
    note: str
    octave: int


GIVEN_EVENTS = """
class NotePlayed(Event):
    note: str
    octave: int

class NoteAnswered(Event):
    note: str
    octave: int
"""


# answer-a-note


PLAYED = [("A", 4), ("E", 3), ("D", 5)]


async def three_notes(answers: Answers, seed: int) -> Lab:
    async with Lab(answers.Flute, **where(seed)) as lab:
        for note, octave in PLAYED:
            await lab.publish(NotePlayed(note=note, octave=octave))
        await lab.quiet(at_most_messages=40)
    return lab


def answered(lab: Lab) -> list[Message]:
    return lab.trace.sent("NoteAnswered", by="Flute")


def listens(lab: Lab) -> str:
    return "" if "Flute" in lab.trace.listeners("NotePlayed") else "NotePlayed was heard by nobody"


def hears_itself(lab: Lab) -> str:
    own = lab.trace.sent("NotePlayed", by="Flute")
    return f"you played {len(PLAYED)} notes, and Flute {len(own)} more of them" if own else ""


def one_answer_each(lab: Lab) -> str:
    causes = [message.causationid for message in answered(lab)]
    notes = lab.trace.sent("NotePlayed", by="you")
    times = [causes.count(note.id) for note in notes]
    if times == [1] * len(PLAYED) and len(causes) == len(PLAYED):
        return ""
    return f"Flute said NoteAnswered {len(causes)} times for {len(PLAYED)} notes"


def how_it_answers(lab: Lab) -> str:
    if len(answered(lab)) > len(PLAYED):
        return "how often the method comes to `publish` for one note"
    return "what the method does with the event that it makes: `await self.publish(…)` tells it"


def an_octave_higher(lab: Lab) -> str:
    for (note, octave), said in zip(PLAYED, _in_order(lab), strict=True):
        wanted = {"note": note, "octave": octave + 1}
        if said != wanted:
            told = f"{said.get('note')}{said.get('octave')}"
            return f"{note}{octave} was played, and Flute answered {told}"
    return ""


def _in_order(lab: Lab) -> list[dict[str, Any]]:
    """What was answered to each note, in the order in which the notes were played."""
    by_cause = {message.causationid: dict(message.data) for message in answered(lab)}
    return [by_cause[note.id] for note in lab.trace.sent("NotePlayed", by="you")]


ANSWER_A_NOTE = Task(
    id="answer-a-note",
    title="A flute that answers",
    points=2,
    names=["Flute"],
    trials=[
        Trial(
            three_notes,
            [
                Claim(
                    "Flute listens to NotePlayed",
                    listens,
                    "the line above the method: it says to which event the method reacts",
                ),
                Claim(
                    "Flute plays no note of its own",
                    hears_itself,
                    "the event that it publishes: who listens to that one?",
                ),
                Claim("each note is answered once", one_answer_each, how_it_answers),
                Claim(
                    "the answer is the same note, one octave higher",
                    an_octave_higher,
                    "the two fields of the event that you make, and where each is taken from",
                ),
            ],
            seeds=range(3),
            real=True,
        )
    ],
    hints=[
        "What must the lab know before it can hand a note to Flute, and what must Flute do so "
        "that others hear of its answer?",
        "Echo in lesson 00 does nearly the same: `@on(…)` above the method, `await "
        "self.publish(…)` in it. The event comes as the argument, with its fields as attributes.",
        "`await self.publish(NoteAnswered(note=played.note, octave=played.octave + 1))`",
    ],
    wrong=[
        WrongAnswer(  # nobody tells the lab
            GIVEN_EVENTS
            + """
class Flute(Service):
    async def answer(self, played):
        await self.publish(NoteAnswered(note=played.note, octave=played.octave + 1))
""",
            "NotePlayed was heard by nobody",
        ),
        WrongAnswer(  # an event is no command
            GIVEN_EVENTS
            + """
class Flute(Service):
    @command
    async def answer(self, note: str, octave: int):
        await self.publish(NoteAnswered(note=note, octave=octave + 1))
""",
            "NotePlayed was heard by nobody",
        ),
        WrongAnswer(  # a storm
            GIVEN_EVENTS
            + """
class Flute(Service):
    @on(NotePlayed)
    async def answer(self, played):
        await self.publish(NotePlayed(note=played.note, octave=played.octave + 1))
""",
            "who listens to that one?",
        ),
        WrongAnswer(  # an event is not returned
            GIVEN_EVENTS
            + """
class Flute(Service):
    @on(NotePlayed)
    async def answer(self, played):
        return NoteAnswered(note=played.note, octave=played.octave + 1)
""",
            "what the method does with the event that it makes",
        ),
        WrongAnswer(  # the await is forgotten
            GIVEN_EVENTS
            + """
class Flute(Service):
    @on(NotePlayed)
    async def answer(self, played):
        self.publish(NoteAnswered(note=played.note, octave=played.octave + 1))
""",
            "what the method does with the event that it makes",
        ),
        WrongAnswer(
            GIVEN_EVENTS
            + """
class Flute(Service):
    @on(NotePlayed)
    async def answer(self, played):
        await self.publish(NoteAnswered(note=played.note, octave=played.octave + 1))
        await self.publish(NoteAnswered(note=played.note, octave=played.octave + 1))
""",
            "how often the method comes to `publish`",
        ),
        WrongAnswer(
            GIVEN_EVENTS
            + """
class Flute(Service):
    @on(NotePlayed)
    async def answer(self, played):
        await self.publish(NoteAnswered(note="A", octave=5))
""",
            "where each is taken from",
        ),
    ],
    others=[
        GIVEN_EVENTS
        + """
class Flute(Service):
    @on(NotePlayed)
    async def higher(self, event: NotePlayed) -> None:
        higher = event.model_dump() | {"octave": event.octave + 1}
        await self.publish(NoteAnswered(**higher))
""",
        GIVEN_EVENTS
        + """
class Flute(Service):
    up = 1

    @on(NotePlayed)
    async def hear(self, played):
        await self.play(played.note, played.octave + self.up)

    async def play(self, note, octave):
        await self.publish(NoteAnswered(note=note, octave=octave))
""",
    ],
    why="A service reacts to what has happened and tells what happened then. It knows neither who "
    "played nor who listens. It should not publish what it reacts to itself: then each message "
    "leads to the next one, and nothing ends it.",
)


# a-note-it-does-not-know


FREQUENCIES = {"A": 440.0, "E": 329.6, "D": 293.7}
UNKNOWN = ("H", "Cis")
ASKED = ("A", "H", "E", "Cis", "D")

GIVEN_FREQUENCIES = """
FREQUENCIES = {"A": 440.0, "E": 329.6, "D": 293.7}
"""


async def five_questions(answers: Answers, seed: int) -> Lab:
    tuner = answers.Tuner
    if "frequency" not in getattr(tuner, "commands", ()):
        raise LabError("Tuner needs a method frequency, with @command above it.")
    async with Lab(tuner, **where(seed)) as lab:
        for note in ASKED:
            with suppress(CommandFailed):
                await lab.call(tuner.frequency, note=note)
        await lab.quiet(at_most_messages=100)
    return lab


def replies(lab: Lab, notes: Iterable[str]) -> dict[str, Message]:
    """What the tuner replied, by the note that it was asked for."""
    asked = {message.id: message.data["note"] for message in lab.trace.sent(by="you")}
    heard = {asked.get(m.causationid or ""): m for m in lab.trace.received(by="you")}
    return {note: heard[note] for note in notes if note in heard}


def replies_at_all(lab: Lab) -> str:
    known = replies(lab, ASKED)
    silent = [note for note in ASKED if note not in known]
    return f"it was asked for {' and '.join(silent)}, and said nothing" if silent else ""


def knows_its_notes(lab: Lab) -> str:
    for note, reply in replies(lab, FREQUENCIES).items():
        if reply.reason:
            return f"it was asked for {note}, which it knows, and failed: {reply.data}"
        if reply.data != FREQUENCIES[note]:
            return f"it was asked for {note} and answered {reply.data!r:.60}"
    return ""


def no_is_said(lab: Lab) -> str:
    for note, reply in replies(lab, UNKNOWN).items():
        if reply.reason is None:
            return f"it was asked for {note} and answered {reply.data!r:.60}"
        if reply.reason != "refused":
            return f"it was asked for {note}, and its handler broke down: {reply.data}"
    return ""


def what_else_it_does(lab: Lab) -> str:
    for reply in replies(lab, UNKNOWN).values():
        if reply.reason is None:
            return "what the caller can make of that answer: does it look like a frequency?"
        if "can't travel" in str(reply.data):
            return "the word before `Refused`: an error that is returned is only a value"
        if str(reply.data).startswith("KeyError"):
            return "the line that looks up the note, and what it does with one that is not there"
    return "which error you raise: `Refused` is a no, and any other one is a breakdown"


def in_its_own_words(lab: Lab) -> str:
    for note, reply in replies(lab, UNKNOWN).items():
        if note not in str(reply.data):
            return f"it was asked for {note}, and its no says only {str(reply.data)!r:.60}"
    return ""


REFUSE_A_NOTE = Task(
    id="a-note-it-does-not-know",
    title="A tuner that can say no",
    points=1,
    names=["Tuner"],
    trials=[
        Trial(
            five_questions,
            [
                Claim(
                    "each question gets some reply",
                    replies_at_all,
                    "what the method waits for before it returns or raises",
                ),
                Claim(
                    "A, E and D are answered with their frequencies",
                    knows_its_notes,
                    "the way that a note which is in `FREQUENCIES` takes through your method",
                ),
                Claim(
                    "a note that it does not know is refused",
                    no_is_said,
                    what_else_it_does,
                ),
                Claim(
                    "the no names the note",
                    in_its_own_words,
                    "the words in the brackets of `Refused(…)`: could the caller mend it by them?",
                ),
            ],
            seeds=range(2),
            real=True,
        )
    ],
    hints=[
        "What does Python do when you look up a key that is not there? Who should hear of it, and "
        "in whose words?",
        "Look first whether the note is in `FREQUENCIES`. If it is not, `raise` a `Refused` whose "
        "words hold the note.",
        'Before the `return`: `if note not in FREQUENCIES: raise Refused(f"there is no note '
        '{note}")`.',
    ],
    wrong=[
        WrongAnswer(  # the tuner of the lesson
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        return FREQUENCIES[note]
""",
            "one that is not there",
        ),
        WrongAnswer(  # nothing, as an answer
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        return FREQUENCIES.get(note)
""",
            "does it look like a frequency?",
        ),
        WrongAnswer(  # a number that means no
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        return FREQUENCIES.get(note, 0.0)
""",
            "does it look like a frequency?",
        ),
        WrongAnswer(
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        if note not in FREQUENCIES:
            return Refused(f"there is no note {note}")
        return FREQUENCIES[note]
""",
            "the word before `Refused`",
        ),
        WrongAnswer(  # a breakdown in place of a no
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        if note not in FREQUENCIES:
            raise ValueError(f"there is no note {note}")
        return FREQUENCIES[note]
""",
            "any other one is a breakdown",
        ),
        WrongAnswer(
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        if note not in FREQUENCIES:
            raise Refused
        return FREQUENCIES[note]
""",
            "could the caller mend it by them?",
        ),
        WrongAnswer(  # the wrong way round
            GIVEN_FREQUENCIES
            + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        if note in FREQUENCIES:
            raise Refused(f"there is no note {note}")
        return 440.0
""",
            "takes through your method",
        ),
    ],
    others=[
        GIVEN_FREQUENCIES
        + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        try:
            return FREQUENCIES[note]
        except KeyError:
            raise Refused(f"{note} is none of {', '.join(FREQUENCIES)}") from None
""",
        GIVEN_FREQUENCIES
        + """
class Tuner(Service):
    @command
    async def frequency(self, note: str) -> float:
        if frequency := FREQUENCIES.get(note):
            return frequency
        self.say_no(note)

    def say_no(self, note):
        raise Refused("I know A, E and D, but no " + note)
""",
    ],
    why="A no is an answer. `Refused` says that the service is well and has decided; any other "
    "error says that it broke. The caller may then ask for another note in the one case and for "
    "help in the other. An empty answer is neither.",
)


# read-the-trace


async def how_many(answers: Answers, _: int) -> Any:
    return answers.how_many


async def who_heard(answers: Answers, _: int) -> Any:
    return answers.who_heard


async def chain(answers: Answers, _: int) -> Any:
    return answers.chain


MESSAGES = 8
HEARD = {"Strings", "Brass", "Choir"}
CHAIN = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]


def counted(said: Any) -> str:
    number = isinstance(said, int | float) and not isinstance(said, bool)
    return "" if number and said == MESSAGES else f"you say {said!r:.60}"


MISCOUNTED = [
    (9, "the note: it was sent once, and heard three times"),
    (7, "the dashed arrow in the picture: an answer is a message too"),
    (6, "what you count: messages, and not the kinds of them"),
]


def what_was_counted(said: Any) -> str:
    known = (look for number, look in MISCOUNTED if number == said)
    return next(known, "the picture, arrow by arrow; or `len(lab.trace)`")


def heard(said: Any) -> str:
    names = _names(said)
    if names is None:
        return f"you say {said!r:.60}, which is no list of names"
    return "" if set(names) == HEARD else f"you say {', '.join(sorted(names)) or 'nobody'}"


def who_was_named(said: Any) -> str:
    listed = _names(said)
    if listed is None:
        return "what the value is: a list with a name in it for each who heard the note"
    names = set(listed)
    if "Oboe" in names:
        return "at which end of the arrow Oboe stands: it played the note"
    if names & {"Usher", "Fork"}:
        return "the arrows of NotePlayed alone; others heard of it only by what came of it"
    return "all ends of the arrow NotePlayed; or `lab.trace.received(NotePlayed, by=…)`"


def caused(said: Any) -> str:
    names = _names(said)
    if names is None:
        return f"you say {said!r:.60}, which is no list of messages"
    return "" if names == CHAIN else f"you say {' → '.join(names) or 'nothing'}"


def which_link(said: Any) -> str:
    names = _names(said) or []
    if any("strike" in name for name in names):
        return (
            "what Strings was handling when it said that it is in tune. "
            "What came just before is not always the cause"
        )
    if names == CHAIN[::-1]:
        return "the order: the first cause stands first"
    if names and names[-1] == CHAIN[-1]:
        return "the first link: did nothing lead to that one?"
    return "`lab.trace.why(…)`, which tells the chain of causes of one message, that one included"


def _names(said: Any) -> list[str] | None:
    """Names, or the types of messages; None where that is no list."""
    if isinstance(said, str) or not isinstance(said, Iterable):
        return None
    return [_name(each) for each in said]


def _name(each: object) -> str:
    if isinstance(each, Mapping):
        return str(each.get("type"))
    return each.type if isinstance(each, Message) else str(each)


READ_THE_TRACE = Task(
    id="read-the-trace",
    title="Who said what, and because of what?",
    points=2,
    names=["how_many", "who_heard", "chain"],
    trials=[
        Trial(
            how_many,
            [Claim("`how_many` is the number of messages sent", counted, what_was_counted)],
            seeds=[0],
        ),
        Trial(
            who_heard,
            [Claim("`who_heard` names all who heard NotePlayed", heard, who_was_named)],
            seeds=[0],
        ),
        Trial(
            chain,
            [
                Claim(
                    "`chain` leads from the first cause to LightsDimmed, one message a link",
                    caused,
                    which_link,
                )
            ],
            seeds=[0],
        ),
    ],
    hints=[
        "An arrow that splits: is it one message, or as many as it has ends?",
        "The trace can be asked: `len(lab.trace)`, `lab.trace.received(by=Choir)`, "
        "`lab.trace.why(message)`. Each message has its `type`.",
        "`lab.trace.why(lab.trace.sent(LightsDimmed)[0])` is the chain; write down the names, "
        "from the first cause on.",
    ],
    wrong=[
        WrongAnswer(  # arrivals
            """
how_many = 9
who_heard = ["Strings", "Brass", "Choir"]
chain = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]
""",
            "heard three times",
        ),
        WrongAnswer(
            """
how_many = 7
who_heard = ["Strings", "Brass", "Choir"]
chain = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]
""",
            "the dashed arrow",
        ),
        WrongAnswer(
            """
how_many = 8
who_heard = ["Oboe", "Strings", "Brass", "Choir"]
chain = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]
""",
            "at which end of the arrow",
        ),
        WrongAnswer(
            """
how_many = 8
who_heard = ["Strings"]
chain = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]
""",
            "all ends of the arrow",
        ),
        WrongAnswer(
            """
how_many = 8
who_heard = 3
chain = ["DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed"]
""",
            "a list with a name in it for each",
        ),
        WrongAnswer(  # after it, so because of it
            """
how_many = 8
who_heard = ["Strings", "Brass", "Choir"]
chain = ["DoorsOpened", "NotePlayed", "Fork.strike", "Fork.strike.done", "Tuned", "LightsDimmed"]
""",
            "What came just before is not always the cause",
        ),
        WrongAnswer(
            """
how_many = 8
who_heard = ["Strings", "Brass", "Choir"]
chain = ["NotePlayed", "Tuned", "LightsDimmed"]
""",
            "did nothing lead to that one?",
        ),
        WrongAnswer(
            """
how_many = 8
who_heard = ["Strings", "Brass", "Choir"]
chain = ["LightsDimmed", "Tuned", "NotePlayed", "DoorsOpened"]
""",
            "the first cause stands first",
        ),
    ],
    others=[
        """
how_many = 1 + 1 + 2 + 3 + 1
who_heard = {"Choir", "Brass", "Strings"}
chain = ("DoorsOpened", "NotePlayed", "Tuned", "LightsDimmed")
""",
        """
how_many = 8.0
who_heard = "Brass Choir Strings".split()
chain = "DoorsOpened NotePlayed Tuned LightsDimmed".split()
""",
    ],
    why="A message is sent once, however many hear it, and an answer is a message too. What came "
    "before is not what led to it: the trace notes as the cause what the speaker was handling when "
    "it spoke.",
)


TASKS = [ANSWER_A_NOTE, REFUSE_A_NOTE, READ_THE_TRACE]
