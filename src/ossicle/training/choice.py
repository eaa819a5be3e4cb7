"""Which epoch of a run is kept: the best by the primary metric of the validation recordings.

Of two epochs with the same metric, the one with the lower validation loss is the better. A metric
that an answer reaches without the recording (see `Task.chance`) tells such epochs apart no better
than luck does: it counts as that of the answer, so that the loss decides. An example with CTC,
whose outputs are random at first and empty afterwards, before anything is learnt:

    epoch              1      2      3      4
    validation loss    8.1    5.4    3.1    2.5
    WER                0.98   1.00   1.00   1.00     chance: 0.95

The best of these is epoch 4. An epoch with a WER of 0.94 would be better than all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ossicle.tasks import Task


@dataclass(frozen=True)
class Choice:
    """How the epochs of a run are compared.

    Attributes:
        task: Says how good a metric is.
        chance: The score of an answer that ignores the recording; a lower one counts as this.
    """

    task: Task
    chance: float

    @classmethod
    def of(cls, task: Task, labels: Sequence[str]) -> Self:
        """Return the comparison of epochs on validation recordings with these labels."""
        return cls(task, task.chance(labels))

    def rank(self, metrics: Mapping[str, Any], loss: float | None) -> tuple[float, float]:
        """Return what is higher for a better epoch, from its validation metrics and loss."""
        return max(self.task.score(metrics), self.chance), -(loss or 0.0)

    def is_above_chance(self, metrics: Mapping[str, Any]) -> bool:
        """Whether an epoch is better than an answer that ignores the recording."""
        return self.task.score(metrics) > self.chance

    def decided_by(self, best: Mapping[str, Any]) -> str:
        """Return the name of what the best epoch was chosen by: a metric, or the loss."""
        metric = self.task.reported[self.task.primary_metric]
        return metric.label if self.is_above_chance(best) else "loss"

    def notices(self, best: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what a user must know who goes on with the best epoch."""
        if self.is_above_chance(best):
            return ()
        return (self.task.chance_notice(best, self.chance),)
