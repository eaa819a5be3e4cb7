"""A caller stops a run early, and resumes it; a run trains on a part of its recordings."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ossicle import files
from ossicle.adapters.folder import TENSORS
from ossicle.frozen.cache import FACTS, digest
from ossicle.frozen.database import FILE
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG, METRICS, SPLIT, read_json
from ossicle.training.prepare import prepare
from ossicle.training.result import RunResult, read_result
from ossicle.training.run import train
from ossicle.training.state import Epoch

Configure = Callable[..., TrainConfig]


class Stages:
    """Collects the stages of a run; optionally raises at the first step of one."""

    def __init__(self, fail_in: str = "") -> None:
        self.seen: list[str] = []
        self.fail_in = fail_in

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG002
        if stage == self.fail_in:
            raise KeyboardInterrupt
        self.seen.append(stage)


def stop_after(number: int, epochs: list[Epoch]) -> Callable[[Epoch], bool]:
    """Return a callback that collects epochs, and ends the run after one of them."""

    def on_epoch(epoch: Epoch) -> bool:
        epochs.append(epoch)
        return epoch.number == number

    return on_epoch


def log(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_a_run_stops_before_its_test_and_is_tested_when_it_is_resumed(
    settings: Configure, finished: Path, tmp_path: Path
) -> None:
    stages = Stages()
    untested = train(settings(), tmp_path / "run", test=False, progress=stages)
    assert "test" not in stages.seen
    assert "training" in stages.seen
    assert untested.test is untested.test_seconds is None
    assert json.loads((tmp_path / "run" / METRICS).read_text())["test"] is None
    assert train(settings(), tmp_path / "run", resume=True, test=False) == untested

    stages = Stages()
    tested = train(settings(), tmp_path / "run", resume=True, progress=stages)
    assert "test" in stages.seen
    assert not {"training", "valid"} & set(stages.seen)
    assert tested.test == read_result(finished).test
    assert tested.train_seconds == untested.train_seconds
    assert tested.step_seconds == untested.step_seconds
    assert read_result(tmp_path / "run") == tested
    assert train(settings(), tmp_path / "run", resume=True, test=False) == tested


def test_every_epoch_is_reported_and_a_callback_without_an_answer_changes_nothing(
    settings: Configure, finished: Path, tmp_path: Path
) -> None:
    epochs: list[Epoch] = []
    result = train(settings(), tmp_path / "run", on_epoch=epochs.append)
    assert [epoch.to_dict() for epoch in epochs] == log(finished)
    assert (tmp_path / "run" / TENSORS).read_bytes() == (finished / TENSORS).read_bytes()
    assert result.ended_by == "epochs"


@pytest.mark.parametrize("patience", [None, 9])
def test_a_callback_ends_a_run_which_keeps_its_best_epoch_and_does_not_go_on(
    patience: int | None, settings: Configure, finished: Path, tmp_path: Path
) -> None:
    config, epochs = settings(patience=patience), list[Epoch]()
    result = train(config, tmp_path / "run", on_epoch=stop_after(2, epochs))
    assert log(tmp_path / "run") == log(finished)[:2]
    assert (result.epochs, result.ended_by) == (2, "callback")
    assert result.best_epoch == max(one.number for one in epochs if one.is_best)
    assert result.test is not None
    assert train(config, tmp_path / "run", resume=True) == result


def test_a_run_that_would_have_ended_anyway_was_not_ended_by_the_callback(
    settings: Configure, tmp_path: Path
) -> None:
    result = train(settings(), tmp_path / "all", test=False, on_epoch=stop_after(3, []))
    assert (result.epochs, result.ended_by) == (3, "epochs")
    config = settings(epochs=9, lr=1e-12, patience=1)  # too small a rate for a better epoch
    result = train(config, tmp_path / "some", test=False, on_epoch=stop_after(2, []))
    assert (result.epochs, result.ended_by) == (2, "patience")


def test_a_run_that_a_callback_has_ended_stays_ended_if_it_is_killed_before_its_test(
    settings: Configure, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(
            settings(),
            tmp_path / "run",
            on_epoch=stop_after(1, []),
            progress=Stages(fail_in="test"),
        )
    assert not (tmp_path / "run" / METRICS).exists()
    asked: list[Epoch] = []
    result = train(settings(), tmp_path / "run", resume=True, on_epoch=stop_after(3, asked))
    assert (result.epochs, result.ended_by, asked) == (1, "callback", [])


def test_an_epoch_whose_callback_raises_is_repeated_and_reported_again(
    settings: Configure, finished: Path, tmp_path: Path
) -> None:
    reported: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        reported.append(epoch)
        if len(reported) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings(), tmp_path / "run", on_epoch=on_epoch)
    result: RunResult = train(settings(), tmp_path / "run", resume=True, on_epoch=on_epoch)
    assert [epoch.number for epoch in reported] == [1, 2, 2, 3]
    assert reported[1] == reported[2]
    assert (result.epochs, result.ended_by) == (3, "epochs")
    for name in (TENSORS, LOG):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_a_run_on_shots_shrinks_the_training_side_alone(
    settings: Configure, finished: Path, tmp_path: Path
) -> None:
    whole = read_result(finished)
    part = train(settings(shots=2, epochs=1), tmp_path / "two")
    split, of_whole = (read_json(folder / SPLIT) for folder in (tmp_path / "two", finished))
    assert len(split["train"]) == 4 < len(of_whole["train"])
    assert split["train"].items() <= of_whole["train"].items()
    assert part.split.endswith("Trained on 4 of 6 recordings: 2 of each class.")
    for side in ("valid", "test"):
        assert part.split_fingerprint[side] == whole.split_fingerprint[side]
    assert part.split_fingerprint["train"] != whole.split_fingerprint["train"]
    assert part.epochs == len(log(tmp_path / "two")) == 1
    half = train(settings(train_fraction=0.3, epochs=1), tmp_path / "half", test=False)
    assert half.split.endswith("Trained on 2 of 6 recordings: a fraction of 0.3.")


def test_a_run_takes_the_remembered_hash_of_weights_as_part_of_the_name_of_its_cache(
    settings: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RACY_NS", 0)
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path))
    config = settings(cache="float32")
    first, again = prepare(config).frozen.cache, prepare(config).frozen.cache
    assert first is not None
    assert again is not None
    assert again.folder == first.folder
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        ((key,),) = db.execute("SELECT key FROM weights").fetchall()
        db.execute("UPDATE weights SET digest = 'x', checksum = ?", (digest(key, "x"),))
        db.commit()
    other = prepare(config).frozen.cache
    assert other is not None
    assert '"weights": "x"' in (other.folder / FACTS).read_text()
    assert other.folder != first.folder
