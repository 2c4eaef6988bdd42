"""The merge: a learner's answers put into the course's own notebook, and what was repaired."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.grading.grader import Step
from labkit.grading.submission import Cell, names_of
from labkit.teaching.starter import CHECK, STUB


def merged(pristine: Sequence[Cell], own: Sequence[Cell]) -> tuple[list[Step], list[str]]:
    """The steps to run, and in plain words what was repaired.

    Checks and what is given always come from the course. An answer is the learner's last cell of
    that id that is more than the stub. Cells of the learner's own stay where they are.
    """
    repairs: list[str] = []
    places = {name: at for at, cell in enumerate(pristine) for name in names_of(cell)}
    taken = _taken(pristine, own, places)
    answers = {at: _answer(pristine[at], taken[at], repairs) for at in taken if _open(pristine[at])}
    order = [at for at in (_place(cell, taken) for cell in own) if at is not None and at in answers]
    if order != sorted(order):
        repairs.append("Cells had been moved; they were put back into the exercise's order.")
    extra = _extra(own, taken)
    steps: list[Step] = []
    waiting: list[tuple[str, str]] = [(source, "") for source in extra.get(-1, [])]
    for at, cell in enumerate(pristine):
        check = CHECK.match(cell["source"].strip()) if cell["cell_type"] == "code" else None
        if check is None and cell["cell_type"] == "code":
            stub = cell["source"] if _open(cell) else ""
            waiting.append((answers[at] if at in answers else cell["source"], stub))
        if not _open(cell):
            _tell_of_changes(cell, taken[at], repairs)
        if check is not None:
            task = check.group(1)
            steps += [Step(task, source, stub) for source, stub in waiting]
            steps.append(Step(task, check=True))
            waiting = []
        waiting += [(source, "") for source in extra.get(at, [])]
    return steps, repairs


def _open(cell: Cell) -> bool:
    """Whether it is for the learner to fill in."""
    return cell["cell_type"] == "code" and STUB[-1] in cell["source"]


def _taken(
    pristine: Sequence[Cell], own: Sequence[Cell], places: dict[str, int]
) -> dict[int, list[Cell]]:
    """The learner's cells for each of the course's: by id or grade_id, else by what they say."""
    taken: dict[int, list[Cell]] = {at: [] for at in range(len(pristine))}
    left: list[int] = []
    for number, cell in enumerate(own):
        ats = sorted(places[name] for name in names_of(cell) if name in places)
        same = [at for at, each in enumerate(pristine) if each["source"] == cell["source"]]
        if ats or same:
            taken[(ats or same)[0]].append(cell)
        else:
            left.append(number)
    for at, cell in enumerate(pristine):
        if _open(cell) and not taken[at]:
            alike = _lookalike(pristine, own, left, at)
            if alike is not None:
                own[alike]["nameless"] = True
                taken[at].append(own[alike])
                left.remove(alike)
    return taken


def _lookalike(
    pristine: Sequence[Cell], own: Sequence[Cell], left: Sequence[int], at: int
) -> int | None:
    """A cell without a known id that stands right before the check, or begins like the stub."""
    check = pristine[at + 1]["source"] if at + 1 < len(pristine) else None
    for number in left:
        if number + 1 < len(own) and own[number + 1]["source"] == check:
            return number
    first = pristine[at]["source"].split("\n")[0]
    alike = [number for number in left if own[number]["source"].lstrip().startswith(first)]
    return alike[-1] if alike else None


def _answer(cell: Cell, found: Sequence[Cell], repairs: list[str]) -> str:
    name = cell["id"]
    if not found:
        repairs.append(f"The answer cell {name} was missing; it counts as not attempted.")
        return str(cell["source"])
    written = [each for each in found if each["source"].strip() != cell["source"].strip()]
    answer = (written or found)[-1]
    if len(found) > 1:
        which = "the last of them that you have filled in" if written else "none was filled in"
        repairs.append(f"The answer cell {name} was there {len(found)} times: {which} counts.")
    if answer.get("cell_type") != "code":
        repairs.append(f"The answer cell {name} had become text; it was read as code.")
    if answer.get("nameless"):
        repairs.append(f"The answer cell {name} had lost its id; it was known by what it says.")
    return str(answer["source"])


def _tell_of_changes(cell: Cell, found: Sequence[Cell], repairs: list[str]) -> None:
    if cell["cell_type"] != "code":
        return
    if not found:
        repairs.append(f"The cell {cell['id']} was missing; it was put back.")
    elif any(each["source"].strip() != cell["source"].strip() for each in found):
        own = "what is yours belongs into your answers"
        repairs.append(f"The cell {cell['id']} had been changed; the course's own was used: {own}.")


def _place(cell: Cell, taken: dict[int, list[Cell]]) -> int | None:
    return next((at for at, cells in taken.items() if any(each is cell for each in cells)), None)


def _extra(own: Sequence[Cell], taken: dict[int, list[Cell]]) -> dict[int, list[str]]:
    """The code cells of the learner's own, by the cell of the course that they follow."""
    extra: dict[int, list[str]] = {}
    last = -1
    for cell in own:
        at = _place(cell, taken)
        if at is not None:
            last = at
        elif cell.get("cell_type") == "code":
            extra.setdefault(last, []).append(cell["source"])
    return extra
