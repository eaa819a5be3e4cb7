"""The error of a difference over seeds and recordings: by hand, by other libraries, by draws."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from ossicle.statistics.crossed import Estimate, crossed_estimate


def estimate(values) -> Estimate:
    return crossed_estimate(values, np.ones_like(values))


def test_the_error_adds_the_variances_of_both_axes():
    found = estimate(np.array([[0.2, 0.4], [0.0, 0.2]]))
    # means of seeds 0.3 and 0.1, of recordings 0.1 and 0.3: a variance of the mean of 0.01 each
    assert found.value == pytest.approx(0.2)
    assert found.error == pytest.approx(np.sqrt(0.02))
    assert found.freedom == pytest.approx(2.0)  # 0.02^2 / (0.01^2 + 0.01^2)
    assert (found.seeds, found.units) == (2, 2)


def test_with_one_axis_the_tests_are_those_of_scipy_and_statsmodels():
    values = np.random.default_rng(0).normal(0.3, 1, 7)
    found, nothing = estimate(values[:, None]), np.zeros(7)
    greater = stats.ttest_1samp(values, 0.1, alternative="greater")
    assert found.p_above(0.1) == pytest.approx(greater.pvalue)
    assert found.p_below(0.1) == pytest.approx(1 - greater.pvalue)
    assert found.p_within(1.5) == pytest.approx(ttost_paired(values, nothing, -1.5, 1.5)[0])
    assert found.interval() == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval())
    needed = TTestPower().solve_power(nobs=7, alpha=0.01, power=0.8, alternative="larger")
    effect = found.detectable(0.01) / values.std(ddof=1)
    assert effect == pytest.approx(needed, rel=1e-3)


def test_the_margin_of_equivalence_is_that_of_its_power():
    found = Estimate(0.0, 1.0, 1e9, 5, 100)
    # of the normal distribution: 0.8 within the 0.9 quantile, and 1.645 further for the level
    assert found.equivalence_margin(0.05) == pytest.approx(1.2816 + 1.6449, abs=1e-3)


@pytest.mark.parametrize("freedom", [1.0, 4.3, 37.0, 5000.0])
@pytest.mark.parametrize("level", [0.05, 0.0005])
def test_what_can_be_found_is_found_with_that_power(freedom, level):
    found = Estimate(0.0, 1.0, freedom, 5, 100)
    drawn = stats.nct.sf(stats.t.isf(level, freedom), freedom, found.detectable(level))
    assert drawn == pytest.approx(0.8, abs=1e-6)


def test_units_that_were_tested_more_often_count_more():
    found = crossed_estimate([[3.0, 0.0], [3.0, 0.0]], [[3, 1], [3, 1]])
    assert found.value == pytest.approx(6 / 8)
    with pytest.raises(ValueError, match="Shapes"):
        crossed_estimate([1.0], [1.0])
    with pytest.raises(ValueError, match="no differences"):
        crossed_estimate([[0.0]], [[0.0]])


def test_without_variation_nothing_is_tested():
    found = estimate(np.full((5, 30), 0.2))
    assert (found.p_above(0.0), found.p_below(1.0), found.p_within(1.0)) == (1.0, 1.0, 1.0)
    assert found.interval() is None
    assert found.detectable(0.05) is None
    assert found.equivalence_margin(0.05) is None


def drawn(generator, difference: float) -> Estimate:
    """Return the estimate of a difference with effects of seeds, recordings and both."""
    effects = [generator.normal(0, size, shape) for size, shape in ((0.2, (5, 1)), (0.5, (1, 60)))]
    return estimate(difference + sum(effects) + generator.normal(0, 0.3, (5, 60)))


def test_hypotheses_that_are_true_are_seldom_rejected():
    generator = np.random.default_rng(1)
    above = np.mean([drawn(generator, 0.0).p_above(0.0) < 0.05 for _ in range(1000)])
    within = np.mean([drawn(generator, 0.4).p_within(0.4) < 0.05 for _ in range(1000)])
    covered = [drawn(generator, 0.3).interval() for _ in range(1000)]
    # 0.05 and three standard deviations of a share of 1000
    assert above < 0.071
    assert within < 0.071
    assert np.mean([low < 0.3 < high for low, high in covered]) > 0.93
