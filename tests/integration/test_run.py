"""A whole run: from labelled recordings to an adapter, metrics and predictions."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.checksums import DIGEST, seal
from ossicle.errors import LabelError, OssicleError, RecipeMismatch, RunError, SplitError
from ossicle.frozen.batches import training_batches
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, LOG, METRICS, SPLIT, VERSIONS
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import PITCH_HZ, SAMPLE_RATE, tone, write_corpus, write_metadata, write_tone

Configure = Callable[..., TrainConfig]
TASK = {"name": "classification", "labels": ["a", "b"], "label_smoothing": 0.0, "weights": None}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, settings: Configure) -> Path:
    """A run that has learned to distinguish the tones."""
    folder = tmp_path_factory.mktemp("good")
    write_corpus(folder / "tones", takes=8)
    data = f"audiofolder:{folder / 'tones'}"
    config = settings(backbone="tiny-hubert", data=data, recipe="lora", epochs=4, lr=5e-3)
    train(config, folder / "run")
    return folder / "run"


def test_a_run_trains_evaluates_and_predicts(good: Path, tmp_path: Path) -> None:
    assert {file.name for file in good.iterdir()} == {
        *(TENSORS, FACTS, CONFIG, SPLIT, VERSIONS, LOG, METRICS, CHECKPOINT, "tensorboard")
    }
    metrics = json.loads((good / METRICS).read_text())
    assert metrics["test"]["accuracy"] == metrics["test"]["uar"] == 1.0
    assert metrics["test"]["confusion"] == [[8, 0], [0, 8]]
    assert [one["speaker"] for one in metrics["test"]["recordings"]] == ["cleo"] * 16
    assert read_folder(good).facts["task"]["labels"] == ["high", "low"]
    trained = Trained.open(good, device="cpu")
    files = []
    for seed, label in enumerate(PITCH_HZ):
        files.append(tmp_path / f"{label}.wav")
        write_tone(files[-1], label, 0.4, seed=100 + seed)
    predictions = list(trained.predict(files))
    assert [one["label"] for one in predictions] == ["high", "low"]
    assert all(sum(one["probs"].values()) == pytest.approx(1) for one in predictions)
    found = trained.evaluate(metrics["data"], batch_size=4)
    assert {key: value for key, value in found.items() if key != "data"} == metrics["test"]


def test_the_best_epoch_is_kept_and_not_the_last(settings: Configure, tmp_path: Path) -> None:
    # A rate so high that the last epoch is not the best.
    config = settings(recipe="lora", epochs=4, lr=1.0, warmup=0.0, seed=2)
    metrics = train(config, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    scores = [(epoch["valid"]["macro_f1"], -epoch["valid_loss"]) for epoch in log]
    assert metrics.best_epoch == 1 + scores.index(max(scores)) != 4
    assert metrics.valid == log[metrics.best_epoch - 1]["valid"]
    # --side valid on the run's own data: the kept weights reproduce the best epoch's metrics.
    again = Trained.open(tmp_path / "run", device="cpu").evaluate(
        config.data, side="valid", batch_size=4
    )
    assert {key: again[key] for key in metrics.valid} == metrics.valid
    assert again["loss"] == log[metrics.best_epoch - 1]["valid_loss"]


def test_training_does_not_look_at_the_labels_of_the_test_recordings(
    settings: Configure, finished: Path, corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(corpus, tmp_path / "tones")
    other = {"high": "low", "low": "high"}
    rows = [line.split(",") for line in (corpus / "metadata.csv").read_text().split()[1:]]
    write_metadata(
        tmp_path / "tones",
        [
            (file, other[label] if side == "test" else label, speaker, side)
            for file, label, speaker, side in rows
        ],
    )
    metrics = train(settings(data=f"audiofolder:{tmp_path / 'tones'}"), tmp_path / "run")
    was = json.loads((finished / METRICS).read_text())
    assert metrics.test["accuracy"] == pytest.approx(1 - was["test"]["accuracy"])
    for name in (TENSORS, LOG):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_training_recordings_are_not_evaluated_on(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    trained = Trained.open(finished, device="cpu")
    with pytest.raises(SplitError, match=r"12 of the 18 recordings .* trained this adapter or"):
        trained.evaluate(f"audiofolder:{corpus}", side="all")
    (tmp_path / "high").mkdir()
    (tmp_path / "low").mkdir()
    shutil.copy(corpus / "anna-high-0.wav", tmp_path / "high" / "renamed.wav")
    write_tone(tmp_path / "low" / "new.wav", "low", 0.3, seed=77)
    with pytest.raises(SplitError, match=r"1 of the 2 recordings .*: high/renamed\.wav\. .*memory"):
        trained.evaluate(str(tmp_path))


def test_training_recordings_are_not_used_for_validation_either(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(corpus, tmp_path / "tones")
    text = (corpus / "metadata.csv").read_text()
    swapped = text.replace("anna,train", "anna,VALID").replace("ben,valid", "ben,train")
    (tmp_path / "tones" / "metadata.csv").write_text(swapped.replace("VALID", "valid"))
    trained = Trained.open(finished, device="cpu")
    with pytest.raises(SplitError, match="6 of the 6 recordings"):
        trained.evaluate(str(tmp_path / "tones"), side="valid")


def test_a_label_that_was_not_seen_in_training_is_named_with_the_nearest(
    finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "hihg").mkdir()
    write_tone(tmp_path / "hihg" / "1.wav", "high", 0.3, seed=88)
    with pytest.raises(LabelError, match=r"'hihg' was not seen.*high, low\. Did you mean 'high'\?"):
        Trained.open(finished, device="cpu").evaluate(str(tmp_path))


def test_a_long_recording_has_the_mean_probability_of_its_windows(
    settings: Configure, tmp_path: Path
) -> None:
    train(settings(max_seconds=0.1, epochs=1), tmp_path / "run")
    rng = np.random.default_rng(0)
    wave = (tone(1000, 0.25, seed=5) * rng.uniform(0.5, 1, 4000)).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", wave, SAMPLE_RATE, subtype="FLOAT")
    trained = Trained.open(tmp_path / "run", device="cpu")
    # 4000 samples, windows of 1600: ceil(2.5) = 3 of them, from 0 to 4000 - 1600 = 2400, evenly.
    pieces = [wave[0:1600], wave[1200:2800], wave[2400:4000]]
    with torch.no_grad():
        outputs = [trained.model(*trained.model.backbone.batch([piece])) for piece in pieces]
    odds = [np.exp(output[0].numpy()) for output in outputs]
    probs = np.mean([of_one / of_one.sum() for of_one in odds], axis=0)
    (found,) = trained.predict([tmp_path / "long.wav"])
    assert list(found["probs"].values()) == pytest.approx(probs.tolist(), rel=1e-5)
    assert found["label"] == ("high", "low")[int(probs.argmax())]


def test_metrics_of_long_recordings_are_those_of_single_predictions(
    settings: Configure, tmp_path: Path
) -> None:
    write_corpus(tmp_path / "long", takes=2, seconds=0.7)
    data = f"audiofolder:{tmp_path / 'long'}"
    metrics = train(settings(data=data, max_seconds=0.3, epochs=2), tmp_path / "run")
    recordings = metrics.test["recordings"]
    trained = Trained.open(tmp_path / "run", device="cpu")
    predictions = list(trained.predict(tmp_path / "long" / one["key"] for one in recordings))
    assert [one["label"] for one in predictions] == [one["predicted"] for one in recordings]
    loss = -np.mean(
        [math.log(p["probs"][r["label"]]) for p, r in zip(predictions, recordings, strict=True)]
    )
    assert metrics.test["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_training_that_diverges_says_so(settings: Configure, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"the loss (on the validation recordings )?is (nan|inf) .*lower --lr"
    ):
        train(settings(recipe="full", lr=1000, epochs=9), tmp_path / "run")


def test_a_recipe_file_with_the_name_of_a_preset_is_trained_as_written(
    settings: Configure, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "lora"\n[[placements]]\nmethod = "lora"\nat = ["attn.k"]\nsettings = {rank = 2}\n'
    )
    metrics = train(settings(recipe=str(file), epochs=1), tmp_path / "run")
    assert metrics.expression == "lora(rank=2)@attn.k"
    file.unlink()  # a run does not need it again
    assert train(settings(recipe="lora(rank=2)@attn.k", epochs=1), tmp_path / "run", resume=True)


def test_an_adapter_folder_moves_with_two_files(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    for name in (TENSORS, FACTS):
        shutil.copy(finished / name, tmp_path / name)
    file = corpus / "cleo-high-0.wav"
    moved = list(Trained.open(tmp_path, device="cpu").predict([file]))
    assert moved == list(Trained.open(finished, device="cpu").predict([file]))


@pytest.mark.parametrize(
    ("entry", "value", "match"),
    [
        ("head", {"name": "mean"}, "head"),
        ("head", {"name": "mena", "outputs": 2}, "Did you mean 'mean'"),
        ("head", {"name": "mean", "outputs": 3}, "does not agree|do not fit"),
        ("head", None, "do not fit"),
        ("task", {"name": "clasification", "labels": []}, "clasification"),
        ("task", {"name": "classification", "labels": ["a", 2], "max_seconds": 1}, "labels"),
        ("task", {**TASK, "labels": ["a"], "max_seconds": 1}, "the task 1"),
        ("task", {**TASK, "labels": ["a", "b"]}, "max_seconds"),
        ("task", {**TASK, "labels": ["a", "b"], "max_seconds": 1e308}, "max_seconds in .* is 1e"),
        ("task", {**TASK, "label_smoothing": "0.1", "max_seconds": 1}, "label_smoothing is '0.1'"),
        ("task", {**TASK, "weights": [1.0], "max_seconds": 1}, "weights of 2 labels"),
        ("tensors", {"head/linear.weight": 3}, "head/linear.weight"),
        ("backbone", {"name": 7}, "backbone"),
        ("recipe", {"placements": [{"method": "lora", "at": ["attn.k"]}]}, "do not fit"),
        ("format", 1, "format 1"),
    ],
)
def test_a_recipe_json_that_was_edited_is_refused(
    entry: str, value: object, match: str, finished: Path, tmp_path: Path
) -> None:
    shutil.copy(finished / TENSORS, tmp_path / TENSORS)
    facts = json.loads((finished / FACTS).read_text())
    del facts[DIGEST]
    (tmp_path / FACTS).write_text(json.dumps(seal({**facts, entry: value})))
    with pytest.raises(OssicleError, match=match):
        Trained.open(tmp_path, device="cpu")


def test_an_adapter_does_not_go_onto_another_backbone(finished: Path) -> None:
    name = "config:tiny-hubert?num_hidden_layers=1&hidden_size=32&intermediate_size=32"
    with pytest.raises(RecipeMismatch, match=r"hubert, 2 layers of width 64; this backbone is hub"):
        Trained.open(finished, backbone=name, device="cpu")


def test_cropping_and_order_change_from_epoch_to_epoch_and_not_from_run_to_run(
    settings: Configure, tmp_path: Path
) -> None:
    from ossicle.training.prepare import prepare

    write_corpus(tmp_path / "long", takes=2, seconds=0.5)
    config = settings(data=f"audiofolder:{tmp_path / 'long'}", max_seconds=0.2)
    run = prepare(config)

    def seen(seed: int, epoch: int) -> list[tuple[list[int], bytes]]:
        clips = run.clips["train"]
        plan = clips.plan(2, None, seed=seed, epoch=epoch)
        batches = training_batches(
            clips, plan, run.model.backbone, run.frozen, seed=seed, epoch=epoch
        )
        return [
            (batch.owners, b"".join(row.model_input[0].numpy().tobytes() for row in batch.rows))
            for batch in batches
        ]

    assert seen(0, 1) == seen(0, 1)
    assert seen(0, 1) != seen(0, 2)
    assert seen(0, 1) != seen(1, 1)
    assert sorted(i for owners, _ in seen(0, 1) for i in owners) == [0, 1, 2, 3]
    assert {len(values) for _, values in seen(0, 1)} == {2 * 3200 * 4}
