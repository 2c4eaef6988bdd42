"""Knowledge flows one way, names say what they hold, and `import labkit` is light."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit

ROOT = Path(labkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
READING = {"system", "steps", "trace"}  # what views, music and teaching may look at

# Who may know whom, in the order in which a message passes through them.
MAY_KNOW = {
    "system": {"system"},
    "shop": {"system", "shop"},
    "steps": {"system"},
    "trace": {"system", "steps"},
    "views": READING | {"views"},
    "music": READING | {"music", "views"},  # a score is a picture
    "occurrences": READING,
    "counterexample": READING | {"occurrences"},
    "verdict": READING | {"occurrences", "counterexample", "views"},
    "properties": READING | {"occurrences", "counterexample", "verdict"},
    "seven_invariants": READING | {"occurrences", "properties", "verdict"},
    "exploration": READING | {"occurrences", "verdict"},
    "wiretap": {"system"},
    "running": READING | {"wiretap"},
    "serve": READING,
    "asyncapi": READING,
    "spans": READING,
    "lab": READING | {"running", "views", "music"},
    "coupling": READING,
    "boundary": READING | {"occurrences", "verdict"},
    "durable": {"system", "durable"},
    "comparing": READING | {"lab", "shop", "views", "comparing"},
    "guide": READING | {"lab", "shop", "views", "music", "comparing", "coupling", "guide"},
    "teaching": READING
    | {"lab", "shop", "properties", "seven_invariants", "verdict", "views", "teaching"}
    | {"comparing", "coupling"}
    | {"asyncapi"}
    | {"guide"}
    | {"boundary"}
    | {"music"}
    | {"durable"}
    | {"occurrences"},
    "doctor": {"labkit", "cli"},
    "grading": READING | {"labkit", "grading", "teaching"},
    "cli": {"doctor", "grading", "serve", "system", "teaching"},
    "__main__": {"cli"},
}
ONLY_IN = {
    "aiomqtt": {"system/mqtt.py"},
    "paho": {"system/mqtt.py", "system/probes.py"},
    "amqtt": {"system/embedded.py"},
    "cloudpickle": {"system/process.py"},
    "numpy": {"music/synth.py", "music/instruments.py"},
    "mido": {"music/midi.py"},
    "verovio": {"music/engraving.py"},
    "opentelemetry": {"spans.py"},
    "sqlite3": {"system/books.py", "system/database.py", "durable/journal.py"},
    "dbos": {"durable/dbos_engine.py"},
    "sqlalchemy": {"durable/alone.py"},
}
HEAVY = {"numpy", "pandas", "nbformat", "matplotlib", "IPython", "amqtt", "cloudpickle", "sqlite3"}
SIMULATED = (
    "import asyncio; from labkit import Lab; from labkit.shop import Payment; "
    "asyncio.run(Lab(Payment, simulate=1).open())"
)
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "base", "manager", "managers", "common"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_module = pytest.mark.parametrize("path", MODULES, ids=named)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Each (module, name) that a file imports, wherever it stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: write imports out, from labkit on"
            yield from ((node.module or "", alias.name) for alias in node.names)


def part_of(module: str) -> str:
    """`labkit.system.mqtt` is a part of system; `labkit` itself is the public names."""
    words = module.split(".")
    return words[1] if len(words) > 1 else words[0]


@every_module
def test_knowledge_flows_one_way(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if part == "__init__":  # the public names, from everywhere
        return
    assert part in MAY_KNOW, f"say in MAY_KNOW whom labkit.{part} may know"
    known = {part_of(module) for module, _ in imports(path) if module.split(".")[0] == "labkit"}
    assert known <= MAY_KNOW[part]


@pytest.mark.parametrize("path", sorted(ROOT.glob("shop/*.py")), ids=named)
def test_the_shop_is_made_of_public_names(path):
    used = {name for module, name in imports(path) if part_of(module) == "system"}
    assert used <= set(labkit.__all__)


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_foreign_package_is_known_in_one_place(package):
    who = {
        named(path)
        for path in MODULES
        if any(module.split(".")[0] == package for module, _ in imports(path))
    }
    assert who <= ONLY_IN[package]


@every_module
def test_a_module_opens_with_one_sentence(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, "a module says what it is"
    sentence = " ".join(text.split("\n\n")[0].split())
    assert len(re.findall(r"[.?!](?=\s|$)", sentence)) == 1, sentence
    assert sentence[-1] in ".?!:", sentence


@every_module
def test_a_file_is_named_by_what_it_holds(path):
    assert not SAYS_NOTHING & {*path.relative_to(ROOT).parts, path.stem}


@pytest.mark.parametrize("name", labkit.__all__)
def test_a_public_name_can_be_had_and_has_its_line(name):
    assert getattr(labkit, name) is not None
    listed = [line for line in (labkit.__doc__ or "").splitlines() if line.startswith("    ")]
    assert any(re.search(rf"\b{name}\b", line) for line in listed)


@pytest.mark.parametrize("name", labkit.__all__)
def test_a_public_name_is_not_hidden_by_a_module_of_that_name(name):
    # `import labkit.explore` would put the module where `labkit.explore` is looked for.
    assert not (ROOT / f"{name}.py").exists()


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import labkit", HEAVY | {"aiomqtt", "pydantic", "asyncio"}),
        ("from labkit import Lab, Service", HEAVY - {"amqtt"}),
        ("import labkit.cli", HEAVY | {"aiomqtt", "jupyterlab"}),
        (SIMULATED, HEAVY | {"aiomqtt", "paho"}),
    ],
)
def test_an_import_loads_nothing_heavy(statement, unwanted):
    code = f"{statement}; import sys; print(*sorted({unwanted!r} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert result.stdout.split() == []
