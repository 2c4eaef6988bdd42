"""The `labkit` command: open the course, or find out what is wrong with this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

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
