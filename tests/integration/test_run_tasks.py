"""Runs of the other tasks, and the effect of their settings, on recordings of tones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ossicle.adapters.folder import COHORT
from ossicle.compute.precision import pick_precision
from ossicle.data import write_manifest
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, LabelError, RunError
from ossicle.frozen.cache import stores
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import SAMPLE_RATE, tone

Configure = Callable[..., TrainConfig]
SIDES = ("train", "valid", "test")


def write(root: Path, label_of: Callable[[str, int], str], count: int = 6) -> str:
    """Write recordings of two tones, high or low, and a manifest; return its data string."""
    made, split = [], {}
    for side in SIDES:
        for number in range(count):
            file = root / f"{side}-{number}.wav"
            hz = (300, 2000) if number % 2 else (2000, 300)
            parts = [tone(one, 0.3, seed=number + 100 * SIDES.index(side)) for one in hz]
            soundfile.write(file, np.concatenate(parts), SAMPLE_RATE)
            made.append(Utterance.of(file, root, label_of(side, number)))
            split[made[-1].key] = side
    write_manifest(root / "list.csv", made, split)
    return f"manifest:{root}/list.csv?speaker_independent=no"


def order(side: str, number: int) -> str:  # noqa: ARG001 - the same on every side
    return "l h" if number % 2 else "h l"


@pytest.fixture
def texts(tmp_path: Path) -> str:
    return write(tmp_path, order)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


@pytest.mark.thorough
def test_a_recogniser_learns_and_has_its_own_metrics(
    settings: Configure, texts: str, tmp_path: Path
) -> None:
    config = settings(
        backbone="tiny-hubert", data=texts, task="asr", recipe="full", epochs=12, lr=2e-3
    )
    metrics = train(config, tmp_path / "run")
    assert metrics.chosen_by == "WER"
    assert metrics.valid["wer"] < 0.5
    trained = Trained.open(tmp_path / "run", device="cpu")
    again = trained.evaluate(texts, batch_size=4)
    assert {key: again[key] for key in metrics.test} == metrics.test
    (tmp_path / "words.txt").write_text("h l")
    beam = Trained.open(
        tmp_path / "run", device="cpu", decoder=f"beam(words={tmp_path / 'words.txt'})"
    )
    said = beam.evaluate(texts, batch_size=4)
    assert said["wer"] <= 0.5
    (found,) = beam.predict([tmp_path / "test-0.wav"])
    assert set(found["label"].split()) <= {"h", "l"}
    with pytest.raises(RunError, match="no decoder 'beem'"):
        Trained.open(tmp_path / "run", device="cpu", decoder="beem")


def test_a_run_without_recognised_words_reports_it_and_keeps_the_lowest_loss(
    settings: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def with_a_capital(side: str, number: int) -> str:
        return "h L" if (side, number) == ("test", 0) else order(side, number)

    config = settings(data=write(tmp_path, with_a_capital), task="asr", lr=1e-4, epochs=4)
    metrics = train(config, tmp_path / "run")
    losses = [epoch["valid_loss"] for epoch in log(tmp_path / "run")]
    assert metrics.best_epoch == 1 + losses.index(min(losses))
    assert metrics.chosen_by == "loss"
    unseen, unlearnt = metrics.notices  # and none that takes a transcript for a class
    assert "1 of the units of test (5.6 %)" in unseen  # 6 transcripts of 3 characters
    assert "'L' (1)" in unseen
    assert "--task 'asr(case=lower)' avoids all of them" in unseen
    assert "What helps: more --epochs" in unlearnt
    assert {unseen, unlearnt} <= {record.getMessage() for record in caplog.records}
    caplog.clear()
    Trained.open(tmp_path / "run", device="cpu").evaluate(config.data)
    assert "'L' (1)" in caplog.text
    lower = train(settings(**vars(config) | {"task": "asr(case=lower)"}), tmp_path / "lower")
    assert not any("'L'" in notice for notice in lower.notices)
    again = Trained.open(tmp_path / "lower", device="cpu").evaluate(config.data)
    assert again["wer"] == lower.test["wer"]


def test_transcripts_that_do_not_fit_stop_the_run_before_it_starts(
    settings: Configure, tmp_path: Path
) -> None:
    def run(label_of: Callable[[str, int], str], **changes: Any) -> dict[str, Any]:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        root.mkdir()
        config = settings(data=write(root, label_of), task="asr", **changes)
        return train(config, root / "run")

    with pytest.raises(LabelError, match=r"1 units of the transcripts .* 'x'"):
        run(lambda side, number: "x" if side == "test" else order(side, number))
    long = "hlhlhl" * 20

    def some(side: str, number: int) -> str:
        return long if (side, number) == ("train", 0) else order(side, number)

    with pytest.raises(LabelError, match=r"1 of 18 .*train-0.wav \(needs 120, has 118\).*--drop-s"):
        run(some)
    kept = run(some, drop_short=True)
    assert kept.test["count"] == 6
    with pytest.raises(DataError, match=r"18 recordings are longer .* 0.5 s .*--max-seconds 1"):
        run(order, max_seconds=0.5)
    with pytest.raises(RunError, match="head 'mean' does not suit the task asr; use frames or sup"):
        run(order, head="mean")


def test_missing_or_constant_numbers_are_errors(settings: Configure, tmp_path: Path) -> None:
    for label, message in (
        ("loud", "'loud' is not a number"),
        ("nan", "'nan' is not a number"),
        ("3.5", "value is 3.5 in all 6 training recordings"),
    ):
        root = tmp_path / label
        root.mkdir()
        with pytest.raises(LabelError, match=message):
            train(
                settings(data=write(root, lambda *_, text=label: text), task="regression"),
                root / "r",
            )


def test_a_verifier_keeps_its_cohort(settings: Configure, tmp_path: Path) -> None:
    data = write(tmp_path, lambda side, number: f"{side}-{number % 2}")
    config = settings(
        backbone="tiny-hubert", data=data, task="verification(loss=am-softmax)", epochs=2
    )
    metrics = train(config, tmp_path / "run")
    assert metrics.valid["trials"] == 15
    assert (tmp_path / "run" / COHORT).is_file()
    test = metrics.test
    assert {"eer", "min_dcf_01", "min_dcf_05", "det", "s_norm", "as_norm"} <= set(test)
    assert -1 <= metrics.valid["eer_threshold"] <= 1
    assert (test["loss"], log(tmp_path / "run")[0]["valid_loss"]) == (None, None)
    trained = Trained.open(tmp_path / "run", device="cpu")
    again = trained.evaluate(data, batch_size=4)
    for norm in ("s_norm", "as_norm"):
        assert again[norm] == pytest.approx(test[norm])
    first, second = trained.predict([tmp_path / "test-0.wav", tmp_path / "test-1.wav"])
    assert first["score"] == pytest.approx(1)
    assert -1 <= second["score"] < 1
    (tmp_path / "run" / COHORT).unlink()
    assert "s_norm" not in Trained.open(tmp_path / "run", device="cpu").evaluate(data)


@pytest.mark.thorough
def test_events_are_found_in_time(settings: Configure, tmp_path: Path) -> None:
    data = write(
        tmp_path, lambda _, number: "0.3-0.6:high" if number % 2 else "0-0.3:high|0.3-0.6:low"
    )
    config = settings(
        backbone="tiny-hubert", data=data, task="events", recipe="full", epochs=8, lr=2e-3
    )
    metrics = train(config, tmp_path / "run")
    assert metrics.test["frame_f1"] > 0.8
    with pytest.raises(RunError, match="--augment speed does not suit the task events"):
        train(settings(data=data, task="events", augment="speed"), tmp_path / "other")


# Settings


def test_a_step_of_two_batches_is_a_step_of_one_of_their_size(
    settings: Configure, tmp_path: Path
) -> None:
    data = write(tmp_path, lambda _, number: "ab"[number % 2], count=8)
    shared = {"data": data, "epochs": 2, "lr": 0.01, "recipe": "lora"}
    # With every recording in one step, the order of the batches does not matter.
    whole = train(settings(batch_size=8, **shared), tmp_path / "whole")
    parts = train(settings(batch_size=2, accumulate=4, **shared), tmp_path / "parts")
    assert parts.valid == whole.valid
    for one, other in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert one["valid_loss"] == pytest.approx(other["valid_loss"], rel=1e-5)


def test_a_run_stops_when_it_gets_no_better(settings: Configure, tmp_path: Path) -> None:
    data = write(tmp_path, lambda _, number: "ab"[number % 2])
    metrics = train(settings(data=data, epochs=9, lr=1e-12, patience=2), tmp_path / "run")
    best = metrics.best_epoch
    assert metrics.epochs == min(best + 2, 9) < 9
    resumed = train(
        settings(data=data, epochs=9, lr=1e-12, patience=2), tmp_path / "run", resume=True
    )
    assert resumed == metrics


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_the_bits_train_and_go_on(settings: Configure, tmp_path: Path, precision: str) -> None:
    data = write(tmp_path, lambda _, number: "ab"[number % 2])
    shared = {"data": data, "lr": 0.01, "precision": precision, "recipe": "lora"}
    metrics = train(settings(epochs=3, **shared), tmp_path / "whole")
    losses = [epoch["train_loss"] for epoch in log(tmp_path / "whole")]
    exact = train(settings(epochs=3, **{**shared, "precision": "float32"}), tmp_path / "exact")
    expected = [epoch["train_loss"] for epoch in log(tmp_path / "exact")]
    assert losses == pytest.approx(expected, rel=0.05)
    assert losses != expected
    assert metrics.test["loss"] == pytest.approx(exact.test["loss"], rel=0.05)


def test_auto_precision_shares_the_cache_of_the_precision_it_chooses(
    settings: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    data = write(tmp_path, lambda _, number: "ab"[number % 2])
    shared = {"data": data, "recipe": "lora", "epochs": 2}
    by_auto = str(pick_precision("auto", "cpu")).removeprefix("torch.")
    for name in ("auto", by_auto):
        metrics = train(settings(precision=name, **shared), tmp_path / name)
    assert metrics.cache["computed"] == 0
    ((facts, _),) = stores(tmp_path / "cache")
    assert facts["computed in"] == f"torch.{by_auto}"


def test_batches_by_seconds_and_augmented_recordings_train(
    settings: Configure, tmp_path: Path
) -> None:
    data = write(tmp_path, lambda _, number: "ab"[number % 2])
    changes = {"batch_seconds": 1.3, "augment": "speed,noise,mask", "schedule": "cosine"}
    metrics = train(settings(data=data, epochs=2, **changes), tmp_path / "run")
    again = train(settings(data=data, epochs=2, **changes), tmp_path / "again")
    assert metrics.test == again.test
    plain = train(settings(data=data, epochs=2, batch_seconds=1.3), tmp_path / "plain")
    assert log(tmp_path / "run")[0]["train_loss"] != log(tmp_path / "plain")[0]["train_loss"]
    assert plain.epochs == 2


def test_curves_are_kept_for_tensorboard(settings: Configure, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = write(tmp_path, lambda _, number: "ab"[number % 2])
    metrics = train(settings(data=data, epochs=3, track="tensorboard"), tmp_path / "run")
    curves = EventAccumulator(str(tmp_path / "run/tensorboard"))
    curves.Reload()
    losses = [event.value for event in curves.Scalars("train/loss")]
    assert losses == pytest.approx([epoch["train_loss"] for epoch in log(tmp_path / "run")])
    (test,) = curves.Scalars("test/accuracy")
    assert test.value == pytest.approx(metrics.test["accuracy"])
    train(settings(data=data, epochs=1, track="none"), tmp_path / "none")
    assert not (tmp_path / "none/tensorboard").exists()
