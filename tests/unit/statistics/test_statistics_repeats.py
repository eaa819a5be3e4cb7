"""The test over repeats, Holm's correction: against enumeration, R and statsmodels."""

from itertools import product

import numpy as np
import pytest

from ossicle.statistics.correction import holm
from ossicle.statistics.paired import paired_test, paired_test_of_sums
from ossicle.statistics.repeats import repeats_test

# Darwin's maize: differences of 15 pairs, in eighths of an inch. Fisher 1935, section 21, counts
# 863 of 32768 sums at least as large as 314 in one direction, so p is 2 x 863 / 32768 = 0.05267.
DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)


def test_the_test_over_repeats_is_that_of_fisher_on_darwins_maize():
    found = repeats_test(DARWIN)
    assert found.difference == pytest.approx(314 / 15)
    assert found.p_value == pytest.approx(2 * 863 / 32768)


@pytest.mark.parametrize("seed", range(3))
def test_the_p_over_repeats_is_that_of_all_sign_patterns(seed):
    values = np.random.default_rng(seed).normal(0.5, size=7)
    sums = [abs(np.dot(signs, values)) for signs in product((1, -1), repeat=7)]
    expected = np.mean([one >= abs(values.sum()) - 1e-12 for one in sums])
    assert repeats_test(values).p_value == pytest.approx(expected)


def test_five_repeats_cannot_reach_a_p_of_five_percent_and_it_says_so():
    found = repeats_test([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found.p_value == found.smallest_p == 2 / 2**5
    assert "its smallest possible value is 0.062" in found.about


def test_the_effect_size_is_the_mean_over_the_deviation_of_the_differences():
    assert repeats_test([1.0, 2.0, 3.0]).effect == pytest.approx(2.0)
    assert repeats_test([2.0, 2.0]).effect is None
    assert repeats_test([2.0]).effect is None


def test_repeats_without_a_difference_have_a_p_of_one():
    assert repeats_test([0.0, 0.0, 0.0]).p_value == 1.0
    assert repeats_test([0.3]).p_value == 1.0


@pytest.mark.parametrize("values", [[], [np.nan], [[1.0]]])
def test_differences_that_cannot_be_tested_are_refused(values):
    with pytest.raises(ValueError, match=r"expected \(R,\)"):
        repeats_test(values)


def test_holm_gives_the_values_of_r():
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), and by hand: 5 x 0.01, 4 x 0.02, 3 x 0.03,
    # then never less than the one before.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.01]) == pytest.approx([0.04, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_does_not_count_tests_that_do_not_exist():
    assert holm([None, 0.01, None, 0.02]) == [None, pytest.approx(0.02), None, pytest.approx(0.02)]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_sums_of_scores_give_the_test_of_the_scores():
    first, second = np.random.default_rng(0).random((2, 3, 40)) < [[[0.8]], [[0.6]]]
    sums = first.sum(axis=0) - second.sum(axis=0, dtype=float)
    groups = [f"speaker {row % 7}" for row in range(40)]
    assert paired_test_of_sums(sums, 120, groups) == paired_test(first, second, groups)


def test_a_test_over_recordings_says_what_it_is_about():
    ones, groups = np.ones((1, 12)), [f"speaker {row % 6}" for row in range(12)]
    assert paired_test(ones, ones, groups).about == (
        "p over 6 speakers is about these trained models on other speakers; it does not cover "
        "training again."
    )
    assert "p over 12 recordings is about" in paired_test(ones, ones).about
