"""Ranks over data sets: the example of Demšar 2006, tables 5 and 6."""

import numpy as np
import pytest

from ossicle.statistics.ranks import critical_difference, ranks

NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
DEMSAR = np.array(  # table 6: ranks on 14 data sets, ties shared
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)


def test_average_ranks_are_those_of_demsar():
    found = ranks(DEMSAR, NAMES, higher_is_better=False)
    assert found.names == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert found.average == pytest.approx((1.964, 2.000, 2.893, 3.143), abs=5e-4)
    assert found.num_data == 14


def test_friedmans_statistic_is_that_of_demsar_corrected_for_ties():
    found = ranks(DEMSAR, NAMES, higher_is_better=False)
    # 9.28 without the correction; ties: 3 pairs (6 each), 1 of four (60), of 14 x 60 in all.
    assert found.statistic == pytest.approx(9.28 / (1 - (3 * 6 + 60) / (14 * 60)), abs=0.01)
    assert 0.01 < found.p_value < 0.03


def test_the_critical_difference_is_that_of_demsar():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.1) == pytest.approx(1.12, abs=0.005)
    # Table 5 (a): q at 0.05 for 2 to 10.
    table = {2: 1.960, 3: 2.343, 5: 2.728, 10: 3.164}
    for number, q in table.items():
        root = np.sqrt(number * (number + 1) / (6 * 20))
        assert critical_difference(number, 20) == pytest.approx(q * root, abs=0.001)


def test_at_five_percent_nothing_is_told_apart_and_at_ten_percent_the_ends_are():
    assert ranks(DEMSAR, NAMES, higher_is_better=False).cliques == ((0, 3),)
    found = ranks(DEMSAR, NAMES, higher_is_better=False, alpha=0.1)
    # 2.893 - 1.964 < 1.12 < 3.143 - 2.000, and 3.143 - 2.893 < 1.12
    assert found.cliques == ((0, 2), (2, 3))
    assert found.pairwise[0, 3] == found.pairwise.min()
    assert 0.05 < found.pairwise[0, 3] < 0.1


def test_the_highest_result_is_first_unless_lower_is_better():
    values = [[0.9, 0.5, 0.7], [0.8, 0.6, 0.7], [0.9, 0.1, 0.2]]
    assert ranks(values, "abc").names == ("a", "c", "b")
    assert ranks(values, "abc", higher_is_better=False).names == ("b", "c", "a")


def test_things_that_are_far_apart_share_no_clique():
    values = np.tile([3.0, 2.0, 1.0], (40, 1))
    assert ranks(values, "abc").cliques == ()


def test_two_things_have_no_friedman_test():
    found = ranks([[1, 2], [1, 3]], "ab")
    assert (found.statistic, found.p_value) == (None, None)
    assert found.pairwise.shape == (2, 2)


def test_things_that_are_tied_everywhere_have_no_friedman_test():
    found = ranks(np.ones((3, 3)), "abc")
    assert found.p_value is None
    assert found.cliques == ((0, 2),)


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ([[1, 2]], "ab", r"expected \(D, K\)"),
        ([[1, np.nan], [1, 2]], "ab", r"expected \(D, K\)"),
        ([[1, 2], [1, 2]], "abc", "3 names for 2 columns"),
    ],
)
def test_results_that_cannot_be_ranked_are_refused(values, names, message):
    with pytest.raises(ValueError, match=message):
        ranks(values, names)
