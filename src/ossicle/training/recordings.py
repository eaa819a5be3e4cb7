"""The recordings of a run: scanned once, measured, and refused where they are too short or long."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.data import (
    Clips,
    Content,
    Dataset,
    Scanned,
    Utterance,
    by_recording,
    check_contents,
    parse_augment,
    scan,
)
from ossicle.data.augment import SPEEDS
from ossicle.data.sizes import describe_sizes, size_notices
from ossicle.errors import DataError, LabelError, listing
from ossicle.frozen.cache import cache_folder
from ossicle.inference.predictor import check_whole, longest_piece
from ossicle.progress import Progress
from ossicle.tasks import Task
from ossicle.training.config import TrainConfig
from ossicle.training.scan_cache import ScanCache

_LOGGER: Final = logging.getLogger(__name__)


class Input(Protocol):
    """The recordings that a backbone, or a baseline, can take."""

    @property
    def sample_rate(self) -> int:
        """Samples per second."""

    @property
    def min_samples(self) -> int:
        """Fewest samples."""


def checked(
    dataset: Dataset, task: Task, taken: Input, processes: Processes, progress: Progress
) -> tuple[Dataset, dict[str, Scanned]]:
    """Return the dataset with its notices, and length and content of each recording by key.

    Sizes and notices are logged.

    Raises:
        AudioError: some recordings cannot be used.
        SplitError: some audio is in two splits.
    """
    dataset = _with_notices(dataset, task)
    _report_sizes(dataset, task, processes)
    scanned = scan_together(dataset.utterances, taken, processes, progress)
    check_contents(dataset, {key: one.content for key, one in scanned.items()})
    return dataset, scanned


def scan_together(
    utterances: Sequence[Utterance], taken: Input, processes: Processes, progress: Progress
) -> dict[str, Scanned]:
    """Return length and content of every utterance, by key; each process decodes a part of them.

    Raises:
        AudioError: some cannot be used.
    """

    def scanned(done: int, total: int) -> None:
        progress("checking recordings", done, total)

    recordings = processes.own(by_recording(utterances))
    mine = [utterances[n] for rows in recordings for n in rows]
    rate, fewest = taken.sample_rate, taken.min_samples
    cache = ScanCache(cache_folder(), rate)
    known = {key: one for key, one in cache.find(mine).items() if one.num_samples >= fewest}
    new = [one for one in mine if one.key not in known]
    found = processes.together(lambda: scan(new, rate, fewest, progress=scanned))
    scanned_now = {one.key: result for one, result in zip(new, found, strict=True)}
    cache.put(new, scanned_now)
    both = known | scanned_now
    parts = processes.gather([(one.key, both[one.key]) for one in mine])
    return {key: one for part in parts for key, one in part}


def _with_notices(dataset: Dataset, task: Task) -> Dataset:
    """Return the dataset with notices about small classes, and the task's about its labels."""
    sizes = size_notices(dataset, task.classes_in)
    found = [
        notice
        for side in ("valid", "test")
        if dataset.sides[side]
        for notice in task.notices(side, [one.label for one in dataset.sides[side]])
    ]
    return replace(dataset, notices=(*dataset.notices, *sizes, *found))


def _report_sizes(dataset: Dataset, task: Task, processes: Processes) -> None:
    """Log the size of each side and all notices, once for all processes."""
    if processes.is_main:
        for line in describe_sizes(dataset, task.classes_in):
            _LOGGER.info(line)
        for notice in dataset.notices:
            _LOGGER.warning(notice)


def contents_by_side(
    dataset: Dataset, contents: Mapping[str, Content]
) -> dict[str, dict[str, str]]:
    """Return the content of each recording as text, by side and key."""
    return {
        side: {one.key: str(contents[one.key]) for one in part}
        for side, part in dataset.sides.items()
    }


def clips_by_side(
    dataset: Dataset,
    task: Task,
    backbone: Backbone,
    config: TrainConfig,
    size_by_key: Mapping[str, int],
) -> dict[str, Clips]:
    """Return the recordings of each side with their lengths, without those that are left out.

    Raises:
        DataError: some are longer than the task can take.
        LabelError: some are too short for their label and must not be left out, or none remain.
    """
    limit = longest_piece(backbone, config.max_seconds)
    check_whole(task, size_by_key, limit, backbone.sample_rate)
    if task.goes_on:
        _check_training_pieces(dataset, size_by_key, limit, backbone.sample_rate)
    everything = dataset.utterances
    task.check_lengths(
        everything, [size_by_key[one.key] / backbone.sample_rate for one in everything]
    )
    task.check_training(dataset.train)
    augment = parse_augment(config.augment)
    fastest = max(SPEEDS) if "speed" in augment else 1.0
    short = _too_short(dataset, task, backbone, size_by_key, fastest)
    if short and not config.drop_short:
        frames = [f"{key} (needs {needs}, has {has})" for key, (needs, has) in short.items()]
        raise LabelError(
            f"{len(short)} of {len(size_by_key)} recordings have fewer frames than their "
            f"transcript needs: {listing(frames, 5)}. Fix the transcripts, or leave these "
            "recordings out with --drop-short"
        )
    kept = {
        side: tuple(one for one in part if one.key not in short)
        for side, part in dataset.sides.items()
    }
    if empty := [side for side, part in kept.items() if not part and dataset.sides[side]]:
        raise LabelError(f"every recording of {listing(empty)} is too short for its transcript")
    return {
        side: Clips(part, tuple(size_by_key[one.key] for one in part), limit, augment)
        for side, part in kept.items()
    }


def _check_training_pieces(
    dataset: Dataset, size_by_key: Mapping[str, int], limit: int, sample_rate: int
) -> None:
    """Raise DataError for training recordings of which a piece would have the text of all."""
    if longer := [one.key for one in dataset.train if size_by_key[one.key] > limit]:
        raise DataError(
            f"{len(longer)} training recordings are longer than the {limit / sample_rate:g} s that "
            f"the model reads at once ({listing(longer, 3)}), and their texts are of the whole. "
            "Give a table with a row for each segment and columns start and end, in seconds, or "
            "cut them"
        )


def clips_of(
    utterances: Sequence[Utterance],
    backbone: Backbone,
    config: TrainConfig,
    size_by_key: Mapping[str, int],
) -> Clips:
    """Return recordings with their lengths, whose labels are not used."""
    limit = longest_piece(backbone, config.max_seconds)
    sizes = tuple(size_by_key[one.key] for one in utterances)
    return Clips(tuple(utterances), sizes, limit, parse_augment(config.augment))


def _too_short(
    dataset: Dataset,
    task: Task,
    backbone: Backbone,
    size_by_key: Mapping[str, int],
    fastest: float,
) -> dict[str, tuple[int, int]]:
    """Return the number of frames needed and available, by key, where there are too few.

    Args:
        dataset: The recordings.
        task: Defines how many frames a label needs.
        backbone: Defines how many frames a recording has.
        size_by_key: Samples of each recording.
        fastest: Factor by which augmentation may speed a recording up.
    """
    if not task.by_frame:
        return {}
    frames = {
        one.key: (
            task.frames_needed(one.label),
            backbone.num_frames(int(size_by_key[one.key] / fastest)),
        )
        for one in dataset.utterances
    }
    return {key: (needs, has) for key, (needs, has) in frames.items() if needs > has}
