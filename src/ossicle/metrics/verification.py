"""Error rates of speaker verification, exact at every threshold.

    miss(t)          fraction of target trials (one speaker) with a score below t
    false alarm(t)   fraction of other trials with a score of t or more
    EER              where the line through these points crosses miss = false alarm
    minDCF(p)        minimum over t of  (p miss + (1 - p) false alarm) / min(p, 1 - p)

A trial may have a weight, for the bootstrap. Trials with equal scores are one point.

Source: NIST SRE evaluation plans; costs of a miss and of a false alarm are 1.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float

NEAREST = 200  # scores of the cohort that AS-norm goes by
CHUNK = 50_000  # trials at a time, so that their vectors take no gigabytes


@dataclass(frozen=True)
class ErrorCurve:
    """Miss and false alarm rates from the highest threshold to the lowest: (1, 0) to (0, 1).

    Attributes:
        miss: Miss rate at each threshold.
        false_alarm: False alarm rate at each threshold.
        thresholds: Lowest score that is accepted; infinite where none is.
    """

    miss: Float[np.ndarray, " K"]
    false_alarm: Float[np.ndarray, " K"]
    thresholds: Float[np.ndarray, " K"]

    @property
    def eer(self) -> float:
        """Equal error rate, from 0 to 1."""
        last = self._crossing
        fa0, fa1 = self.false_alarm[last - 1], self.false_alarm[last]
        miss0, miss1 = self.miss[last - 1], self.miss[last]
        along = (miss0 - fa0) / ((fa1 - fa0) + (miss0 - miss1))
        return float(fa0 + along * (fa1 - fa0))

    @property
    def eer_threshold(self) -> float:
        """A score from which on pairs are accepted, with error rates near the EER.

        It is halfway to the next lower score, where there is one: the errors are the same.
        """
        last = self._crossing
        return float(self.thresholds[last : last + 2].mean())

    @property
    def _crossing(self) -> int:
        """The first threshold whose false alarm rate is not below its miss rate."""
        return int(np.argmax(self.false_alarm >= self.miss))

    def min_dcf(self, prior: float) -> float:
        """Return the minimum normalised detection cost at a prior of targets."""
        cost = prior * self.miss + (1 - prior) * self.false_alarm
        return float(cost.min() / min(prior, 1 - prior))

    @property
    def metrics(self) -> dict[str, float]:
        """EER, and minDCF at priors of 0.01 and 0.05."""
        return {
            "eer": self.eer,
            "min_dcf_01": self.min_dcf(0.01),
            "min_dcf_05": self.min_dcf(0.05),
        }

    def points(self, most: int) -> list[list[float]]:
        """Return (false alarm, miss) at no more than `most` thresholds, to draw a DET curve.

        They are evenly spaced on its axes, which are normal deviates, so that low rates are drawn
        as finely as high ones.
        """
        steps = np.arange(len(self.miss))
        if len(steps) > most:
            count = most // 2 - 1
            rates = [NormalDist().cdf(one) for one in np.linspace(-4, 4, count)]
            by_false_alarm = np.searchsorted(self.false_alarm, rates)
            by_miss = len(steps) - 1 - np.searchsorted(self.miss[::-1], rates)
            steps = np.unique([0, *by_false_alarm, *by_miss, len(steps) - 1])
        return [[float(self.false_alarm[i]), float(self.miss[i])] for i in steps]


class Trials:
    """Scored trials, sorted once, so that a bootstrap can reweight them a thousand times."""

    def __init__(self, scores: Float[np.ndarray, " N"], same: Bool[np.ndarray, " N"]) -> None:
        """Sort the trials.

        Raises:
            ValueError: a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise ValueError("a score of a trial is not finite")
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._same = same[self._order]
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        self._thresholds = np.append(np.inf, ordered[self._ends])

    def curve(self, weights: Float[np.ndarray, " N"] | None = None) -> ErrorCurve | None:
        """Return the error rates; None without trials of one speaker or of two."""
        weight = np.ones(len(self._same)) if weights is None else weights[self._order]
        targets = np.cumsum(np.where(self._same, weight, 0.0))
        others = np.cumsum(np.where(self._same, 0.0, weight))
        if not targets[-1] or not others[-1]:
            return None
        miss = 1 - np.append(0.0, targets[self._ends] / targets[-1])
        false_alarm = np.append(0.0, others[self._ends] / others[-1])
        return ErrorCurve(np.clip(miss, 0, 1), false_alarm, self._thresholds)


