"""Linear CKA, against its definition by HSIC and the properties that the paper proves."""

import numpy as np
import pytest

from ossicle.statistics.cka import linear_cka

GENERATOR = np.random.default_rng(0)
FIRST = GENERATOR.normal(2, 1, (12, 5))
SECOND = FIRST[:, :3] @ GENERATOR.normal(size=(3, 7)) + GENERATOR.normal(size=(12, 7))


def hsic(first, second):
    """The biased estimate of HSIC with linear kernels and an explicit centring matrix."""
    count = len(first)
    centring = np.eye(count) - np.ones((count, count)) / count
    kernels = (first @ first.T @ centring) @ (second @ second.T @ centring)
    return np.trace(kernels) / (count - 1) ** 2


def test_it_is_normalised_hsic():
    expected = hsic(FIRST, SECOND) / np.sqrt(hsic(FIRST, FIRST) * hsic(SECOND, SECOND))
    assert 0.2 < expected < 0.95
    assert linear_cka(FIRST, SECOND) == pytest.approx(expected)
    assert linear_cka(SECOND, FIRST) == pytest.approx(expected)


def test_it_is_the_similarity_of_features_in_the_paper():
    first, second = FIRST - FIRST.mean(0), SECOND - SECOND.mean(0)
    between, *own = (
        np.linalg.norm(a.T @ b) for a, b in [(second, first), (first, first), (second, second)]
    )
    assert linear_cka(FIRST, SECOND) == pytest.approx(between**2 / (own[0] * own[1]))


def test_it_is_1_for_itself_and_does_not_change_by_rotation_scale_and_shift():
    rotation, _ = np.linalg.qr(GENERATOR.normal(size=(5, 5)))
    assert linear_cka(FIRST, FIRST) == pytest.approx(1)
    assert linear_cka(FIRST, -3 * FIRST @ rotation + 7) == pytest.approx(1)
    stretched = FIRST * [1, 1, 1, 1, 50]
    assert linear_cka(FIRST, stretched) < 0.9  # another basis is another representation


def test_what_is_orthogonal_or_constant_has_nothing_in_common():
    first = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    second = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert linear_cka(first, second) == pytest.approx(0)
    assert linear_cka(FIRST, np.full((12, 2), 1e3 + 0.1)) == 0


def test_other_recordings_cannot_be_compared():
    with pytest.raises(ValueError, match="representations of 12 and 11 recordings"):
        linear_cka(FIRST, SECOND[1:])
