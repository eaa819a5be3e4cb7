"""The grid that every study shares: recipes, seeds, folds, budgets, data and backbones.

    trials = seeds x folds x data x backbones x budgets x cells of the study

Seeds are outermost, then folds, so that a study that was stopped is complete for its first seeds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Final

from ossicle.errors import RunError, listing
from ossicle.settings import Limits, read_value
from ossicle.training.config import TrainConfig
from ossicle.trials.trial import Label, Trial

FOLDS: Final = Limits(3, 1000)  # of which one is test, one validation
BASELINES: Final = ("mfcc",)  # names of runners that train no backbone


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a study is run with; several values of one make the grid larger.

    Attributes:
        config: Settings of all trials; its recipe, seed, fold, data and backbone are replaced.
        recipes: Recipes to compare, and names of sets such as `ast/table-1`. Empty: the study's.
        seeds: Seeds of training.
        data: Data strings. Empty: that of `config`.
        backbones: Names of backbones. Empty: that of `config`.
        folds: `all` for the corpus's own folds, a number for folds that are drawn by speaker; None:
            the split of the data.
        budgets: Numbers of trained parameters, without the head, to fit each recipe to.
        baselines: Names of baselines to add: `mfcc`.
    """

    config: TrainConfig
    recipes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    data: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    folds: str | None = None
    budgets: tuple[int, ...] = ()
    baselines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("data", "backbones"):
            given = getattr(self, name) or (getattr(self.config, name.removesuffix("s")),)
            object.__setattr__(self, name, tuple(given))
        for name in ("recipes", "seeds", "budgets", "baselines"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_different("seeds", self.seeds)
        for name in ("data", "backbones", "budgets", "baselines"):
            check_different(name, getattr(self, name), some=False)
        if unknown := [one for one in self.baselines if one not in BASELINES]:
            raise RunError(
                f"there is no baseline {listing(unknown)}; available: {listing(BASELINES)}"
            )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is compared in a study: trials with the same cell are repeats.

    Attributes:
        recipe: The recipe as the user gave it, or the name of a baseline.
        labels: The study's own labels.
        changes: Fields of `TrainConfig` that differ from the grid's.
        runner: What runs the trials.
    """

    recipe: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    runner: str = "train"

    def with_value(self, label: str, value: Label, **changes: Any) -> "Cell":
        """Return the cell with another label, and the fields that it stands for."""
        return replace(
            self, labels={**self.labels, label: value}, changes={**self.changes, **changes}
        )


def check_different(what: str, values: Sequence[object], *, some: bool = True) -> None:
    """Raise if a value is given twice, or none is where some are needed.

    Raises:
        RunError: the message names the values.
    """
    counts = Counter(str(value) for value in values)
    twice = sorted(text for text, count in counts.items() if count > 1)
    if twice or (some and not counts):
        fault = f"{listing(twice)} is given twice" if twice else "none were given"
        raise RunError(f"a study needs one or more different {what}; {fault}")


def recipe_cells(grid: Grid) -> list[Cell]:
    """Return a cell for each recipe, with sets replaced by their presets, and each baseline.

    Raises:
        RecipeError: a recipe cannot be read.
        RunError: there are no recipes, or one is given twice.
    """
    from ossicle.recipes.recipe import Recipe  # imports torch
    from ossicle.recipes.sets import expand_sets

    recipes = expand_sets(grid.recipes)
    check_different("recipes", [Recipe.parse(one).label for one in recipes])
    return [
        *(Cell(recipe=one, changes={"recipe": one}) for one in recipes),
        *(Cell(recipe=one, runner=one, changes={"recipe": "linear"}) for one in grid.baselines),
    ]


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """One split of one data string.

    Attributes:
        data: The data string as the user gave it.
        changes: Fields of `TrainConfig` that choose the split.
        label: Name of the fold; None without folds.
    """

    data: str
    changes: Mapping[str, Any]
    label: Label | None = None


def product(grid: Grid, cells: Sequence[Cell]) -> list[Trial]:
    """Return the trials of a grid: every cell with every seed, fold, data, backbone and budget.

    Raises:
        OssicleError: the data have no folds such as the grid asks for.
    """
    by_data = [_folds(data, grid.folds) for data in grid.data]
    folds = [one for of_all in zip_longest(*by_data) for one in of_all if one is not None]
    return [
        _trial(grid, cell, fold, backbone=backbone, budget=budget, seed=seed)
        for seed in grid.seeds
        for fold in folds
        for backbone in grid.backbones
        for budget in grid.budgets or (None,)
        for cell in cells
    ]


def _trial(
    grid: Grid, cell: Cell, fold: _Fold, *, backbone: str, budget: int | None, seed: int
) -> Trial:
    labels: dict[str, Label] = {}
    if len(grid.data) > 1:
        labels["data"] = fold.data
    if len(grid.backbones) > 1:
        labels["backbone"] = backbone
    labels["recipe"] = cell.recipe
    optional = {"budget": budget, "fold": fold.label}
    labels |= {name: value for name, value in optional.items() if value is not None}
    changes = {"backbone": backbone, "seed": seed, **fold.changes, **cell.changes}
    return Trial(
        config=replace(grid.config, **changes),
        labels={**labels, "seed": seed, **cell.labels},
        runner=cell.runner,
    )


def _folds(data: str, folds: str | None) -> list[_Fold]:
    """Return the splits of a data string: one without folds, else one for each fold."""
    if folds is None:
        return [_Fold(data=data, changes={"data": data})]
    if folds == "all":
        from ossicle.data.folds import folds_of

        own = folds_of(data)
        return [_Fold(data=data, changes={"data": one}, label=name) for name, one in own]
    count = read_value("folds", folds, (int,), FOLDS)
    drawn = [f"{number}/{count}" for number in range(1, count + 1)]
    return [_Fold(data=data, changes={"data": data, "fold": one}, label=one) for one in drawn]
