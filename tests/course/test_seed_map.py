"""Each cell that the map of the subject names is in its lesson, and has been run."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| (.+) \| (\d\d-[a-z-]+) \| `([a-z0-9-]+)` \|$", re.MULTILINE)
TEXT = (ROOT / "docs" / "seed-map.md").read_text(encoding="utf-8")
ROWS = ROW.findall(TEXT)


def test_every_row_of_the_map_is_read():
    rows = [
        line for line in TEXT.splitlines() if line.startswith("| ") and "| lesson |" not in line
    ]
    assert len(rows) == len(ROWS) > 30


@pytest.mark.parametrize(("statement", "lesson", "cell"), ROWS, ids=[row[2] for row in ROWS])
def test_its_cell_is_there_and_was_run(statement, lesson, cell):
    notebook = json.loads((ROOT / "lessons" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    found = {each["id"]: each for each in notebook["cells"] if each["cell_type"] == "code"}
    assert cell in found, f"{statement}: {lesson} has no cell {cell}"
    assert found[cell]["execution_count"] is not None
