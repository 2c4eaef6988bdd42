"""A learner's answer to a task beside the course's own: where they differ."""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from labkit.teaching.starter import MARKS


def of_the_course(id: str) -> str:
    """The answer in the solution notebook, in the folder beside that of the exercises; or ""."""
    for path in sorted(Path.cwd().parent.glob("solutions/*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell.get("id") == id:
                return MARKS.sub("", "".join(cell["source"])).strip()
    return ""


def of_the_learner(names: Sequence[str], cells: Iterable[str]) -> str:
    """The last cell that was run and defines all that a task asks for; "" where there is none."""
    for cell in reversed(list(cells)):
        if set(names) <= _defined(cell):
            return MARKS.sub("", cell).strip()
    return ""


def differences(own: str, courses: str) -> str:
    """Where two answers differ, a line each: `-` stands only in the learner's, `+` in the course's.

    Comments, blank lines, quotes and the breaking of lines are no difference.
    """
    lines = difflib.unified_diff(_plain(own), _plain(courses), n=1, lineterm="")
    return "\n".join("  ⋮" if line[:2] == "@@" else line for line in list(lines)[2:])


def _defined(cell: str) -> set[str]:
    try:
        tree = ast.parse(cell)
    except SyntaxError:  # a cell with magics
        return set()
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)
            }
    return found


def _plain(answer: str) -> list[str]:
    return ast.unparse(ast.parse(answer)).splitlines()
