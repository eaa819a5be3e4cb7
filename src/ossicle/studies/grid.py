"""The grid that every study shares: recipes, seeds, folds, budgets, data and backbones."""

from dataclasses import dataclass

from ossicle.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a study is run with; several values of one make the grid larger.

    Attributes:
        config: Settings of all trials; its recipe, seed, fold, data and backbone are replaced.
        recipes: Recipes to compare.
        seeds: Seeds of training.
        data: Data strings.
        backbones: Names of backbones.
        folds: `all` for the corpus's own folds, a number for folds that are drawn by speaker; None:
            the split of the data.
        budgets: Numbers of trained parameters, without the head, to fit each recipe to.
        baselines: Names of baselines to add: `mfcc`.
    """

    config: TrainConfig
    recipes: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    data: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    folds: str | None = None
    budgets: tuple[int, ...] = ()
    baselines: tuple[str, ...] = ()
