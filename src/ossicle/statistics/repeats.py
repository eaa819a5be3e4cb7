"""Paired permutation test over repeats: would training again give the same order?

    d_r         (metric of first) - (metric of second) in repeat r, a seed on a fold
    difference  mean of d_r
    p           how often |mean| is at least as large with a random sign for each d_r
    d_z         mean of d_r / standard deviation of d_r (n - 1), Cohen's effect size for pairs

The null hypothesis: on each of these folds, the two are exchangeable when they are trained again.
The recordings are taken as given: repeats on one fold are tested on the same ones, so a small p
says nothing about other recordings. That is what the test over recordings (`paired`) is for.

All sign patterns are used up to 16 repeats, and 9999 random ones for more. R repeats cannot give a
p below 2 / 2^R: five cannot reach 0.05, whatever the results; `smallest_p` says so.

d_z says how large the difference is compared with its own variation between repeats. It does not
depend on the number of repeats, but from few of them it is very inexact.

Sources: Fisher 1935, section 21; Cohen 1988, "Statistical power analysis for the behavioral
sciences", section 2.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ossicle.statistics.paired import sign_flip


@dataclass(frozen=True)
class RepeatsTest:
    """A difference between two things that were trained and tested in the same repeats.

    Attributes:
        difference: Mean difference, first minus second.
        deviation: Standard deviation of the differences (n - 1); None of one repeat.
        p_value: Two-sided p.
        num_repeats: Number of repeats.
    """

    difference: float
    deviation: float | None
    p_value: float
    num_repeats: int

    @property
    def smallest_p(self) -> float:
        """The smallest p that so many repeats can give."""
        return 2.0 ** (1 - self.num_repeats)

    @property
    def effect(self) -> float | None:
        """Cohen's d_z; None if all differences are equal or there is one."""
        return self.difference / self.deviation if self.deviation else None

    @property
    def about(self) -> str:
        """What the p-value is about, as a sentence."""
        return (
            f"p over {self.num_repeats} repeats, seeds and folds, is about training again on the "
            f"same recordings; its smallest possible value is {self.smallest_p:.2g}. It does not "
            "cover other recordings."
        )


def repeats_test(differences: Sequence[float] | Float[np.ndarray, " R"]) -> RepeatsTest:
    """Test whether differences between paired repeats are centred at zero.

    Args:
        differences: First minus second, in each repeat.

    Raises:
        ValueError: there are none, or one is not finite.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"Differences of shape {values.shape}: expected (R,), finite, R > 0.")
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return RepeatsTest(float(values.mean()), deviation, sign_flip(values), len(values))
