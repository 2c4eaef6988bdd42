"""Build the notebooks that a learner opens from the Markdown that we edit.

\b
    python tools/build_course.py                   every lesson and every exercise
    python tools/build_course.py 00-sound-check    the named ones
    python tools/build_course.py --check           only say which disagree with their text

A notebook is executed, and what would differ from one machine or run to the next is left out of it.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import jupytext
import nbformat
from jupytext.myst import MystMetadataParsingError
from nbformat import NotebookNode

from labkit.teaching.starter import graded, without_answers

if TYPE_CHECKING:
    from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = 120
# Without a kernelspec JupyterLab asks for a kernel; any more would describe the builder's machine.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FOLDERS = ("lessons", "exercises", "solutions")
SOUND = "data:audio"  # megabytes of it
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Stopped(Exception):
    """The course cannot be built: says where and why."""


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Build nothing; exit code 1 when a notebook disagrees.")
@click.option("--course", type=click.Path(path_type=Path), default=ROOT / "course")
@click.option("--lessons", type=click.Path(path_type=Path), default=ROOT / "lessons")
def main(names: tuple[str, ...], check: bool, course: Path, lessons: Path) -> None:
    """Solutions and exercises stand beside the lessons, in folders of their own."""
    try:
        texts = chosen(names, course)
        if check:
            check_all(texts, lessons, strays=not names)
        else:
            build_all(texts, lessons)
    except Stopped as stopped:
        raise click.ClickException(str(stopped)) from None


def chosen(names: tuple[str, ...], course: Path) -> list[Path]:
    texts = [*sorted(course.glob("*.md")), *sorted(course.glob("exercises/*.md"))]
    known = list(dict.fromkeys(path.stem for path in texts))
    stems = [Path(name).stem for name in names] or known
    unknown = [stem for stem in stems if stem not in known]
    if unknown or not stems:
        raise Stopped(f"no lesson {', '.join(unknown)} in {course}; there are: {', '.join(known)}")
    return [path for path in texts if path.stem in stems]


def is_exercise(text: Path) -> bool:
    return text.parent.name == "exercises"


def target_of(text: Path, lessons: Path) -> Path:
    """Where the executed notebook of a text stands."""
    folder = lessons.parent / "solutions" if is_exercise(text) else lessons
    return folder / f"{text.stem}.ipynb"


def build_all(texts: list[Path], lessons: Path) -> None:
    for path in texts:
        target = target_of(path, lessons)
        target.parent.mkdir(exist_ok=True)
        click.echo(f"{target.parent.name}/{path.stem} … ", nl=False)
        start = time.perf_counter()
        notebook = written(path)
        run(notebook, path.stem, target.parent)
        same = put(target, as_text(notebook))
        if is_exercise(path):
            put(exercise_of(target), as_text(without_answers(notebook)))
        seconds = time.perf_counter() - start
        click.echo(f"{len(notebook.cells)} cells, {seconds:.1f} s{', as before' if same else ''}")


def put(target: Path, new: str) -> bool:
    """Write a notebook; whether it was there already, byte for byte."""
    target.parent.mkdir(exist_ok=True)
    same = target.exists() and target.read_text(encoding="utf-8") == new
    target.write_text(new, encoding="utf-8", newline="\n")
    return same


def exercise_of(solution: Path) -> Path:
    return solution.parent.parent / "exercises" / solution.name


def check_all(texts: list[Path], lessons: Path, strays: bool) -> None:
    wanted = {target_of(text, lessons) for text in texts}
    wanted |= {exercise_of(target_of(text, lessons)) for text in texts if is_exercise(text)}
    found = {path for path in lessons.parent.glob("*/*.ipynb") if path.parent.name in FOLDERS}
    complaints = [
        f"{path.name}: no text in the course makes this notebook"
        for path in sorted(found - wanted if strays else ())
    ]
    for path in texts:
        target = target_of(path, lessons)
        complaints += [f"{target.name}: {why}" for why in disagreements(written(path), target)]
        if is_exercise(path):
            complaints += stale(written(path), exercise_of(target))
    if complaints:
        again = "Build them again with `python tools/build_course.py`."
        raise Stopped("\n".join([*complaints, again]))
    click.echo(f"{', '.join(path.stem for path in texts)}: as the text says.")


# -- from the text to a notebook -----------------------------------------------------------------


def written(path: Path) -> NotebookNode:
    """The notebook as its text says it, not yet executed."""
    try:
        read = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    except (MystMetadataParsingError, nbformat.ValidationError) as error:
        raise Stopped(f"{path.stem}: cannot be read: {str(error).splitlines()[0]}") from None
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    taken: set[str] = set()
    for cell in read.cells:
        wanted = cell.metadata.pop("id", None)
        if wanted in taken:
            raise Stopped(f"{path.stem}: two cells have the id `{wanted}`")
        cell.id = wanted or free_slug(cell.source, taken)
        taken.add(cell.id)
        if cell.cell_type == "code" and not cell.source.strip():
            raise Stopped(f"{path.stem}: the code cell `{cell.id}` is empty")
        if "timing" in tags(cell) and "nbval-ignore-output" not in tags(cell):
            cell.metadata.tags.append("nbval-ignore-output")
        notebook.cells.append(cell)
    if is_exercise(path):
        graded(notebook, points())
    nbformat.validate(notebook)
    return notebook


def points() -> dict[str, int]:
    from labkit.teaching.task import exercises

    return {task.id: task.points for tasks in exercises().values() for task in tasks}


def free_slug(source: str, taken: set[str]) -> str:
    """An id from the cell's first words, so that it stays when cells come and go around it."""
    words = re.findall(r"[a-z0-9]+", source.lower())
    slug = "-".join(words[:5])[:40].strip("-") or "cell"
    number, free = 1, slug
    while free in taken:
        number += 1
        free = f"{slug}-{number}"
    return free


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


