"""Paired permutation test: does one recipe score higher than another on the same recordings?

    d_n         mean over seeds of  (score of first on n) - (score of second on n)
    difference  mean of d_n over the recordings
    p           how often |difference| is at least as large with a random sign for each unit's d

A unit is a recording, or a speaker with the sum of its d_n: recordings of one speaker are alike and
not independent evidence. Fewer than six speakers cannot give p below 0.05 (the smallest p of U
units is 2 / 2^U), so then recordings are the unit; `unit` says so, and the result is about further
recordings of those speakers only.

The null hypothesis: given these trained models, the two recipes are exchangeable on every unit. The
score of a recording is the task's: in classification 1 if it is correct and 0 if not; with one seed
and recordings as units, this is the exact McNemar test.

The test does not cover the training seed. The S models of each recipe are fixed, and a small p says
that these models differ on such recordings, not that the recipes would differ with other seeds or
other training data; for those, compare `difference` with its spread over seeds. It does not correct
for the number of pairs that are compared either.

Source: Fisher 1935, "The design of experiments", section 21.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

FEWEST_SPEAKERS = 6  # 2 / 2^6 = 0.03
Unit: TypeAlias = Literal["speaker", "recording"]
MOST_EXACT = 16  # units of which all sign patterns are used
RESAMPLES = 9999  # random sign patterns of more units


@dataclass(frozen=True)
class PairedTest:
    """`difference` is the mean score of the first recipe minus that of the second."""

    difference: float
    p_value: float
    unit: Unit
    num_units: int

    @property
    def about(self) -> str:
        """What the p-value is about, as a sentence."""
        others = "other speakers"
        if self.unit == "recording":
            others = "further recordings like these, not on other speakers"
        return (
            f"p over {self.num_units} {self.unit}s is about these trained models on {others}; it "
            "does not cover training again."
        )


def paired_test(
    scores_a: Shaped[np.ndarray, "S N"],
    scores_b: Shaped[np.ndarray, "S N"],
    groups: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> PairedTest:
    """Return the difference in mean score, first minus second, with a two-sided p.

    Args:
        scores_a: Scores of the first recipe, trained with seed s, on recording n; higher is better.
        scores_b: Scores of the second recipe, with the same seeds and recordings in order.
        groups: The speaker of each recording, if known.
        seed: Seed of the random signs; without effect if all sign patterns are used.

    Returns:
        `p_value` is 1 if the recipes are equally good on every unit, and never 0: with random signs
        it is at least 0.0002.

    Raises:
        ValueError: shapes that differ or are not (S, N), scores that are not finite, or not one
            group per recording.
    """
    first, second = np.asarray(scores_a), np.asarray(scores_b)
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise ValueError(f"Shapes are {first.shape} and {second.shape}: expected (S, N) for both.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Some scores are not finite: expected a number for each recording.")
    # Sums, not means: whole numbers add up without rounding, so ties between sums stay ties.
    lead = first.sum(axis=0, dtype=float) - second.sum(axis=0, dtype=float)  # (N,)
    return paired_test_of_sums(lead, first.size, groups, seed=seed)


def paired_test_of_sums(
    sums: Float[np.ndarray, " N"],
    num_scores: int,
    groups: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> PairedTest:
    """Return the test of differences that are added up for each recording.

    For recordings that were not all tested equally often, as in an unfinished study.

    Args:
        sums: Sum of the differences of each recording, first minus second.
        num_scores: Number of differences that were added up.
        groups: The speaker of each recording, if known.
        seed: Seed of the random signs.

    Raises:
        ValueError: there is not one group per recording.
    """
    if groups is not None and len(groups) != len(sums):
        raise ValueError(f"{len(groups)} groups for {len(sums)} rows: expected one for each row.")
    unit, units = units_of(len(sums), groups)
    lead = np.bincount(units, weights=sums)  # (U,)
    return PairedTest(float(sums.sum() / num_scores), sign_flip(lead, seed), unit, len(lead))


def units_of(num_rows: int, groups: Sequence[str] | None) -> tuple[Unit, Int[np.ndarray, " N"]]:
    """Return what is flipped whole, and the number of the one that each recording belongs to."""
    if groups is None or len(set(groups)) < FEWEST_SPEAKERS:
        return "recording", np.arange(num_rows)
    return "speaker", np.unique(np.asarray(groups), return_inverse=True)[1]


def sign_flip(lead: Float[np.ndarray, " U"], seed: int = 0) -> float:
    """Return the two-sided p of the sum of the leads under random signs.

    As `scipy.stats.permutation_test` computes it, which takes 30 times as long.

    Args:
        lead: Differences of independent units.
        seed: Seed of the signs; without effect if all patterns are used.
    """
    lead = lead[lead != 0]  # a tie has no sign to flip
    observed = abs(lead.sum()) * (1 - 1e-12)  # sums are inexact, and equal ones count
    if len(lead) < 2:
        return 1.0
    if len(lead) <= MOST_EXACT:
        share = float(np.mean(_all_signs(len(lead)) @ lead >= observed))
    else:
        generator = np.random.default_rng(seed)
        hits = sum(
            int((_signs(generator, RESAMPLES // 11, len(lead)) @ lead >= observed).sum())
            for _ in range(11)  # bounds memory: 909 x units at a time
        )
        share = (hits + 1) / (RESAMPLES + 1)
    return min(1.0, 2 * share)


@lru_cache(maxsize=4)
def _all_signs(units: int) -> Int[np.ndarray, "K U"]:
    """Return all patterns of signs, of shape (2^U, U)."""
    return 1 - 2 * (np.arange(2**units)[:, None] >> np.arange(units) & 1)


def _signs(generator: np.random.Generator, draws: int, units: int) -> Float[np.ndarray, "K U"]:
    bits = np.frombuffer(generator.bytes(draws * units // 8 + 1), np.uint8)
    return 1.0 - 2.0 * np.unpackbits(bits, count=draws * units).reshape(draws, units)
