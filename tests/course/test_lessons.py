"""Every lesson gives what it shows, run after run, on each broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import find
from tools import build_course

ROOT = Path(__file__).parent.parent.parent
FIXTURE = Path(__file__).parent / "fixture" / "00-two-rooms.md"
TIMES = ["first", "second", "third"]
ALL_SECONDS = 300
CELL_SECONDS = 60


def nbval(folder: Path, broker: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the notebooks of a folder and compare each output with the stored one."""
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider --color=no --nbval"
    options = [
        "-p",
        "tests.over_files",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        str(folder),
    ]
    environment = {**os.environ, "LABKIT_BROKER": broker, "NO_COLOR": "1"}
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        environment[name] = str(home / name.lower())  # not what the developer has set up
    return subprocess.run(
        [*command.split(), *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=ALL_SECONDS,
        check=False,
    )


def holds(result: subprocess.CompletedProcess[str]) -> bool:
    print(result.stdout, result.stderr)
    return result.returncode == 0


@pytest.fixture(scope="module")
def rounds(request, tmp_path_factory) -> Iterator[dict[tuple[str, str], Future]]:
    """The rounds that are asked for, three at a time: lessons mostly wait."""
    asked = [
        item.callspec.params for item in request.session.items if "rounds" in item.fixturenames
    ]
    here = [(each["broker"], each["time"]) for each in asked]
    here = [(broker, time) for broker, time in here if broker == "embedded" or find(broker)]
    with ThreadPoolExecutor(3) as pool:
        yield {
            (broker, time): pool.submit(
                nbval, ROOT / "lessons", broker, tmp_path_factory.mktemp(f"{broker}-{time}")
            )
            for broker, time in sorted(here, key=lambda each: TIMES.index(each[1]))
        }


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("broker", ["embedded"])
def test_the_lessons_show_what_is_stored_time_after_time(rounds, broker, time):
    assert holds(rounds[broker, time].result())


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("broker", ["mosquitto"])
def test_the_lessons_show_the_same_on_mosquitto(rounds, broker, time):
    assert holds(rounds[broker, time].result())


# -- would these tests notice? -------------------------------------------------------------------


@pytest.fixture(scope="module")
def fixture_lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lessons")
    notebook = build_course.written(FIXTURE)
    build_course.run(notebook, FIXTURE.stem, folder)
    path = folder / f"{FIXTURE.stem}.ipynb"
    path.write_text(build_course.as_text(notebook), encoding="utf-8")
    return path


def test_all_that_a_lesson_may_have_passes(fixture_lesson, tmp_path):
    result = nbval(fixture_lesson.parent, "embedded", tmp_path)
    assert holds(result)
    assert "7 passed" in result.stdout


def test_another_output_than_the_stored_one_is_noticed(fixture_lesson, tmp_path):
    (tmp_path / "lessons").mkdir()
    spoilt = tmp_path / "lessons" / fixture_lesson.name
    spoilt.write_text(fixture_lesson.read_text().replace('"42"', '"43"'))
    result = nbval(spoilt.parent, "embedded", tmp_path)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 6 passed" in result.stdout
