"""Classification metrics, all fractions from 0 to 1.

    accuracy   correct recordings / recordings
    UAR        mean over classes of  recall = correct / recordings of the class
    macro-F1   mean over classes of  F1 = 2 correct / (recordings of the class + predicted as it)

UAR, unweighted average recall, and macro-F1 weight all classes equally, however rare. Classes that
do not occur are treated as follows:

    class occurs in     target   predicted   UAR               macro-F1
                        yes      any         its recall        its F1
                        no       yes         left out          counts as 0
                        no       no          left out          left out

This is scikit-learn's default, without `labels`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class ClassificationMetrics:
    """Classification metrics of a set of recordings.

    `confusion` is (C, C): rows are true labels, columns predicted ones, in the order of the labels.
    `count` is the number of recordings.
    """

    accuracy: float
    macro_f1: float
    uar: float
    confusion: tuple[tuple[int, ...], ...]
    count: int


def classification_metrics(
    target: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> ClassificationMetrics:
    """Return accuracy, macro-F1, UAR and the confusion matrix, as scikit-learn computes them.

    Args:
        target: The true label of each recording.
        predicted: The predicted label of each recording.
        labels: All labels, in the order of `confusion`. Labels that do not occur change no other
            metric.

    Raises:
        ValueError: no recordings, unequal lengths, or a label that `labels` lacks or repeats.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    target_codes, predicted_codes = _codes(target, predicted, labels)
    confusion = _confusion(target_codes, predicted_codes, len(labels))
    present = np.unique(target_codes)
    mean = {"average": "macro", "zero_division": 0}
    return ClassificationMetrics(
        accuracy=float(accuracy_score(target_codes, predicted_codes)),
        macro_f1=float(f1_score(target_codes, predicted_codes, **mean)),
        uar=float(recall_score(target_codes, predicted_codes, labels=present, **mean)),
        confusion=tuple(map(tuple, confusion.tolist())),
        count=len(target),
    )


def metrics_by_rows(
    target: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> Callable[[Int[np.ndarray, " N"]], Mapping[str, float]]:
    """Return a function from row numbers to accuracy, macro-F1 and UAR on those rows.

    For `bootstrap_intervals`, which calls it a thousand times: a call takes some 50 microseconds,
    and returns what `classification_metrics` does for the same rows. Rows may repeat.

    Raises:
        ValueError: as `classification_metrics`.
    """
    target_codes, predicted_codes = _codes(target, predicted, labels)

    def metrics_of(rows: Int[np.ndarray, " N"]) -> Mapping[str, float]:
        confusion = _confusion(target_codes[rows], predicted_codes[rows], len(labels))
        right = confusion.diagonal()
        in_class, named_so = confusion.sum(axis=1), confusion.sum(axis=0)
        recall = right[in_class > 0] / in_class[in_class > 0]
        seen = in_class + named_so
        f1 = 2 * right[seen > 0] / seen[seen > 0]
        return {
            "accuracy": float(right.sum() / len(rows)),
            "macro_f1": float(f1.mean()),
            "uar": float(recall.mean()),
        }

    return metrics_of


def _codes(
    target: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Return both sides as positions in `labels`."""
    if len(target) != len(predicted):
        raise ValueError(
            f"{len(target)} targets, {len(predicted)} predictions: expected equal numbers."
        )
    if len(target) == 0:
        raise ValueError("No recordings to compute metrics of.")
    code_of = {label: code for code, label in enumerate(labels)}
    if len(code_of) != len(labels):
        raise ValueError(f"Labels are repeated: {list(labels)}.")
    unknown = sorted({*target, *predicted} - code_of.keys())
    if unknown:
        raise ValueError(f"Not among the labels {list(labels)}: {unknown}.")
    return (
        np.array([code_of[label] for label in target]),
        np.array([code_of[label] for label in predicted]),
    )


def _confusion(
    target: Int[np.ndarray, " N"],
    predicted: Int[np.ndarray, " N"],
    num_classes: int,
) -> Int[np.ndarray, "C C"]:
    """Return the counts of (true, predicted)."""
    flat = np.bincount(target * num_classes + predicted, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)  # (C, C)
