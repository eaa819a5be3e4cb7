"""Train an adapter and test it: `ossicle train` as a trial."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ossicle.progress import Progress
from ossicle.tasks import TASKS
from ossicle.training.folder import CONFIG, METRICS, PARENT, check_unlocked, read_config
from ossicle.training.parent import find_parent
from ossicle.training.result import RunResult, read_result
from ossicle.training.run import train
from ossicle.training.stage_settings import stage_config
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured, TestRows
from ossicle.trials.runners.runner import Runner
from ossicle.trials.trial import Trial


class Train:
    """Trains, keeps the best epoch by validation, and tests it once."""

    name = "train"
    ignores = frozenset({"track"})
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Train, or resume the run in the folder."""
        train_trial(trial, folder, kept, progress, test=True)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a tested run."""
        if not (folder / METRICS).is_file():
            return None
        result = read_result(folder)
        return None if result.test is None else measured(result)


def train_trial(trial: Trial, folder: Path, kept: Kept, progress: Progress, *, test: bool) -> None:
    """Train, or resume the run in a folder; test its best epoch, if `test` is set."""
    config, resume = trial.config, (folder / CONFIG).is_file()
    if resume:
        saved = read_config(folder)  # of the same name, so that what differs does not matter
        if (folder / PARENT).is_dir():  # the copy of the parent is used, wherever that is now
            config = replace(config, parent=saved.parent)
        config = stage_config(config, find_parent(config, folder))
        config = replace(config, recipe=saved.recipe, track=saved.track)
        if config != saved:  # data or backbone have been moved, and their old path is in it
            check_unlocked(folder)
            shutil.rmtree(folder)
            resume = False
    train(config, folder, resume=resume, test=test, load=kept.load, progress=progress)


def with_recordings(found: Measured, recordings: Sequence[Mapping[str, Any]]) -> Measured:
    """Return a result with scores and predictions of recordings, as `with_intervals` lists them."""
    scored = bool(recordings) and "score" in recordings[0]
    return replace(
        found,
        scores=np.array([one["score"] for one in recordings], np.float32) if scored else None,
        predicted=tuple(one["predicted"] for one in recordings),
        rows=TestRows(
            keys=tuple(one["key"] for one in recordings),
            speakers=tuple(one["speaker"] for one in recordings),
            labels=tuple(one["label"] for one in recordings),
        ),
    )


def measured(result: RunResult) -> Measured:
    """Return what a study needs of the result of a tested run."""
    test = result.test_metrics
    return with_recordings(with_metrics(result, test), test["recordings"])


def with_metrics(result: RunResult, metrics: Mapping[str, Any]) -> Measured:
    """Return the result of a run with these metrics, those of its test or of its validation."""
    return Measured(
        task=result.task,
        metrics={key: metrics[key] for key in TASKS[result.task].reported},
        parameters=result.parameters,
        adapter_bytes=result.adapter_bytes,
        train_seconds=result.train_seconds,
        step_seconds=result.step_seconds,
        test_seconds=result.test_seconds,
        peak_memory_mib=result.peak_memory_mib,
        best_epoch=result.best_epoch,
        epochs=result.epochs,
        split=result.split,
        split_fingerprint=result.split_fingerprint,
        backbone_fingerprint=result.backbone_fingerprint,
        notices=tuple(result.notices),
    )


RUNNER: Final[Runner] = Train()
