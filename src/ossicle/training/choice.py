"""Choose the best epoch of a run by the primary metric on the validation recordings.

Ties are broken by the lower validation loss. Metrics at or below chance level (see `Task.chance`:
the score of a constant answer) count as a tie, because differences between them are luck. An
example with CTC, whose outputs are random at first, then empty, and only then become words:

    epoch              1      2      3      4
    validation loss    8.1    5.4    3.1    2.5
    WER                0.98   1.00   1.00   1.00     chance: 0.95

The best of these is epoch 4. An epoch with a WER of 0.94 would be better than all four.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ossicle.tasks import Task


@dataclass(frozen=True)
class Choice:
    """Criterion of the best epoch.

    Attributes:
        task: Defines the score of metrics.
        chance: Score of an answer that ignores the recording; lower scores are raised to it.
    """

    task: Task
    chance: float

    @classmethod
    def of(cls, task: Task, labels: Sequence[str]) -> Self:
        """Return the criterion for validation recordings with these labels."""
        return cls(task, task.chance(labels))

    def rank(self, metrics: Mapping[str, Any], loss: float | None) -> tuple[float, float]:
        """Return a sort key, higher for a better epoch, from its validation metrics and loss."""
        return max(self.task.score(metrics), self.chance), -(loss or 0.0)

    def is_above_chance(self, metrics: Mapping[str, Any]) -> bool:
        """Whether an epoch is better than an answer that ignores the recording."""
        return self.task.score(metrics) > self.chance

    def decided_by(self, best: Mapping[str, Any]) -> str:
        """Return the name of the criterion that chose the best epoch: a metric, or `loss`."""
        metric = self.task.reported[self.task.primary_metric]
        return metric.label if self.is_above_chance(best) else "loss"

    def notices(self, best: Mapping[str, Any]) -> tuple[str, ...]:
        """Return warnings about the best epoch: that it is no better than chance."""
        if self.is_above_chance(best):
            return ()
        return (self.task.chance_notice(best, self.chance),)
