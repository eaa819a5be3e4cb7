"""Mean of a difference over seeds and recordings, with an error that covers both.

    m           sum of all differences / their number
    v_s         U / (U - 1) sum over units u of (sum of u - m number of u)^2 / (number of all)^2,
                with the U seeds as units; v_r likewise with recordings or speakers
    error       sqrt(v_s + v_r)
    freedom     (v_s + v_r)^2 / (v_s^2 / (U_s - 1) + v_r^2 / (U_r - 1))          Satterthwaite

A seed shares its initial weights and a recording its difficulty, so that S x N differences are not
that many independent ones. What is left after both is counted twice, so the error is somewhat too
large, if anything; it is that of the bootstrap over both axes (`summary`) in closed form.

Unlike a permutation test, (m - m0) / error tests any m0, gives equivalence tests and their power,
and is not bounded by 2 / 2^S. In return it takes means of seeds and units to be about normal. An
axis with one value is not covered, and without any variation there is no test at all.

Two one-sided tests (TOST): m is shown to be within a margin if it is shown to be above its lower
and below its upper end; the p is the larger of the two.

Sources: Owen 2007, "The pigeonhole bootstrap", The Annals of Applied Statistics 1; Satterthwaite
1946, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2;
Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach for
assessing the equivalence of average bioavailability", Journal of Pharmacokinetics and
Biopharmaceutics 15.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A mean difference with its error.

    Attributes:
        value: The mean difference.
        error: Its standard error; 0 if nothing varies, and then nothing can be tested.
        freedom: Degrees of freedom of t.
        seeds: Number of seeds.
        units: Number of recordings or speakers; 1 if that axis is not covered.
    """

    value: float
    error: float
    freedom: float
    seeds: int
    units: int

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the difference is at most `bound`."""
        return self._p(bound - self.value)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the difference is at least `bound`."""
        return self._p(self.value - bound)

    def p_within(self, margin: float) -> float:
        """Return the p of the two one-sided tests that it is between -margin and margin."""
        return max(self.p_above(-margin), self.p_below(margin))

    def interval(self, confidence: float = 0.95) -> tuple[float, float] | None:
        """Return the interval of the difference; None if nothing varies."""
        if self.error == 0:
            return None
        from scipy.special import stdtrit  # scipy.stats takes 50 MB more

        reach = float(stdtrit(self.freedom, 0.5 + confidence / 2)) * self.error
        return self.value - reach, self.value + reach

    def detectable(self, level: float, power: float = 0.8) -> float | None:
        """Return the smallest true difference that a one-sided test finds with some power.

        Args:
            level: Level of the one-sided test, after any correction.
            power: Probability of finding it.

        Returns:
            None if nothing varies.
        """
        if self.error == 0:
            return None
        from scipy.special import stdtrit

        critical = float(stdtrit(self.freedom, 1 - level))
        return _noncentrality(self.freedom, critical, power) * self.error

    def equivalence_margin(self, level: float, power: float = 0.8) -> float | None:
        """Return the smallest margin within which equality is shown with some power.

        Args:
            level: Level of each of the two one-sided tests, after any correction.
            power: Probability of showing it if there is no difference.

        Returns:
            None if nothing varies.
        """
        if self.error == 0:
            return None
        from scipy.special import stdtrit

        # |t| stays below this with that probability; the margin is a critical value further
        inner = float(stdtrit(self.freedom, (1 + power) / 2))
        return (inner + float(stdtrit(self.freedom, 1 - level))) * self.error

    def _p(self, short: float) -> float:
        """Return P(t > -short / error): the p of being `-short` beyond a bound."""
        if self.error == 0:
            return 1.0
        from scipy.special import stdtr

        return float(stdtr(self.freedom, short / self.error))


def crossed_estimate(sums: ArrayLike, counts: ArrayLike) -> Estimate:
    """Return the mean of differences that two crossed axes determine, with its error.

    Args:
        sums: Sum of the differences with seed s and unit u, of shape (S, U).
        counts: Number of these differences.

    Raises:
        ValueError: the shapes differ or are not (S, U), a sum is not finite, or nothing is counted.
    """
    total, number = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    if total.ndim != 2 or total.shape != number.shape or not np.isfinite(total).all():
        raise ValueError(f"Shapes {total.shape} and {number.shape}: expected (S, U), finite.")
    whole = number.sum()
    if whole <= 0:
        raise ValueError("There are no differences: expected at least one.")
    value = float(total.sum() / whole)
    parts = [_variance(total, number, value, axis) for axis in (1, 0)]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / free for part, free in parts if free)
    freedom = variance**2 / spread if spread else 1.0
    seeds, units = (int((number.sum(axis=axis) > 0).sum()) for axis in (1, 0))
    error = float(np.sqrt(variance)) if variance > 1e-18 else 0.0
    return Estimate(value, error, float(freedom), seeds, units)


def _variance(
    total: Float[np.ndarray, "S U"], number: Float[np.ndarray, "S U"], value: float, axis: int
) -> tuple[float, int]:
    """Return the variance of the mean over one axis, and its degrees of freedom."""
    own, counted = total.sum(axis=axis), number.sum(axis=axis)
    known = counted > 0
    size = int(known.sum())
    if size < 2:
        return 0.0, 0
    rest = own[known] - value * counted[known]
    return float(size / (size - 1) * (rest**2).sum() / counted.sum() ** 2), size - 1


def _noncentrality(freedom: float, critical: float, power: float) -> float:
    """Return the noncentrality with which t exceeds a critical value with some probability."""
    from scipy.optimize import brentq
    from scipy.special import nctdtr

    def excess(noncentrality: float) -> float:
        missed = float(nctdtr(freedom, noncentrality, critical))
        return (0.0 if np.isnan(missed) else missed) - (1 - power)  # NaN: too small to compute

    return float(brentq(excess, 0.0, 10 * critical + 20))
