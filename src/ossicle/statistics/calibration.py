"""Whether confidences can be trusted: calibration, and the error at each coverage.

    bin b             the recordings whose confidence is in [b / B, (b + 1) / B)
    ECE               sum over bins of  n_b / N * |accuracy_b - mean confidence_b|
    risk at n         mean error of the n recordings with the highest confidence
    area              mean of the risk over n = 1 ... N

Where confidences are equal, no threshold can tell the recordings apart, so each counts with the
mean error of all of them: no result depends on the order of the recordings.

Sources: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; Guo
et al. 2017, https://arxiv.org/abs/1706.04599; of the risk-coverage curve and its area, Geifman and
El-Yaniv 2017, https://arxiv.org/abs/1705.08500, and Geifman et al. 2019,
https://arxiv.org/abs/1805.08206.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

BINS: Final = 10


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: accuracy by confidence, without empty bins.

    Attributes:
        confidence: Mean confidence in each bin, from 0 to 1.
        accuracy: Mean correctness in each bin, from 0 to 1.
        counts: Recordings in each bin.
    """

    confidence: Float[np.ndarray, " b"]
    accuracy: Float[np.ndarray, " b"]
    counts: Int[np.ndarray, " b"]

    @property
    def error(self) -> float:
        """The expected calibration error (ECE), from 0 to 1."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / self.counts.sum())


@dataclass(frozen=True)
class RiskCoverage:
    """The error of the recordings that are answered, by their share.

    Attributes:
        coverage: Share of the recordings that are answered, most confident first: 1/N ... 1.
        risk: Mean error of these, from 0 to 1.
        area: Area under the curve.
    """

    coverage: Float[np.ndarray, " N"]
    risk: Float[np.ndarray, " N"]
    area: float


def reliability(
    confidence: Float[np.ndarray, " N"], correct: Float[np.ndarray, " N"], bins: int = BINS
) -> Reliability:
    """Return accuracy by confidence, in bins of equal width.

    Args:
        confidence: Confidence in each answer, from 0 to 1.
        correct: 1 for each correct answer, 0 for a wrong one; a share where an answer has parts.
        bins: Number of bins from 0 to 1.

    Raises:
        ValueError: there is no recording, or a confidence is not from 0 to 1.
    """
    _check(confidence, correct)
    number = np.minimum((confidence * bins).astype(int), bins - 1)  # 1 is in the last bin
    counts = np.bincount(number, minlength=bins)
    used = counts > 0
    sums = (np.bincount(number, weights=of, minlength=bins) for of in (confidence, correct))
    means = [values[used] / counts[used] for values in sums]
    return Reliability(means[0], means[1], counts[used])


def risk_coverage(
    confidence: Float[np.ndarray, " N"], correct: Float[np.ndarray, " N"]
) -> RiskCoverage:
    """Return the error of the answered recordings by the share that is answered.

    Args:
        confidence: Confidence in each answer, from 0 to 1.
        correct: 1 for each correct answer, 0 for a wrong one; a share where an answer has parts.

    Raises:
        ValueError: there is no recording, or a confidence is not from 0 to 1.
    """
    _check(confidence, correct)
    _, tied, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    errors = np.bincount(tied, weights=1 - correct) / counts
    answered = np.arange(1, len(correct) + 1)
    risk = np.cumsum(np.repeat(errors, counts)) / answered
    return RiskCoverage(answered / len(correct), risk, float(risk.mean()))


def _check(confidence: Float[np.ndarray, " N"], correct: Float[np.ndarray, " N"]) -> None:
    if not len(confidence) or len(confidence) != len(correct):
        raise ValueError(f"{len(confidence)} confidences of {len(correct)} answers")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence is not between 0 and 1")
