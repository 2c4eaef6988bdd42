"""The `labkit` command: open the course, or find out what is wrong with this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import click

FIRST = ("index", "00-sound-check")  # what is opened when no lesson is named
SETTINGS = Path(__file__).resolve().parent / "jupyter"  # switches off the question about news


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="orchestration-or-choreography", prog_name="labkit")
def main() -> None:
    """Who directs your services? A course in JupyterLab."""


@main.command()
@click.argument("lesson", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8888, or a free one near it.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(lesson: str | None, port: int | None, no_browser: bool) -> None:
    """Open the course in JupyterLab; LESSON is a name such as 02 or 02-the-conductors-baton."""
    root = course_root()
    notebook = named(lesson, root)
    if port is not None and taken(port):
        raise click.ClickException(
            f"Port {port} is already in use by another program.\n"
            f"Choose another with `labkit lab --port {port + 1}`, or leave out --port: "
            "then a free one is taken."
        )
    from jupyterlab.labapp import LabApp

    click.echo(f"Opening {notebook} of {root}. To end it: Ctrl-C.")
    more = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), more]))
    LabApp.launch_instance(jupyter_arguments(root, notebook, port, no_browser))


def jupyter_arguments(root: Path, notebook: str, port: int | None, no_browser: bool) -> list[str]:
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{notebook}",
        "--ServerApp.answer_yes=True",  # Ctrl-C ends it, without a question
        # Nothing is asked of the network: no news, no look for updates.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if no_browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Containers run as root; the server listens on loopback only, as for anyone.
        arguments.append("--allow-root")
    return arguments


def course_root() -> Path:
    """The course's folder, or an error that says where it was looked for."""
    if (root := find_course()) is None:
        raise click.ClickException(
            f"There is no course in {Path.cwd()} or above it: no folder lessons/ with notebooks.\n"
            "Change to your copy of the course (`cd` into it) and try again."
        )
    return root


def find_course() -> Path | None:
    """The folder that holds lessons/: this checkout's, else the nearest from here upwards."""
    here = Path.cwd()
    folders = (Path(__file__).resolve().parent.parent, here, *here.parents)
    return next((folder for folder in folders if any(folder.glob("lessons/*.ipynb"))), None)


def named(lesson: str | None, root: Path) -> str:
    """The lesson's notebook, seen from the root; without a name, where the course begins."""
    names = sorted(path.stem for path in root.glob("lessons/*.ipynb"))
    if lesson is None:
        found = [name for name in FIRST if name in names] or names
        return f"lessons/{found[0]}.ipynb"
    wanted = Path(lesson).name.removesuffix(".ipynb")
    found = [name for name in names if name == wanted or name.startswith(f"{wanted}-")]
    if len(found) != 1:
        raise click.ClickException(f"{lesson!r} names no lesson. There are: {', '.join(names)}.")
    return f"lessons/{found[0]}.ipynb"


