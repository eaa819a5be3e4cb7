"""Agreement of models, against values by hand and against independent formulas."""

import numpy as np
import pytest
from scipy.stats import binom, chi2

from ossicle.statistics.agreement import (
    cochran_test,
    oracle_accuracy,
    pair_agreement,
    score_correlation,
)

RIGHT = np.array(
    [
        [1, 1, 1],
        [1, 1, 0],
        [1, 0, 0],
        [1, 1, 0],
        [0, 1, 0],
        [1, 0, 1],
        [1, 1, 1],
        [0, 0, 0],
    ],
    bool,
)


def cochran_by_formula(right: np.ndarray) -> float:
    """Cochran 1950: Q = (K - 1) (K sum G_k^2 - (sum G_k)^2) / (K sum L_n - sum L_n^2)."""
    of_model, of_recording = right.sum(axis=0), right.sum(axis=1)
    models = right.shape[1]
    spread = models * (of_model**2).sum() - of_model.sum() ** 2
    return (models - 1) * spread / (models * of_recording.sum() - (of_recording**2).sum())


def test_cochrans_q_by_hand() -> None:
    # G = 6, 5, 3; L = 3 2 1 2 1 2 3 0: 2 (3 * 70 - 14^2) / (3 * 14 - 32) = 28 / 10
    found = cochran_test(RIGHT)
    assert found.statistic == pytest.approx(2.8)
    assert found.p_value == pytest.approx(np.exp(-1.4))  # chi squared with 2 degrees of freedom
    assert "8 recordings" in found.about


def test_cochrans_q_is_that_of_the_formula_for_more_models() -> None:
    right = np.random.default_rng(0).random((60, 5)) < [0.5, 0.6, 0.7, 0.8, 0.9]
    found = cochran_test(right)
    assert found.statistic == pytest.approx(cochran_by_formula(right.astype(int)))
    assert found.p_value == pytest.approx(chi2.sf(found.statistic, 4))


def test_models_that_agree_everywhere_have_no_q() -> None:
    found = cochran_test(np.array([[True, True], [False, False]]))
    assert (found.statistic, found.p_value) == (0.0, 1.0)


def test_models_that_are_equally_often_right_on_different_recordings_have_q_zero() -> None:
    right = np.eye(4, dtype=bool)
    assert cochran_test(right).statistic == pytest.approx(0)
    assert oracle_accuracy(right) == 1


@pytest.mark.parametrize("shape", [(0, 3), (4, 1), (4,)])
def test_q_needs_recordings_and_two_models(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        cochran_test(np.zeros(shape, bool))


def test_the_agreement_of_a_pair_by_hand() -> None:
    true = list("aabbabba")
    first = list("aabbaaab")  # right 1 1 1 1 1 0 0 0
    second = list("aababbab")  # right 1 1 1 0 0 1 0 0
    found = pair_agreement(true, first, second)
    counts = (found.both_right, found.only_first, found.only_second, found.both_wrong)
    assert counts == (3, 2, 1, 2)
    assert found.disagreement == 3 / 8
    assert found.double_fault == 2 / 8
    assert found.yule_q == (3 * 2 - 2 * 1) / (3 * 2 + 2 * 1)
    # the same label 5 of 8 times; each says a 5 and 4 times, b 3 and 4 times
    chance = (5 * 4 + 3 * 4) / 64
    assert found.kappa == pytest.approx((5 / 8 - chance) / (1 - chance))
    assert found.p_value == 1  # 2 against 1
    assert found.num_recordings == 8


def test_mcnemar_is_the_binomial_test_of_few_and_chi_squared_of_many() -> None:
    def p(only_first: int, only_second: int) -> float:
        number = only_first + only_second
        first = ["a"] * only_first + ["b"] * only_second
        second = ["b"] * only_first + ["a"] * only_second
        return pair_agreement(["a"] * number, first, second).p_value

    assert p(9, 1) == pytest.approx(2 * binom.cdf(1, 10, 0.5))
    assert p(30, 10) == pytest.approx(chi2.sf((20 - 1) ** 2 / 40, 1))


def test_values_that_are_not_defined_are_none() -> None:
    found = pair_agreement(["a", "b"], ["a", "a"], ["a", "a"])
    assert found.kappa is None
    assert pair_agreement(["a", "b"], ["a", "b"], ["a", "a"]).yule_q is None
    assert score_correlation(np.array([1.0, 1.0]), np.array([0.0, 1.0])) is None
    with pytest.raises(ValueError, match="1 labels, 2 and 1 predictions"):
        pair_agreement(["a"], ["a", "b"], ["a"])


def test_scores_correlate_as_pearson_says() -> None:
    # deviations -1 0 1 and -1 -1 2: 3 / sqrt(2 * 6)
    found = score_correlation(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 3.0]))
    assert found == pytest.approx(3 / np.sqrt(12))
