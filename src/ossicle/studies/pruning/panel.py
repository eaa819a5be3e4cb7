"""The trials of one recipe on one data set and backbone, by way and size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ossicle.metrics.metric import Metric
from ossicle.studies.analysis.cell import Cell, cells
from ossicle.studies.plots.groups import panels
from ossicle.studies.pruning.plan import KEPT, ON, PRUNING, UNPRUNED, ways_in
from ossicle.tasks import Task
from ossicle.trials.outcome import Outcome

WHOLE: Final = (UNPRUNED, ON)  # with all parameters, whatever share is compared with them


@dataclass(frozen=True)
class Panel:
    """The trials of one recipe on one data set and backbone.

    Attributes:
        name: What tells it from the others.
        outcomes: Their outcomes.
        cells: Their cells, by how they were pruned and the share that was kept.
    """

    name: str
    outcomes: Sequence[Outcome]
    cells: Mapping[tuple[str, float], Cell]

    @property
    def ways(self) -> list[str]:
        """The ways to prune."""
        return ways_in([pruning for pruning, _ in self.cells])

    @property
    def shares(self) -> list[float]:
        """The shares, from the largest."""
        return sorted({share for _, share in self.cells if share < 1}, reverse=True)

    @property
    def task(self) -> type[Task]:
        """The task."""
        return next(one.task for one in self.cells.values() if one.repeats)

    @property
    def metric(self) -> Metric:
        """How the primary metric is written."""
        return self.task.reported[self.task.primary_metric]

    def cell(self, pruning: str, share: float) -> Cell | None:
        """Return a cell with a result; None if there is none yet."""
        found = self.cells.get((pruning, 1.0 if pruning in WHOLE else share))
        return found if found is not None and found.repeats else None


def panels_of(outcomes: Sequence[Outcome]) -> list[Panel]:
    """Return the panels with a result, in the order of the outcomes."""
    found = []
    for name, part in panels(outcomes):
        for recipe in dict.fromkeys(str(one.trial.labels["recipe"]) for one in part):
            own = [one for one in part if one.trial.labels["recipe"] == recipe]
            by_place = {
                (str(cell.labels[PRUNING]), float(cell.labels[KEPT])): cell for cell in cells(own)
            }
            found.append(Panel(", ".join(filter(None, (recipe, name))), own, by_place))
    return [one for one in found if any(cell.repeats for cell in one.cells.values())]
