"""The recordings of a run and their split: that of the data or a fold, and a part of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ossicle.data import Dataset, check, open_data
from ossicle.data.folds import check_no_own_folds, draw_fold, is_by_speaker, read_all
from ossicle.data.subset import draw_fraction, draw_shots
from ossicle.paths import HERE
from ossicle.tasks import Task, parse_task, suggest_task
from ossicle.training.config import TrainConfig
from ossicle.training.fold import parse_fold


def open_split(config: TrainConfig, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a run, with the split and the training recordings that it chooses.

    Raises:
        DataError: the data cannot be used (also SplitError, LabelError).
        RunError: the task has no classes to draw by.
    """
    dataset = open_data(config.data, places) if config.fold is None else _fold(config, places)
    if config.shots is None and config.train_fraction is None:
        return dataset
    classes_in = task_type(config, dataset)[0].classes_in
    if config.shots is not None:
        return draw_shots(dataset, config.shots, classes_in, config.seed)
    assert config.train_fraction is not None
    return draw_fraction(dataset, config.train_fraction, classes_in, config.seed)


def task_type(config: TrainConfig, dataset: Dataset) -> tuple[type[Task], dict[str, Any]]:
    """Return the task that was asked for, or that the data suggest, with its settings."""
    return parse_task(config.task or suggest_task(dataset.label_name).name)


def _fold(config: TrainConfig, places: Sequence[Path]) -> Dataset:
    """Return all recordings of the data, split by the fold of the settings."""
    assert config.fold is not None
    dataset = read_all(config.data, places)
    kind, settings = task_type(config, dataset)
    drawn = draw_fold(
        dataset,
        *parse_fold(config.fold),
        kind.classes_in,
        by_speaker=is_by_speaker(dataset, closed_set=kind.closed_set, places=places),
        check_labels=lambda split: kind.from_dataset(split, **settings),
    )
    if not drawn.speaker_independent:
        check_no_own_folds(config.data, places)
    check(drawn)
    return drawn
