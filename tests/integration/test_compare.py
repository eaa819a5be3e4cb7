"""A comparison trains missing runs, reuses finished ones, and pairs the same recordings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.adapters.folder import TENSORS
from ossicle.errors import RunError
from ossicle.studies.compare import compare
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG, METRICS, Writer
from ossicle.training.result import read_result
from ossicle.training.run import train
from tones import write_tone


@pytest.mark.slow
def test_a_comparison_reuses_finished_runs_and_goes_on_with_interrupted_ones(
    settings: Callable[..., TrainConfig], interrupt: Callable[..., None], tmp_path: Path
) -> None:
    linear, lora = settings(recipe="linear"), settings(recipe="lora")
    train(linear, tmp_path / "linear" / "seed-0")
    before = (tmp_path / "linear" / "seed-0" / METRICS).stat().st_mtime_ns
    interrupt(lora, tmp_path / "lora" / "seed-0", epoch=3)
    train(lora, tmp_path / "whole")
    started: list[tuple[str, int, int, int]] = []
    found = compare(
        settings(recipe="unused"),
        ["linear", "lora"],
        [0],
        tmp_path,
        started=lambda *one: started.append(one),
    )
    assert started == [("linear", 0, 1, 2), ("lora", 0, 2, 2)]
    assert (tmp_path / "linear" / "seed-0" / METRICS).stat().st_mtime_ns == before
    for name in (TENSORS, LOG):
        resumed = (tmp_path / "lora" / "seed-0" / name).read_bytes()
        assert resumed == (tmp_path / "whole" / name).read_bytes()
    runs = [
        json.loads((tmp_path / name / "seed-0" / METRICS).read_text())["test"]
        for name in ("linear", "lora")
    ]
    assert [row["accuracy"]["values"] for row in found["rows"]] == [[r["accuracy"]] for r in runs]
    difference = runs[1]["accuracy"] - runs[0]["accuracy"]
    assert found["rows"][1]["against_first"]["difference"] == pytest.approx(difference)
    assert found["rows"][1]["against_first"]["num_units"] == 6
    assert json.loads((tmp_path / "compare.json").read_text()) == found


def test_runs_on_other_recordings_are_not_paired(
    settings: Callable[..., TrainConfig], corpus: Path, tmp_path: Path
) -> None:
    tones, out = tmp_path / "tones", tmp_path / "out"
    shutil.copytree(corpus, tones)
    given = {"recipe": "linear", "epochs": 1, "data": f"audiofolder:{tones}"}
    train(settings(**given), out / "linear" / "seed-0")
    write_tone(tones / "cleo-high-0.wav", "high", 0.3, seed=99)
    train(settings(**given, seed=1), out / "linear" / "seed-1")
    with pytest.raises(RunError, match=r"seed-1' has other recordings than .*seed-0'"):
        compare(settings(**given), ["linear"], [0, 1], out)
    assert not (out / "compare.json").exists()


def test_a_run_with_other_settings_is_not_reused(
    settings: Callable[..., TrainConfig], finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "linear" / "seed-0")
    with pytest.raises(RunError, match="has other values of recipe; resume it with its"):
        compare(settings(), ["linear"], [0], tmp_path)


def test_a_recipe_that_does_not_fit_stops_the_comparison_before_any_training(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="compare needs one or more different seeds; none"):
        compare(settings(), ["linear"], [], tmp_path)
    with pytest.raises(Exception, match="this backbone has 2 layers") as raised:
        compare(settings(), ["linear", "lora[9]"], [0], tmp_path)
    assert raised.type.__name__ == "RecipeMismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_stops_the_comparison_with_its_reason_and_keeps_the_others(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    stages: set[str] = set()

    def progress(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
        stages.add(stage)

    given = settings(recipe="", epochs=1, cache="off")
    being_written = r"recipe 'linear' with seed 1: .* is being written by another process"
    with Writer(tmp_path / "linear" / "seed-1") as writer:
        writer.take()
        with pytest.raises(RunError, match=being_written):
            compare(given, ["linear"], [0, 1], tmp_path, progress=progress)
    assert stages >= {"training", "valid", "test"}
    assert read_result(tmp_path / "linear" / "seed-0").test is not None
    assert not (tmp_path / "linear" / "seed-1" / METRICS).exists()
    assert not (tmp_path / "compare.json").exists()
