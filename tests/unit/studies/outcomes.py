"""Outcomes of trials that were never run, with predictions that a test chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.tasks import TASKS
from ossicle.training.config import TrainConfig
from ossicle.trials.outcome import Measured, Outcome, TestRows
from ossicle.trials.trial import Trial


def rows(labels: Sequence[str], prefix: str = "", speakers: int = 0) -> TestRows:
    """Return test recordings, spread over so many speakers, or without any."""
    return TestRows(
        keys=tuple(f"{prefix}{number}" for number in range(len(labels))),
        speakers=tuple(
            f"speaker {number % speakers}" if speakers else None for number in range(len(labels))
        ),
        labels=tuple(labels),
    )


def outcome(
    labels: Mapping[str, Any],
    tested: TestRows,
    predicted: Sequence[str],
    *,
    parameters: int = 100,
    state: str = "finished",
    split: str = "same",
) -> Outcome:
    """Return an outcome of a classification with its true metrics."""
    config = TrainConfig(backbone="tiny-hubert", recipe="lora", data="demo", seed=0)
    trial = Trial(config=config, labels=dict(labels))
    name = "-".join(str(value) for value in labels.values())
    if state != "finished":
        return Outcome(trial=trial, name=name, folder=Path(name), state=state)
    metrics = TASKS["classification"].pooled_metrics(tested.labels, predicted)
    measured = Measured(
        task="classification",
        metrics=metrics,
        scores=np.equal(tested.labels, predicted).astype(np.float32),
        predicted=tuple(predicted),
        rows=tested,
        parameters={"trainable": parameters + 7, "head": 7},
        adapter_bytes=1,
        train_seconds=2.0,
        step_seconds=None,
        test_seconds=None,
        peak_memory_mib=None,
        best_epoch=1,
        epochs=1,
        split="",
        split_fingerprint=dict.fromkeys(("train", "valid", "test"), split),
        backbone_fingerprint="",
    )
    return Outcome(trial=trial, name=name, folder=Path(name), state=state, measured=measured)


def study(
    right: Mapping[str, float],
    *,
    seeds: int = 5,
    folds: int = 1,
    size: int = 40,
    parameters: Mapping[str, int] | None = None,
    speakers: int = 0,
    **more: Any,
) -> list[Outcome]:
    """Return outcomes of recipes that are right about so often, with two classes in balance."""
    found = []
    for fold in range(folds):
        tested = rows(["a", "b"] * (size // 2), f"{fold}/", speakers)
        for recipe, share in right.items():
            for seed in range(seeds):
                generator = np.random.default_rng([fold, seed, sum(recipe.encode())])
                is_right = generator.random(size) < share
                predicted = np.where(is_right == (np.arange(size) % 2 == 0), "a", "b")
                labels = {**more, "recipe": recipe, "seed": seed}
                labels |= {"fold": fold} if folds > 1 else {}
                number = (parameters or {}).get(recipe, 100)
                found.append(outcome(labels, tested, predicted.tolist(), parameters=number))
    return found
