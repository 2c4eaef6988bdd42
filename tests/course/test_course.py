"""The notebooks agree with the course's text, and a build changes no byte without a reason."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from tools import build_course

ROOT = Path(__file__).parent.parent.parent
FIXTURE = Path(__file__).parent / "fixture"
NAME = "00-two-rooms"
LESSONS = sorted(ROOT.glob("lessons/*.ipynb"))
LARGEST_BYTES = 200_000


def course(*arguments: object):
    return CliRunner().invoke(build_course.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's lesson, built once; a folder with course/ and lessons/."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(FIXTURE, folder / "course")
    result = course("--course", folder / "course", "--lessons", folder / "lessons")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"lessons/{NAME} … ")
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The built course, to be spoilt."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


def check(folder: Path):
    return course("--check", "--course", folder / "course", "--lessons", folder / "lessons")


def build(folder: Path):
    return course("--course", folder / "course", "--lessons", folder / "lessons")


def notebook_of(folder: Path) -> Path:
    return folder / "lessons" / f"{NAME}.ipynb"


def cells_of(folder: Path) -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads(notebook_of(folder).read_text())["cells"]}


def change(folder: Path, how) -> None:
    """Let something happen to the notebook, and write it as Jupyter would."""
    notebook = nbformat.read(notebook_of(folder), as_version=4)
    how(notebook)
    notebook_of(folder).write_text(nbformat.writes(notebook) + "\n")


# -- what a build leaves -------------------------------------------------------------------------


def test_a_second_build_changes_no_byte(copy):
    before = notebook_of(copy).read_bytes()
    result = build(copy)
    assert notebook_of(copy).read_bytes() == before
    assert result.output.rstrip().endswith("as before")


def test_cells_keep_the_ids_of_the_text_and_get_one_from_their_words(built):
    assert list(cells_of(built)) == [
        "two-rooms-a-lesson-of",
        "first-words",
        "the-question",
        "6-7",
        "a-picture",
        "picture",
        "a-widget-whose-view-is",
        "widget",
        "an-error-that-is-meant",
        "closed-door",
        "what-takes-another-time-on",
        "stop-watch",
        "and-at-the-top-level",
        "waited",
    ]


def test_what_is_printed_is_one_output(built):
    [output] = cells_of(built)["first-words"]["outputs"]
    assert output["text"] == ["one\n", "two\n"]


def test_a_widget_leaves_its_words_and_no_model(built):
    [output] = cells_of(built)["widget"]["outputs"]
    assert list(output["data"]) == ["text/plain"]
    assert "model_id" not in notebook_of(built).read_text()


def test_an_error_is_one_line_without_the_builders_files(built):
    [output] = cells_of(built)["closed-door"]["outputs"]
    assert output["traceback"] == ["RuntimeError: the door is closed"]


def test_a_measured_time_is_neither_stored_nor_compared(built):
    cell = cells_of(built)["stop-watch"]
    assert cell["outputs"] == []
    assert cell["execution_count"] == 6
    assert cell["metadata"]["tags"] == ["timing", "nbval-ignore-output"]


def test_a_cell_with_the_words_of_another_gets_an_id_of_its_own(tmp_path):
    (tmp_path / "x.md").write_text("Look here.\n\n+++\n\nLook here.\n\n+++\n\n…\n")
    notebook = build_course.written(tmp_path / "x.md")
    assert [cell.id for cell in notebook.cells] == ["look-here", "look-here-2", "cell"]


# -- what stops a build --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (":id: odd\n1 / 0", "the cell `odd` failed: ZeroDivisionError: division by zero"),
        (":id: odd\nimport os; os._exit(1)", "the cell `odd` ended the kernel"),
        (
            ":id: odd\n:tags: [raises-exception]\n1",
            "the cell `odd` is tagged raises-exception, but raised nothing",
        ),
    ],
)
def test_a_cell_that_goes_wrong_stops_the_build_by_its_name(tmp_path, cell, complaint):
    course_of(tmp_path, f"```{{code-cell}} ipython3\n{cell}\n```\n")
    result = build(tmp_path)
    assert result.exit_code == 1
    assert f"Error: x: {complaint}" in result.output
    assert not list(tmp_path.glob("lessons/*.ipynb"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```{code-cell} ipython3\n```\n", "the code cell `cell` is empty"),
        ('+++ {"id": "a"}\n\none\n\n+++ {"id": "a"}\n\ntwo\n', "two cells have the id `a`"),
        ("```{code-cell} ipython3\n:tags: [[x\n1\n```\n", "cannot be read: Code cell 0"),
        ("---\nkernelspec: {name: python3}\n---\n\nHm.\n", "cannot be read: 'display_name' is"),
    ],
)
def test_a_text_that_cannot_become_a_notebook_is_named(tmp_path, text, complaint):
    course_of(tmp_path, text)
    result = build(tmp_path)
    assert result.exit_code == 1
    assert f"x: {complaint}" in result.output


def test_an_unknown_lesson_is_answered_with_those_there_are(built):
    result = course("nix", "--course", built / "course", "--lessons", built / "lessons")
    assert result.exit_code == 1
    assert f"no lesson nix in {built / 'course'}; there are: {NAME}" in result.output


def course_of(folder: Path, text: str) -> None:
    (folder / "course").mkdir()
    (folder / "course" / "x.md").write_text(text)


# -- what --check sees ---------------------------------------------------------------------------


def test_a_fresh_build_agrees_with_its_text(built):
    assert check(built).output == f"{NAME}: as the text says.\n"


def test_a_changed_text_is_found(copy):
    text = copy / "course" / f"{NAME}.md"
    text.write_text(text.read_text().replace('"one"', '"eins"'))
    assert "the cell `first-words` has another source than the text" in complaints(copy)


def complaints(folder: Path) -> str:
    result = check(folder)
    assert result.exit_code == 1
    assert "Build them again with `python tools/build_course.py`." in result.output
    return result.output


def test_a_new_cell_is_found(copy):
    text = copy / "course" / f"{NAME}.md"
    text.write_text(text.read_text() + "\nOne more thing.\n")
    assert "its cells differ from the text's: 'one-more-thing'" in complaints(copy)


def test_a_missing_and_a_stray_notebook_are_found(copy):
    notebook_of(copy).rename(copy / "lessons" / "09-stray.ipynb")
    said = complaints(copy)
    assert "09-stray.ipynb: no text in the course makes this notebook" in said
    assert f"{NAME}.ipynb: was not built" in said


def forget_a_run(notebook):
    notebook.cells[1].execution_count = None


def run_backwards(notebook):
    notebook.cells[1].execution_count = 7


def note_the_version(notebook):
    notebook.metadata.language_info.version = "3.11.7"


def note_the_times(notebook):
    notebook.cells[1].metadata.execution = {"iopub.execute_input": "2025-01-01T00:00:00Z"}


def edit_by_hand(notebook):
    notebook.cells[0].source = "# Three rooms"


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        (forget_a_run, "the cell `first-words` was never executed"),
        (run_backwards, "the cell `first-words` was executed out of order"),
        (note_the_version, "carries other metadata than kernelspec, language_info"),
        (note_the_times, "the cell `first-words` has another metadata than the text"),
        (edit_by_hand, "the cell `two-rooms-a-lesson-of` has another source than the text"),
    ],
)
def test_what_happens_to_a_notebook_in_use_is_found(copy, how, complaint):
    change(copy, how)
    assert complaint in complaints(copy)


def test_another_way_of_writing_the_same_is_found(copy):
    path = notebook_of(copy)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert "is not written as this tool writes it" in complaints(copy)


# -- the course itself ---------------------------------------------------------------------------


def test_the_lessons_agree_with_the_courses_text():
    result = course("--check")
    assert result.exit_code == 0, result.output


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_a_lesson_is_small(lesson):
    assert lesson.stat().st_size <= LARGEST_BYTES


def test_a_lesson_opens_without_asking_for_a_kernel_and_carries_no_widgets(lesson):
    metadata = json.loads(lesson.read_text(encoding="utf-8"))["metadata"]
    assert metadata == build_course.METADATA


def test_what_a_lesson_shows_names_no_file_of_a_machine(lesson):
    named = re.compile(r"(/tmp|/home|/root|/work|/usr|/Users|/private|site-packages|[A-Z]:\\)")
    assert not named.findall(shown(lesson))


def shown(lesson: Path) -> str:
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    return json.dumps([cell.get("outputs") for cell in cells], ensure_ascii=False)


def test_a_lesson_says_nothing_on_stderr(lesson):
    # nbgrader gives no points for a cell with stderr, and nbval's lax mode does not look at it.
    assert '"name": "stderr"' not in shown(lesson)
