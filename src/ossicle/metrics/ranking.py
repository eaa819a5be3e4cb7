"""Metrics of tags that are ranked by a score: mean average precision and mean ROC AUC.

Both are means over the tags that some recordings have and others do not, since they are undefined
for all other tags. Without any such tag, they are 0.
"""

import numpy as np
from jaxtyping import Float


def mean_average_precision(
    targets: Float[np.ndarray, "N C"], scores: Float[np.ndarray, "N C"]
) -> float:
    """Return mAP, from 0 to 1: the mean over tags of the area below precision and recall."""
    from sklearn.metrics import average_precision_score

    return _over_tags(average_precision_score, targets, scores)


def mean_auc(targets: Float[np.ndarray, "N C"], scores: Float[np.ndarray, "N C"]) -> float:
    """Return mAUC, from 0 to 1: the mean over tags of the area below the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return _over_tags(roc_auc_score, targets, scores)


def _over_tags(metric: object, targets: np.ndarray, scores: np.ndarray) -> float:
    assert callable(metric)
    found = [
        float(metric(of_one, score))
        for of_one, score in zip(targets.T, scores.T, strict=True)
        if 0 < of_one.sum() < len(of_one)
    ]
    return float(np.mean(found)) if found else 0.0
