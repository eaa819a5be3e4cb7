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


class Clock:
    """A clock that tasks set forward."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_tasks_that_do_not_fit_into_the_budget_are_skipped_with_a_reason():
    budget, clock, ran = importlib.import_module("gpu.budget"), Clock(), []

    def task(name, estimate_s, takes_s):
        def action():
            ran.append(name)
            clock.now_s += takes_s
            return {name: takes_s}

        return budget.Task(name, estimate_s, action)

    # Each takes twice its estimate: 1 + 3 estimated end after 8 s; 4 would take 8 of the 2 s left.
    tasks = [task("a", 1, 2), task("b", 3, 6), task("c", 4, 8), task("d", 1, 2), task("e", 1, 2)]
    outcomes = list(budget.run_within(tasks, 10, clock))
    assert ran == ["a", "b", "d"]
    assert [outcome.name for outcome in outcomes] == ["a", "b", "c", "d", "e"]
    assert outcomes[0].figures == {"a": 2}
    assert outcomes[2].skipped == "expected to take 8 s, and 2 s were left"
    assert outcomes[4].skipped == "expected to take 2 s, and 0 s were left"
    assert clock() == 110


def test_a_task_that_fails_does_not_stop_the_others(capsys):
    budget = importlib.import_module("gpu.budget")
    tasks = [budget.Task("a", 1, lambda: 1 / 0), budget.Task("b", 1, lambda: {"x": 1.0})]
    failed, done = budget.run_within(tasks, 10)
    assert failed.error == "ZeroDivisionError: division by zero"
    assert done.figures == {"x": 1.0}
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_row_on_the_gpu_has_ratio_speed_and_every_variant():
    training, speed = (
        importlib.import_module("gpu.training"),
        importlib.import_module("speed.bench"),
    )
    bench = speed.Bench(rounds=2, quick=True)
    row = training.row(bench, training.models(bench)["base"], "l-adapter", None)()
    assert list(row) == ["bare forward", "ossicle", "ossicle, cached"]
    for figures in row.values():
        assert figures["audio_s_per_s"] * figures["seconds"] == pytest.approx(8 * 0.4)
        assert figures["peak_mib"] is None


def test_the_page_shows_what_was_measured_on_a_gpu():
    page = importlib.import_module("page")
    assert page.gpu(None) == "Not measured."
    figures = {"median": 2.0, "low": 1.5, "high": 2.5, "audio_s_per_s": 1234.0, "peak_mib": 5678.4}
    shown = page.gpu(
        {
            "device": "a GPU",
            "driver": "550.1",
            "versions": {"torch": "2.9"},
            "date": "2026-01-01",
            "seed": 0,
            "rounds": 7,
            "tests": {"passed": 3, "failed": 0},
            "figures": {"HuBERT base": {"ossicle": figures}},
            "skipped": {"HuBERT large": "no time"},
            "failed": {},
        }
    )
    assert (
        "Measured on a GPU, driver 550.1, with torch 2.9, on 2026-01-01; seed 0, 7 rounds." in shown
    )
    assert "| HuBERT base: ossicle | 2.00 [1.50, 2.50] | 1,234 | 5,678 |" in shown
    assert shown.endswith("Skipped: HuBERT large (no time)")


def test_the_page_shows_the_cost_of_an_ensemble_with_its_goal():
    page = importlib.import_module("page")
    assert page.ensemble(None) == "Not measured."
    found = {
        "one member": {"median": 1.04, "low": 1.0, "high": 1.1},
        "ensemble of five": {"median": 2.9, "low": 2.8, "high": 3.0},
        "target": 3.1,
    }
    lines = page.ensemble(
        {"recordings": "2 of 4 s", "rounds": 7, "results": {"all layers": found}}
    ).splitlines()
    assert lines[0] == "`predict` on 2 of 4 s, 7 rounds."
    assert lines[-2:] == [
        "| all layers: one member | 1.04 [1.00, 1.10] |  |",
        "| all layers: ensemble of five | 2.90 [2.80, 3.00] | 3.1 |",
    ]


@pytest.mark.thorough
def test_the_cost_of_an_ensemble_is_measured_against_its_members(tmp_path):
    ensemble, sizes = importlib.import_module("ensemble"), importlib.import_module("speed.sizes")
    files = ensemble.write_recordings(tmp_path, 1, 0.4)
    found = ensemble.measure(sizes.QUICK.base, "top third", 2, files)
    assert next(iter(found)) == "bare forward"
    assert found["bare forward"]["median"] == 1
    assert found["five single passes"]["median"] > found["one member"]["median"]
