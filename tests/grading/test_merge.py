"""A learner's notebook may come back in any shape: it is repaired, and the repair is told."""

import copy
from pathlib import Path

import pytest

from labkit.grading.classroom import pristine
from labkit.grading.merge import merged
from labkit.grading.submission import Unreadable, cells_of, handed_in
from tests.grading.handed_in import EXERCISE, GOOD_PAYMENT, PLAIN_PAYMENT, answered, hand_in, source

COURSE = pristine(Path(__file__).resolve().parents[2])
WRONG = PLAIN_PAYMENT.strip()


def at(made, id: str) -> int:
    return next(n for n, cell in enumerate(made["cells"]) if cell.get("id") == id)


def cell(made, id: str):
    return made["cells"][at(made, id)]


def result(made, tmp_path):
    """The source that counts for each task, and the repairs."""
    hand_in(tmp_path, "ann", made)
    (submission,) = handed_in(tmp_path, COURSE)
    assert submission.problem == ""
    steps, repairs = merged(COURSE[submission.exercise], submission.cells)
    return steps, repairs


def answers(steps) -> dict[str, str]:
    return {step.task: step.source for step in steps if step.stub}


def solved(id: str) -> str:
    return source(cell(answered(), id))


def test_a_notebook_as_it_should_be_needs_no_repair(tmp_path):
    steps, repairs = result(answered(), tmp_path)
    assert repairs == []
    assert answers(steps) == {id: solved(id) for id in answers(steps)}
    assert [step.task for step in steps if step.check] == list(answers(steps))


def test_the_course_asks_with_stubs_though_it_is_made_from_solutions():
    asked = [each["source"] for each in COURSE[EXERCISE] if each["id"] == "charge-once"]
    assert "raise NotImplementedError()" in asked[0]
    assert "SOLUTION" not in asked[0]


def test_moved_cells_are_put_back(tmp_path):
    made = answered()
    made["cells"].append(made["cells"].pop(at(made, "charge-once")))
    steps, repairs = result(made, tmp_path)
    assert answers(steps)["charge-once"] == solved("charge-once")
    assert next(step.task for step in steps if step.stub) == "charge-once"
    assert repairs == ["Cells had been moved; they were put back into the exercise's order."]


@pytest.mark.parametrize("keeps_id", [True, False])
def test_of_a_doubled_answer_the_last_that_is_filled_in_counts(keeps_id, tmp_path):
    made = answered()
    copied = copy.deepcopy(cell(made, "charge-once"))
    copied["source"] = WRONG
    stub = copy.deepcopy(cell(answered(from_="exercises"), "charge-once"))
    if not keeps_id:  # as JupyterLab copies: a new id, the old grade_id
        copied["id"], stub["id"] = "new-1", "new-2"
    where = at(made, "charge-once") + 1
    made["cells"][where:where] = [copied, stub]
    steps, repairs = result(made, tmp_path)
    assert answers(steps)["charge-once"] == WRONG
    assert any("charge-once was there 3 times" in repair for repair in repairs)


def test_a_deleted_answer_counts_as_not_attempted(tmp_path):
    made = answered()
    del made["cells"][at(made, "charge-once")]
    steps, repairs = result(made, tmp_path)
    assert "raise NotImplementedError()" in answers(steps)["charge-once"]
    assert "The answer cell charge-once was missing; it counts as not attempted." in repairs


def test_a_deleted_check_is_put_back(tmp_path):
    made = answered()
    del made["cells"][at(made, "charge-once-check")]
    steps, repairs = result(made, tmp_path)
    assert next(step.task for step in steps if step.check) == "charge-once"
    assert "The cell charge-once-check was missing; it was put back." in repairs


def test_an_answer_that_became_text_is_code_again(tmp_path):
    made = answered()
    cell(made, "charge-once")["cell_type"] = "markdown"
    steps, repairs = result(made, tmp_path)
    assert answers(steps)["charge-once"] == solved("charge-once")
    assert "The answer cell charge-once had become text; it was read as code." in repairs


@pytest.mark.parametrize("keeps_grade_id", [True, False])
def test_a_notebook_that_lost_its_ids_is_known_by_what_it_says(keeps_grade_id, tmp_path):
    made = answered()
    made["nbformat_minor"] = 4
    for each in made["cells"]:
        del each["id"]
        each["metadata"] = each["metadata"] if keeps_grade_id else {}
    steps, repairs = result(made, tmp_path)
    assert answers(steps) == {id: solved(id) for id in answers(steps)}
    assert len(repairs) == (0 if keeps_grade_id else 4)


def test_cells_of_the_learners_own_stay_where_they_are(tmp_path):
    made = answered()
    own = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "mine = 1"}
    made["cells"].insert(at(made, "ask-again"), own | {"outputs": [], "execution_count": None})
    steps, repairs = result(made, tmp_path)
    sources = [step.source for step in steps]
    assert sources.index("mine = 1") + 1 == sources.index(solved("ask-again"))
    assert repairs == []


def test_changed_givens_are_put_back_and_told(tmp_path):
    made = answered()
    cell(made, "names")["source"] += "\nimport secrets"
    steps, repairs = result(made, tmp_path)
    assert all("secrets" not in step.source for step in steps)
    assert any("names had been changed" in repair for repair in repairs)


def test_an_exercise_is_known_by_its_cells_whatever_its_file_is_called(tmp_path):
    hand_in(tmp_path, "ann", answered(), name="my homework (1)")
    hand_in(tmp_path, "bob/deeper/still", answered())
    (tmp_path / "cy.ipynb").write_bytes((tmp_path / "ann" / "my homework (1).ipynb").read_bytes())
    found = handed_in(tmp_path, COURSE)
    assert [(each.learner, each.exercise) for each in found] == [
        ("ann", EXERCISE),
        ("bob", EXERCISE),
        ("cy", EXERCISE),
    ]


def test_checkpoints_and_hidden_folders_are_no_submissions(tmp_path):
    hand_in(tmp_path, "ann/.ipynb_checkpoints", answered())
    hand_in(tmp_path, ".git", answered())
    (found,) = handed_in(tmp_path, COURSE)
    assert (found.learner, found.problem) == ("ann", "No notebook was handed in.")


def test_another_notebook_is_told_which_exercises_there_are(tmp_path):
    made = answered() | {"cells": [{"cell_type": "code", "source": "1", "metadata": {}}]}
    hand_in(tmp_path, "ann", made, name="diary")
    (found,) = handed_in(tmp_path, COURSE)
    assert "diary.ipynb is none of the exercises. There are: 0" in found.problem


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": ["a"]}', "null"])
def test_what_has_no_cells_is_no_notebook(text, tmp_path):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(Unreadable, match="is no notebook, or it is damaged"):
        cells_of(tmp_path / "x.ipynb")


def test_the_good_answer_of_these_tests_is_one():
    assert "once=order_id" in GOOD_PAYMENT
