"""`labkit grade`, `check`, `progress` and `reset`, as a teacher and a learner call them."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import cli
from labkit.grading.contained import Nursery
from labkit.grading.feedback import OPEN, PASSED, page
from labkit.grading.grader import Step, grade
from labkit.teaching.progress import note
from tests.grading.handed_in import (
    EXERCISE,
    GOOD_PAYMENT,
    PLAIN_PAYMENT,
    ROOT,
    TASKS,
    answered,
    hand_in,
    notebook,
    source,
)

NAMES = next(source(cell) for cell in notebook("exercises")["cells"] if cell["id"] == "names")


def labkit(*arguments: object):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A learner's copy of the course, in which we stand."""
    for folder in ("lessons", "exercises", "solutions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lessons" / "00-a.ipynb").write_text("{}")
    for folder in ("exercises", "solutions"):
        shutil.copy(ROOT / folder / f"{EXERCISE}.ipynb", tmp_path / folder)
    monkeypatch.chdir(tmp_path / "exercises")
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "elsewhere" / "labkit" / "cli.py"))
    return tmp_path


@pytest.fixture
def graded(tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(folder, "=HYPERLINK(1)", answered())
    hand_in(folder, "Ünal, Çağla", answered({"charge-once": PLAIN_PAYMENT}))
    hand_in(folder, "<script>alert(1)</script>".replace("/", "_"), answered(from_="exercises"))
    return lambda: (labkit("grade", folder, "--out", out), out)


def test_the_gradebook_is_the_same_each_time_and_no_formula_is_in_it(graded):
    result, out = graded()
    assert result.exit_code == 0, result.output
    first = {file.name: file.read_bytes() for file in sorted(out.rglob("*.*")) if file.is_file()}
    graded()
    assert first == {f.name: f.read_bytes() for f in sorted(out.rglob("*.*")) if f.is_file()}
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == ["learner", *TASKS, "total", "of", "note"]
    assert {row[0]: row[-3] for row in rows} == {
        "'=HYPERLINK(1)": "9",
        "Ünal, Çağla": "7",
        "<script>alert(1)<_script>": "0",
    }


def test_the_feedback_needs_no_network_and_no_colours_and_gives_nothing_away(graded):
    _, out = graded()
    pages = {file.stem: file.read_text(encoding="utf-8") for file in out.glob("feedback/*.html")}
    mine = pages["Ünal_ Çağla"]
    assert "✘ wrong" in mine
    assert "✔ passed" in mine
    assert "two messages, one wish" in mine
    assert re.search(r'<img alt="[^"]{40,}" src="data:image/svg', mine)
    for text in pages.values():
        assert not re.search(r'(src|href)="?(http|//)', text)
        assert "<script" not in text
        assert "once=self.idempotency_key" not in text


@pytest.mark.parametrize("colour", [PASSED, OPEN])
def test_the_words_can_be_read_by_all(colour):
    def shine(part: str) -> float:
        share = int(part, 16) / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    r, g, b = (shine(colour[at : at + 2]) for at in (1, 3, 5))
    assert 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) >= 4.5


def test_a_page_for_someone_with_nothing():
    assert "<h1>Feedback for ann</h1>" in page("ann", [])


def test_an_empty_folder_is_told(tmp_path):
    (tmp_path / "class").mkdir()
    result = labkit("grade", tmp_path / "class", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "Nothing was handed in" in result.output


def test_checking_a_notebook_of_ones_own_tells_by_its_exit_code(tmp_path):
    good = hand_in(tmp_path, "good", answered())
    bad = hand_in(tmp_path, "bad", answered({"charge-once": PLAIN_PAYMENT}))
    result = labkit("check", good)
    assert (result.exit_code, result.output.count("✔")) == (0, 4)
    result = labkit("check", bad)
    assert result.exit_code == 1
    assert "✘ charge-once      0 of 2  wrong" in result.output
    assert "Look: the two commands for one order" in result.output


@pytest.mark.parametrize("file", sorted(ROOT.glob("solutions/*.ipynb")), ids=lambda f: f.stem)
def test_every_solution_of_the_course_passes_as_it_does_in_its_notebook(file):
    result = labkit("check", file)
    assert result.exit_code == 0, result.output


def test_a_broken_cell_costs_no_later_task_the_name_that_it_should_define(tmp_path):
    bad = hand_in(tmp_path, "bad", answered({"charge-once": "class Payment(Service:"}))
    result = labkit("check", bad)
    assert "✘ charge-once      0 of 2  error in your code" in result.output
    assert result.output.count("✔") == 3
    assert "SyntaxError" in result.output


def test_a_notebook_runs_as_in_a_kernel(tmp_path):
    own = "%time 1\nimport asyncio\nawait asyncio.sleep(0)\n!true\n" + GOOD_PAYMENT
    file = hand_in(tmp_path, "ann", answered({"charge-once": own.replace("!true\n", "")}))
    assert labkit("check", file).exit_code == 0


def test_where_nothing_can_be_forked_a_fresh_process_does_it():
    steps = [
        Step("charge-once", NAMES),
        Step("charge-once", GOOD_PAYMENT, "pass"),
        Step("charge-once", check=True),
    ]
    nursery = Nursery([], forks=False)
    assert [mark.kind for mark in grade(steps, nursery)] == ["passed"]
    steps[1] = Step("charge-once", "import os\nos._exit(0)", "pass")
    assert [mark.words for mark in grade(steps, nursery)] == ["It ends the process."]


def test_progress_is_a_table_wherever_one_stands(course, monkeypatch):
    note("charge-once", "passed", course / "exercises")
    note("ask-again", "wrong", course / "exercises")
    monkeypatch.chdir(course / "lessons")
    lines = labkit("progress").output.splitlines()
    assert lines[0] == f"{EXERCISE}: 2 of 9 points"
    assert " ".join(lines[1].split()) == "✔ passed charge-once: A Payment that charges once"
    assert [line.split()[0] for line in lines[1:]] == ["✔", "✘", "…", "…"]


def test_a_task_begun_anew_has_its_stub_again_and_a_copy_is_kept(course):
    file = course / "exercises" / f"{EXERCISE}.ipynb"
    file.write_text(json.dumps(answered()), encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    result = labkit("reset", "charge-once")
    assert result.exit_code == 0, result.output
    copy = course / "exercises" / f"{EXERCISE}.before-reset-1.ipynb"
    assert copy.read_text(encoding="utf-8") == before
    assert f"is kept in {copy.name}" in result.output
    cells = {cell["id"]: source(cell) for cell in json.loads(file.read_text("utf-8"))["cells"]}
    starter = {cell["id"]: source(cell) for cell in notebook("exercises")["cells"]}
    assert cells["charge-once"] == starter["charge-once"]
    assert cells["ask-again"] != starter["ask-again"]


def test_an_unknown_task_is_answered_with_a_near_one(course):
    result = labkit("reset", "charge-onse")
    assert result.exit_code == 1
    assert "did you mean charge-once" in result.output.lower()


def test_the_benchmark_prints_a_table_and_writes_its_numbers(tmp_path, capsys, monkeypatch):
    from benchmarks import grading

    # The others take half a minute, and are no part of this package.
    monkeypatch.setattr(grading, "nbgrader", grading.labkit)
    monkeypatch.setattr(grading, "nbval", grading.labkit)
    grading.main(["--quick", "--json", str(tmp_path / "numbers.json")])
    found = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert [row["case"] in capsys.readouterr().out for row in found["rows"][:1]] == [True]
    assert len(found["rows"]) == 4
