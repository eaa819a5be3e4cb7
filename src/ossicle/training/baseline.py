"""A sober baseline: statistics of MFCC, and the classifier that is best on validation.

The recordings, their split, the checks and the folder are those of a run of `train`, so that its
result can be compared with that of any recipe. There is no adapter, and nothing to resume: what was
interrupted is computed again. Whole recordings are used, without crops, windows or augmentation.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from ossicle.compute.device import threads
from ossicle.compute.processes import Processes
from ossicle.data import Dataset, Utterance, load_utterance
from ossicle.inference.assessment import Assessment
from ossicle.paths import expand
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Regression, Task
from ossicle.training.classifiers import Candidate, candidates, check_suits, targets_of
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, METRICS, Writer, check_new, check_same, places_of
from ossicle.training.inputs import write_inputs
from ossicle.training.intervals import with_intervals
from ossicle.training.mfcc import NUM_STATISTICS, Input, mfcc, statistics
from ossicle.training.recordings import checked, contents_by_side
from ossicle.training.result import (
    RESULT_VERSION,
    RunResult,
    fingerprint,
    read_result,
    write_result,
)
from ossicle.training.split import open_split, task_type

NAME: Final = "mfcc"
USED: Final = ("data", "task", "seed", "fold", "shots", "train_fraction")  # settings
_PARAMETERS: Final = ("total", "trainable", "adapter", "norm", "backbone", "head", "percent")

Features = Float[np.ndarray, "N F"]
_MOST_KNOWN: Final = 50_000  # recordings: 32 MB
_KNOWN: Final[dict[str, Float[np.ndarray, " F"]]] = {}  # by content, for further folds and seeds


def train_baseline(
    config: TrainConfig, out: Path | str, *, progress: Progress = no_progress
) -> RunResult:
    """Fit the candidates, keep the best by validation, test it once, and return the result.

    The folder gets `config.json`, `split.json`, `versions.json` and `metrics.json`, but no adapter.

    Args:
        config: The settings in `USED` count. The others are not used, and have their defaults in
            the folder, with `mfcc` for the backbone and the recipe.
        out: The run folder; new, empty, or that of the same baseline.
        progress: Called after every recording and candidate.

    Raises:
        RunError: the task is neither a classification nor a regression, or the folder has other
            content.
        OssicleError: the data cannot be used.
    """
    folder = expand(out)
    config = TrainConfig(backbone=NAME, recipe=NAME, **{key: getattr(config, key) for key in USED})
    if (folder / CONFIG).is_file():
        check_same(folder, config)
    else:
        check_new(folder)
    if (folder / METRICS).is_file():
        return read_result(folder)
    with Writer(folder) as writer:
        started = time.perf_counter()
        dataset, task, split = _opened(config, folder, progress)
        writer.take()
        write_inputs(folder, config, dataset, split)
        result = _result(config, dataset, task, split, started, progress)
        write_result(folder, result)
    return result


def _opened(
    config: TrainConfig, folder: Path, progress: Progress
) -> tuple[Dataset, Task, dict[str, dict[str, str]]]:
    """Return the recordings after all checks, their task, and the content of each by side."""
    dataset = open_split(config, places_of(folder))
    kind, settings = task_type(config, dataset)
    check_suits(kind)
    task = kind.from_dataset(dataset, **settings)
    dataset, scanned = checked(dataset, task, Input(), Processes(cpu=True), progress)
    contents = {key: one.content for key, one in scanned.items()}
    return dataset, task, contents_by_side(dataset, contents)


@dataclass(frozen=True)
class _Best:
    candidate: Candidate
    valid: dict[str, Any]
    scores: dict[str, float]


def _result(
    config: TrainConfig,
    dataset: Dataset,
    task: Task,
    split: Mapping[str, Mapping[str, str]],
    started: float,
    progress: Progress,
) -> RunResult:
    """Return the result: features, choice by validation, and test."""
    features = _features(dataset, split, progress)
    best = _best(config, dataset, task, features, progress)
    trained = time.perf_counter()
    found = _judged(task, best.candidate, dataset.test, features["test"])
    test = with_intervals(task, dataset.test, found)
    metric = task.reported[task.primary_metric]
    return RunResult.of(
        {
            "recipe": f"{NAME} {best.candidate.label}",
            "expression": f"{NUM_STATISTICS} statistics of MFCC, standardised; "
            f"{best.candidate.label}",
            "data": dataset.name,
            "split": dataset.note,
            "notices": list(dataset.notices),
            "task": task.name,
            "best_epoch": 0,
            "chosen_by": metric.label,
            "epochs": 0,
            "valid": {**best.valid, "candidates": best.scores},
            "test": test,
            "parameters": dict.fromkeys(_PARAMETERS, 0),
            "adapter_bytes": 0,
            "train_seconds": round(trained - started, 2),
            "first_step_seconds": None,
            "step_seconds": None,
            "test_seconds": round(time.perf_counter() - trained, 2),
            "peak_memory_mib": None,
            "processes": 1,
            "cache": {"kept": None, "why": "a baseline has no frozen layers"},
            "ended_by": "epochs",
            "seed": config.seed,
            "backbone": NAME,
            "backbone_fingerprint": NAME,
            "split_fingerprint": {side: fingerprint(part) for side, part in split.items()},
            "version": RESULT_VERSION,
        }
    )


def _features(
    dataset: Dataset, split: Mapping[str, Mapping[str, str]], progress: Progress
) -> dict[str, Features]:
    """Return the features of the recordings of each side."""
    total, made = len(dataset.utterances), 0
    found: dict[str, list[Float[np.ndarray, " F"]]] = {side: [] for side in dataset.sides}
    with threads(1):  # the bits do not depend on the number of threads
        for side, part in dataset.sides.items():
            for one in part:
                content = split[side][one.key]
                if content not in _KNOWN:
                    _KNOWN[content] = statistics(mfcc(load_utterance(one, Input.sample_rate)))
                found[side].append(_KNOWN[content])
                made += 1
                progress("computing MFCC", made, total)
    while len(_KNOWN) > _MOST_KNOWN:
        del _KNOWN[next(iter(_KNOWN))]
    return {side: np.array(rows) for side, rows in found.items()}


def _best(
    config: TrainConfig,
    dataset: Dataset,
    task: Task,
    features: Mapping[str, Features],
    progress: Progress,
) -> _Best:
    """Return the candidate with the best validation score; of equal ones, the first."""
    targets = targets_of(task, [one.label for one in dataset.train])
    tried = list(candidates(task, config.seed))
    judged: list[tuple[float, Candidate, dict[str, Any]]] = []
    for candidate in tried:
        candidate.fit(features["train"], targets)
        metrics = _judged(task, candidate, dataset.valid, features["valid"]).metrics
        judged.append((task.score(metrics), candidate, metrics))
        progress("fitting", len(judged), len(tried))
    _, best, valid = max(judged, key=lambda one: one[0])
    scores = {one.label: metrics[task.primary_metric] for _, one, metrics in judged}
    return _Best(best, valid, scores)


def _judged(
    task: Task, candidate: Candidate, utterances: Sequence[Utterance], features: Features
) -> Assessment:
    """Return what a candidate predicts, and the metrics."""
    predicted = candidate.model.predict(features)
    if isinstance(task, Regression):
        outputs = torch.from_numpy(np.reshape(predicted, (len(features), -1)))
        decoded = [task.decode(output) for output in outputs]
    else:
        decoded = [{"label": str(label)} for label in predicted]
    keyed = [{**one, "key": row.key} for one, row in zip(decoded, utterances, strict=True)]
    labels = [one.label for one in utterances]
    return Assessment(keyed, None, task.metrics(labels, keyed))
