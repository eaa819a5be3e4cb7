"""Calibration and the error by coverage, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from ossicle.statistics.calibration import reliability, risk_coverage

CONFIDENCE = np.array([0.95, 0.85, 0.82, 0.55, 1.0])
CORRECT = np.array([1.0, 0.0, 1.0, 0.0, 1.0])


def test_the_expected_calibration_error_by_hand():
    found = reliability(CONFIDENCE, CORRECT)  # bins 0.5-0.6, 0.8-0.9 and 0.9-1
    assert found.counts.tolist() == [1, 2, 2]
    assert found.confidence == pytest.approx([0.55, 0.835, 0.975])
    assert found.accuracy == pytest.approx([0, 0.5, 1])
    assert found.error == pytest.approx((0.55 + 2 * 0.335 + 2 * 0.025) / 5)


def test_in_one_bin_the_error_is_that_of_the_means():
    assert reliability(CONFIDENCE, CORRECT, bins=1).error == pytest.approx(abs(0.834 - 0.6))


def test_the_reliability_diagram_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    confidence = generator.random(300)
    correct = (generator.random(300) < confidence**2).astype(float)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15)
    found = reliability(confidence, correct, bins=15)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, mean)


def test_risk_by_coverage_by_hand():
    found = risk_coverage(CONFIDENCE, CORRECT)  # by confidence: right, right, wrong, right, wrong
    assert found.coverage == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 4, 2 / 5])
    assert found.area == pytest.approx((1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_the_order_of_equally_confident_recordings_does_not_matter():
    confidence = np.array([0.9, 0.9, 0.5, 0.5])
    found = risk_coverage(confidence, np.array([1.0, 0.0, 1.0, 0.0]))
    other = risk_coverage(confidence, np.array([0.0, 1.0, 0.0, 1.0]))
    assert found.risk.tolist() == other.risk.tolist() == [0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("wrong", [[], [0.5, 1.1], [0.5, float("nan")]])
def test_what_is_not_a_confidence_is_refused(wrong):
    with pytest.raises(ValueError, match="confidence"):
        risk_coverage(np.array(wrong), np.zeros(len(wrong)))
