"""F1 of frames and segments, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ossicle.metrics.segments import counts, micro_f1, segments


def test_a_segment_is_marked_where_any_frame_is():
    marks = np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, 1]], dtype=bool)
    np.testing.assert_array_equal(segments(marks, 2), [[1, 0], [0, 0], [0, 1]])


def test_f1_is_over_all_frames_and_kinds_together():
    truth = np.array([[1, 0], [1, 0], [0, 1]], dtype=bool)
    said = np.array([[1, 1], [0, 0], [0, 1]], dtype=bool)
    assert counts(truth, said).tolist() == [2, 3, 3]
    assert micro_f1([counts(truth, said)]) == pytest.approx(2 * 2 / 6)
    nothing = np.zeros((3, 2), dtype=bool)
    empty = np.zeros(truth.size, dtype=bool)  # scikit-learn's F1 of nothing is 0, as sed_eval's
    assert f1_score(empty, empty, zero_division=0) == 0
    assert micro_f1([counts(nothing, nothing)]) == 0.0
    assert micro_f1([counts(truth, said), counts(nothing, said)]) == pytest.approx(4 / 9)


def test_it_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    truth, said = (rng.random((2, 300, 4)) < 0.4).astype(bool)
    expected = f1_score(truth, said, average="micro")
    assert micro_f1([counts(truth, said)]) == pytest.approx(expected)
