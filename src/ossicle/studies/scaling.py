"""Whether more parameters help: the same methods at equal numbers of trained parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from ossicle.reports.parts import Section
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.trials.outcome import Outcome

BUDGETS: Final = (30_000, 100_000, 300_000, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Scaling(Study):
    """Fits each recipe to each budget of trained parameters."""

    name: ClassVar[str] = "scaling"
    about: ClassVar[str] = "budgets of trained parameters, by default 30k, 100k, 300k and 1M"
    source: ClassVar[str] = "Cappellazzo et al. 2023, figure 3"
    recipes: ClassVar[tuple[str, ...]] = ("lora", "bottleneck", "houlsby")

    def filled(self, grid: Grid) -> Grid:
        """Return the grid with the budgets of the study where none are given."""
        return super().filled(replace(grid, budgets=grid.budgets or BUDGETS))

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.plots import curves
        from ossicle.studies.results import results

        plot = partial(
            curves,
            over="budget",
            title="By budget of trained parameters",
            axis="budget of trained parameters, without the head",
        )
        return results(outcomes, plots=[plot])
