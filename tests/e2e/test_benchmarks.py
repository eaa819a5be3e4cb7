"""The scripts of `benchmarks/` run, and measure what the page shows."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STORED = json.loads((BENCHMARKS / "results" / "bench-cpu.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def speed():
    return importlib.import_module("speed.bench")


def test_the_groups_are_those_of_the_stored_results():
    groups = importlib.import_module("speed.groups").GROUPS
    assert groups.keys() == STORED.keys()
    assert all(group.title for group in groups.values())


def test_a_ratio_is_taken_within_a_round(speed):
    found = speed.ratio([2.0, 30.0, 8.0], reference=[1.0, 10.0, 4.0])  # 2, 3, 2
    assert found == {"median": 2.0, "low": 2.0, "high": 3.0, "seconds": 8.0}


def test_variants_take_turns_in_an_order_that_rotates(speed):
    called = []
    actions = {name: lambda name=name: called.append(name) for name in "abc"}
    speed.Bench(rounds=3).ratios(actions)
    assert "".join(called) == "abc" + "abc" + "bca" + "cab"


def test_the_quick_mode_yields_the_labels_of_the_stored_results(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.py", "--quick", "--print", "attention"])
    importlib.import_module("bench").main()
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == STORED["attention"]["figures"].keys()