def trial_cosines(
    embeddings: Float[np.ndarray, "N E"], first: np.ndarray, second: np.ndarray
) -> Float[np.ndarray, " T"]:
    """Return the cosine of the two utterances of each trial, given by row."""
    vectors = unit(embeddings)
    parts = [
        np.einsum("te,te->t", vectors[first[at : at + CHUNK]], vectors[second[at : at + CHUNK]])
        for at in range(0, len(first), CHUNK)
    ]
    return np.concatenate(parts)


def cosines(
    embeddings: Float[np.ndarray, "N E"], others: Float[np.ndarray, "M E"]
) -> Float[np.ndarray, "N M"]:
    """Return the cosine of every embedding with every other."""
    made: Float[np.ndarray, "N M"] = unit(embeddings) @ unit(others).T
    return made


def unit(embeddings: Float[np.ndarray, "N E"]) -> Float[np.ndarray, "N E"]:
    """Return the embeddings normalised to length 1; those of length 0 as they are."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    made: Float[np.ndarray, "N E"] = embeddings / np.where(lengths == 0, 1, lengths)
    return made


def normalised(
    scores: Float[np.ndarray, " T"],
    sides: tuple[np.ndarray, np.ndarray],
    to_cohort: Float[np.ndarray, "N K"],
    top: int | None = None,
) -> Float[np.ndarray, " T"]:
    """Return the scores of trials after s-norm, or after AS-norm with the nearest of the cohort.

        ((s - mean_first) / deviation_first + (s - mean_second) / deviation_second) / 2

    Args:
        scores: Scores of the trials.
        sides: Row in `to_cohort` of the first and the second utterance of each trial.
        to_cohort: Score of each utterance with each of the cohort.
        top: Number of highest scores that mean and deviation are of; None: all (s-norm).

    Returns:
        Not finite if the scores of the cohort do not vary, for example with one recording.

    Source: Matejka et al. 2017, "Analysis of score normalization in multilingual speaker
    recognition"; the deviation divides by K - 1.
    """
    chosen = to_cohort
    if top is not None and top < to_cohort.shape[1]:
        chosen = -np.partition(-to_cohort, top - 1, axis=1)[:, :top]
    mean = chosen.mean(axis=1)
    spread = np.square(chosen - mean[:, None]).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # the caller sees it in the result
        deviation = np.sqrt(spread / (np.float64(chosen.shape[1]) - 1))
        first, second = ((scores - mean[rows]) / deviation[rows] for rows in sides)
    made: Float[np.ndarray, " T"] = (first + second) / 2
    return made


def cohort_normalised(
    scores: Float[np.ndarray, " T"],
    sides: tuple[np.ndarray, np.ndarray],
    embeddings: Float[np.ndarray, "N E"],
    cohort: Float[np.ndarray, "K E"],
) -> dict[str, Float[np.ndarray, " T"] | None]:
    """Return the scores of trials after s-norm and AS-norm, as `s_norm` and `as_norm`.

    Args:
        scores: The cosines of the trials.
        sides: Row in `embeddings` of the first and the second utterance of each trial.
        embeddings: Embeddings of the utterances.
        cohort: Embeddings of other speakers.

    Returns:
        None for a normalisation that does not exist, because the cohort's scores do not vary.
    """
    to_cohort = cosines(embeddings, cohort)
    found = {
        name: normalised(scores, sides, to_cohort, top)
        for name, top in (("s_norm", None), ("as_norm", NEAREST))
    }
    return {name: one if np.isfinite(one).all() else None for name, one in found.items()}
