"""A task begun anew: its empty answer put back into a learner's notebook, and a copy kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from labkit.grading.submission import Cell, cells_of, names_of
from labkit.system.errors import LabError
from labkit.teaching.starter import CHECK, STUB
from labkit.teaching.task import task_of


def begin_anew(id: str, course: Mapping[str, list[Cell]], folder: Path) -> str:
    """What was done, in one sentence.

    Raises:
        LabError: there is no such task, no notebook, or no such cell in it.
    """
    task_of(id)
    for exercise, cells in course.items():
        if (stubs := _stubs(id, cells)) is not None:
            return _put_back(id, stubs, folder / f"{exercise}.ipynb")
    raise LabError(f"No exercise in {folder.parent} checks {id}.")


def _stubs(id: str, cells: list[Cell]) -> list[Cell] | None:
    """The open cells that belong to a task; None where it is not checked here."""
    found: list[Cell] = []
    for cell in cells:
        check = CHECK.match(cell["source"])
        if check and check.group(1) == id:
            return found
        found = [] if check else [*found, cell] if STUB[-1] in cell["source"] else found
    return None


def _put_back(id: str, stubs: list[Cell], file: Path) -> str:
    if not file.exists():
        raise LabError(f"{file} is not there. Put it back with `git checkout -- {file.name}`.")
    cells_of(file)  # says what is wrong with it, if it is
    before = file.read_text(encoding="utf-8")
    notebook = json.loads(before)
    for stub in stubs:
        own = [cell for cell in notebook["cells"] if names_of(cell) & names_of(stub)]
        if not own:
            raise LabError(f"{file.name} has no cell {stub['id']} any more; nothing was changed.")
        for cell in own:
            cell |= {"source": stub["source"].splitlines(keepends=True), "cell_type": "code"}
            cell |= {"outputs": [], "execution_count": None}
    number = 1
    while (copy := file.with_name(f"{file.stem}.before-reset-{number}.ipynb")).exists():
        number += 1
    copy.write_text(before, encoding="utf-8", newline="\n")
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    file.write_text(after, encoding="utf-8", newline="\n")
    return (
        f"{id} stands in {file.name} as it did at first. What you had is kept in {copy.name}.\n"
        "Is the notebook open? Choose File → Reload Notebook from Disk."
    )
