"""What recipes cost in time, memory and size, compared with the backbone alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits, check_value
from ossicle.studies.grid import Grid, recipe_cells
from ossicle.studies.study import Study
from ossicle.studies.values import OWN
from ossicle.training.config import COUNT, SECONDS, rules_of
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

DATA: Final = "demo"  # not read for the measurement; the settings of a run name some data
ROUNDS: Final = Limits(2, 10_000)  # quartiles need two


@dataclass(frozen=True, kw_only=True)
class Cost(Study):
    """Measures all recipes in one trial for each backbone, in one process and in turn."""

    name: ClassVar[str] = "cost"
    verb: ClassVar[str] = "Compare"
    about: ClassVar[str] = "recipes, for their time, memory and size"
    recipes: ClassVar[tuple[str, ...]] = (
        "linear",
        "bitfit",
        "lora",
        "bottleneck",
        "parallel",
        "houlsby",
        "full",
    )

    rounds: Annotated[int, Help("How often each recipe is measured, in turn.", OWN), ROUNDS] = 7
    batch_size: Annotated[int, Help("Recordings in a batch.", OWN), COUNT] = 4
    seconds: Annotated[float, Help("Length of a recording, which is noise.", OWN), SECONDS] = 2.0

    def __post_init__(self) -> None:
        for name, (kinds, limits) in rules_of(Cost).items():
            check_value(name, getattr(self, name), kinds, limits)

    def trials(self, grid: Grid) -> list[Trial]:
        """Return one trial for each backbone.

        Raises:
            OssicleError: a recipe cannot be read or fitted to a budget, or the grid asks for what
                does not change the cost.
        """
        if grid.folds or grid.baselines or len(grid.seeds) > 1:
            raise RunError(
                "the study cost measures recipes on noise; leave out --folds, --baseline and all "
                "but one of --seeds"
            )
        return [self._trial(self.filled(grid), backbone) for backbone in grid.backbones]

    def filled(self, grid: Grid) -> Grid:
        """Return the grid with the study's recipes where none are given, and noise as data."""
        return replace(super().filled(grid), data=("noise",))

    def _trial(self, grid: Grid, backbone: str) -> Trial:
        given = [cell.recipe for cell in recipe_cells(grid)]
        recipes = _expressions(given, grid.budgets, backbone)
        labels = {"backbone": backbone} if len(grid.backbones) > 1 else {}
        return Trial(
            config=replace(grid.config, backbone=backbone, recipe="linear", data=DATA),
            labels={**labels, "recipe": ", ".join(recipes)},
            runner="cost",
            settings={
                "recipes": json.dumps(recipes),
                "rounds": self.rounds,
                "batch_size": self.batch_size,
                "seconds": float(self.seconds),
            },
        )

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the cheapest and the dearest recipe; tables and a plot for each backbone."""
        from ossicle.studies.cost_results import CostResult  # imports torch

        found = [one for one in outcomes if one.measured is not None]
        if not found:
            return ["No trial is finished yet."], []
        results = [CostResult(one, number) for number, one in enumerate(found, start=1)]
        return [one.verdict for one in results], [one.section for one in results]


def _expressions(recipes: Sequence[str], budgets: Sequence[int], backbone: str) -> dict[str, str]:
    """Return the expression of each recipe by its name, for every budget."""
    from ossicle.adapters.budget import fit_budget  # imports torch
    from ossicle.backbones import load_backbone
    from ossicle.recipes.recipe import Recipe

    parsed = [Recipe.parse(recipe) for recipe in recipes]
    if not budgets:
        return {one.label: str(one) for one in parsed}
    bare = load_backbone(backbone, weights=False)
    return {
        f"{one.label} ({budget:,})": str(fit_budget(bare, one, budget).recipe)
        for budget in budgets
        for one in parsed
    }
