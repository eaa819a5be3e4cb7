"""The baseline of MFCC statistics, on recordings of tones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import open_data
from ossicle.errors import AdapterFileError, RunError
from ossicle.progress import no_progress
from ossicle.training.baseline import train_baseline
from ossicle.training.config import TrainConfig
from ossicle.training.folder import read_config
from ossicle.training.result import read_result
from ossicle.training.trained import Trained
from ossicle.trials.kept import Kept
from ossicle.trials.runners import RUNNERS
from ossicle.trials.trial import Trial
from tones import tone

TIMES = ("train_seconds", "test_seconds")


@pytest.fixture(scope="module")
def baseline(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., TrainConfig]
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "baseline"
    train_baseline(settings(), folder)
    return folder


def test_it_tests_the_recordings_of_the_split_and_writes_a_run_folder(
    baseline: Path, settings: Callable[..., TrainConfig]
) -> None:
    result = read_result(baseline)
    data = settings().data
    assert [row["key"] for row in result.test_metrics["recordings"]] == [
        one.key for one in open_data(data).test
    ]
    assert result.test_metrics["accuracy"] == 1.0  # of tones that differ in pitch
    assert result.test_metrics["intervals"].keys() == {"accuracy", "macro_f1", "uar"}
    assert (result.backbone, result.parameters["trainable"]) == ("mfcc", 0)
    assert {file.name for file in baseline.iterdir()} == {
        "config.json",
        "split.json",
        "versions.json",
        "metrics.json",
    }
    split = json.loads((baseline / "split.json").read_text())
    assert {side: len(split[side]) for side in ("train", "valid", "test")} == {
        side: len(part) for side, part in open_data(data).sides.items()
    }


def test_the_first_of_the_best_on_validation_is_chosen(baseline: Path) -> None:
    result = read_result(baseline)
    scores = result.valid["candidates"]
    best = max(scores, key=scores.__getitem__)  # the first of equal ones
    assert result.recipe == f"mfcc {best}"
    assert result.valid["macro_f1"] == scores[best]


def test_one_seed_gives_the_same_bits(
    baseline: Path, settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    again = train_baseline(settings(), tmp_path / "again").to_dict()
    first = read_result(baseline).to_dict()
    assert {key: again[key] for key in again if key not in TIMES} == {
        key: first[key] for key in first if key not in TIMES
    }


def test_it_is_not_computed_twice_and_its_settings_are_checked(
    baseline: Path, settings: Callable[..., TrainConfig]
) -> None:
    assert train_baseline(settings(epochs=7), baseline) == read_result(baseline)  # not used
    assert read_config(baseline).epochs is None
    with pytest.raises(RunError, match="has other values of seed"):
        train_baseline(settings(seed=1), baseline)


def test_it_has_no_adapter(baseline: Path) -> None:
    with pytest.raises(AdapterFileError, match=r"no recipe\.json; the result of a baseline has no"):
        Trained.open(baseline)


def test_as_a_trial_it_starts_again_after_an_interruption(
    baseline: Path, settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    runner, folder = RUNNERS["mfcc"], tmp_path / "trial"
    folder.mkdir()
    (folder / "config.json").write_bytes((baseline / "config.json").read_bytes())
    assert runner.read(folder) is None
    config = settings(fold="1/3", train_fraction=0.5)  # other settings than before
    runner.run(Trial(config=config, labels={}, runner="mfcc"), folder, Kept(), no_progress)
    measured = runner.read(folder)
    assert measured is not None
    assert len(measured.predicted) == 6  # of 18, in three folds
    assert measured.split.startswith("Fold 1 of 3 is test")
    assert "Trained on 4 of 6 recordings" in measured.split


def test_numbers_are_predicted_in_the_unit_of_the_corpus(tmp_path: Path) -> None:
    rows = ["path,pitch,low,split"]
    for number in range(24):
        pitch = 300 + 100 * number
        soundfile.write(tmp_path / f"{number}.wav", tone(pitch, 0.3, number), 16_000)
        side = ("train", "valid", "train", "test", "train", "valid")[number % 6]
        rows.append(f"{number}.wav,{pitch},{-pitch / 1000},{side}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    data = f"{tmp_path / 'list.csv'}?label=pitch,low"
    config = TrainConfig(backbone="b", recipe="lora", data=data, task="regression")
    result = train_baseline(config, tmp_path / "run")
    assert (result.valid["count"], result.test_metrics["count"]) == (8, 4)
    assert result.test_metrics["ccc"] > 0.8
    for row in result.test_metrics["recordings"]:
        pitch = float(row["predicted"].partition("=")[2].partition(",")[0])
        assert np.isclose(pitch, float(row["label"].partition("=")[2].partition(",")[0]), atol=600)


def test_a_task_that_it_does_not_suit_is_refused(tmp_path: Path) -> None:
    config = TrainConfig(backbone="b", recipe="lora", data="demo?label=transcript")
    with pytest.raises(RunError, match="suits the tasks classification and regression, not asr"):
        train_baseline(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
