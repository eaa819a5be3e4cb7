"""The interface of a study: the trials that it declares, and the analysis of their results."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.studies.grid import Cell, Grid, product, recipe_cells
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A declared grid of trials and an analysis. Subclasses are frozen dataclasses.

    The fields of a subclass are its options: each has a default, and an annotation that holds its
    help text, as in `TrainConfig`. An option replaces the option of `train` with the same name.

    Attributes:
        name: Its name in `ossicle study NAME`.
        about: What it varies, as a phrase.
        verb: What it does with that, in its help text.
        source: The publication whose experiment it follows; empty without one.
        recipes: Recipes, or names of sets of them, that are compared where none are given.
        seeds: Seeds that the command line takes where none are given.
        backbones: Backbones that it takes where none are given; empty: they must be given.
        data: Data strings that it takes where none are given; empty: they must be given.
        compared: What the label `recipe` holds, as a heading.
        without: Options of the command line that it refuses, and that its help text leaves out.
        refusals_are_results: Whether trials that cannot run are part of the result, not failures.
        gathered: Labels that a list of the trials leaves out: it shows the number of their values.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    verb: ClassVar[str] = "Vary"
    source: ClassVar[str] = ""
    recipes: ClassVar[tuple[str, ...]] = ()
    seeds: ClassVar[tuple[int, ...]] = (0,)
    backbones: ClassVar[tuple[str, ...]] = ()
    data: ClassVar[tuple[str, ...]] = ()
    compared: ClassVar[str] = "Recipes"
    without: ClassVar[tuple[str, ...]] = ()
    refusals_are_results: ClassVar[bool] = False
    gathered: ClassVar[tuple[str, ...]] = ()

    @property
    def own_data(self) -> tuple[str, ...]:
        """The data strings among its own options."""
        return ()

    def with_own_data(self, data: Sequence[str]) -> "Study":  # noqa: ARG002 - for those that have own data
        """Return the study with other data strings in place of `own_data`."""
        return self

    def data_used(self, data: Sequence[str]) -> list[str]:
        """Return the data strings that trials have, of those of the grid and of its own."""
        return [*data, *self.own_data]

    def trials(self, grid: Grid) -> list[Trial]:
        """Return the trials, in the order in which they should be run.

        Raises:
            OssicleError: a recipe cannot be read, or something is given twice or not at all.
        """
        grid = self.filled(grid)
        return product(grid, self.cells(recipe_cells(grid)))

    def following(self, grid: Grid, outcomes: Sequence[Outcome]) -> list[Trial]:  # noqa: ARG002 - for those in two parts
        """Return the trials that depend on the outcomes of those before, to be run after them."""
        return []

    def remarks(self, grid: Grid) -> list[str]:  # noqa: ARG002 - for those that have some
        """Return what to know before the first trial, in sentences."""
        return []

    def outlook(self, grid: Grid) -> str:  # noqa: ARG002 - for those in two parts
        """Return what will follow the trials, as a sentence; empty if nothing will."""
        return ""

    def filled(self, grid: Grid) -> Grid:
        """Return the grid with the study's own values where none are given.

        Raises:
            RunError: no recipes are given, and the study has none.
        """
        if not grid.recipes and not self.recipes:
            raise RunError(
                f"the study {self.name} needs --recipes, separated by commas, such as "
                "linear,lora,bottleneck or ast/table-1"
            )
        return grid if grid.recipes else replace(grid, recipes=self.recipes)

    def cells(self, recipes: Sequence[Cell]) -> list[Cell]:
        """Return what is compared, from a cell for each recipe and baseline."""
        return list(recipes)

    @abstractmethod
    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict in sentences, and the sections of the report.

        Args:
            outcomes: The outcomes of all trials, in their order; some may be missing or failed.
        """
