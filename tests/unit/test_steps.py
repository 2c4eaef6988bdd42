"""The steps of a run: their logical order, and that nothing said in it can forge another story."""

import pytest

from labkit import Event, LabError, Service, Trace, command
from labkit.steps import Moment
from labkit.system.message import say


class Asked(Event):
    order_id: str


class Clerk(Service):
    @command
    async def answer(self, order_id: str) -> str:
        return order_id


class Story:
    """Writes a trace by hand, moment by moment."""

    def __init__(self):
        self.moments = []
        self.said = 0

    def note(self, what, where, topic="", message=None, note=""):
        self.moments.append(Moment(what, where, topic, message, float(len(self.moments)), note))

    def says(self, sender, kind, type, topic, *hearers, data=None, cause=None):
        self.said += 1
        message = say(kind, type, sender, data, nth=self.said, cause=cause)
        self.note("sent", sender, topic, message)
        for hearer in hearers:
            self.note("received", hearer, topic, message)
            self.note("done", hearer, topic, message)
        return message

    @property
    def trace(self):
        return Trace(self.moments)


@pytest.fixture
def story():
    return Story()


def a_chain(story, length, key="o-1"):
    cause = None
    for _ in range(length):
        data = {"order_id": key}
        cause = story.says("a", "event", "Asked", "event/Asked", "a", data=data, cause=cause)
    return cause


def test_an_empty_trace_says_so():
    assert repr(Trace()) == "The trace is empty: nothing has been said yet."
    assert (len(Trace()), Trace().steps(), Trace().text()) == (0, [], "")


def test_messages_are_found_by_event_command_name_and_service(story):
    story.says("you", "event", "Asked", "event/Asked", "Clerk")
    story.says("Clerk", "command", "Clerk.answer", "command/Clerk/answer", "Clerk")
    trace = story.trace
    assert len(trace.sent(Asked)) == len(trace.sent("Asked")) == len(trace.sent(by="you")) == 1
    assert len(trace.sent(Clerk.answer)) == len(trace.received(Clerk.answer, by=Clerk)) == 1
    assert len(trace.done()) == 2
    assert trace.failed() == []


def test_listeners_are_found_by_event_command_or_name(story):
    story.note("listens", "Clerk", "command/Clerk/+")
    story.note("listens", "Diary", "event/Asked")
    trace = story.trace
    assert trace.listeners(Asked) == trace.listeners("Asked") == ["Diary"]
    assert trace.listeners(Clerk.answer) == trace.listeners("Clerk.answer") == ["Clerk"]


def test_lost_and_unheard_are_told_apart(story):
    story.note("listens", "Diary", "event/Asked")
    lost = story.says("you", "event", "Asked", "event/Asked")
    unheard = story.says("you", "event", "Answered", "event/Answered")
    assert story.trace.lost() == [(lost, "Diary")]
    assert story.trace.unheard() == [unheard]


def test_one_who_joins_later_has_missed_nothing(story):
    story.says("you", "event", "Asked", "event/Asked")
    story.note("listens", "Diary", "event/Asked")
    assert story.trace.lost() == []


def test_one_who_has_left_misses_nothing(story):
    story.note("listens", "Diary", "event/Asked")
    story.note("leaves", "Diary")
    story.says("you", "event", "Asked", "event/Asked")
    assert story.trace.lost() == []
    assert story.trace.listeners(Asked) == []


def test_why_tells_the_causes_from_the_first_on(story):
    last = a_chain(story, 4)
    why = story.trace.why(last)
    assert why[0].causationid is None
    assert why[-1] is last
    assert repr(why).count("because of that") == 3


def test_why_of_a_very_long_chain_ends(story):
    last = a_chain(story, 10_000)
    assert len(story.trace.why(last)) == 10_000


def test_why_of_causes_that_go_in_a_circle_ends(story):
    first = story.says("a", "event", "Asked", "event/Asked", "a")
    second = story.says("a", "event", "Asked", "event/Asked", "a", cause=first)
    first = first.model_copy(update={"causationid": second.id})
    story.moments[0] = Moment("sent", "a", "event/Asked", first)
    assert len(story.trace.why(second)) == 2


def test_why_wants_a_message():
    with pytest.raises(LabError, match=r"why takes a message of this trace"):
        Trace().why("o-1")


def test_a_story_is_found_by_its_order_and_by_a_message(story):
    last = a_chain(story, 3, "o-1")
    a_chain(story, 2, "o-2")
    assert len(story.trace.story("o-1")) == len(story.trace.story(last)) == 3
    assert len(story.trace.story("o-2")) == 2
    assert len(story.trace.story("o-3")) == 0


def test_a_trace_survives_its_file(story, tmp_path):
    story.note("listens", "Diary", "event/Asked")
    a_chain(story, 3)
    story.note("struck", "Diary", note="crashes")
    story.trace.save(tmp_path / "run.jsonl")
    loaded = Trace.load(tmp_path / "run.jsonl")
    assert loaded.moments == story.moments
    assert loaded.text() == story.trace.text()


def test_the_order_of_arrival_does_not_change_what_is_told():
    def told(hearers):
        story = Story()
        for name in ("a", "b"):
            story.note("listens", name, "event/Asked")
        message = say("event", "Asked", "you", {}, nth=1)
        story.note("sent", "you", "event/Asked", message)
        for name in hearers:
            story.note("received", name, "event/Asked", message)
        for name in hearers:
            answer = say("event", "Answered", name, {}, nth=1, cause=message)
            story.note("sent", name, "event/Answered", answer)
        return story.trace.text()

    assert told(["a", "b"]) == told(["b", "a"])


def test_a_reply_comes_before_what_its_caller_says_next(story):
    order = story.says("you", "command", "Boss.run", "command/Boss/run")
    story.note("received", "Boss", "command/Boss/run", order)
    for worker in ("Zoe", "Abe"):
        asked = say("command", f"{worker}.do", "Boss", {}, nth=story.said, cause=order)
        story.said += 1
        story.note("sent", "Boss", f"command/{worker}/do", asked)
        story.note("received", worker, f"command/{worker}/do", asked)
        reply = say("reply", f"{worker}.do.done", worker, None, nth=1, cause=asked)
        story.note("sent", worker, "reply/Boss", reply)
        story.note("received", "Boss", "reply/Boss", reply)
    labels = [f"{step.sender}: {step.label}" for step in story.trace.steps()]
    assert labels == ["you: run", "Boss: do", "Zoe: do done", "Boss: do", "Abe: do done"]


def test_messages_of_two_senders_with_one_id_stay_two(story):
    for source in ("/till/1", "/till/2"):
        message = say("event", "Asked", "x", {}, nth=1).model_copy(update={"source": source})
        story.note("received", "Diary", "event/Asked", message)
    assert [step.sender for step in story.trace.steps()] == ["/till/1", "/till/2"]


def test_no_text_can_forge_a_line(story):
    evil = say("event", "Asked\nyou → all: free", "x", {}, nth=1)
    evil = evil.model_copy(update={"source": "/y\nP → you: hi"})
    story.note("received", "Diary", "event/Asked", evil)
    assert len(story.trace.text().splitlines()) == 1
    assert len(repr(story.trace.table()).splitlines()) == 2


def test_a_table_names_the_cause_of_each_message_by_its_number(story):
    a_chain(story, 3)
    rows = story.trace.table().rows
    assert [(row[0], row[4]) for row in rows] == [("1", ""), ("2", "1"), ("3", "2")]
