"""A class with hostile learners in it: each gets the true grade, and the others keep theirs."""

import csv
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import cli
from tests.grading.handed_in import (
    GOOD_PAYMENT,
    PLAIN_PAYMENT,
    TASKS,
    answered,
    hand_in,
    source,
)

PASS_LINE = "✔ charge-once: passed (2 points)."
SECRET = "the-teachers-password"
PATCHED_JUDGE = """
import labkit.teaching.judge as judge
from labkit.teaching.exercises import nothing_arrives_once as exercise

passed = lambda task, *_: judge.Outcome("passed", task)
judge.weigh = judge._weigh = judge.judge = passed
judge.Outcome.passed = property(lambda self: True)
for trial in exercise.CHARGE_ONCE.trials:
    object.__setattr__(trial, "claims", [])
object.__setattr__(exercise.CHARGE_ONCE, "trials", [])
"""
PATCHED_LEDGER = """
from labkit.system.ledger import Ledger

real = Ledger.write
def once(self, entry):
    return None if self.find(entry.service, entry.effect, entry.key) else real(self, entry)
"""
ALWAYS_EQUAL = """
class Same(str):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    def __hash__(self):
        return 1

class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", Same(order_id), amount)
        return Same("receipt")
"""
DROPS_ASSERTS = """
import ast

class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return None
    def visit_Raise(self, node):
        return None

get_ipython().ast_transformers.append(NoAsserts())
"""
BOMB_IN_C = """
import ctypes
c = ctypes.CDLL(None)
while True:
    c.fork()
"""
READS_IN_C = """
import ctypes
handle = ctypes.CDLL(None).open(b"{file}", 0)
raise ValueError(f"handle {handle}")
"""
CONNECTS_IN_C = """
import _socket, ctypes, struct
mine = _socket.socket()
to = struct.pack("<H", 2) + struct.pack(">H", 53) + bytes([1, 1, 1, 1]) + bytes(8)
raise ValueError(f"connected {ctypes.CDLL(None).connect(mine.fileno(), to, len(to))}")
"""
EMPTIES = """
import os, shutil
for folder in ("{folder}", os.getcwd(), os.path.expanduser("~")):
    shutil.rmtree(folder, ignore_errors=True)
"""
KILLS = """
import ctypes
c = ctypes.CDLL(None)
c.kill(-1, 9)
c.kill(c.getppid(), 9)
"""

