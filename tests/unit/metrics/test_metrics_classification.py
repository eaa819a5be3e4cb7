import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from ossicle.metrics import classification_metrics, metrics_by_rows


def test_metrics_are_those_computed_by_hand():
    scores = classification_metrics(
        target=["a", "a", "a", "b", "b", "c"],
        predicted=["a", "a", "b", "b", "c", "c"],
        labels=["a", "b", "c"],
    )
    assert scores.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    assert scores.count == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.uar == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scores.macro_f1 == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)


def test_rows_of_the_confusion_are_true_labels_in_the_order_given():
    scores = classification_metrics(["a", "a", "b"], ["b", "b", "b"], labels=["b", "a"])
    assert scores.confusion == ((1, 0), (2, 0))


def test_uar_leaves_out_a_class_that_is_only_predicted_and_macro_f1_counts_it_as_zero():
    scores = classification_metrics(["a", "a", "b", "b"], ["a", "c", "b", "b"], ["a", "b", "c"])
    assert scores.uar == pytest.approx((1 / 2 + 1) / 2)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_label_that_occurs_nowhere_changes_nothing_but_the_confusion():
    target, predicted = ["a", "b", "b"], ["a", "a", "b"]
    without = classification_metrics(target, predicted, ["a", "b"])
    with_it = classification_metrics(target, predicted, ["a", "b", "c"])
    assert (with_it.accuracy, with_it.macro_f1, with_it.uar) == (
        without.accuracy,
        without.macro_f1,
        without.uar,
    )
    assert with_it.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 0))


@pytest.mark.parametrize("predicted", ["a", "b"])
def test_one_recording_of_one_class_is_enough(predicted):
    scores = classification_metrics(["a"], [predicted], ["a", "b"])
    right = float(predicted == "a")
    assert (scores.accuracy, scores.macro_f1, scores.uar) == (right, right, right)


def test_a_single_label_gives_a_confusion_of_one_cell():
    scores = classification_metrics(["a", "a"], ["a", "a"], ["a"])
    assert scores.confusion == ((2,),)
    assert scores.uar == 1


@pytest.mark.parametrize("seed", range(20))
def test_metrics_agree_with_scikit_learn_on_strings(seed):
    generator = np.random.default_rng(seed)
    labels = [f"label {number}" for number in range(2 + seed % 6)]
    # Few rows: some draws lack classes on one side or on both.
    target = generator.choice(labels, size=12).tolist()
    predicted = np.where(generator.random(12) < 0.5, target, generator.choice(labels, size=12))
    rows = generator.integers(12, size=12)
    true, named = [target[row] for row in rows], predicted[rows].tolist()

    scores = classification_metrics(true, named, labels)
    fast = metrics_by_rows(target, predicted.tolist(), labels)(rows)

    f1 = f1_score(true, named, average="macro", zero_division=0)
    _, recall, _, support = precision_recall_fscore_support(
        true, named, labels=labels, zero_division=0
    )
    uar = recall[support > 0].mean()
    assert fast == pytest.approx(
        {"accuracy": accuracy_score(true, named), "macro_f1": f1, "uar": uar}, rel=1e-12
    )
    assert (scores.accuracy, scores.macro_f1, scores.uar) == pytest.approx(
        (accuracy_score(true, named), f1, uar), rel=1e-12
    )
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(true, named, labels=labels))


def test_uar_is_balanced_accuracy_where_every_class_occurs():
    target, predicted = list("aabbccc"), list("abbbcca")
    scores = classification_metrics(target, predicted, list("abc"))
    assert scores.uar == pytest.approx(balanced_accuracy_score(target, predicted), rel=1e-12)


def test_plain_python_numbers_come_back():
    scores = classification_metrics(["a", "b"], ["a", "a"], ["a", "b"])
    assert type(scores.accuracy) is type(scores.uar) is type(scores.macro_f1) is float
    assert type(scores.confusion[0][0]) is int


@pytest.mark.parametrize("function", [classification_metrics, metrics_by_rows])
@pytest.mark.parametrize(
    ("target", "predicted", "labels", "message"),
    [
        ([], [], ["a"], "No recordings"),
        (["a"], ["a", "a"], ["a"], "1 targets, 2 predictions"),
        (["a", "z"], ["a", "y"], ["a"], r"Not among the labels \['a'\]: \['y', 'z'\]"),
        (["a"], ["a"], ["a", "a"], "Labels are repeated"),
    ],
)
def test_unusable_labels_are_refused(function, target, predicted, labels, message):
    with pytest.raises(ValueError, match=message):
        function(target, predicted, labels)
