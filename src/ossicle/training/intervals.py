"""Metrics of an assessment with their bootstrap intervals."""

from collections.abc import Sequence
from typing import Any

from ossicle.data import Utterance
from ossicle.inference.assessment import Assessment
from ossicle.statistics.interval import bootstrap_intervals
from ossicle.tasks import Task


def with_intervals(
    task: Task, utterances: Sequence[Utterance], found: Assessment
) -> dict[str, Any]:
    """Return the metrics, their 95 % intervals, and every recording with what was said of it.

    Speakers are drawn where every recording names one, recordings otherwise; `interval_unit` says
    which, and `interval_note` what makes the intervals too narrow, or null. An interval that does
    not exist is null, and `interval_missing` says why.
    """
    labels = [utterance.label for utterance in utterances]
    speakers = [one.speaker for one in utterances if one.speaker is not None]
    groups = speakers if len(speakers) == len(utterances) else None
    scores = task.recording_scores(labels, found.decoded)
    intervals = bootstrap_intervals(
        task.metrics_by_rows(labels, found.decoded), len(labels), groups
    )
    return {
        "task": task.name,
        **found.metrics,
        "loss": found.loss,
        "intervals": {
            name: None if bounds is None else list(bounds)
            for name, bounds in intervals.bounds.items()
        },
        "interval_missing": intervals.missing,
        "interval_unit": intervals.unit,
        "interval_units": intervals.num_units,
        "interval_note": intervals.note(groups),
        "recordings": [
            {"key": one.key, "speaker": one.speaker, "label": label, "predicted": said["label"]}
            | ({} if scores is None else {"score": scores[row]})
            for row, (one, label, said) in enumerate(
                zip(utterances, labels, found.decoded, strict=True)
            )
        ],
    }