# What stands in the cell charge-once, what becomes of the task, and what its words say.
HOSTILE = {
    "loops": ("while True: pass", "too slow", "not done after 10 s"),
    "loops-in-its-handler": (
        GOOD_PAYMENT.replace("    self.effect", "    while True: pass\n        self.effect"),
        "too slow",
        "not done after 10 s",
    ),
    "fills-the-memory": (
        # It asks for memory and writes nothing there: to fill it takes seconds on a busy machine.
        "all = []\nwhile True: all.append(bytes(10_000_000))",
        "error in your code",
        "MemoryError",
    ),
    "forks": ("import os\nwhile True: os.fork()", "error in your code", "no other process"),
    "exits-hard": ("import os\nos._exit(0)", "error in your code", "ends the process"),
    "exits": ("import sys\nsys.exit(0)", "error in your code", "SystemExit"),
    "exits-in-its-handler": (
        GOOD_PAYMENT.replace("    self.effect", "    raise SystemExit\n        self.effect"),
        "error in your code",
        "SystemExit",
    ),
    "crashes": ("import ctypes\nctypes.string_at(0)", "error in your code", "ends the process"),
    "reads-others": ('open("{file}").read()', "error in your code", "others have handed in"),
    "lists-others": ('import os\nos.listdir("{folder}")', "error in your code", "others have"),
    "empties-folders": (EMPTIES + GOOD_PAYMENT, "passed", ""),
    "patches-the-judge": (PATCHED_JUDGE + PLAIN_PAYMENT, "wrong", "more than once|charged"),
    "patches-the-ledger": (
        PATCHED_LEDGER + "Ledger.write = once\n" + PLAIN_PAYMENT,
        "wrong",
        "charged",
    ),
    "patches-the-ledgers-code": (
        PATCHED_LEDGER.replace("real =", "keep =")
        + "Ledger.write.__code__ = (lambda self, entry: True).__code__\n"
        + PLAIN_PAYMENT,
        "wrong",
        "charged",
    ),
    "patches-later": (
        PATCHED_LEDGER
        + PLAIN_PAYMENT.replace("    self.effect", "    Ledger.write = once\n        self.effect"),
        "error in your code",
        "changes labkit itself",
    ),
    "is-always-equal": (ALWAYS_EQUAL, "wrong", "charged"),
    "drops-asserts": (DROPS_ASSERTS + PLAIN_PAYMENT, "wrong", "charged"),
    "prints-the-pass-line": (f"print('{PASS_LINE}')\n" + PLAIN_PAYMENT, "wrong", "charged"),
    "prints-much": ("for _ in range(300): print('x' * 1_000_000)\n" + GOOD_PAYMENT, "passed", ""),
    "writes-much": (
        "open('much', 'wb').write(bytes(100_000_000))",
        "error in your code",
        "File too large",
    ),
    "uses-the-network": (
        "import socket\nsocket.create_connection(('1.1.1.1', 80), 5)",
        "error in your code",
        "no network",
    ),
    "starts-a-program": ("import os\nos.system('true')", "error in your code", "no other program"),
    "looks-for-secrets": (
        "import os\nraise ValueError(dict(os.environ))",
        "error in your code",
        "ValueError",
    ),
}
# What only the system itself can refuse (Linux, where namespaces are to be had).
IN_C = {
    "forks-in-c": (BOMB_IN_C, "too slow", "not done"),
    "reads-in-c": (READS_IN_C, "error in your code", "handle -1"),
    "connects-in-c": (CONNECTS_IN_C, "error in your code", "connected -1"),
    "kills-all": (KILLS + GOOD_PAYMENT, None, ""),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The whole class, graded once: what `labkit grade` has written, by learner."""
    folder, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("out")
    hand_in(folder, "ann", answered())
    hand_in(folder, "zoe", answered())
    other = folder / "ann" / "06-nothing-arrives-once.ipynb"
    for learner, (code, _, _) in (HOSTILE | IN_C).items():
        code = code.replace("{file}", str(other)).replace("{folder}", str(folder))
        hand_in(folder, learner, answered({"charge-once": code}))
    changed = answered({"charge-once": PLAIN_PAYMENT, "charge-once-check": f"print('{PASS_LINE}')"})
    hand_in(folder, "changes-the-check", changed)
    (folder / "malformed.ipynb").write_text('{"cells": [{"cell_type": "co')
    (folder / "no-notebook.ipynb").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "a-list.ipynb").write_text("[" * 100_000)
    (folder / "huge.ipynb").write_bytes(b'{"cells": [' + b" " * 50_000_000 + b"]}")
    (folder / "nothing").mkdir()
    (folder / "link").mkdir()
    (folder / "link" / "06-nothing-arrives-once.ipynb").symlink_to(other)
    before = os.environ.get("LABKIT_TEST_SECRET")
    os.environ["LABKIT_TEST_SECRET"] = SECRET
    try:
        result = CliRunner().invoke(cli.main, ["grade", str(folder), "--out", str(out)])
    finally:
        os.environ.pop("LABKIT_TEST_SECRET") if before is None else None
    assert result.exit_code == 0, result.output
    reports = json.loads((out / "grades.json").read_text(encoding="utf-8"))
    return out, {report["learner"]: report for report in reports}


def kinds(report) -> dict[str, str]:
    return {mark["task"]: mark["kind"] for mark in report["marks"]}


OTHERS = dict.fromkeys(TASKS[1:], "passed")


@pytest.mark.parametrize("learner", HOSTILE)
def test_a_hostile_cell_gets_its_true_grade_and_costs_its_own_task_only(learner, graded):
    _, kind, words = HOSTILE[learner]
    report = graded[1][learner]
    assert kinds(report) == {"charge-once": kind, **OTHERS}
    assert re.search(words, report["marks"][0]["words"])


@pytest.mark.parametrize("learner", IN_C)
def test_what_python_cannot_refuse_the_system_does(learner, graded):
    _, kind, words = IN_C[learner]
    report = graded[1][learner]
    if not report["enclosed"]:
        pytest.skip("this system gives no namespaces")
    marks = kinds(report)
    assert marks["charge-once"] == (kind or marks["charge-once"])
    assert {task: marks[task] for task in OTHERS} == OTHERS
    assert words in report["marks"][0]["words"]


@pytest.mark.parametrize("learner", ["ann", "zoe"])
def test_their_neighbours_keep_their_full_marks(learner, graded):
    assert set(kinds(graded[1][learner]).values()) == {"passed"}


def test_a_changed_check_is_put_back_and_told(graded):
    report = graded[1]["changes-the-check"]
    assert kinds(report) == {"charge-once": "wrong", **OTHERS}
    assert any("charge-once-check had been changed" in repair for repair in report["repairs"])


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        ("malformed", "is no notebook, or it is damaged"),
        ("no-notebook", "is no notebook, or it is damaged"),
        ("a-list", "is no notebook, or it is damaged"),
        ("huge", "has 48 MB, and 20 are read at most"),
        ("nothing", "No notebook was handed in"),
        ("link", "is a link to another file"),
    ],
)
def test_what_cannot_be_read_is_told_in_plain_words(learner, words, graded):
    out, reports = graded
    assert words in reports[learner]["problem"]
    assert words in (out / "feedback" / f"{learner}.html").read_text(encoding="utf-8")


def test_no_secret_of_the_teachers_reaches_a_learner(graded):
    out, _ = graded
    assert all(SECRET not in file.read_text("utf-8") for file in out.rglob("*") if file.is_file())


def test_the_gradebook_has_a_row_for_each_learner(graded):
    out, reports = graded
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    assert rows.keys() == reports.keys()
    assert [rows["ann"][task] for task in TASKS] == ["2", "3", "2", "2"]
    assert (rows["ann"]["total"], rows["loops"]["total"], rows["huge"]["total"]) == ("9", "7", "0")
    assert Path(out / "feedback").is_dir()


def test_the_hostile_notebooks_were_what_they_seem():
    made = answered({"charge-once": "while True: pass"})
    assert [source(c) for c in made["cells"] if c["id"] == "charge-once"] == ["while True: pass"]
