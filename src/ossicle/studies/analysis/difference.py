"""The difference between two cells, over the repeats and recordings that they have in common.

Three questions, three answers:

    by how much?                   difference in the metric, with an interval over seeds and folds
    on other recordings?           permutation test over recordings or speakers (statistics.paired)
    if both were trained again?    permutation test over repeats (statistics.repeats)

The first and the third are about the metric, the second about the score of a recording, which in
classification is whether it is right: its mean is the accuracy.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from ossicle.errors import RunError
from ossicle.statistics.paired import PairedTest
from ossicle.statistics.repeats import RepeatsTest, repeats_test
from ossicle.statistics.summary import summary
from ossicle.studies.analysis.cell import Cell, Repeat
from ossicle.studies.analysis.scores import Scores, scores_of

SIDES: Final = ("train", "valid", "test")


@dataclass(frozen=True)
class Difference:
    """The difference between two cells, first minus second.

    Attributes:
        metric: Key of the metric.
        value: Difference in the metric.
        interval: Interval of the difference over seeds and folds; None of one repeat.
        repeats: Test over repeats; None if the metric is not defined.
        recordings: Test over recordings, of their scores; None for tasks without scores.
        scores: The scores that the test over recordings compares; None without scores.
        higher_is_better: Whether a positive difference is a gain.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    repeats: RepeatsTest
    recordings: PairedTest | None
    scores: Scores | None
    higher_is_better: bool

    @property
    def gain(self) -> float:
        """The difference, positive if the first is better."""
        return self.value if self.higher_is_better else -self.value

    @property
    def tests_agree(self) -> bool:
        """Whether metric and scores differ in the same direction."""
        return self.recordings is None or self.gain * self.recordings.difference > 0


def difference(
    first: Cell, second: Cell, metric: str | None = None, sides: Collection[str] = SIDES
) -> Difference | None:
    """Compare two cells over their common repeats.

    Args:
        first: A cell.
        second: The cell to compare it with, of the same task.
        metric: Key of the metric; None: the task's primary metric.
        sides: Sides of the split that must hold the same recordings.

    Returns:
        None if no repeat of both is finished and has the metric.

    Raises:
        RunError: they have other recordings with the same seed and fold, or another task.
    """
    common = [repeat for repeat in first.repeats if repeat in second.repeats]
    if not common:
        return None
    if first.task is not second.task:
        raise RunError(
            f"'{first.name}' and '{second.name}' cannot be compared: their tasks are "
            f"{first.task.name} and {second.task.name}"
        )
    check_splits(first, second, common, sides)
    first, second = first.only(common), second.only(common)
    key = metric or first.task.primary_metric
    changes = first.values(key) - second.values(key)  # (S, F)
    means = first.mean(key), second.mean(key)
    if means[0] is None or means[1] is None or np.isnan(changes).all():
        return None
    value = means[0] - means[1]
    scores = scores_of([(1, first), (-1, second)])
    return Difference(
        metric=key,
        value=value,
        interval=summary(changes, value).interval,
        repeats=repeats_test(changes[~np.isnan(changes)]),
        recordings=None if scores is None else scores.test(),
        scores=scores,
        higher_is_better=first.task.higher_is_better,
    )


def check_splits(
    first: Cell, second: Cell, common: Collection[Repeat], sides: Collection[str]
) -> None:
    """Raise unless both have the same recordings in each of their common repeats.

    Raises:
        RunError: they have not.
    """
    for seed, fold in common:
        prints = [cell.repeats[seed, fold].split_fingerprint for cell in (first, second)]
        for side in sides:
            if prints[0].get(side) != prints[1].get(side):
                where = f"seed {seed}" + (f" and fold {fold}" if fold != "" else "")
                raise RunError(
                    f"'{first.name}' and '{second.name}' cannot be compared: with {where}, their "
                    f"{side} recordings differ. The data have changed since the older of the two "
                    "was run; run it again"
                )
