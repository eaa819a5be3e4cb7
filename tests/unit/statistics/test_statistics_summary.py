"""Summaries of repeats: against values by hand, Student's interval and a simulation."""

import numpy as np
import pytest
from scipy import stats

from ossicle.statistics.summary import crossed_interval, summary


def test_mean_and_deviation_are_over_all_repeats():
    found = summary([[1.0, 2.0], [3.0, 6.0]])
    assert found.mean == 3.0
    assert found.deviation == pytest.approx(np.sqrt((4 + 1 + 0 + 9) / 3))
    assert (found.num_repeats, found.seeds, found.folds) == (4, 2, 2)


def test_missing_repeats_are_left_out_and_not_taken_for_zero():
    found = summary([[0.5, np.nan], [0.7, np.nan], [np.nan, np.nan]])
    assert (found.mean, found.num_repeats) == (pytest.approx(0.6), 2)
    assert (found.seeds, found.folds) == (2, 1)
    assert found.interval == pytest.approx((0.5, 0.7))


def test_one_repeat_has_neither_deviation_nor_interval():
    found = summary([[0.5]])
    assert (found.mean, found.deviation, found.interval) == (0.5, None, None)
    assert found.about == "One repeat has no interval."


def test_a_few_seeds_give_about_the_interval_of_student():
    values = np.random.default_rng(0).normal(size=(6, 1))
    found = np.ptp(summary(values).interval)
    width = 2 * stats.t.ppf(0.975, 5) * stats.sem(values[:, 0])
    assert found == pytest.approx(width, rel=0.1)
    uncorrected = 2 * 1.96 * values.std() / np.sqrt(6)  # of a plain percentile interval
    assert found > 1.3 * uncorrected


def test_the_interval_over_five_seeds_covers_the_mean_nearly_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(150):
        low, high = summary(generator.normal(size=(5, 1))).interval
        hits += low <= 0 <= high
    # 0.90 in a simulation of 3000; a percentile interval that is not corrected has 0.82.
    assert hits / 150 > 0.85


def test_folds_that_differ_widen_the_interval_however_many_seeds_there_are():
    rng = np.random.default_rng(0)
    by_fold = rng.normal(size=5)
    values = np.tile(by_fold, (40, 1))  # no difference between seeds
    low, high = summary(values).interval
    draws = by_fold[rng.integers(5, size=(20_000, 5))].mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.05)
    # As if all 200 repeats were independent, it would be a sixth of that.
    assert high - low > 5 * 2 * 1.96 * values.std() / np.sqrt(200)


def test_a_mean_that_is_given_moves_the_interval():
    values = [[0.2, 0.4], [0.3, 0.5]]
    low, high = summary(values).interval
    moved = summary(values, 0.45)
    assert moved.mean == 0.45
    assert moved.interval == pytest.approx((low + 0.1, high + 0.1))


def test_the_crossed_interval_weighs_columns_by_their_number_of_values():
    # Two columns of 1 and 3 values, with means 0 and 1: drawn (0 0) (0 1) (1 0) (1 1).
    low, high = crossed_interval([[0.0, 3.0]] * 2, [[1, 3]] * 2, confidence=0.9)
    assert (low, high) == (0.0, 1.0)
    middle = crossed_interval([[0.0, 3.0]] * 2, [[1, 3]] * 2, confidence=0.4)
    assert middle == (0.75, 0.75)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[1.0], [2.0]], "over 2 seeds. It does not cover other recordings."),
        ([[1.0, 2.0]], "over 2 folds. It does not cover training with other seeds."),
        ([[1.0, 2.0, 1.0]] * 2, "over 2 seeds and 3 folds."),
    ],
)
def test_a_summary_says_what_its_interval_covers(values, sentence):
    assert summary(values).about == f"The interval is a 95 % bootstrap interval {sentence}"


@pytest.mark.parametrize("values", [[1.0, 2.0], [[np.nan]], [[np.inf]]])
def test_values_that_cannot_be_summarised_are_refused(values):
    with pytest.raises(ValueError, match=r"expected \(S, F\)"):
        summary(values)
