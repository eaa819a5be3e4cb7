"""Whether several small adapters and a vote beat one adapter with as many parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.studies.grid import Cell, Grid, recipe_cells
from ossicle.studies.study import Study
from ossicle.trials.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Ensemble(Study):
    """Trains K recipes at a budget and at 1/K of it; ensembles are computed from their outputs.

    Without a budget, each recipe has its own size, and nothing is compared at equal sizes.
    """

    name: ClassVar[str] = "ensemble"
    verb: ClassVar[str] = "Compare"
    about: ClassVar[str] = "recipes alone, and as members of ensembles with as many parameters"
    source: ClassVar[str] = "Lin et al. 2024"
    recipes: ClassVar[tuple[str, ...]] = ("superb/houlsby", "superb/parallel", "superb/lora")

    def filled(self, grid: Grid) -> Grid:
        """Return the grid with the budget of a member added to that of the whole ensemble.

        Raises:
            RunError: there are fewer than two recipes, or several budgets.
        """
        grid = super().filled(grid)
        number = len(recipe_cells(replace(grid, baselines=())))
        if number < 2:
            raise RunError("an ensemble needs two or more --recipes, separated by commas")
        if len(grid.budgets) > 1:
            raise RunError(
                "give the study ensemble one --budget: single recipes are fitted to it, and the "
                f"{number} members of an ensemble to 1/{number} of it"
            )
        return replace(grid, budgets=tuple(b for one in grid.budgets for b in (one, one // number)))

    def cells(self, recipes: Sequence[Cell]) -> list[Cell]:
        """Return each recipe, with its outputs kept."""
        return [replace(one, runner="outputs") if one.runner == "train" else one for one in recipes]

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.ensembles.report import report_ensembles

        return report_ensembles(outcomes)
