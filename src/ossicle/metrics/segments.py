"""Metrics of sound event detection, by frame and by segment.

    F1 = 2 both / (active in the reference + active in the prediction)

over all frames (or segments) and all classes together (micro average). An event is active in a
segment if it is active in any of its frames.

Source: Mesaros et al. 2016, "Metrics for polyphonic sound event detection",
https://doi.org/10.3390/app6060162.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


def segments(marks: Bool[np.ndarray, "T C"], frames: int) -> Bool[np.ndarray, "S C"]:
    """Return the activity in segments of that many frames; the last may be shorter."""
    starts = np.arange(0, len(marks), frames)
    return np.logical_or.reduceat(marks, starts, axis=0)


def counts(
    reference: Bool[np.ndarray, "T C"], predicted: Bool[np.ndarray, "T C"]
) -> Int[np.ndarray, " 3"]:
    """Return how many are active in both, in the reference and in the prediction."""
    return np.array([(reference & predicted).sum(), reference.sum(), predicted.sum()])


def micro_f1(of_each: Int[np.ndarray, "N 3"] | Sequence[Int[np.ndarray, " 3"]]) -> float:
    """Return F1 over all recordings.

    0 if neither the reference nor the prediction has events, as in sed_eval's `f_measure` and
    scikit-learn's `f1_score`: such recordings do not show that events are found.
    """
    both, reference, predicted = np.sum(of_each, axis=0)
    return float(2 * both / (reference + predicted)) if reference + predicted else 0.0
