"""Each of the twenty-six misconceptions has a cell that refutes it, and is a wrong answer."""

import json
import re
from pathlib import Path

import pytest

from labkit.teaching.task import task_of

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "misconceptions.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\) \| ", line.strip("| "))]
    for line in TEXT.splitlines()
    if re.match(r"\| \d+ \|", line)
]


def test_there_are_twenty_six_of_them():
    assert [int(row[0]) for row in ROWS] == list(range(1, 27))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_cell_refutes_it_and_a_check_recognises_it(row):
    _, _, lesson, cell, task, message = row
    notebook = json.loads((ROOT / "lessons" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    ran = {each["id"] for each in notebook["cells"] if each.get("execution_count")}
    assert cell.strip("`") in ran
    assert message in [mistake.message for mistake in task_of(task.strip("`")).wrong]
