"""The stacked vote, compared with models that are fitted by hand."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from ossicle.errors import AdapterFileError, LabelError, RunError
from ossicle.tasks import Classification, Intent, Regression, Tagging
from ossicle.votes import Stacked, read_vote

STRENGTHS = (0.03, 3.0)  # fewer than in use, to save time


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ossicle.votes.stacked.STRENGTHS", STRENGTHS)


def chosen(given: np.ndarray, truth: np.ndarray) -> LogisticRegression:
    """Return the logistic regression with the highest likelihood in a cross-validation."""
    folds = StratifiedKFold(min(5, np.bincount(truth).min()), shuffle=True, random_state=0)

    def likelihood(inverse: float) -> float:
        model = LogisticRegression(C=inverse, max_iter=10_000)
        logs = []
        for fitted, rest in folds.split(given, truth):
            probs = model.fit(given[fitted], truth[fitted]).predict_proba(given[rest])
            logs.append(np.log(probs[np.arange(len(rest)), truth[rest]]).mean())
        return float(np.mean(logs))

    best = min(STRENGTHS, key=lambda strength: -likelihood(1 / strength))
    return LogisticRegression(C=1 / best, max_iter=10_000).fit(given, truth)


def rows(values: np.ndarray) -> list[list[Tensor]]:
    """Return (N, M, C) as a list of members for each recording."""
    return [[torch.from_numpy(one) for one in members] for members in values]


# With these seeds the accuracy would choose another strength than the likelihood does.
@pytest.mark.parametrize(("classes", "seed"), [(2, 1), (3, 0)])
def test_a_class_is_decided_by_logistic_regression_on_log_probabilities(
    classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = np.arange(30) % classes
    given = rng.normal(size=(30, 2, classes))
    given += np.array([2.0, 0.5])[:, None] * np.eye(classes)[truth][:, None]
    task = Classification([f"c{number}" for number in range(classes)])
    vote = Stacked.fit(task, rows(given), [f"c{number}" for number in truth])
    logs = given - np.log(np.exp(given).sum(axis=2, keepdims=True))
    model = chosen(logs.reshape(30, -1), truth)
    decided = [vote.decide(task, one).decoded["probs"] for one in rows(given)]
    probs = [list(one.values()) for one in decided]
    np.testing.assert_allclose(probs, model.predict_proba(logs.reshape(30, -1)), atol=1e-6)


def test_it_learns_that_a_member_says_the_opposite() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 2
    right = 8 * np.eye(2)[truth] + rng.normal(size=(40, 2))
    noise = rng.normal(size=(40, 2))
    task = Classification(["a", "b"])
    given = rows(np.stack([-right, noise], axis=1))
    vote = Stacked.fit(task, given[:30], ["ab"[one] for one in truth[:30]])
    said = [vote.decide(task, one).decoded["label"] for one in given[30:]]
    assert said == ["ab"[one] for one in truth[30:]]


def test_each_slot_has_a_model_of_its_own() -> None:
    task = Intent({"action": ["off", "on"], "object": ["lamp", "music", "tv"]})
    rng = np.random.default_rng(0)
    truth = np.stack([np.arange(36) % 2, np.arange(36) // 2 % 3], axis=1)
    given = rng.normal(size=(36, 2, 5))
    given[:, 0, :2] += 5 * np.eye(2)[truth[:, 0]]  # the first member knows the action,
    given[:, 1, 2:] += 5 * np.eye(3)[truth[:, 1]]  # the second the object
    labels = [
        f"action={task.values['action'][a]},object={task.values['object'][b]}" for a, b in truth
    ]
    vote = Stacked.fit(task, rows(given), labels)
    assert [model.shape for model in vote.models] == [(1, 4), (3, 6)]
    assert [vote.decide(task, one).decoded["label"] for one in rows(given)] == labels


def test_a_tag_is_decided_by_logistic_regression_on_log_odds() -> None:
    rng = np.random.default_rng(1)
    truth = np.stack([np.arange(24) % 2, np.arange(24) // 3 % 2], axis=1)
    given = rng.normal(size=(24, 3, 2)) + 2.0 * truth[:, None]
    given[1, 0, 0] = 90.0  # limited to the log-odds of one in a million
    task = Tagging(["dog", "rain"])
    labels = ["|".join(np.array(task.tags)[one == 1]) or "-" for one in truth]
    vote = Stacked.fit(task, rows(given), labels)
    for number, tag in enumerate(task.tags):
        features = np.minimum(given[:, :, number], np.log(1e6))
        wanted = chosen(features, truth[:, number]).predict_proba(features)[:, 1]
        probs = [vote.decide(task, one).decoded["probs"][tag] for one in rows(given)]
        np.testing.assert_allclose(probs, wanted, atol=1e-6)


def test_a_number_is_decided_by_ridge_regression() -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(size=(20, 2))
    given = target[:, None] * 0.5 + rng.normal(size=(20, 3, 2))
    task = Regression({"valence": 3.0, "arousal": 1.0}, {"valence": 2.0, "arousal": 1.0})
    labels = [f"valence={3 + 2 * a},arousal={1 + b}" for a, b in target]
    vote = Stacked.fit(task, rows(given), labels)
    for number, (name, mean, deviation) in enumerate([("valence", 3, 2), ("arousal", 1, 1)]):
        features, wanted = given[:, :, number], target[:, number]
        rest = [np.arange(20) != row for row in range(20)]
        errors = {
            strength: np.square(
                [ridge(features[kept], wanted[kept], features, strength)[~kept] for kept in rest]
                - wanted[:, None]
            ).mean()
            for strength in STRENGTHS
        }
        best = min(errors, key=errors.__getitem__)
        values = [vote.decide(task, one).decoded["values"][name] for one in rows(given)]
        predicted = ridge(features, wanted, features, best)
        np.testing.assert_allclose(values, mean + deviation * predicted, atol=1e-6)


def ridge(given: np.ndarray, target: np.ndarray, asked: np.ndarray, strength: float) -> np.ndarray:
    """Return the predictions of a ridge regression, by its normal equations."""
    centre, mean = given.mean(axis=0), target.mean()
    centred = given - centre
    inner = centred.T @ centred + strength * np.eye(given.shape[1])
    return mean + (asked - centre) @ np.linalg.solve(inner, centred.T @ (target - mean))


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (Classification(["a", "b"]), ["a", "a", "b"], "1 validation recordings of 'b'"),
        (Classification(["a", "b", "c"]), ["a", "a", "b", "b"], "0 validation recordings of 'c'"),
        (Tagging(["a", "b"]), ["a", "a", "b"], "1 validation recordings without 'a'"),
        (Tagging(["a", "b"]), ["a", "a", "-", "-"], "0 validation recordings with 'b'"),
        (Regression({"x": 0.0}, {"x": 1.0}), ["x=1"], "1 validation recordings in all"),
    ],
)
def test_too_few_recordings_are_an_error_that_names_another_vote(task, labels, message) -> None:
    outputs = [[torch.randn(task.num_outputs)] * 2 for _ in labels]
    with pytest.raises(LabelError, match=rf"{message}.* at least 2 .*--vote weighted or soft"):
        Stacked.fit(task, outputs, labels)


def test_other_members_than_those_it_was_fitted_to_are_an_error() -> None:
    task = Classification(["a", "b"])
    vote = Stacked.fit(task, [[torch.randn(2)] * 2] * 4, ["a", "b", "a", "b"])
    with pytest.raises(RunError, match="other members or labels than those of these 3 members"):
        vote.decide(task, [torch.zeros(2)] * 3)
    again = read_vote(json.loads(json.dumps(vote.to_dict())))
    assert isinstance(again, Stacked)
    assert again.models == vote.models


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "models"),
        ([{"coefficients": [[1.0]]}], "the entry 'intercepts' is missing"),
        ([{"coefficients": [[1.0], [1.0, 2.0]], "intercepts": [1.0, 2.0]}], "do not fit each"),
        ([{"coefficients": [[1.0]], "intercepts": [1.0, 2.0]}], r"models\[0\] .* 2 intercepts"),
        ([{"coefficients": [["x"]], "intercepts": [1.0]}], "expected a number"),
    ],
)
def test_damaged_models_are_an_error(models, message) -> None:
    with pytest.raises(AdapterFileError, match=message):
        read_vote({"name": "stacked", "models": models})
