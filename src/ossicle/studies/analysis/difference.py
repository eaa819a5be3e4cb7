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
from jaxtyping import Float

from ossicle.errors import RunError
from ossicle.statistics.paired import PairedTest, paired_test_of_sums, units_of
from ossicle.statistics.repeats import RepeatsTest, repeats_test
from ossicle.statistics.summary import crossed_interval, summary
from ossicle.studies.analysis.cell import Cell, Repeat

SIDES: Final = ("train", "valid", "test")


@dataclass(frozen=True)
class Scores:
    """Differences between the scores of two cells for each recording.

    Attributes:
        sums: Sum of the differences with seed s on recording n.
        counts: Number of the differences: 0 where a seed has not tested the recording.
        speakers: Speaker of each recording; None if any is unknown.
    """

    sums: Float[np.ndarray, "S N"]
    counts: Float[np.ndarray, "S N"]
    speakers: list[str] | None

    @property
    def mean(self) -> float:
        """The mean difference, first minus second."""
        return float(self.sums.sum() / self.counts.sum())

    def test(self) -> PairedTest:
        """Return the test over recordings, or over speakers if they are known and enough."""
        return paired_test_of_sums(self.sums.sum(axis=0), int(self.counts.sum()), self.speakers)

    def interval(self) -> tuple[float, float]:
        """Return the interval of the mean difference over seeds and recordings or speakers."""
        _, units = units_of(self.sums.shape[1], self.speakers)
        by_unit = [
            np.stack([np.bincount(units, weights=of_seed) for of_seed in table])
            for table in (self.sums, self.counts)
        ]
        return crossed_interval(*by_unit)


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
    _check_splits(first, second, common, sides)
    first, second = first.only(common), second.only(common)
    key = metric or first.task.primary_metric
    changes = first.values(key) - second.values(key)  # (S, F)
    means = first.mean(key), second.mean(key)
    if means[0] is None or means[1] is None or np.isnan(changes).all():
        return None
    value = means[0] - means[1]
    scores = _scores(first, second)
    return Difference(
        metric=key,
        value=value,
        interval=summary(changes, value).interval,
        repeats=repeats_test(changes[~np.isnan(changes)]),
        recordings=None if scores is None else scores.test(),
        scores=scores,
        higher_is_better=first.task.higher_is_better,
    )


def _check_splits(
    first: Cell, second: Cell, common: Collection[Repeat], sides: Collection[str]
) -> None:
    """Raise unless both have the same recordings in each of their common repeats."""
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


def _scores(first: Cell, second: Cell) -> Scores | None:
    """Return the differences in score of two cells with the same repeats."""
    pairs = [(seed, one, second.repeats[seed, fold]) for (seed, fold), one in first.repeats.items()]
    if any(one.scores is None or other.scores is None for _, one, other in pairs):
        return None
    speaker_of: dict[str, str | None] = {}
    for rows in {id(one.rows): one.rows for _, one, _ in pairs}.values():
        speaker_of.update(zip(rows.keys, rows.speakers, strict=True))
    position = {key: number for number, key in enumerate(speaker_of)}
    columns = {
        id(one.rows): np.array([position[key] for key in one.rows.keys])
        for cell in (first, second)
        for one in cell.repeats.values()
    }
    sums = np.zeros((len(first.seeds), len(position)))
    counts = np.zeros_like(sums)
    for seed, one, other in pairs:
        row = first.seeds.index(seed)
        for sign, measured in ((1, one), (-1, other)):
            sums[row, columns[id(measured.rows)]] += sign * np.asarray(measured.scores, float)
        counts[row, columns[id(one.rows)]] += 1
    named = [speaker for speaker in speaker_of.values() if speaker is not None]
    return Scores(sums, counts, named if len(named) == len(position) else None)
