"""A test says which programs it needs; without one it is left out, and the summary says so."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REQUIRE_ALL = "LABKIT_REQUIRE_ALL"
# Debian keeps daemons where a plain user's PATH does not look.
PATH = os.pathsep.join(
    [
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        "/usr/local/sbin",
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))),
    ]
)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOSQUITTO = (
    "brew install mosquitto (macOS), winget install EclipseFoundation.Mosquitto (Windows), "
    "apt install {} (Debian, Ubuntu)"
)
HOW_TO_INSTALL = {
    "mosquitto": MOSQUITTO.format("mosquitto"),
    "mosquitto_pub": MOSQUITTO.format("mosquitto-clients"),
    "mosquitto_sub": MOSQUITTO.format("mosquitto-clients"),
    "chromium": "apt install chromium (Debian, Ubuntu), brew install --cask chromium (macOS), "
    "or name one in LABKIT_CHROMIUM",
    "rabbitmq-server": "apt install rabbitmq-server (Debian, Ubuntu), brew install rabbitmq",
    "nats-server": "apt install nats-server (Debian, Ubuntu), brew install nats-server (macOS)",
    "initdb": "apt install postgresql (Debian, Ubuntu), brew install postgresql (macOS)",
    "node": "apt install nodejs (Debian, Ubuntu), brew install node (macOS)",
    "@asyncapi/parser": "npm ci --prefix tests/asyncapi",
}

left_out = pytest.StashKey[dict[str, int]]()


def find(program: str) -> str | None:
    """The path of a program, or None where it is not installed."""
    if program == "@asyncapi/parser":
        folder = Path(__file__).parent / "asyncapi" / "node_modules" / program
        return str(folder) if folder.is_dir() else None
    names: tuple[str, ...] = (program,)
    if program == "chromium":
        named = os.environ.get("LABKIT_CHROMIUM")
        names = (named,) if named else CHROMIUMS
    return next((path for name in names if (path := shutil.which(name, path=PATH))), None)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Ask for the path of a program that the test is marked to need."""

    def path_of(name: str) -> str:
        path = find(name)
        assert path, f"{name} is not installed: mark the test with needs({name!r})"
        return path

    return path_of


def pytest_configure(config: pytest.Config) -> None:
    config.stash[left_out] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    missing = next((name for name in names if not find(name)), None)
    if missing is None:
        return
    if os.environ.get(REQUIRE_ALL) == "1":
        reason = f"{missing} is not installed, and {REQUIRE_ALL}=1 asks for every test."
        pytest.fail(reason, pytrace=False)
    counts = item.config.stash[left_out]
    counts[missing] = counts.get(missing, 0) + 1
    pytest.skip(f"{missing} is not installed")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["left_out"] = session.config.stash[left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has left out is told by the one that prints."""
    counts = node.config.stash[left_out]
    for missing, count in getattr(node, "workeroutput", {}).get("left_out", {}).items():
        counts[missing] = counts.get(missing, 0) + count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in summary(terminalreporter.config.stash[left_out]):
        terminalreporter.write_line(line)


def summary(counts: dict[str, int]) -> Iterator[str]:
    for missing, count in sorted(counts.items()):
        tests = "1 test was" if count == 1 else f"{count} tests were"
        how = HOW_TO_INSTALL.get(missing, "see its own documentation")
        yield f"{tests} left out: {missing} is not installed. To install it: {how}."
