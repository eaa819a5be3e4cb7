"""Metrics of tags, numbers and transcripts, on cases computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.metrics.concordance import concordance
from ossicle.metrics.edits import character_edits, rate, word_edits
from ossicle.metrics.ranking import mean_auc, mean_average_precision


def test_concordance_is_worked_out_by_hand():
    # Means 2 and 3, variances 2/3 and 2/3, covariance 2/3: 2 * 2/3 / (4/3 + 1) = 4/7.
    assert concordance(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])) == pytest.approx(4 / 7)
    assert concordance(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == pytest.approx(1)
    assert concordance(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    assert concordance(np.array([2.0, 2]), np.array([2.0, 2])) == 0
    assert concordance(np.array([2.0, 2]), np.array([1.0, 3])) == 0


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=3, max_size=20))
def test_concordance_is_never_above_the_correlation(pairs):
    mine, theirs = np.array(pairs).T
    found = concordance(mine, theirs)
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    if mine.std() > 1e-3 and theirs.std() > 1e-3:
        assert abs(found) <= abs(np.corrcoef(mine, theirs)[0, 1]) + 1e-6


def test_mean_average_precision_is_worked_out_by_hand():
    # Tag 1, by falling score: yes, no, yes: precision 1 at the first, 2/3 at the second: 5/6.
    # Tag 2: no, yes, no: 1/2. Tag 3 is on every recording and is not scored.
    targets = np.array([[1.0, 0, 1], [0, 1, 1], [1, 0, 1]])
    scores = np.array([[0.9, 0.8, 0.1], [0.5, 0.4, 0.2], [0.2, 0.3, 0.3]])
    assert mean_average_precision(targets, scores) == pytest.approx((5 / 6 + 1 / 2) / 2)
    # Pairs in the right order: tag 1, one of two; tag 2, one of two.
    assert mean_auc(targets, scores) == pytest.approx(0.5)
    assert mean_average_precision(targets[:, 2:], scores[:, 2:]) == 0


def distance(one, other) -> int:
    """The edit distance, by its recursion."""
    table = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, table[0] = table[0], i
        for j, b in enumerate(other, start=1):
            before, table[j] = (
                table[j],
                min(table[j] + 1, table[j - 1] + 1, before + (a != b)),
            )
    return table[-1]


words = st.lists(st.sampled_from(["a", "b", "cc"]), min_size=1, max_size=6).map(" ".join)
said = st.lists(st.sampled_from(["a", "b", "cc"]), max_size=6).map(" ".join)


@given(st.lists(st.tuples(words, said), min_size=1, max_size=4))
def test_errors_are_the_edit_distance(pairs):
    references, hypotheses = (list(part) for part in zip(*pairs, strict=True))
    for edits, units in ((word_edits, str.split), (character_edits, list)):
        expected = [[distance(units(one), units(other)), len(units(one))] for one, other in pairs]
        assert edits(references, hypotheses).tolist() == expected


def test_a_rate_counts_all_recordings_together():
    edits = word_edits(["one two three four", "five"], ["one too three four", "five six seven"])
    assert edits.tolist() == [[1, 4], [2, 1]]
    assert rate(edits) == 3 / 5
