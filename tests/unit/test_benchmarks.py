"""Each benchmark runs, prints its table and writes its numbers; how fast is not judged here."""

import json
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        pytest.param("bus", {"bare aiomqtt", "labkit"}, marks=pytest.mark.needs("mosquitto")),
        ("comparison", {"good days", "a turn of the dials"}),
        ("durable", {"journal"}),
        ("simulation", {"judged", "judged, time-outs of 30 s", "choreographed"}),
        ("sound", {"a band's 16 bars", "violins", "drums"}),
        ("start", {"bare Python", "import labkit"}),
        ("trace", {"why", "sequence diagram (the first 60)"}),
    ],
)
def test_a_benchmark_prints_a_table_and_writes_its_numbers(name, cases, tmp_path, capsys):
    file = tmp_path / "numbers.json"
    import_module(f"benchmarks.{name}").main(["--quick", "--json", str(file)])
    found = json.loads(file.read_text(encoding="utf-8"))
    assert cases <= {row["case"] for row in found["rows"]}
    printed = capsys.readouterr().out
    assert all(case in printed for case in cases)
    assert found["machine"]["cores"] >= 1


def test_importing_labkit_loads_nothing_heavy(tmp_path):
    from benchmarks.start import IMPORTS, imported

    for name, code in IMPORTS.items():
        assert imported(name, code, 1)["heavy"] == "[]", name
