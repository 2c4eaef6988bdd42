"""Submissions: the notebooks that learners have handed in, and to which exercise each belongs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.system.errors import LabError

MOST_MEGABYTES = 20
Cell = dict[str, Any]


@dataclass(frozen=True)
class Submission:
    """What one learner has handed in for one exercise; or why it can't be read."""

    learner: str
    file: str
    exercise: str = ""
    cells: tuple[Cell, ...] = ()
    problem: str = ""


class Unreadable(LabError):
    """A file that is no notebook, as far as one can see."""


def handed_in(folder: Path, pristine: Mapping[str, list[Cell]]) -> list[Submission]:
    """All submissions in a folder: a sub-folder a learner, or a notebook named like its learner.

    Of two notebooks for one exercise the last counts, in the order of their names.
    """
    found: dict[tuple[str, str], Submission] = {}
    for learner, file in _notebooks(folder):
        one = submission(learner, file, folder, pristine)
        found[learner, one.exercise or one.file] = one
    return [found[key] for key in sorted(found)]


def cells_of(file: Path) -> list[Cell]:
    """The cells of a notebook, each with its source as one text.

    Raises:
        Unreadable: it is none, or too large.
    """
    size = file.stat().st_size
    if size > MOST_MEGABYTES << 20:
        raise Unreadable(
            f"{file.name} has {size / (1 << 20):.0f} MB, and {MOST_MEGABYTES} are read at most.\n"
            "In JupyterLab choose Edit → Clear Outputs of All Cells, save, and hand it in again."
        )
    try:
        cells = json.loads(file.read_text(encoding="utf-8-sig"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable(
            f"{file.name} is no notebook, or it is damaged.\n"
            "Open it in JupyterLab: if it shows your cells, save it and hand it in again."
        ) from None


def names_of(cell: Cell) -> set[str]:
    """The cell's id and its nbgrader grade_id, as far as it has them."""
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    names = [cell.get("id"), nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None]
    return {name for name in names if isinstance(name, str)}


def _notebooks(folder: Path) -> Iterator[tuple[str, Path | None]]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_dir():
            files: list[Path | None] = [
                file
                for file in sorted(entry.rglob("*.ipynb"))
                if not any(part.startswith(".") for part in file.relative_to(entry).parts)
            ]
            yield from ((entry.name, file) for file in files or [None])
        elif entry.suffix == ".ipynb":
            yield entry.stem, entry


def submission(
    learner: str, file: Path | None, folder: Path, pristine: Mapping[str, list[Cell]]
) -> Submission:
    """Read one notebook; what is wrong with it, if it is, stands in its `problem`."""
    if file is None:
        return Submission(learner, "", problem="No notebook was handed in.")
    name = file.relative_to(folder).as_posix()
    try:
        if file.is_symlink() or not file.resolve().is_relative_to(folder.resolve()):
            raise Unreadable(f"{file.name} is a link to another file. Hand in the notebook itself.")
        if not file.is_file():
            raise Unreadable(f"{file.name} is no file.")
        cells = cells_of(file)
        return Submission(learner, name, _exercise(file, cells, pristine), tuple(cells))
    except Unreadable as error:
        return Submission(learner, name, problem=str(error))


def _exercise(file: Path, cells: list[Cell], pristine: Mapping[str, list[Cell]]) -> str:
    """By the file's name, else by the cells that both have."""
    if file.stem in pristine:
        return file.stem
    own = {name for cell in cells for name in names_of(cell) | {cell["source"].strip()}}

    def shared(exercise: str) -> int:
        names = {name for cell in pristine[exercise] for name in names_of(cell)}
        return len(own & (names | {cell["source"].strip() for cell in pristine[exercise]}))

    best = max(sorted(pristine), key=shared, default="")
    if not best or shared(best) < 2:
        known = ", ".join(sorted(pristine))
        raise Unreadable(f"{file.name} is none of the exercises. There are: {known}.")
    return best
