"""environment.yml says the same as pyproject.toml, and what is imported is asked for."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Come with those that are asked for, as a part of what they promise.
COMES_WITH = {
    "jupyter-client": "jupyterlab",
    "ipython": "ipywidgets",
    "nbformat": "nbclient",
    "pydantic-core": "pydantic",
    "psycopg": "dbos",
    "sqlalchemy": "dbos",
    "opentelemetry-proto": "opentelemetry-exporter-otlp-proto-http",
}


def asked_for(*extras: str) -> dict[str, SpecifierSet]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return {r.name: r.specifier for r in map(Requirement, lines)}


def conda_lines() -> list[str]:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    text = text.split("dependencies:")[1]
    return [
        line.strip().removeprefix("- ") for line in text.splitlines() if re.match(r" +- ", line)
    ]


def conda() -> dict[str, SpecifierSet]:
    plain = [line for line in conda_lines() if not line.startswith(("pip:", "-e "))]
    return {r.name: r.specifier for r in map(Requirement, plain)}


def test_conda_takes_the_same_versions_as_pip():
    pip = {**asked_for("test"), "python": SpecifierSet(PROJECT["requires-python"])}
    assert {name: pip[name] for name in conda() if name != "pip"} == {
        name: versions for name, versions in conda().items() if name != "pip"
    }


def test_conda_names_what_a_learner_will_ask_about():
    assert {"python", "jupyterlab", "ipywidgets", "nbval", "aiomqtt", "paho-mqtt"} <= set(conda())
    assert "-e ." in conda_lines()
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert f"\nname: {PROJECT['name']}\n" in text


def test_each_package_has_its_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("dependencies = [")[1].split("\n]")[0]
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) == len(PROJECT["dependencies"])
    assert [line for line in lines if not re.search(r'",\s+# .', line)] == []


def test_no_package_is_asked_for_by_its_former_name():
    assert "asyncio-mqtt" not in asked_for(*EXTRAS)


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("labkit", ("sound", "score", "charts", "otel", "dbos")),
        ("tests", ("test", "sound", "otel", "dbos")),
        ("tools", ("test",)),
    ],
)
def test_what_is_imported_is_asked_for(folder, extras):
    allowed = {name.lower() for name in asked_for(*extras)}
    allowed |= {part for part, whole in COMES_WITH.items() if whole in allowed}
    unasked = {
        package: sorted(distributions)
        for package in foreign_imports(ROOT / folder)
        if not (distributions := distributions_of(package)) & allowed
    }
    assert unasked == {}


def foreign_imports(folder: Path) -> set[str]:
    ours = {"labkit", "tools", "tests", "benchmarks"}
    ours |= {path.stem for path in folder.rglob("*.py")}  # a test's own neighbours
    return {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in roots(node)
        if name not in ours and name not in sys.stdlib_module_names
    }


def roots(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


def distributions_of(package: str) -> set[str]:
    found = metadata.packages_distributions().get(package, [package])
    return {name.lower().replace("_", "-") for name in found}
