"""The verdicts of `labkit grade` are those that nbval finds in a kernel."""

import json
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import cli
from labkit.teaching.task import task_of
from tests.grading.handed_in import EXERCISE, TASKS, answered, hand_in, notebook, source

ROOT = Path(__file__).parent.parent.parent
MANY = 32
STUBS = {cell["id"]: source(cell) for cell in notebook("exercises")["cells"]}


def mixed(number: int) -> dict:
    """A notebook in which each task has a right answer, one of its mistakes, or none."""
    dice = random.Random(number)
    answers = {}
    for id in TASKS:
        task = task_of(id)
        right, wrong = list(task.others), [mistake.code for mistake in task.wrong]
        answers[id] = dice.choice([*right, *right, *wrong, STUBS[id]])
    return answered(answers)


@pytest.fixture(scope="module")
def learners(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    for number in range(MANY):
        hand_in(folder, f"learner-{number:02}", mixed(number))
    return folder


def by_nbval(files, report) -> dict[str, list[bool]]:
    """Of each notebook, whether each of its checks passed."""
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
    more = [
        "-p",
        "tests.over_files",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        f"--junitxml={report}",
    ]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *more, *files], cwd=report.parent, env=here, capture_output=True)
    cells: dict[str, list[bool]] = {str(file): [] for file in files}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("classname", "").replace(".", "/")
        file = next(file for file in cells if file.split("/")[-2] in name)
        cells[file].append(case.find("failure") is None)
    # The names, and then an answer and its check by turns.
    return {file.split("/")[-2]: passed[2::2] for file, passed in cells.items()}


def test_the_same_verdicts_as_nbval(learners, tmp_path):
    files = sorted(learners.glob(f"*/{EXERCISE}.ipynb"))
    halves = (files[::2], tmp_path / "even.xml"), (files[1::2], tmp_path / "odd.xml")
    with ThreadPoolExecutor() as pool:
        even, odd = pool.map(lambda half: by_nbval(*half), halves)
    out = tmp_path / "out"
    result = CliRunner().invoke(cli.main, ["grade", str(learners), "--out", str(out)])
    assert result.exit_code == 0, result.output
    ours = {
        report["learner"]: [mark["kind"] == "passed" for mark in report["marks"]]
        for report in json.loads((out / "grades.json").read_text(encoding="utf-8"))
    }
    assert ours == even | odd
    assert len(ours) == MANY
    assert {True, False} == {passed for marks in ours.values() for passed in marks}
