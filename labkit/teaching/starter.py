"""From a solution to the exercise that a learner opens: the same notebook, without the answers."""

from __future__ import annotations

import copy
import re
from typing import Any

NotebookNode = Any  # nbformat's, which has no types
ANSWER = re.compile(
    r"^([ \t]*)### BEGIN SOLUTION$.*?^[ \t]*### END SOLUTION$", re.DOTALL | re.MULTILINE
)
MARKS = re.compile(r"(?m)^[ \t]*### (?:BEGIN|END) SOLUTION\n?")
# What nbgrader puts in its place; labkit's checks know by it that nothing was tried yet.
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
CHECK = re.compile(r'^check\("([^"]+)"\)$')


def graded(notebook: NotebookNode, points: dict[str, int]) -> NotebookNode:
    """The notebook with what nbgrader wants to know of each cell (its schema, version 3)."""
    for cell in notebook.cells:
        check = CHECK.match(cell.source)
        cell.metadata["nbgrader"] = {
            "grade": bool(check),
            "grade_id": cell.id,
            "locked": not ANSWER.search(cell.source),
            "schema_version": 3,
            "solution": bool(ANSWER.search(cell.source)),
            "task": False,
        }
        if check:
            cell.metadata["nbgrader"]["points"] = points[check.group(1)]
    return notebook


def without_answers(solution: NotebookNode) -> NotebookNode:
    """The same notebook, unexecuted, with a stub in place of each answer."""
    exercise = copy.deepcopy(solution)
    for cell in exercise.cells:
        if cell.cell_type == "code":
            cell.source = ANSWER.sub(_stub, cell.source)
            cell.outputs, cell.execution_count = [], None
    return exercise


def _stub(answer: re.Match[str]) -> str:
    return "\n".join(answer.group(1) + line for line in STUB)
