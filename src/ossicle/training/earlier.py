"""Training recordings of the earlier stages of a run, for ways to keep what they have learnt.

Their keys begin with the number of their stage, `stage 1: wav/03a01Wa.wav`, so that they are
different from those of the new recordings, and can be told from them in `split.json`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ossicle.continual import drawn
from ossicle.data import Content, Dataset, Utterance
from ossicle.errors import DataError, LabelError, RunError, listing
from ossicle.tasks import Task
from ossicle.training.parent import Parent
from ossicle.training.split import known_labels

_EARLIER: Final = re.compile(r"stage (\d+): ")


def open_earlier(stages: Sequence[Parent], way: str, first: int = 1) -> tuple[Utterance, ...]:
    """Return the training recordings of earlier stages, without those that these replayed.

    Args:
        stages: All stages, the first one first.
        way: What needs them, for messages, such as `--keep ewc`.
        first: Number of the first stage to read, from 1.

    Raises:
        DataError: they cannot be read, or are not those that a stage was trained on.
    """
    found: list[Utterance] = []
    for number, stage in enumerate(stages[first - 1 :], start=first):
        try:
            recordings = stage.open_source().train
        except DataError as error:
            raise type(error)(
                f"{way} needs the training recordings of '{stage.folder}': {error}"
            ) from error
        learnt = {key for key in stage.split["train"] if not _EARLIER.match(key)}
        if {one.key for one in recordings} != learnt:
            raise DataError(
                f"{way} needs the training recordings of '{stage.folder}', and "
                f"'{stage.config.data}' no longer has the same. Restore its recordings"
            )
        found += [replace(one, key=f"stage {number}: {one.key}") for one in recordings]
    return tuple(found)


def check_unchanged(stages: Sequence[Parent], contents: Mapping[str, Content]) -> None:
    """Raise if recordings of earlier stages are other ones than those that were trained on.

    Args:
        stages: All stages, the first one first.
        contents: Content of each recording, by key; those of the new stage are not checked.

    Raises:
        DataError: some are.
    """
    changed = []
    for key, content in contents.items():
        if found := _EARLIER.match(key):
            split = stages[int(found[1]) - 1].split["train"]
            if split.get(key[found.end() :], str(content)) != str(content):
                changed.append(key)
    if changed:
        raise DataError(
            f"{len(changed)} recordings have changed since an earlier stage was trained on them: "
            f"{listing(changed, 3)}. Restore them, or leave --keep and --prune out"
        )


def with_replayed(
    dataset: Dataset, earlier: Sequence[Utterance], task: Task, share: float, seed: int
) -> Dataset:
    """Return a dataset with a share of earlier recordings among its training recordings.

    Args:
        dataset: The recordings of the new stage.
        earlier: The training recordings of earlier stages.
        task: The task of the new stage; recordings whose labels it does not have are left out.
        share: Share of those that are left, drawn by class.
        seed: Seed of the draw.

    Raises:
        RunError: none of them has a label of the new head, or some class is not drawn.
    """
    known = known_labels(earlier, task)
    if not known:
        raise RunError(
            "--keep replay finds no earlier recordings with labels of the new head. Rename labels "
            "with --map-labels, or extend the head with --head-from extend"
        )
    try:
        replayed = drawn(dataset, known, share, task.classes_in, seed)
    except LabelError as error:
        raise RunError(
            f"--keep replay with a share of {share:g} draws no recordings of some classes; choose "
            "a larger share"
        ) from error
    notices = dataset.notices
    if left := len(earlier) - len(known):
        notices += (
            f"{left} of {len(earlier)} earlier training recordings are not replayed, because the "
            "head has no output for their labels.",
        )
    note = f"{dataset.note} {len(replayed)} earlier training recordings are replayed."
    train = (*dataset.train, *replayed)
    return replace(dataset, train=train, note=note, notices=notices)
