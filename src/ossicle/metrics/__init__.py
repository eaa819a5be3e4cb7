"""Metrics of predictions: classification, transcription, regression, verification and ranking."""

from ossicle.metrics.classification import (
    ClassificationMetrics,
    classification_metrics,
    metrics_by_rows,
)

__all__ = ["ClassificationMetrics", "classification_metrics", "metrics_by_rows"]