# -- from the text's notebook to an executed one -------------------------------------------------


def run(notebook: NotebookNode, name: str, folder: Path) -> None:
    """Execute in place."""
    with kernel(notebook, folder) as client:
        for index, cell in enumerate(notebook.cells):
            run_cell(client, cell, index, name)


@contextmanager
def kernel(notebook: NotebookNode, folder: Path) -> Iterator["NotebookClient"]:
    """This interpreter's kernel, in the folder where a learner's stands."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        tempfile.TemporaryDirectory() as profile,
        client.setup_kernel(env=kernel_env(profile), **quiet),
    ):
        yield client


def kernel_env(profile: str) -> dict[str, str]:
    """No start-up files of the builder's own IPython, no broker of the builder's choice."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LABKIT_")}
    return {**kept, "IPYTHONDIR": profile, "JUPYTER_PREFER_ENV_PATH": "1"}


def run_cell(client: "NotebookClient", cell: NotebookNode, index: int, name: str) -> None:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    where = f"{name}: the cell `{cell.id}`"
    try:
        client.execute_cell(cell, index)
    except CellExecutionError as error:
        raise Stopped(f"{where} failed: {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise Stopped(f"{where} took longer than {CELL_SECONDS} s") from None
    except DeadKernelError:
        raise Stopped(f"{where} ended the kernel") from None
    if cell.cell_type == "code":
        raised = any(output.output_type == "error" for output in cell.outputs)
        if "raises-exception" in tags(cell) and not raised:
            raise Stopped(f"{where} is tagged raises-exception, but raised nothing")
        if any(SOUND in str(output.get("data", "")) for output in cell.outputs):
            raise Stopped(f"{where} would store its sound: show it with labkit.music.recording")
        cell.metadata.pop("execution", None)
        cell.outputs = [] if "timing" in tags(cell) else tidy(cell.outputs)


def tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What was shown, without what differs from run to run."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
                continue
        elif output.output_type == "error":
            # Its frames name files of this machine; nbval does not compare them.
            output.traceback = [f"{output.ename}: {output.evalue}"]
        else:
            # A widget's view points to a model that only its own kernel knows.
            output.data.pop(WIDGET_VIEW, None)
            if not output.data:
                continue
        kept.append(output)
    return kept


def as_text(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


# -- does a notebook agree with its text? --------------------------------------------------------


def stale(solution: NotebookNode, exercise: Path) -> list[str]:
    """What is to be said of an exercise that is not what its solution makes of it."""
    said = exercise.read_text(encoding="utf-8") if exercise.exists() else ""
    same = said == as_text(without_answers(solution))
    return [] if same else [f"exercises/{exercise.name}: is not its solution without the answers"]


def disagreements(expected: NotebookNode, path: Path) -> Iterator[str]:
    """What differs, in words; outputs are not looked at, nbval compares them."""
    if not path.exists():
        yield "was not built"
        return
    text = path.read_text(encoding="utf-8")
    found = nbformat.reads(text, as_version=4)
    if found.metadata != expected.metadata:
        yield f"carries other metadata than {', '.join(METADATA)}"
    there, here = [cell.id for cell in expected.cells], [cell.id for cell in found.cells]
    if there != here:
        odd = [repr(i) for i in (*there, *here) if i not in there or i not in here]
        yield f"its cells differ from the text's: {', '.join(odd) or 'their order'}"
    else:
        for ours, theirs in zip(expected.cells, found.cells, strict=True):
            yield from cell_disagreements(ours, theirs)
    yield from unrun(found)
    if text != as_text(found):
        yield "is not written as this tool writes it"


def cell_disagreements(ours: NotebookNode, theirs: NotebookNode) -> Iterator[str]:
    for part in ("cell_type", "source", "metadata"):
        if ours[part] != theirs[part]:
            yield f"the cell `{ours.id}` has another {part.replace('_', ' ')} than the text"


def unrun(notebook: NotebookNode) -> Iterator[str]:
    """nbval passes a cell that was never executed, and says nothing."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if cell.execution_count is None:
            yield f"the cell `{cell.id}` was never executed"
        elif cell.execution_count != number:
            yield f"the cell `{cell.id}` was executed out of order"


if __name__ == "__main__":
    main()
