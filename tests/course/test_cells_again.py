"""Every cell of a lesson may be run again, and shows the same."""

import json
from pathlib import Path

import pytest

from tools import build_course

ROOT = Path(__file__).parent.parent.parent
LESSONS = sorted(ROOT.glob("lessons/*.ipynb"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_cells_of_a_lesson_can_be_run_again(lesson):
    text = ROOT / "course" / f"{lesson.stem}.md"
    stored = stored_outputs(lesson)
    notebook = build_course.written(text)
    with build_course.kernel(notebook, lesson.parent) as client:
        for again in (False, True):
            for index, cell in enumerate(notebook.cells):
                build_course.run_cell(client, cell, index, lesson.stem)
            for cell in notebook.cells:
                if cell.cell_type == "code" and "nbval-ignore-output" not in build_course.tags(
                    cell
                ):
                    assert (cell.id, again, shown(cell.outputs)) == (
                        cell.id,
                        again,
                        stored[cell.id],
                    )


def stored_outputs(notebook: Path) -> dict[str, list[dict]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: shown(cell["outputs"]) for cell in cells if cell["cell_type"] == "code"}


def shown(outputs: list[dict]) -> list[dict]:
    """As it is seen: one text instead of its lines, and no count of executions."""
    return [
        {
            "text": one_text(output.get("text", output.get("evalue", ""))),
            **{kind: one_text(data) for kind, data in output.get("data", {}).items()},
        }
        for output in outputs
    ]


def one_text(lines: object) -> object:
    return "".join(lines) if isinstance(lines, list) else lines
