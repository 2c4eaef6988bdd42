"""A test whose program is missing is left out aloud, or fails where all tests are asked for."""

import os
from pathlib import Path

import pytest

EXE = ".exe" if os.name == "nt" else ""
CONFTEST = Path(__file__).parent.parent / "conftest.py"
ONE_HERE_TWO_NOT = """
    import pytest

    @pytest.mark.needs("python3", "python")
    def test_with_what_is_here(): pass

    @pytest.mark.needs("no-such-broker")
    def test_with_what_is_not(): pass

    @pytest.mark.needs("python", "no-such-broker")
    def test_with_both(): pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run pytest on a small file, beside a copy of our conftest.py."""
    for name in ("LABKIT_REQUIRE_ALL", "LABKIT_CHROMIUM"):
        monkeypatch.delenv(name, raising=False)
    programs = pytester.mkdir("programs")
    for name in ("python3", "python"):
        (programs / f"{name}{EXE}").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n    needs(program): is installed\n")

    def with_file(text: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest("-p", "no:cacheprovider")

    return with_file


def test_the_rest_runs_and_one_line_says_how_many_were_left_out(run):
    result = run(ONE_HERE_TWO_NOT)
    result.assert_outcomes(passed=1, skipped=2)
    [line] = [line for line in result.outlines if "left out" in line]
    assert line.startswith("2 tests were left out: no-such-broker is not installed.")


@pytest.mark.parametrize("missing", ["chromium", "mosquitto_pub"])
def test_the_line_says_how_to_install_what_is_missing(run, missing, monkeypatch):
    monkeypatch.setenv("LABKIT_CHROMIUM", "/nowhere/chromium")
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    result = run(f"""
        import pytest

        @pytest.mark.needs({missing!r})
        def test_it(): pass
    """)
    [line] = [line for line in result.outlines if "left out" in line]
    assert line.startswith(f"1 test was left out: {missing} is not installed.")
    assert "To install it: " in line
    assert "apt install " in line


def test_where_all_are_required_a_missing_program_is_a_failure(run, monkeypatch):
    monkeypatch.setenv("LABKIT_REQUIRE_ALL", "1")
    result = run(ONE_HERE_TWO_NOT)
    result.assert_outcomes(passed=1, errors=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "no-such-broker is not installed, and LABKIT_REQUIRE_ALL=1" in result.stdout.str()
    assert "left out" not in result.stdout.str()


def test_nothing_is_said_when_nothing_is_missing(run):
    assert "left out" not in run("def test_it(): pass").stdout.str()


def test_a_daemon_is_found_outside_of_a_plain_users_path(run, tmp_path, monkeypatch):
    daemons = tmp_path / "sbin"
    daemons.mkdir()
    (daemons / f"no-such-broker{EXE}").touch(mode=0o755)
    text = CONFTEST.read_text(encoding="utf-8")
    assert "/usr/sbin" in text
    (Path.cwd() / "conftest.py").write_text(text.replace("/usr/sbin", str(daemons)))
    run(ONE_HERE_TWO_NOT).assert_outcomes(passed=3)
