"""Metrics, their confidence intervals, and a paired test of two recipes."""

from ossicle.metrics.classification import (
    ClassificationMetrics,
    classification_metrics,
    metrics_by_rows,
)
from ossicle.metrics.interval import Intervals, bootstrap_intervals
from ossicle.metrics.paired import PairedTest, paired_test

__all__ = [
    "ClassificationMetrics",
    "Intervals",
    "PairedTest",
    "bootstrap_intervals",
    "classification_metrics",
    "metrics_by_rows",
    "paired_test",
]
