"""Searches with several strategies, seeds and data, against the controls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits, check_value
from ossicle.studies.grid import Cell, Grid, check_different, product
from ossicle.studies.study import Study
from ossicle.studies.values import OWN
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

TRAININGS: Final = Limits(1, 10_000)


@dataclass(frozen=True, kw_only=True)
class Search(Study):
    """Runs each strategy and all controls as searches; a trial is a whole search.

    Its answer is trained from scratch and tested once, and continued where it can be.
    """

    name: ClassVar[str] = "search"
    about: ClassVar[str] = "strategies of a search, compared with controls"
    source: ClassVar[str] = "Lin et al. 2024"
    compared: ClassVar[str] = "Strategies"
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)

    strategies: Annotated[
        str,
        Help(
            "Strategies with settings, separated by commas, as in 'tpe,darts(order=first)', or "
            "all. The controls uniform, random and probe are always run too.",
            OWN,
        ),
    ] = "all"
    candidates: Annotated[str, Help("Recipes that a layer can have, separated by commas.", OWN)] = (
        "skip,bottleneck,parallel,lora,bias"
    )
    trainings: Annotated[
        int,
        Help("Number of full trainings that each search may cost; shorter ones count less.", OWN),
    ] = 16

    def __post_init__(self) -> None:
        check_value("trainings", self.trainings, (int,), TRAININGS, RunError)

    def filled(self, grid: Grid) -> Grid:
        """Return the grid, which needs a budget, and no recipes.

        Raises:
            RunError: there is no budget, or something that searches do not have.
        """
        if grid.recipes or grid.baselines:
            raise RunError(
                "the study search chooses recipes itself; leave --recipes and --baseline out. "
                "--candidates lists what a layer can have"
            )
        if not grid.budgets:
            raise RunError("the study search needs a --budget of parameters, such as 250k")
        if grid.config.parent is not None:
            raise RunError("the study search trains from scratch; leave --from out")
        return grid

    def trials(self, grid: Grid) -> list[Trial]:
        """Return a trial for each strategy, control and repeat.

        Raises:
            OssicleError: a strategy is not known, or the data have no such folds.
        """
        grid = self.filled(grid)
        given = [Cell(recipe=one, runner="search", changes={"recipe": ""}) for one in self.names()]
        return [replace(trial, settings=self._settings(trial)) for trial in product(grid, given)]

    def names(self) -> list[str]:
        """Return the strategies as they were asked for, and the controls.

        Raises:
            RunError: one is not known, or is given twice.
        """
        from ossicle.search import CONTROLS, STRATEGIES, parse_strategy  # imports torch

        given = [part.strip() for part in re.split(r",(?![^(]*\))", self.strategies)]
        if given == ["all"]:
            given = [name for name in STRATEGIES if name not in CONTROLS]
        wanted = [*filter(None, given)]
        check_different("strategies", wanted)
        kinds = [parse_strategy(one)[0].name for one in wanted]
        return [*(one for one in CONTROLS if one not in kinds), *wanted]

    def _settings(self, trial: Trial) -> dict[str, str | int | float]:
        return {
            "strategy": str(trial.labels["recipe"]),
            "budget": trial.labels["budget"],
            "candidates": self.candidates,
            "trials": self.trainings,
        }

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.searching.report import report_searches

        return report_searches(outcomes)
