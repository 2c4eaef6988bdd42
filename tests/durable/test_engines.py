"""One suite for all engines, in real processes that really die: crash points × faults × seeds."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.durable.rehearsal import POINTS, UNDOING
from labkit.system.books import LastingBooks

CONDUCTOR = Path(__file__).with_name("conductor.py")
KILLED = (-9, 137)
SECONDS = 60


@pytest.fixture
def start(engine, tmp_path):
    """Start a conductor with a job; those that still live end with the test."""
    begun = []

    def go(**job):
        whole = {**engine, "ledger": str(tmp_path / "ledger.db"), **job}
        program = subprocess.Popen(
            [sys.executable, CONDUCTOR, json.dumps(whole)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        begun.append(program)
        return program

    yield go
    for program in begun:
        program.kill()
        program.communicate()


@pytest.fixture
def conduct(start):
    """Let a conductor live; what it has said at its end, or that it was killed."""

    def go(**job):
        program = start(**job)
        said, complained = program.communicate(timeout=SECONDS)
        if program.returncode in KILLED:
            return "killed"
        assert program.returncode == 0, complained
        return json.loads(said.splitlines()[-1])

    return go


@pytest.fixture
def ledger(tmp_path):
    def read():
        from labkit.system.ledger import Ledger

        return Ledger(LastingBooks(tmp_path / "ledger.db").entries())

    return read


def sweep(conduct, points, **job):
    """Each life brings on what the last one has left, and dies at the next point of a new order."""
    orders = {f"o-{number}": point for number, point in enumerate(points, 1)}
    for order_id, point in orders.items():
        assert conduct(orders=[[order_id, point]], **job) == "killed", point
    last = conduct(**job)
    assert last["waiting"] == {}
    return orders


def test_with_keys_no_crash_doubles_anything_and_every_order_ends(conduct, ledger):
    orders = sweep(conduct, POINTS)
    for effect in "charged", "reserved", "shipped":
        assert ledger().keys(effect) == list(orders)


def test_without_keys_two_of_five_points_double_an_effect(conduct, ledger):
    orders = sweep(conduct, POINTS, keys=False)
    assert ledger().doubled() == ["o-2", "o-4"]
    assert [orders[order_id] for order_id in ledger().doubled()] == [
        "after charge",
        "after reserve",
    ]
    assert ledger().shipped() == list(orders)


def test_a_kill_in_the_middle_of_a_compensation_resumes_it(conduct, ledger):
    orders = sweep(conduct, UNDOING, vans=0)
    for effect in "charged", "reserved", "released", "refunded":
        assert ledger().keys(effect) == list(orders)
    assert ledger().keys("shipped") == []


def test_a_no_stays_a_no_though_the_next_life_would_hear_a_yes(conduct, ledger):
    assert conduct(orders=[["o-1", "between release and refund"]], vans=0) == "killed"
    assert conduct(vans=9)["ends"] == {"o-1": "rejected"}
    assert [entry.effect for entry in ledger()] == ["charged", "reserved", "released", "refunded"]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_dies_when_the_books_are_right_in_the_end(conduct, ledger, seed):
    dice = random.Random(f"durable {seed}")
    vans = dice.randint(0, 2)
    points = dice.sample([*POINTS, *(UNDOING if vans == 0 else ())], 3)
    orders = {f"o-{number}": point for number, point in enumerate(points, 1)}
    again = dice.choice(POINTS)  # and in the next life, while it brings on what the last one left
    deaths = [
        conduct(orders=[[order_id, point]], vans=vans, dies_again_at=again)
        for order_id, point in orders.items()
    ]
    assert "killed" in deaths
    # Asked for once more, as a customer does: one whose conductor died too early never began.
    assert conduct(orders=[[order_id, ""] for order_id in orders], vans=vans)["waiting"] == {}
    books = ledger()
    assert books.doubled() == []
    assert books.keys("charged") == books.keys("reserved") == list(orders)
    assert len(books.keys("shipped")) == min(vans, 3)
    assert books.keys("refunded") == books.keys("released")
    assert sorted(books.keys("refunded") + books.keys("shipped")) == list(orders)


def test_the_same_order_asked_for_again_is_answered_and_not_done_again(conduct, ledger):
    first = conduct(orders=[["o-1", ""]], vans=1)
    again = conduct(orders=[["o-1", ""], ["o-2", ""]], vans=1)
    assert first["ends"] == {"o-1": "confirmed"}
    assert again["ends"] == {"o-1": "confirmed", "o-2": "rejected"}
    assert len(ledger()) == 3 + 4


def test_a_timer_goes_on_in_the_next_process_and_does_not_begin_anew(conduct, ledger):
    orders = [["o-1", ""]]
    assert conduct(orders=orders, workflow="wait", seconds=2, dies_asleep=True) == "killed"
    # Begun anew, it would wait for an hour.
    assert conduct(workflow="wait", seconds=3600)["ends"] == {"o-1": "confirmed"}
    assert ledger().keys("charged") == ledger().keys("shipped") == ["o-1"]


def test_of_two_executors_of_one_name_one_hears_that_it_may_not_go_on(start, conduct, ledger):
    elder = start(orders=[["o-1", ""]], workflow="step by step")
    assert elder.stdout.readline() == "at o-1:1\n"
    younger = start(workflow="step by step")
    heard = younger.stdout.readline()
    answers = []
    for program in younger, elder:
        said, complained = program.communicate("go\ngo\n", timeout=SECONDS)
        assert program.returncode == 0, complained
        lines = heard + said if program is younger else said
        answers.append(json.loads(lines.splitlines()[-1]))
    refused = [answer for answer in answers if answer.get("error") == "Twin"]
    ended = [answer for answer in answers if answer.get("ends") == {"o-1": "confirmed"}]
    assert len(refused) == len(ended) == 1
    assert "End th" in refused[0]["words"]
    assert ledger().keys("charged") == ledger().keys("reserved") == ["o-1"]


def test_an_engine_of_version_2_leaves_the_orders_of_version_1_alone(conduct, ledger):
    assert conduct(orders=[["o-1", POINTS[2]]]) == "killed"
    second = conduct(orders=[["o-2", ""]], workflow="changed", settings={"version": "2"})
    assert second["ends"] == {"o-2": "confirmed"}
    assert second["waiting"] == {"o-1": "1"}
    asked = conduct(orders=[["o-1", ""]], workflow="changed", settings={"version": "2"})
    assert asked["error"] == "OtherVersion"
    assert conduct()["ends"] == {"o-1": "confirmed"}
    assert ledger().keys("shipped") == ["o-1", "o-2"]


def test_changed_code_under_the_old_version_is_noticed_and_nothing_is_lost(conduct, ledger):
    assert conduct(orders=[["o-1", POINTS[2]]]) == "killed"
    changed = conduct(workflow="changed")
    assert "OtherCode" in changed["ends"]["o-1"]
    assert "'charge'" in changed["ends"]["o-1"]
    assert changed["waiting"] == {"o-1": "1"}
    assert conduct()["ends"] == {"o-1": "confirmed"}
    assert ledger().keys("charged") == ["o-1"]


def test_patched_code_ends_old_orders_the_old_way_and_new_ones_the_new_way(conduct, ledger):
    assert conduct(orders=[["o-1", POINTS[2]]]) == "killed"
    patched = conduct(orders=[["o-2", POINTS[4]]], workflow="changed", patched=True)
    assert patched == "killed"
    last = conduct(workflow="changed", patched=True)
    assert last["ends"] == {"o-2": "confirmed"}
    assert last["waiting"] == {}
    assert ledger().keys("shipped") == ["o-1", "o-2"]
    assert ledger().doubled() == []
