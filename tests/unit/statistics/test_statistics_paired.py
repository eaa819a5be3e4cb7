from itertools import product

import numpy as np
import pytest
from scipy import stats

from ossicle.statistics.paired import paired_test, sign_flip


def enumerated_p(units):
    """Return the two-sided p by going through every pattern of signs."""
    observed = abs(sum(units))
    sums = [abs(np.dot(signs, units)) for signs in product((-1, 1), repeat=len(units))]
    return np.mean([total >= observed for total in sums])


def test_four_recordings_by_hand():
    # The first is right on three that the second misses; the fourth is a tie. Of the eight
    # patterns of three signs, +++ and --- reach the observed sum.
    found = paired_test(np.array([[1, 1, 1, 0]]), np.array([[0, 0, 0, 0]]))
    assert found.difference == pytest.approx(3 / 4)
    assert found.p_value == pytest.approx(2 / 8)
    assert (found.unit, found.num_units) == ("recording", 4)


def test_the_difference_is_first_minus_second():
    first, second = np.array([[1, 1, 0, 1]]), np.array([[0, 1, 0, 0]])
    assert paired_test(first, second).difference == pytest.approx(0.5)
    swapped = paired_test(second, first)
    assert swapped.difference == pytest.approx(-0.5)
    assert swapped.p_value == paired_test(first, second).p_value


@pytest.mark.parametrize("groups", [None, [f"speaker {row % 8}" for row in range(40)]])
def test_equal_inputs_give_a_p_of_one(groups):
    correct = np.random.default_rng(0).random((3, 40)) < 0.6
    found = paired_test(correct, correct, groups)
    assert (found.difference, found.p_value) == (0.0, 1.0)


def test_a_single_recording_that_differs_is_no_evidence():
    first = np.ones((1, 5), dtype=bool)
    second = first.copy()
    second[0, 2] = False
    assert paired_test(first, second).p_value == 1.0


@pytest.mark.parametrize(("only_first", "only_second"), [(9, 2), (6, 6), (12, 0), (40, 22)])
def test_one_seed_gives_the_test_of_mcnemar(only_first, only_second):
    ties = 30
    first = np.array([[1] * only_first + [0] * only_second + [1] * ties])
    second = np.array([[0] * only_first + [1] * only_second + [1] * ties])
    exact = stats.binomtest(only_first, only_first + only_second).pvalue
    few = only_first + only_second <= 16  # all patterns are gone through
    assert paired_test(first, second).p_value == pytest.approx(
        exact, rel=1e-9 if few else 0, abs=0 if few else 0.01
    )


@pytest.mark.parametrize("seed", range(4))
def test_seed_averages_give_the_p_of_all_sign_patterns(seed):
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 3, 9)) < [[[0.8]], [[0.4]]]
    found = paired_test(first, second)
    averages = first.mean(axis=0) - second.mean(axis=0)
    assert found.difference == pytest.approx(averages.mean())
    assert found.p_value == pytest.approx(enumerated_p(np.round(averages * 3)))


def test_speakers_are_flipped_whole():
    # Seven speakers with 1 to 7 recordings; the second recipe is right on speaker 6 alone.
    groups = [f"speaker {number}" for number in range(7) for _ in range(number + 1)]
    on_six = np.array([group == "speaker 6" for group in groups])
    first, second = ~on_six[None], on_six[None]
    found = paired_test(first, second, groups)
    assert found.difference == pytest.approx((21 - 7) / 28)
    assert (found.unit, found.num_units) == ("speaker", 7)
    assert found.p_value == pytest.approx(enumerated_p([1, 2, 3, 4, 5, 6, -7]))


def test_fewer_than_six_speakers_leave_recordings_as_units():
    first = np.ones((1, 30), dtype=bool)
    second = np.arange(30)[None] >= 12
    five = [f"speaker {row % 5}" for row in range(30)]
    assert paired_test(first, second, five) == paired_test(first, second)
    assert paired_test(first, second, five).unit == "recording"
    six = [f"speaker {row % 6}" for row in range(30)]
    assert paired_test(first, second, six).p_value == pytest.approx(2 / 2**6)


def test_p_is_uniform_enough_under_the_null():
    generator = np.random.default_rng(0)
    p_values = [
        paired_test(*(generator.random((2, 1, 60)) < 0.6), seed=run).p_value for run in range(150)
    ]
    assert np.mean(np.array(p_values) < 0.05) < 0.11  # 0.05, plus three standard deviations


def test_one_seed_gives_one_p():
    generator = np.random.default_rng(2)
    first, second = generator.random((2, 2, 200)) < 0.5
    assert paired_test(first, second, seed=5) == paired_test(first, second, seed=5)
    assert paired_test(first, second, seed=5).p_value != paired_test(first, second, seed=6).p_value


def test_p_is_never_zero():
    first = np.ones((1, 100), dtype=bool)
    assert paired_test(first, ~first).p_value == pytest.approx(2 / 10_000)


@pytest.mark.parametrize(
    ("first", "second", "groups", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), None, r"\(2, 3\) and \(2, 4\)"),
        (np.ones(3), np.ones(3), None, r"expected \(S, N\)"),
        (np.ones((1, 0)), np.ones((1, 0)), None, r"expected \(S, N\)"),
        (np.full((1, 3), np.nan), np.ones((1, 3)), None, "not finite"),
        (np.ones((1, 3)), np.ones((1, 3)), ["a"], "1 groups for 3 rows"),
    ],
)
def test_arrays_that_are_not_paired_are_refused(first, second, groups, message):
    with pytest.raises(ValueError, match=message):
        paired_test(first, second, groups)


@pytest.mark.parametrize("units", [9, 40])
def test_p_is_that_of_scipy(units):
    lead = np.random.default_rng(units).integers(-3, 5, size=units).astype(float)
    found = stats.permutation_test(
        (lead,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9999,
        rng=np.random.default_rng(1),
    )
    exact = units == 9
    assert sign_flip(lead) == pytest.approx(
        found.pvalue, rel=1e-9 if exact else 0, abs=0 if exact else 0.015
    )
