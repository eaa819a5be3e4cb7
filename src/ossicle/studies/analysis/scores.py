"""Differences in the scores of recordings, between two cells or between differences of cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from ossicle.statistics.crossed import Estimate, crossed_estimate
from ossicle.statistics.paired import PairedTest, Unit, paired_test_of_sums, units_of
from ossicle.statistics.summary import crossed_interval
from ossicle.studies.analysis.cell import Cell

Terms: TypeAlias = Sequence[tuple[int, Cell]]  # +1 or -1, and a cell; all with the same repeats


@dataclass(frozen=True)
class Scores:
    """Differences between the scores of cells for each recording.

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

    @property
    def unit(self) -> Unit:
        """What is independent: a recording, or a speaker if they are known and enough."""
        return units_of(self.sums.shape[1], self.speakers)[0]

    def test(self) -> PairedTest:
        """Return the test over recordings, or over speakers if they are known and enough."""
        return paired_test_of_sums(self.sums.sum(axis=0), int(self.counts.sum()), self.speakers)

    def interval(self) -> tuple[float, float]:
        """Return the interval of the mean difference over seeds and recordings or speakers."""
        return crossed_interval(*self._by_unit())

    def estimate(self) -> Estimate:
        """Return the mean difference with its error over seeds and recordings or speakers."""
        return crossed_estimate(*self._by_unit())

    def _by_unit(self) -> list[Float[np.ndarray, "S U"]]:
        _, units = units_of(self.sums.shape[1], self.speakers)
        return [
            np.stack([np.bincount(units, weights=of_seed) for of_seed in table])
            for table in (self.sums, self.counts)
        ]


def scores_of(terms: Terms) -> Scores | None:
    """Return the signed sum of the scores of cells; None if one has no score per recording."""
    every = [one for _, cell in terms for one in cell.repeats.values()]
    if any(one.scores is None for one in every):
        return None
    speaker_of: dict[str, str | None] = {}
    for rows in {id(one.rows): one.rows for one in every}.values():
        speaker_of.update(zip(rows.keys, rows.speakers, strict=True))
    position = {key: number for number, key in enumerate(speaker_of)}
    columns = {id(one.rows): np.array([position[key] for key in one.rows.keys]) for one in every}
    first = terms[0][1]
    sums = np.zeros((len(first.seeds), len(position)))
    counts = np.zeros_like(sums)
    for (seed, fold), one in first.repeats.items():
        row = first.seeds.index(seed)
        for sign, cell in terms:
            measured = cell.repeats[seed, fold]
            sums[row, columns[id(measured.rows)]] += sign * np.asarray(measured.scores, float)
        counts[row, columns[id(one.rows)]] += 1
    named = [speaker for speaker in speaker_of.values() if speaker is not None]
    return Scores(sums, counts, named if len(named) == len(position) else None)
