"""Agreement of models: do they err on the same recordings, and are they equally often right?

Of K models on the same N recordings, with a and d the numbers of recordings that both models of a
pair have right and wrong, b those that only the first has right, c those that only the second has:

    Cochran's Q     are all K models equally often right? chi squared with K - 1 degrees of freedom
    McNemar         the same of a pair; exact where b + c < 25
    disagreement    (b + c) / N, where one of the two is right
    double fault    d / N
    Yule's Q        (a d - b c) / (a d + b c): 1 if right on the same recordings, 0 if independent,
                    below 0 if right on different ones
    kappa           agreement of the predicted labels, right or wrong, beyond chance
    oracle          fraction of the recordings that any of the K models has right

Cochran's Q and McNemar's test compare how often models are right. Two models that are equally
often right, on different recordings, differ in disagreement and not in these tests. Both take
recordings as independent, and are about further recordings like these; they do not cover training
again.

Sources: Cochran 1950, "The comparison of percentages in matched samples", Biometrika 37; McNemar
1947; Kuncheva and Whitaker 2003, "Measures of diversity in classifier ensembles", Machine Learning
51; Cohen 1960. Computed by statsmodels and scikit-learn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

MOST_EXACT: Final = 25  # recordings that two models differ on, from which McNemar's test is normal


@dataclass(frozen=True)
class CochranTest:
    """Cochran's Q over K models.

    Attributes:
        statistic: Q; 0 where the models agree on every recording.
        p_value: Its p.
        num_models: Number of models.
        num_recordings: Number of recordings.
    """

    statistic: float
    p_value: float
    num_models: int
    num_recordings: int

    @property
    def about(self) -> str:
        """What the p-value is about, as a sentence."""
        return (
            f"p of Cochran's Q over {self.num_recordings} recordings is about whether these "
            f"{self.num_models} trained models are equally often right on further recordings like "
            "these; it does not cover training again, nor other speakers."
        )


@dataclass(frozen=True)
class PairAgreement:
    """The agreement of two models.

    Attributes:
        both_right: Recordings that both have right.
        only_first: Recordings that only the first has right.
        only_second: Recordings that only the second has right.
        both_wrong: Recordings that both have wrong.
        kappa: Cohen's kappa of the predicted labels; None if all labels are the same.
        p_value: p of McNemar's test.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    kappa: float | None
    p_value: float

    @property
    def num_recordings(self) -> int:
        """Number of recordings."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    @property
    def disagreement(self) -> float:
        """Fraction of the recordings that only one of the two has right."""
        return (self.only_first + self.only_second) / self.num_recordings

    @property
    def double_fault(self) -> float:
        """Fraction of the recordings that both have wrong."""
        return self.both_wrong / self.num_recordings

    @property
    def yule_q(self) -> float | None:
        """Yule's Q; None if it is not defined, as when one of the two has all right."""
        same, apart = self.both_right * self.both_wrong, self.only_first * self.only_second
        return (same - apart) / (same + apart) if same + apart else None


def cochran_test(right: Bool[np.ndarray, "N K"]) -> CochranTest:
    """Test whether K models are equally often right on the same recordings.

    Args:
        right: Whether model k is right on recording n.

    Raises:
        ValueError: there are no recordings, or fewer than two models.
    """
    table = np.asarray(right, bool)
    if table.ndim != 2 or not len(table) or table.shape[1] < 2:
        raise ValueError(f"The shape is {table.shape}: expected (N, K), N > 0 and K > 1.")
    recordings, models = table.shape
    if (table == table[:, :1]).all():  # all agree: 0 / 0
        return CochranTest(0.0, 1.0, models, recordings)
    from statsmodels.stats.contingency_tables import cochrans_q

    found = cochrans_q(table.astype(int))
    return CochranTest(float(found.statistic), float(found.pvalue), models, recordings)


def pair_agreement(
    labels: Sequence[str], first: Sequence[str], second: Sequence[str]
) -> PairAgreement:
    """Return how two models agree on the same recordings.

    Args:
        labels: True label of each recording.
        first: Label that the first model predicts.
        second: Label that the second model predicts.

    Raises:
        ValueError: they have different lengths, or there are no recordings.
    """
    true, one, other = (np.asarray(part, dtype=object) for part in (labels, first, second))
    if not len(true) or not len(true) == len(one) == len(other):
        raise ValueError(f"{len(true)} labels, {len(one)} and {len(other)} predictions.")
    a, b = one == true, other == true
    return PairAgreement(
        both_right=int((a & b).sum()),
        only_first=int((a & ~b).sum()),
        only_second=int((~a & b).sum()),
        both_wrong=int((~a & ~b).sum()),
        kappa=_kappa(first, second),
        p_value=_mcnemar(int((a & ~b).sum()), int((~a & b).sum())),
    )


def oracle_accuracy(right: Bool[np.ndarray, "N K"]) -> float:
    """Return the fraction of the recordings that any of K models has right."""
    return float(np.asarray(right, bool).any(axis=1).mean())


def score_correlation(
    first: Float[np.ndarray, " N"], second: Float[np.ndarray, " N"]
) -> float | None:
    """Return the correlation of the scores of two models over recordings; None if one is constant.

    For tasks whose recordings are not simply right or wrong.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    if len(one) < 2 or not one.std() or not other.std():
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _mcnemar(only_first: int, only_second: int) -> float:
    from statsmodels.stats.contingency_tables import mcnemar

    exact = only_first + only_second < MOST_EXACT
    return float(mcnemar([[0, only_first], [only_second, 0]], exact=exact).pvalue)


def _kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    if len({*first, *second}) == 1:  # nothing to agree on: 0 / 0
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(list(first), list(second)))
