"""The weighted mean, with optima that are known."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from ossicle.errors import AdapterFileError, LabelError, RunError
from ossicle.tasks import Classification, Events, PhoneRecognition, Regression, Tagging
from ossicle.votes import Soft, Weighted, read_vote

PHONES = PhoneRecognition(["a", "n"])


def logits(*probs: list) -> list[Tensor]:
    return [torch.tensor(one, dtype=torch.float64).log() for one in probs]


def test_members_that_are_right_in_turn_are_weighted_by_how_often() -> None:
    # Where one member is sure and right the other is sure and wrong: 6 recordings against 2. The
    # likelihood w^6 (1 - w)^2, with half a recording more for each, is highest at 6.5 / 9.
    right, wrong = torch.tensor([60.0, 0.0]), torch.tensor([0.0, 60.0])
    outputs = [[right, wrong]] * 6 + [[wrong, right]] * 2
    vote = Weighted.fit(Classification(["a", "b"]), outputs, ["a"] * 8)
    assert vote.weights == pytest.approx((6.5 / 9, 2.5 / 9), abs=1e-4)


def test_the_same_for_tags() -> None:
    right, wrong = torch.tensor([60.0, -60.0]), torch.tensor([-60.0, 60.0])
    outputs = [[right, wrong]] * 6 + [[wrong, right]] * 2
    vote = Weighted.fit(Tagging(["dog", "rain"]), outputs, ["dog"] * 8)
    assert vote.weights == pytest.approx((6.5 / 9, 2.5 / 9), abs=1e-4)


def ccc(prediction: np.ndarray, target: np.ndarray) -> float:
    covariance = np.cov(prediction, target, bias=True)
    apart = (prediction.mean() - target.mean()) ** 2
    return float(2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + apart))


def test_numbers_have_the_weights_of_the_highest_ccc_on_a_grid() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=60)
    members = np.stack([0.8 * target + scale * rng.normal(size=60) for scale in (0.3, 0.6, 1.0)])
    task = Regression({"valence": 0.0}, {"valence": 1.0})
    outputs = [[torch.tensor([value]) for value in row] for row in members.T]
    vote = Weighted.fit(task, outputs, [f"valence={value}" for value in target])
    steps = np.linspace(0.02, 0.98, 49)
    grid = [(a, b, 1 - a - b) for a, b in itertools.product(steps, steps) if a + b < 0.99]
    worth = [
        ccc(np.array(one) @ members, target) + np.log(one).mean() / len(target) for one in grid
    ]
    assert vote.weights == pytest.approx(grid[int(np.argmax(worth))], abs=0.021)


def test_one_recording_of_evidence_moves_the_weights_little_and_many_move_them_far() -> None:
    task = Classification(["a", "b"])
    outputs = [logits([0.9, 0.1], [0.4, 0.6])]
    few, many = (Weighted.fit(task, outputs * n, ["a"] * n).weights[0] for n in (2, 200))
    assert 0.5 < few < 0.85
    assert 0.99 < many < 1


def test_log_probabilities_of_frames_are_weighted() -> None:
    members = logits([[0.8, 0.1, 0.1]], [[0.1, 0.8, 0.1]])
    output = Weighted([0.75, 0.25]).decide(PHONES, members).output
    assert output is not None
    # Weighted geometric means, divided by their sum.
    means = np.array([0.8**0.75 * 0.1**0.25, 0.1**0.75 * 0.8**0.25, 0.1])
    assert output.exp()[0].tolist() == pytest.approx((means / means.sum()).tolist())


def test_batches_of_frames_have_the_loss_of_all_recordings_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    outputs = [[torch.randn(frames, 3), torch.randn(frames, 3)] for frames in range(4, 11)]
    labels = ["a n", "n a", "a a", "n", "a", "n n", "a n"]
    together = Weighted.fit(PHONES, outputs, labels).weights
    monkeypatch.setattr("ossicle.votes.weighted.BATCH", 3)
    assert Weighted.fit(PHONES, outputs, labels).weights == pytest.approx(together, abs=1e-6)


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        (Classification(["a", "b", "c"]), (3,)),
        (Tagging(["a", "b", "c"]), (3,)),
        (Regression({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.0, "c": 3.0}), (3,)),
        (PHONES, (7, 3)),
        (Events(["a", "b", "c"], 50.0), (7, 3)),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_equal_weights_give_the_mean_exactly(task, shape) -> None:
    outputs = [torch.randn(shape) for _ in range(3)]
    assert (
        Weighted([1 / 3] * 3)
        .decide(task, outputs)
        .output.equal(Soft().decide(task, outputs).output)
    )


def test_what_cannot_be_fitted_or_decided_is_an_error() -> None:
    task = Classification(["a", "b"])
    with pytest.raises(LabelError, match=r"1 validation recordings; .* at least 2\. .*--vote soft"):
        Weighted.fit(task, [logits([0.5, 0.5], [0.5, 0.5])], ["a"])
    with pytest.raises(RunError, match="training has diverged"):
        Weighted.fit(task, [[torch.tensor([torch.nan, 0.0])] * 2] * 2, ["a", "b"])
    with pytest.raises(RunError, match="those of 2 members and there are 3"):
        Weighted([0.5, 0.5]).decide(task, logits([0.5, 0.5]) * 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "weighted"}, "the entry 'weights' is missing"),
        ({"name": "weighted", "weights": []}, "weights"),
        ({"name": "weighted", "weights": [0.5, "a"]}, "expected a number"),
        ({"name": "weighted", "weights": [1.5, -0.5]}, "weights"),
        ({"name": "weighted", "weights": [0.5, 0.6]}, "sum to 1.1; expected 1"),
        ({"name": "mean"}, "has the name 'mean'; expected one of: majority, soft"),
        ({}, "has the name None"),
    ],
)
def test_damaged_weights_are_an_error(data, message) -> None:
    with pytest.raises(AdapterFileError, match=message):
        read_vote(data)