def taken(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":  # a port that was just let go counts as free, as Jupyter sees it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@main.command()
@click.argument("service", metavar="MODULE:SERVICE")
@click.option("--broker", metavar="URL", help="mqtt://user:password@host:1883/namespace")
@click.option("--session", help="What the broker keeps its messages under.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), help="Its books.")
def serve(service: str, broker: str | None, session: str | None, ledger: Path | None) -> None:
    """Serve one service until Ctrl-C, for labs elsewhere with the same broker and namespace.

    The broker may also be named in LABKIT_BROKER, where a password is not seen by others.
    """
    from labkit.serve import serve as until_ctrl_c
    from labkit.system.errors import LabError

    try:
        until_ctrl_c(service, broker, session, ledger)
    except LabError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("Ended.")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def grade(folder: Path, out: Path) -> None:
    """Grade what a class has handed in: a sub-folder a learner, or notebooks named after them.

    Writes grades.csv, grades.json and a page for each learner, feedback/NAME.html, into --out.
    """
    from tqdm import tqdm

    from labkit.grading import classroom, feedback, gradebook, submission

    root = course_root()
    course = exercises_of(root)
    submissions = submission.handed_in(folder, course)
    if not submissions:
        raise click.ClickException(
            f"Nothing was handed in in {folder}: wanted a sub-folder a learner, or notebooks."
        )
    out.mkdir(parents=True, exist_ok=True)
    # Whoever has a copy of the course has the solutions; a class may not have them yet.
    answers = [root / name for name in ("solutions", "course")]
    hidden = [str(path.resolve()) for path in (folder, out, *answers)]
    graded = classroom.reports(submissions, course, hidden)
    done = list(tqdm(graded, total=len(submissions), desc="graded", unit="notebook"))
    names = sorted({report.exercise for report in done} - {""})
    tasks = [task for name in names for task in classroom.tasks_of(course[name])]
    gradebook.write_gradebook(done, tasks, out)
    feedback.write_feedback(done, out / "feedback")
    for report in done:
        of = f"{report.points} of {sum(mark.of for mark in report.marks)}"
        click.echo(f"{report.learner}: {report.problem.partition(chr(10))[0] or of}")
    if not all(report.enclosed for report in done if report.marks):
        click.echo(
            "\nThis system lets no process be shut in: the network and others' files were refused "
            "by Python only.\nSee `What keeps a learner's code in` in docs/decisions.md."
        )
    click.echo(f"\nWritten: {out / 'grades.csv'}, grades.json, feedback/")


@main.command()
@click.argument("notebook", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(notebook: Path) -> None:
    """Check a notebook of your own as it would be graded; exit code 1 when something fails."""
    from contextlib import closing

    from labkit.grading import classroom, submission
    from labkit.grading.contained import Nursery

    course = exercises_of(course_root())
    handed = submission.submission("you", notebook, notebook.parent, course)
    if handed.problem:
        raise click.ClickException(handed.problem)
    report, steps = classroom.prepared(handed, course)
    with closing(Nursery([])) as nursery:
        report = classroom.marked(report, steps, nursery)
    for repair in report.repairs:
        click.echo(repair)
    wide = max(len(mark.task) for mark in report.marks)
    for mark in report.marks:
        click.echo(f"{mark.sign} {mark.task:{wide}}  {mark.points} of {mark.of}  {mark.kind}")
    click.echo(f"  {'together':{wide}}  {report.points} of {sum(mark.of for mark in report.marks)}")
    for mark in report.marks:
        if mark.kind != "passed":
            look = f"\nLook: {mark.look}" if mark.look else ""
            click.echo(f"\n{mark.sign} {mark.task}: {mark.kind}.\n{mark.words}{look}")
    if any(mark.kind != "passed" for mark in report.marks):
        raise SystemExit(1)


@main.command()
def progress() -> None:
    """Show which tasks are passed, exercise by exercise."""
    from labkit.teaching.progress import progress

    click.echo(repr(progress(course_root())))


@main.command()
@click.argument("task")
def reset(task: str) -> None:
    """Begin a task anew: put the empty answer back into your notebook, and keep a copy of it."""
    from labkit.grading.anew import begin_anew
    from labkit.system.errors import LabError

    root = course_root()
    try:
        click.echo(begin_anew(task, exercises_of(root), root / "exercises"))
    except LabError as error:
        raise click.ClickException(str(error)) from None


def exercises_of(root: Path) -> dict[str, list[dict[str, Any]]]:
    from labkit.grading.classroom import pristine
    from labkit.system.errors import LabError

    try:
        return pristine(root)
    except LabError as error:
        raise click.ClickException(str(error)) from None


@main.command()
def doctor() -> None:
    """Say what is wrong with this machine, and how to mend it."""
    from labkit.doctor import examine

    wrong = 0
    for finding in examine():
        wrong += finding.wrong
        click.secho(str(finding), fg="red" if finding.wrong else None)
    if wrong:
        things = "1 thing is" if wrong == 1 else f"{wrong} things are"
        click.echo(f"\n{things} wrong: see the lines with !!.")
        raise SystemExit(1)
    click.echo("\nAll is well. Open the course with `labkit lab`.")
