"""The author's gate: starters are open, solutions hold, each known mistake is recognised."""

import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import CodeType

import nbformat
import pytest

from labkit.teaching.judge import judge
from labkit.teaching.starter import ANSWER, CHECK, without_answers
from labkit.teaching.task import Task, exercises
from tests.course.test_lessons import holds, nbval
from tools import build_course

ROOT = Path(__file__).parent.parent.parent
TEXTS = sorted(ROOT.glob("course/exercises/*.md"))
TASKS = [task for tasks in exercises().values() for task in tasks]
every_text = pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
WRONG = [pytest.param(t, w, id=f"{t.id}-{n}") for t in TASKS for n, w in enumerate(t.wrong)]
OTHERS = [pytest.param(t, code, id=f"{t.id}-{n}") for t in TASKS for n, code in enumerate(t.others)]


def module_of(text: Path) -> str:
    return text.stem.partition("-")[2].replace("-", "_")


def text_of(task: Task) -> Path:
    return next(t for t in TEXTS if task in exercises()[module_of(t)])


def defined_by(text: Path, answers: dict[str, str], *, starter: bool = False) -> dict[str, object]:
    """What is defined when all cells but the checks have run; answers replace cells by their id."""
    notebook = build_course.written(text)
    if starter:
        notebook = without_answers(notebook)
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not CHECK.match(cell.source):
            try:
                execute(answers.get(cell.id, cell.source), names)
            except NotImplementedError:
                assert starter, f"{cell.id} stands at its stub"
    return names


def execute(source: str, names: dict[str, object]) -> None:
    """As a notebook does, in which a cell may await something."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, "<ipython-input>", "exec", flags=flags)
    awaited = eval(code, names)  # a cell is code, and this is what running it means
    if inspect.isawaitable(awaited):
        asyncio.run(awaited)  # type: ignore[arg-type]


@every_text
def test_the_ids_of_an_exercise_agree_in_all_places(text):
    cells = [cell for cell in build_course.written(text).cells if cell.cell_type == "code"]
    ids = [task.id for task in exercises()[module_of(text)]]
    assert [cell.id for cell in cells if ANSWER.search(cell.source)] == ids
    assert [m.group(1) for cell in cells if (m := CHECK.match(cell.source))] == ids
    assert [cell.id for cell in cells if CHECK.match(cell.source)] == [f"{id}-check" for id in ids]


def test_no_two_tasks_have_one_id_and_no_exercise_lacks_its_text():
    ids = [task.id for task in TASKS]
    assert len(set(ids)) == len(ids)
    assert sorted(module_of(text) for text in TEXTS) == sorted(exercises())


@every_task
def test_a_task_has_hints_and_each_mistake_has_words_of_its_own(task):
    assert all(hint.strip() for hint in task.hints)
    assert len(task.others) >= 2
    assert all(mistake.message.strip() for mistake in task.wrong)


@every_task
def test_a_starter_is_not_attempted(task):
    outcome = judge(task, defined_by(text_of(task), {}, starter=True))
    assert (outcome.kind, outcome.words != "") == ("not attempted", True), str(outcome)


@every_task
def test_a_solution_passes(task):
    outcome = judge(task, defined_by(text_of(task), {}))
    assert outcome.passed, str(outcome)


@pytest.mark.parametrize(("task", "code"), OTHERS)
def test_a_right_answer_of_another_shape_passes(task, code):
    outcome = judge(task, defined_by(text_of(task), {task.id: code}))
    assert outcome.passed, str(outcome)


@pytest.mark.parametrize(("task", "mistake"), WRONG)
def test_a_known_mistake_gets_its_own_message(task, mistake):
    outcome = judge(task, defined_by(text_of(task), {task.id: mistake.code}))
    assert outcome.kind in ("wrong", "error in your code"), str(outcome)
    assert mistake.message in str(outcome)
    assert "Traceback" not in str(outcome)


def test_the_solutions_show_what_is_stored(tmp_path):
    assert holds(nbval(ROOT / "solutions", "embedded", tmp_path))


def test_no_check_of_an_open_exercise_passes(tmp_path):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-rA"]
    done = subprocess.run(
        [
            *command,
            "-p",
            "tests.over_files",
            "-p",
            "no:cacheprovider",
            "--color=no",
            str(ROOT / "exercises"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    checks = {
        f"{text.stem}.ipynb::Cell {at}"
        for text in TEXTS
        for at, cell in enumerate(code_cells(ROOT / "exercises" / f"{text.stem}.ipynb"))
        if CHECK.match("".join(cell["source"]))
    }
    assert checks
    assert passed
    assert not [
        line for line in passed if line.removeprefix("PASSED ").rpartition("/")[2] in checks
    ]


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_nbgrader_gives_all_points_to_the_solutions_and_none_to_the_starters(tmp_path):
    from nbgrader.api import Gradebook

    source, submitted = tmp_path / "source" / "course", tmp_path / "submitted"
    for folder in (source, submitted / "solver" / "course", submitted / "starter" / "course"):
        folder.mkdir(parents=True)
    for text in TEXTS:
        solution = ROOT / "solutions" / f"{text.stem}.ipynb"
        (source / solution.name).write_bytes(solution.read_bytes())
    nbgrader(tmp_path, "generate_assignment", "course", "--create")
    for released in (tmp_path / "release" / "course").glob("*.ipynb"):
        starter = nbformat.read(released, as_version=4)
        nbformat.write(starter, submitted / "starter" / "course" / released.name)
        solved = {c.id: c.source for c in nbformat.read(source / released.name, as_version=4).cells}
        for cell in starter.cells:
            cell.source = solved[cell.id]
        nbformat.write(starter, submitted / "solver" / "course" / released.name)
    nbgrader(tmp_path, "autograde", "course")
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        scores = {who: book.find_submission("course", who) for who in ("solver", "starter")}
        points = sum(task.points for task in TASKS)
        assert (scores["solver"].score, scores["solver"].max_score) == (points, points)
        assert scores["starter"].score == 0


def nbgrader(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments, "--CourseDirectory.root=."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
