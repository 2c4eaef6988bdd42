"""`labkit lab` opens the course, `labkit doctor` finds what is wrong, and both say what to do."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import cli, doctor


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of three lessons, which is the only one that can be found; we stand inside it."""
    (tmp_path / "lessons").mkdir()
    for name in ("00-sound-check", "01-chaos", "02-baton"):
        (tmp_path / "lessons" / f"{name}.ipynb").write_text("{}")
    far_from_the_checkout(tmp_path, monkeypatch)
    return tmp_path


def far_from_the_checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = folder / "some" / "where"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setattr(cli, "__file__", str(folder / "elsewhere" / "labkit" / "cli.py"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What JupyterLab would have been started with."""
    from jupyterlab.labapp import LabApp

    arguments: list[str] = []
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")  # so that it is as before afterwards
    monkeypatch.setattr(LabApp, "launch_instance", arguments.extend)
    return arguments


def labkit(*arguments: str):
    return CliRunner().invoke(cli.main, arguments)


# -- labkit lab ----------------------------------------------------------------------------------


def test_the_course_opens_at_its_first_lesson(course, started):
    result = labkit("lab")
    assert result.exit_code == 0, result.output
    assert f"--ServerApp.root_dir={course}" in started
    assert "--LabApp.default_url=/lab/tree/lessons/00-sound-check.ipynb" in started
    assert "Opening lessons/00-sound-check.ipynb" in result.output


def test_an_index_is_opened_first_where_there_is_one(course, started):
    (course / "lessons" / "index.ipynb").write_text("{}")
    labkit("lab")
    assert "--LabApp.default_url=/lab/tree/lessons/index.ipynb" in started


@pytest.mark.parametrize("name", ["02", "02-baton", "02-baton.ipynb", "lessons/02-baton.ipynb"])
def test_a_lesson_can_be_named_in_short(course, started, name):
    labkit("lab", name)
    assert "--LabApp.default_url=/lab/tree/lessons/02-baton.ipynb" in started


@pytest.mark.parametrize("name", ["07", "0", "baton"])
def test_an_unknown_lesson_is_answered_with_those_there_are(course, started, name):
    result = labkit("lab", name)
    assert result.exit_code == 1
    assert f"'{name}' names no lesson. There are: 00-sound-check, 01-chaos, 02-b" in result.output
    assert started == []


def test_nothing_is_asked_of_the_network_and_ctrl_c_asks_nothing(course, started):
    labkit("lab")
    assert {
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.answer_yes=True",
    } <= set(started)
    assert "--no-browser" not in started
    labkit("lab", "--no-browser")
    assert "--no-browser" in started


def test_no_question_about_news_and_the_users_own_settings_stay(course, started, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/of/the/user")
    labkit("lab")
    ours, theirs = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert "announcements" in Path(ours, "labconfig", "page_config.json").read_text()
    assert theirs == "/of/the/user"


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_busy_port_is_named_with_what_to_do(course, started, busy_port):
    result = labkit("lab", "--port", str(busy_port))
    assert result.exit_code == 1
    assert f"Port {busy_port} is already in use" in result.output
    assert f"labkit lab --port {busy_port + 1}" in result.output
    assert "leave out --port" in result.output
    assert started == []


def test_a_port_that_was_asked_for_is_taken_or_refused_but_never_replaced(course, started):
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    labkit("lab", "--port", str(free))
    assert {f"--ServerApp.port={free}", "--ServerApp.port_retries=0"} <= set(started)


def test_without_a_port_jupyter_looks_for_a_free_one(course, started):
    labkit("lab")
    assert not [argument for argument in started if argument.startswith("--ServerApp.port")]


def test_where_there_is_no_course_it_says_so(tmp_path, monkeypatch, started):
    far_from_the_checkout(tmp_path, monkeypatch)
    result = labkit("lab")
    assert result.exit_code == 1
    assert f"There is no course in {Path.cwd()} or above it" in result.output
    assert "Change to your copy of the course" in result.output


def test_the_checkout_is_found_from_anywhere(tmp_path, monkeypatch, course):
    checkout = tmp_path / "checkout"
    (checkout / "lessons").mkdir(parents=True)
    (checkout / "lessons" / "00-a.ipynb").write_text("{}")
    monkeypatch.setattr(cli, "__file__", str(checkout / "labkit" / "cli.py"))
    assert cli.find_course() == checkout


def test_python_dash_m_labkit_is_the_same_command():
    command = [sys.executable, "-m", "labkit", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Usage: labkit ")


# -- labkit doctor -------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Say what should seem to be installed; the rest is as it is."""
    really, seeming = metadata.version, {"asyncio-mqtt": None}

    def version(name: str) -> str:
        found = seeming[name] if name in seeming else really(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    return seeming


def lines(findings) -> str:
    return "\n".join(map(str, findings))


def test_a_healthy_machine_is_ok_line_by_line(course, installed):
    result = labkit("doctor")
    assert result.exit_code == 0, result.output
    *findings, _, last = result.output.splitlines()
    assert all(line.startswith(("ok  ", "--  ")) for line in findings)
    assert last == "All is well. Open the course with `labkit lab`."
    assert re.search(
        r"ok  the lab's broker: a command and its reply took \d+\.\d ms", result.output
    )
    for what in ("Python 3.", "aiomqtt 2.", "amqtt 0.12.1", "kernel python3", "3 lessons in "):
        assert f"ok  {what}" in result.output


def test_what_is_wrong_is_counted_and_the_exit_code_says_so(course, installed, monkeypatch):
    installed |= {"paho-mqtt": "1.6.1", "tenacity": None}
    monkeypatch.setattr(doctor, "round_trip", lambda: doctor.Finding("the lab's broker"))
    result = labkit("doctor")
    assert result.exit_code == 1
    assert "\n2 things are wrong: see the lines with !!.\n" in result.output


def test_an_old_package_is_named_with_the_command_that_mends_it(installed):
    installed["paho-mqtt"] = "1.6.1"
    said = lines(doctor.packages())
    assert "!!  wrong: paho-mqtt is 1.6.1, the course needs <3,>=2.1.\n" in said
    assert f'To mend it: {doctor.INSTALL} "paho-mqtt<3,>=2.1"' in said


def test_a_missing_package_is_named(installed):
    installed["aiomqtt"] = None
    assert "!!  wrong: aiomqtt is not installed" in lines(doctor.packages())


def test_packages_of_the_extras_are_not_asked_for(installed):
    assert "mido" not in lines(doctor.packages())
    assert "pytest" not in lines(doctor.packages())


def test_a_labkit_that_pip_does_not_know_is_named(monkeypatch):
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    said = lines(doctor.packages())
    assert "labkit is not installed for this Python" in said
    assert "pip install -e ." in said


def test_the_former_name_of_aiomqtt_is_warned_of(installed):
    assert lines(doctor.old_name()) == ""
    installed["asyncio-mqtt"] = "0.16.2"
    said = lines(doctor.old_name())
    assert said.startswith("!!  wrong: asyncio-mqtt 0.16.2 is installed")
    assert "pip uninstall asyncio-mqtt" in said


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert lines([doctor.python()]).startswith("!!  wrong: Python 3.9.1")


def test_a_broker_that_does_not_start_is_no_traceback(monkeypatch):
    async def echo() -> float:
        raise OSError("the address is in use\nLeave out the port.")

    monkeypatch.setattr(doctor, "echo", echo)
    assert str(doctor.round_trip()) == (
        "!!  wrong: the lab's broker: the address is in use.\n    To mend it: Leave out the port."
    )


def test_a_broker_that_never_answers_is_not_waited_for_long(monkeypatch):
    async def echo() -> float:
        raise TimeoutError

    monkeypatch.setattr(doctor, "echo", echo)
    assert "a command got no reply in 15 s" in str(doctor.round_trip())


def test_mosquitto_is_not_needed(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    finding = doctor.mosquitto()
    assert str(finding) == "--  Mosquitto: not installed, and not needed"
    assert not finding.wrong


def test_a_kernel_of_another_python_is_named(tmp_path, monkeypatch):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["/opt/other/bin/python", "-m", "ipykernel_launcher"], "display_name": "3"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [])
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    said = str(doctor.kernel())
    assert "kernel python3 starts /opt/other/bin/python, where labkit may be missing" in said
    assert "-m ipykernel install --sys-prefix" in said


def test_a_jupyterlab_without_its_pages_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("jupyterlab.commands.get_app_dir", lambda: str(tmp_path))
    assert "JupyterLab's pages are missing from" in str(doctor.jupyterlab())


def test_a_damaged_lesson_is_named_with_the_command_that_mends_it(course):
    (course / "lessons" / "01-chaos.ipynb").write_text('{"cells": [')
    said = str(doctor.course())
    assert "01-chaos.ipynb is damaged" in said
    assert "git checkout -- lessons/01-chaos.ipynb" in said


def test_a_missing_course_is_named(tmp_path, monkeypatch):
    far_from_the_checkout(tmp_path, monkeypatch)
    said = str(doctor.course())
    assert "no folder lessons/ with notebooks" in said
    assert "`cd` into your copy" in said
