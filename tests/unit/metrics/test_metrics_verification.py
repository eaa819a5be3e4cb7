"""Error rates of verification, by hand and against scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.metrics import det_curve

from ossicle.metrics.verification import Trials, cosines, normalised, trial_cosines


def curve(scores, same, weights=None):
    weights = None if weights is None else np.array(weights, dtype=float)
    return Trials(np.array(scores, dtype=float), np.array(same, dtype=bool)).curve(weights)


def test_separable_scores_have_no_error():
    found = curve([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0])
    assert (found.eer, found.min_dcf(0.01), found.min_dcf(0.05)) == (0, 0, 0)
    assert curve([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]).eer == 1


def test_the_equal_error_rate_lies_on_the_steps():
    # Down the scores: T N T N. Misses 1/2 at a threshold between the first two, 1/2 false alarms
    # after the second: the step at miss 1/2 runs from false alarm 0 to 1/2, and ends on the line.
    found = curve([4, 3, 2, 1], [1, 0, 1, 0])
    np.testing.assert_allclose(found.miss, [1, 0.5, 0.5, 0, 0])
    np.testing.assert_allclose(found.false_alarm, [0, 0, 0.5, 0.5, 1])
    assert found.eer == 0.5
    # T T N T, then five N: misses 1/3 while false alarms go from 0 to 1/6; at 1/6 misses fall from
    # 1/3 to 0, through 1/6.
    assert curve(range(9, 0, -1), [1, 1, 0, 1, 0, 0, 0, 0, 0]).eer == pytest.approx(1 / 6)


def test_trials_that_score_alike_are_one_step():
    # One target above, then a target and a non-target at the same score, a non-target below: the
    # line from (0, 1/2) to (1/2, 0) meets miss = false alarm at 1/4.
    assert curve([3, 2, 2, 1], [1, 1, 0, 0]).eer == pytest.approx(0.25)
    assert curve([1, 1, 1, 1], [1, 1, 0, 0]).eer == pytest.approx(0.5)


def test_the_threshold_of_equal_errors_is_between_two_scores():
    assert curve([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]).eer_threshold == pytest.approx(0.5)
    # T N T N: with both of the first two accepted, half are missed and half are false alarms
    assert curve([4, 3, 2, 1], [1, 0, 1, 0]).eer_threshold == 2.5
    assert curve([1, 1, 1, 1], [1, 1, 0, 0]).eer_threshold == 1  # no score is lower


def test_the_least_cost_by_hand():
    # Thresholds give (miss, false alarm): (1, 0), (1/2, 0), (1/2, 1/2), (0, 1/2), (0, 1). With
    # prior 0.05: 0.05, 0.025, 0.5, 0.475, 0.95, over 0.05.
    found = curve([4, 3, 2, 1], [1, 0, 1, 0])
    assert found.min_dcf(0.05) == pytest.approx(0.5)
    assert found.min_dcf(0.9) == pytest.approx(0.5)  # (0, 1/2): 0.1 / 2, over 0.1


def test_it_is_scikit_learn_s_curve_crossed():
    rng = np.random.default_rng(0)
    same = rng.random(500) < 0.3
    scores = np.round(rng.normal(same * 1.0, 1.0), 2)  # with ties
    weights = rng.integers(0, 4, 500).astype(float)
    for weight in (None, weights):
        found = curve(scores, same, weight)
        false_alarm, miss, _ = det_curve(same, scores, sample_weight=weight)
        dense = np.linspace(0, 1, 200_001)
        by_grid = np.interp(dense, false_alarm[::-1], miss[::-1])
        assert found.eer == pytest.approx(dense[np.argmin(np.abs(by_grid - dense))], abs=1e-5)
        cost = np.min(0.01 * miss + 0.99 * false_alarm) / 0.01
        assert found.min_dcf(0.01) == pytest.approx(min(cost, 1.0))  # rejecting all costs 1


def test_a_weight_is_a_number_of_trials():
    scores, same, weights = [4, 3, 2, 1], [1, 0, 1, 0], [2, 1, 0, 3]
    repeated = [(s, k) for s, k, w in zip(scores, same, weights, strict=True) for _ in range(w)]
    assert curve(scores, same, weights).eer == curve(*zip(*repeated, strict=True)).eer
    assert curve(scores, same, [1, 0, 1, 0]) is None


def test_cosines_and_trials_between_rows():
    vectors = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    half = 0.5**0.5
    np.testing.assert_allclose(cosines(vectors, vectors[2:]), [[half], [half], [1]])
    found = trial_cosines(vectors, np.array([0, 0]), np.array([1, 2]))
    np.testing.assert_allclose(found, [0, half])


def test_normalisation_by_hand():
    # Cohort scores of the first utterance 0, 1, 2 (mean 1, deviation 1), of the second 2, 4, 12
    # (mean 6, deviation sqrt(28)): s-norm of 3 is (2 / 1 + -3 / sqrt(28)) / 2. The two highest are
    # 1, 2 (mean 3/2, deviation sqrt(1/2)) and 4, 12 (mean 8, deviation sqrt(32)).
    cohort = np.array([[0.0, 1.0, 2.0], [2.0, 12.0, 4.0]])
    sides = np.array([0]), np.array([1])
    found = normalised(np.array([3.0]), sides, cohort)
    np.testing.assert_allclose(found, (2 - 3 / 28**0.5) / 2)
    found = normalised(np.array([3.0]), sides, cohort, top=2)
    np.testing.assert_allclose(found, (1.5 * 2**0.5 - 5 / 32**0.5) / 2)


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        Trials(np.array([1.0, np.nan]), np.array([True, False]))


def test_the_points_of_a_det_curve_are_as_dense_at_low_rates_as_at_high_ones():
    rng = np.random.default_rng(0)
    same = rng.random(20_000) < 0.5
    curve = Trials(rng.normal(size=20_000) + 2 * same, same).curve()
    points = np.array(curve.points(200))
    every = np.stack((curve.false_alarm, curve.miss), axis=1)
    assert {tuple(point) for point in points} <= {tuple(point) for point in every}
    assert points[0].tolist() == [0, 1]
    assert points[-1].tolist() == [1, 0]
    assert 100 < len(points) <= 200
    for rates in points.T:
        assert sum((rates > 0.001) & (rates < 0.01)) > 10  # 200 in equal steps would be about 1
    few = Trials(np.array([0.1, 0.2, 0.3]), np.array([True, False, True])).curve()
    assert few.points(200) == np.stack((few.false_alarm, few.miss), axis=1).tolist()
