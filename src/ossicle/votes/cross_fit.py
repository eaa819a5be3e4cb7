"""Cross-fitting: a vote that learns decides each recording after being fitted on the others.

    fold 1  fold 2  fold 3        the vote that decides fold 1 is fitted on folds 2 and 3

So a vote can be fitted and judged on the same validation recordings, without being judged on those
that it has learnt from.

Source: Wolpert 1992, "Stacked generalization".
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ossicle.errors import LabelError
from ossicle.tasks import Task
from ossicle.votes.vote import Decision, Vote

FEWEST: Final = 2


def cross_fitted(
    vote: type[Vote],
    task: Task,
    outputs: Sequence[Sequence[Tensor]],
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> list[Decision]:
    """Return the decision on each recording, by a vote that was fitted on others.

    A vote that learns nothing decides all of them at once.

    Args:
        vote: The vote.
        task: The task of all members.
        outputs: For each recording, the output of every member, windows combined.
        labels: The true label of each recording.
        groups: What each recording must not share with those that the vote is fitted on, such as
            its speaker; None: nothing.
        folds: Number of parts; fewer, if there are fewer recordings or groups.
        seed: Draws the parts.

    Raises:
        LabelError: there is one recording or one group, or too few to fit the vote.
    """
    if not vote.learns:
        learnt = vote.fit(task, outputs, labels)
        return [learnt.decide(task, members) for members in outputs]
    decided: dict[int, Decision] = {}
    for fitted, held_out in _parts(task, labels, groups, folds, seed):
        learnt = vote.fit(task, [outputs[row] for row in fitted], [labels[row] for row in fitted])
        decided |= {row: learnt.decide(task, outputs[row]) for row in held_out}
    return [decided[row] for row in range(len(outputs))]


def _parts(
    task: Task, labels: Sequence[str], groups: Sequence[str] | None, folds: int, seed: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Return the rows to fit on and the rows to decide, for each fold."""
    from sklearn.model_selection import KFold, StratifiedKFold

    drawn = np.arange(len(labels)) if groups is None else np.array(groups)
    names, numbers = np.unique(drawn, return_inverse=True)
    folds = min(folds, len(names))
    if folds < FEWEST:
        what = "recording" if groups is None else "speaker, or other group of recordings"
        raise LabelError(
            f"there is {len(names)} validation {what}; fitting a vote on some and trying it on "
            f"others needs at least {FEWEST}. Use a vote that learns nothing: soft or majority"
        )
    how: dict[str, Any] = {"shuffle": True, "random_state": seed}
    if groups is None and _has_classes(task):
        split = StratifiedKFold(folds, **how).split(names, _strata(labels, folds))
    else:
        split = KFold(folds, **how).split(names)
    for fitted, held_out in split:
        yield _rows(numbers, fitted), _rows(numbers, held_out)


def _rows(numbers: NDArray[np.intp], chosen: NDArray[np.intp]) -> list[int]:
    """Return the rows whose number is one of those chosen."""
    rows: list[int] = np.flatnonzero(np.isin(numbers, chosen)).tolist()
    return rows


def _strata(labels: Sequence[str], folds: int) -> list[str]:
    """Return the label of each recording, with rare ones in one class that is not rare."""
    counts = Counter(labels)
    rare = {label for label, count in counts.items() if count < folds}
    if sum(counts[label] for label in rare) < folds:
        common = counts.most_common(1)[0][0]
    else:
        common = min(rare)
    return [common if label in rare else label for label in labels]


def _has_classes(task: Task) -> bool:
    return not task.by_frame and all(answer.kind == "choice" for answer in task.answers)
