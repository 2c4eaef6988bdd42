"""The README's commands are those that are run before each change lands."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OPEN = "python3 -m venv .venv && . .venv/bin/activate && pip install -q -e . && labkit lab"
TEST = (
    "python3 -m venv .venv && . .venv/bin/activate && "
    "pip install -q -e '.[test]' && python -m pytest -n 3 --dist loadfile"
)
# PowerShell runs no scripts as it is installed, so nothing is activated.
WINDOWS_OPEN = (
    "py -m venv .venv; .venv\\Scripts\\python -m pip install -q -e .; .venv\\Scripts\\labkit lab"
)
WINDOWS_TEST = (
    'py -m venv .venv; .venv\\Scripts\\python -m pip install -q -e ".[test]"; '
    ".venv\\Scripts\\python -m pytest -n 3 --dist loadfile"
)


def lines_of(path: str) -> list[str]:
    return [line.strip() for line in (ROOT / path).read_text(encoding="utf-8").splitlines()]


def test_the_readme_has_one_line_to_open_the_course_and_one_to_test_it():
    lines = lines_of("README.md")
    assert [line for line in (OPEN, TEST, WINDOWS_OPEN, WINDOWS_TEST) if line not in lines] == []


def test_ci_runs_the_readmes_line_as_it_stands():
    assert TEST in lines_of(".ci/run")


def test_ci_asks_for_every_test():
    assert "LABKIT_REQUIRE_ALL=1" in (ROOT / ".ci/run").read_text(encoding="utf-8")
