"""Percentile bootstrap: confidence intervals of metrics over the choice of test recordings.

    draw as many units as there are, with replacement   ->   metrics of their recordings
    1000 times                                          ->   the middle 95 % is the interval

The unit is what was sampled independently when the test set was made. Recordings of one speaker are
alike, so if speakers are known, whole speakers are drawn, each with all of its recordings; drawing
recordings would give intervals that are too narrow for a claim about new speakers.

With few speakers the interval is unreliable. With two there are three different draws, and the
interval runs from the worse speaker's metric to the better one's; below ten or so it tends to be
too narrow. With one speaker, recordings are drawn, and the interval is about further recordings of
that speaker only. `unit` and `num_units` say which case it was; report them with the interval.

A metric may be undefined in a draw: verification needs pairs of one speaker and of two. Such a draw
counts as possibly the lowest and possibly the highest, so the interval is wider, if anything; if
such draws are more than the tail that is cut off, no interval is given.

The interval covers the choice of test recordings. It does not cover the training seed, nor the
choice of training recordings: the model is fixed.

Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", section 13.3.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int

FEW_SPEAKERS: Final = 10  # below which an interval tends to be too narrow


@dataclass(frozen=True)
class Intervals:
    """The lower and upper bound of each metric, and how they were computed.

    Attributes:
        bounds: Bounds by metric; None if it is undefined in too many draws.
        unit: The unit that was drawn.
        num_units: Number of units.
        confidence: Fraction of the draws inside the bounds.
        resamples: Number of draws.
        undefined: Largest fraction of draws in which a metric is undefined.
    """

    bounds: dict[str, tuple[float, float] | None]
    unit: Literal["speaker", "recording"]
    num_units: int
    confidence: float
    resamples: int
    undefined: float = 0.0

    @property
    def missing(self) -> str | None:
        """The reason why some bounds are None, if any are."""
        if None not in self.bounds.values():
            return None
        share = f"{100 * self.undefined:.1f} % of the draws of {self.num_units} {self.unit}s"
        return f"{share} have no such score"

    def note(self, groups: Sequence[str] | None) -> str | None:
        """Return what makes the intervals too narrow, if anything does.

        Args:
            groups: The speaker of each recording, as for `bootstrap_intervals`.
        """
        if self.unit == "speaker" and self.num_units < FEW_SPEAKERS:
            return (
                f"{self.num_units} speakers are few: intervals over fewer than {FEW_SPEAKERS} "
                "speakers tend to be too narrow."
            )
        if groups and self.unit == "recording":
            return "All recordings are by one speaker: the intervals do not cover other speakers."
        return None


def bootstrap_intervals(
    metrics_of: Callable[[Int[np.ndarray, " N"]], Mapping[str, float]],
    num_rows: int,
    groups: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Return percentile bootstrap intervals of all metrics, from the same draws.

    Args:
        metrics_of: Returns the metrics of the rows with these numbers, which repeat; NaN if one is
            undefined. Called once per resample. For classification: `metrics_by_rows`.
        num_rows: Number of recordings.
        groups: The speaker of each recording, or None to draw recordings.
        confidence: Fraction of the resamples inside the interval, between 0 and 1.
        resamples: Number of draws. 1000 place a bound of a 95 % interval to within about half a
            percentile.
        seed: Seed of the draws.

    Returns:
        `unit` is "speaker" if `groups` has at least two speakers, else "recording".

    Raises:
        ValueError: no rows, no resamples, not one group per row, or a confidence out of range.
    """
    if num_rows < 1 or resamples < 1:
        raise ValueError(f"{num_rows} rows and {resamples} resamples: expected at least 1 of each.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: expected more than 0 and less than 1.")
    rows_of_unit = _rows_of_unit(num_rows, groups)
    by_speaker = len(rows_of_unit) > 1
    num_units = len(rows_of_unit) if by_speaker else num_rows
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        rows = generator.integers(num_units, size=num_units)
        if by_speaker:
            rows = np.concatenate([rows_of_unit[unit] for unit in rows])
        drawn.append(metrics_of(rows))
    bounds, undefined = {}, 0.0
    for name in drawn[0]:
        values = np.array([metrics[name] for metrics in drawn])
        bounds[name] = _bounds(values, (1 - confidence) / 2)
        undefined = max(undefined, float(np.isnan(values).mean()))
    unit: Literal["speaker", "recording"] = "speaker" if by_speaker else "recording"
    return Intervals(bounds, unit, num_units, confidence, resamples, undefined)


def _bounds(values: Float[np.ndarray, " K"], tail: float) -> tuple[float, float] | None:
    """Return the quantiles of the draws, wide enough for any value of the undefined ones.

    None if there are so many of these that a bound could have any value.
    """
    missing = np.isnan(values)
    if not missing.any():
        low, high = np.quantile(values, [tail, 1 - tail])
    else:
        lowest, highest = (np.where(missing, end, values) for end in (-np.inf, np.inf))
        low = np.quantile(lowest, tail, method="lower")
        high = np.quantile(highest, 1 - tail, method="higher")
    return (float(low), float(high)) if np.isfinite([low, high]).all() else None


def _rows_of_unit(num_rows: int, groups: Sequence[str] | None) -> list[Int[np.ndarray, " N"]]:
    """Return the rows of each speaker, in the order of their names; none without speakers."""
    if groups is None:
        return []
    if len(groups) != num_rows:
        raise ValueError(f"{len(groups)} groups for {num_rows} rows: expected one for each row.")
    _, speaker = np.unique(np.asarray(groups), return_inverse=True)
    return [np.flatnonzero(speaker == number) for number in range(speaker.max() + 1)]
