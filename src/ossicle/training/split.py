"""The recordings of a run and their split: that of the data or a fold, and a part of training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ossicle.adapters.folder import read_folder
from ossicle.data import Dataset, Utterance, check, open_data
from ossicle.data.folds import check_no_own_folds, draw_fold, is_by_speaker, read_all
from ossicle.data.subset import draw_fraction, draw_shots
from ossicle.errors import LabelError, listing
from ossicle.inference.saved_task import read_task
from ossicle.paths import HERE
from ossicle.tasks import Task, parse_task, suggest_task
from ossicle.training.config import TrainConfig
from ossicle.training.fold import parse_fold
from ossicle.training.folder import places_of, read_config


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


def open_own(folder: Path, config: TrainConfig, places: Sequence[Path]) -> Dataset:
    """Read the recordings of a run that is there, as it used them.

    Args:
        folder: Its folder.
        config: Its settings, or these without `shots` and `train_fraction`, for all recordings.
        places: Where relative paths of its data may start.

    Raises:
        DataError: they cannot be read.
        AdapterFileError: the task of the run cannot be read.
    """
    dataset = open_split(config, places)
    if not config.common_labels:
        return dataset
    task, _ = read_task(folder, read_folder(folder).facts)
    return with_known_labels(dataset, task)


def open_whole(folder: Path) -> Dataset:
    """Read all recordings of the data of a run that is there, split as in the run.

    Raises:
        DataError: they cannot be read.
        RunError: it is not a run.
    """
    whole = replace(read_config(folder), shots=None, train_fraction=None)
    return open_own(folder, whole, places_of(folder))


def with_known_labels(dataset: Dataset, task: Task) -> Dataset:
    """Return a dataset without recordings whose labels need outputs that a task does not have.

    Raises:
        LabelError: a side loses all its recordings.
    """
    sides = {side: known_labels(part, task) for side, part in dataset.sides.items()}
    left = Counter(
        one.label for side, part in dataset.sides.items() for one in {*part} - {*sides[side]}
    )
    if not left:
        return dataset
    shown = listing(f"{label} ({count})" for label, count in sorted(left.items()))
    if empty := [side for side, part in sides.items() if not part]:
        raise LabelError(
            f"no recordings of {listing(empty)} are left in '{dataset.name}' without those whose "
            f"labels only the data have: {shown}. Rename labels with --map-labels"
        )
    notice = (
        f"{left.total()} of {len(dataset.utterances)} recordings of '{dataset.name}' are left out, "
        f"because only the data have their labels: {shown}"
    )
    notices = (*dataset.notices, notice)
    train, valid, test = sides["train"], sides["valid"], sides["test"]
    return replace(dataset, train=train, valid=valid, test=test, notices=notices)


def known_labels(utterances: Sequence[Utterance], task: Task) -> tuple[Utterance, ...]:
    """Return the recordings for whose labels a task has all outputs."""
    known = set(task.output_names)
    return tuple(one for one in utterances if known.issuperset(task.names_in(one.label)))


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
