"""A judge says in one of six ways what came of a task; a check shows it, and hints help."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from labkit import Event, Lab, LabError, Service, command, exactly_once, on
from labkit.teaching import answer, progress
from labkit.teaching import check as notebook
from labkit.teaching.judge import judge
from labkit.teaching.task import Claim, Task, Trial, WrongAnswer, task_of, where


class Rang(Event):
    order_id: str


async def one_ring(answers, seed):
    async with Lab(answers.Bell, simulate=seed) as lab:
        await lab.publish(Rang(order_id="o-1"))
        await lab.quiet(at_most_messages=50)
    return lab


HEARD = Claim("each ring is heard once", exactly_once("heard"), "the effect that is missing")


def a_task(day=one_ring, *claims, names=("Bell",)):
    return Task(
        id="ring-once",
        title="Ring once",
        points=1,
        names=names,
        trials=[Trial(day, claims or [HEARD], seeds=range(3))],
        hints=["Who rings?", "Look at the bell.", "self.effect"],
        wrong=[WrongAnswer("Bell = 1", "x")] * 3,
        why="Bells ring.",
    )


class Bell(Service):
    @on(Rang)
    async def hear(self, rang):
        self.effect("heard", rang.order_id)


class DeafBell(Service):
    @on(Rang)
    async def hear(self, rang):
        pass


class ClumsyBell(Service):
    @on(Rang)
    async def hear(self, rang):
        print("on its way")
        raise ValueError("the rope is torn")


class UndoneBell(Service):
    @on(Rang)
    async def hear(self, rang):
        raise NotImplementedError


def test_what_holds_passes_and_says_so_in_one_line():
    outcome = judge(a_task(), {"Bell": Bell})
    assert outcome.passed
    assert str(outcome) == "✔ ring-once: passed (1 point)."


def test_what_is_wrong_is_told_with_its_story_and_where_to_look():
    outcome = judge(a_task(), {"Bell": DeafBell})
    assert outcome.kind == "wrong"
    assert str(outcome).splitlines() == [
        "✘ ring-once: wrong.",
        "Expected: each ring is heard once.",
        "Happened: o-1: never heard.",
        "  you → DeafBell: Rang   <-- here: no heard comes after this",
        "Look: the effect that is missing",
        'Again: replay("ring-once")',
    ]


@pytest.mark.parametrize("names", [{}, {"Bell": ...}])
def test_what_is_not_there_is_not_attempted(names):
    assert str(judge(a_task(), names)) == "… ring-once: not attempted.\nBell is not there yet."


def test_a_stub_is_not_attempted():
    assert judge(a_task(), {"Bell": UndoneBell}).kind == "not attempted"


def test_a_handler_that_fails_is_an_error_in_the_learners_code(capsys):
    outcome = judge(a_task(), {"Bell": ClumsyBell})
    assert outcome.kind == "error in your code"
    assert "ClumsyBell could not handle Rang: ValueError: the rope is torn" in str(outcome)
    assert capsys.readouterr() == ("", "")


def test_a_class_that_is_no_service_is_an_error_in_the_learners_code():
    outcome = judge(a_task(), {"Bell": 42})
    assert outcome.kind == "error in your code"
    assert "Lab takes services and was given 42" in str(outcome)


def test_an_error_in_a_plain_function_of_the_learners_is_theirs():
    async def call(answers, seed):
        return answers.Bell()

    outcome = judge(a_task(call), {"Bell": lambda: 1 / 0})
    assert outcome.kind == "error in your code"
    assert "ZeroDivisionError" in str(outcome)


def test_a_check_that_fails_itself_is_never_blamed_on_the_learner(monkeypatch):
    def broken(run):
        return Path("/no/such/file/anywhere").read_text()

    monkeypatch.setattr("labkit.teaching.judge.LABKIT", "")  # as if all code here were labkit's
    outcome = judge(a_task(one_ring, Claim("…", broken, "…")), {"Bell": Bell})
    assert outcome.kind == "error in our check"
    assert "not yours" in str(outcome)


def test_a_loop_without_end_is_too_slow_and_the_next_check_is_not():
    class Endless(Service):
        @on(Rang)
        async def hear(self, rang):
            while True:
                pass

    began = time.monotonic()
    outcome = judge(a_task(), {"Bell": Endless}, limit_seconds=0.3)
    assert outcome.kind == "too slow"
    assert "never ends" in str(outcome)
    assert time.monotonic() - began < 5
    assert judge(a_task(), {"Bell": Bell}).passed


def test_a_storm_ends_and_is_judged():
    class Echoing(Service):
        @on(Rang)
        async def hear(self, rang):
            await self.publish(rang)

    assert judge(a_task(), {"Bell": Echoing}).kind == "wrong"


def test_a_value_is_judged_as_well_as_a_run():
    async def value(answers, seed):
        return answers.number

    wrong = Claim("it is 42", lambda n: "" if n == 42 else f"it is {n}", "the question")
    task = a_task(value, wrong, names=("number",))
    assert judge(task, {"number": 42}).passed
    assert "Happened: it is 41." in str(judge(task, {"number": 41}))


def test_a_judge_works_where_a_loop_runs_already():
    async def inside():
        return judge(a_task(), {"Bell": Bell})

    assert asyncio.run(inside()).passed


@pytest.mark.parametrize(("hints", "wrong"), [(["a", "b"], 3), (["a", "b", "c"], 2)])
def test_a_task_without_enough_hints_or_mistakes_is_refused(hints, wrong):
    with pytest.raises(LabError, match="needs 3 hints and 3 wrong answers"):
        Task("t", "T", 1, [], [], hints, [WrongAnswer("", "x")] * wrong, "")


def test_an_unknown_task_is_answered_with_a_near_one():
    with pytest.raises(LabError, match=r"no task 'charge-onc' \(did you mean charge-once\?\)"):
        task_of("charge-onc")


# What a notebook calls


@pytest.fixture
def ring(monkeypatch, tmp_path):
    """A notebook in a folder of its own, with one task; returns what to define there."""
    monkeypatch.chdir(tmp_path)
    names = {}
    monkeypatch.setattr(notebook, "task_of", lambda id: a_task())
    monkeypatch.setattr(notebook, "_names", lambda task: names)
    monkeypatch.setattr(notebook, "_last", {})
    monkeypatch.setattr(notebook, "_hints", type(notebook._hints)())
    return names


def test_a_check_prints_one_line_when_it_passes_and_raises_when_not(ring, capsys):
    ring["Bell"] = DeafBell
    with pytest.raises(notebook.CheckFailed, match="never heard"):
        notebook.check("ring-once")
    ring["Bell"] = Bell
    notebook.check("ring-once")
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "✔ ring-once: passed (1 point)."
    assert err == ""
    assert json.loads(Path(progress.FILE).read_text()) == {
        "ring-once": {"state": "passed", "tries": 2}
    }


def test_hints_come_one_after_the_other_after_what_the_check_said(ring, capsys):
    ring["Bell"] = DeafBell
    with pytest.raises(notebook.CheckFailed):
        notebook.check("ring-once")
    capsys.readouterr()
    for _ in range(4):
        notebook.hint("ring-once")
    assert capsys.readouterr().out.splitlines() == [
        line
        for n, words in enumerate(["Who rings?", "Look at the bell.", "self.effect", "self.effect"])
        for line in (
            "Your last check says: look at the effect that is missing",
            f"Hint {min(n + 1, 3)} of 3: {words}",
        )
    ]


def test_a_failed_run_can_be_looked_at_again(ring):
    with pytest.raises(LabError, match="Nothing to replay"):
        notebook.replay("ring-once")
    ring["Bell"] = DeafBell
    with pytest.raises(notebook.CheckFailed):
        notebook.check("ring-once")
    assert len(notebook.replay("ring-once").trace.sent(Rang)) == 1


def test_a_replay_runs_what_is_defined_now(ring, capsys):
    ring["Bell"] = DeafBell
    with pytest.raises(notebook.CheckFailed):
        notebook.check("ring-once")
    assert notebook.replay("ring-once").ledger.entries == []
    ring["Bell"] = Bell
    assert notebook.replay("ring-once").ledger.count("Bell", "heard") == 1
    assert "as it should be now" in capsys.readouterr().out
    ring["Bell"] = 42
    with pytest.raises(LabError, match="Lab takes services and was given 42"):
        notebook.replay("ring-once")
    assert json.loads(Path(progress.FILE).read_text())["ring-once"]["state"] == "tried"


def test_a_solution_shows_where_ones_own_differs(ring, monkeypatch, capsys):
    mine = 'Bell = "ding"\nloud = True  # very'
    monkeypatch.setattr(notebook, "_cells", lambda: ["Bell = 1", mine, "%load_ext x", "other = 2"])
    monkeypatch.setattr(answer, "of_the_course", lambda id: "Bell = 'ding'\n\nloud = False")
    notebook.solution("ring-once", give_up=True)
    shown = capsys.readouterr().out
    assert "  ⋮\n Bell = 'ding'\n-loud = True\n+loud = False\n" in shown
    assert shown.endswith("Bells ring.\n")
    monkeypatch.setattr(answer, "of_the_course", lambda id: 'Bell=("ding")\nloud = True')
    notebook.solution("ring-once", give_up=True)
    assert "Yours is the same." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("class A:\n    b = 1", {"A"}),
        ("def a(): ...\nasync def b(): ...", {"a", "b"}),
        ("a = b, c = 1, 2\nd: int = 3", {"a", "b", "c", "d"}),
    ],
)
def test_an_answer_is_found_by_what_it_defines(cell, found):
    assert answer.of_the_learner(sorted(found), ["x = 1", cell]) == cell
    assert answer.of_the_learner([*found, "x"], ["x = 1", cell]) == ""


def test_one_may_look_before_one_is_judged(ring, capsys):
    assert notebook.look("ring-once") is None
    assert "not attempted" in capsys.readouterr().out
    ring["Bell"] = Bell
    assert len(notebook.look("ring-once").received(Rang)) == 1
    assert not Path(progress.FILE).exists()


def test_the_solution_is_told_when_it_is_passed_or_given_up(ring, capsys):
    with pytest.raises(LabError, match="not passed yet"):
        notebook.solution("ring-once")
    notebook.solution("ring-once", give_up=True)
    ring["Bell"] = Bell
    notebook.check("ring-once")
    notebook.solution("ring-once")
    assert capsys.readouterr().out.count("Bells ring.") == 2


def test_the_solution_shows_the_courses_own_answer_without_its_marks(monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parent.parent.parent / "exercises")
    notebook.solution("charge-once", give_up=True)
    shown = capsys.readouterr().out
    assert "once=self.idempotency_key" in shown
    assert "SOLUTION" not in shown
    assert "The key names the wish" in shown


def test_what_was_passed_once_stays_passed_and_a_spoilt_file_is_no_error(tmp_path):
    progress.note("a", "passed", tmp_path)
    progress.note("a", "wrong", tmp_path)
    assert progress.passed("a", tmp_path)
    (tmp_path / progress.FILE).write_text("{spoilt")
    assert progress.read(tmp_path) == {}
    progress.note("b", "wrong", tmp_path)
    assert progress.read(tmp_path) == {"b": {"state": "tried", "tries": 1}}


def test_a_command_that_raises_is_the_learners_error_in_the_callers_story():
    class Till(Service):
        @command
        async def sell(self) -> str:
            raise KeyError("o-1")

    async def sale(answers, seed):
        async with Lab(answers.Till, simulate=seed) as lab:
            await lab.call(answers.Till.sell)

    outcome = judge(a_task(sale, names=("Till",)), {"Till": Till})
    assert outcome.kind == "error in your code"
    assert "Till.sell failed: KeyError" in str(outcome)


def test_what_a_task_asks_for_and_does_not_find_is_told_to_the_learner():
    async def ask(answers, seed):
        return answers.Bell.ring

    async def call(answers, seed):
        return answers.Bell(1, 2)

    outcome = judge(a_task(ask), {"Bell": Bell})
    assert outcome.kind == "error in your code"
    assert "Bell has no `ring`, and the task asks for it." in str(outcome)

    def Bell_():
        pass

    Bell_.__qualname__ = "Bell"
    outcome = judge(a_task(call), {"Bell": Bell_})
    assert outcome.kind == "error in your code"
    assert "can't be called as the task calls it: Bell() takes 0" in str(outcome)


def test_what_passes_in_memory_alone_does_not_pass():
    class DreamingBell(Service):
        @on(Rang)
        async def hear(self, rang):
            if type(asyncio.get_running_loop()).__name__ == "VirtualTime":
                self.effect("heard", rang.order_id)

    async def a_ring_anywhere(answers, seed):
        async with Lab(answers.Bell, **where(seed)) as lab:
            await lab.publish(Rang(order_id="o-1"))
            await lab.quiet()
        return lab

    task = a_task(a_ring_anywhere)
    assert judge(task, {"Bell": DreamingBell}).passed
    also_real = replace(task, trials=[replace(task.trials[0], real=True)])
    assert judge(also_real, {"Bell": DreamingBell}).kind == "wrong"
    assert judge(also_real, {"Bell": Bell}).passed


def test_progress_is_shown_in_a_notebook_as_a_table_with_links(tmp_path, monkeypatch):
    for folder in ("exercises", "lessons"):
        (tmp_path / folder).mkdir()
    cells = [{"source": ['check("charge-once")']}, {"source": ["x = 1"]}]
    (tmp_path / "exercises" / "06-b.ipynb").write_text(json.dumps({"cells": cells}))
    progress.note("charge-once", "passed", tmp_path / "exercises")
    monkeypatch.chdir(tmp_path / "lessons")
    shown = progress.progress()
    assert repr(shown).splitlines()[0] == "06-b: 2 of 2 points"
    assert '<a href="../exercises/06-b.ipynb">06-b</a>' in shown._repr_html_()
    assert "✔</span>" in shown._repr_html_()


def test_progress_without_a_course_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match="Go to your copy of the course"):
        progress.progress()
