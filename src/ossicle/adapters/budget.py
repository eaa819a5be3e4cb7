"""Fit a recipe to a budget: sizes whose trained parameters come closest to it from below.

The size of a method is its rank, width or length (`Method.size_setting`). What has no size, such as
norms and biases, is subtracted from the budget first. Several methods with sizes share the rest,
equally or by weights: the one whose smallest size takes most of its share is fitted first, and what
it leaves over goes to those that follow. If the site is too narrow for the share of one, the others
share what it cannot use. The head does not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from ossicle.adapters.count import count
from ossicle.backbones import Backbone
from ossicle.errors import BudgetError, RecipeMismatch
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe

CLOSE: Final = 0.9  # share of the budget from which on a recipe is near enough to say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A recipe that was fitted to a budget.

    Attributes:
        recipe: The recipe with its sizes; a reduction is replaced by the size that it stands for.
        budget: The number of parameters that it was to train.
        count: The number that it trains, without the head; never more than the budget.
        note: Why it does not come within 10 % of the budget; empty if it does.
    """

    recipe: Recipe
    budget: int
    count: int
    note: str = ""

    @property
    def share(self) -> float:
        """Trained parameters divided by the budget, up to 1."""
        return self.count / self.budget


class _Sized:
    """Placements of a recipe with one size.

    Attributes:
        placements: The placements, by their position in the recipe.
        weight: Its share of the budget, relative to the others.
        size: Its size; 1 until it is fitted.
    """

    def __init__(self, backbone: Backbone, placements: Mapping[int, Placement]) -> None:
        self._backbone = backbone
        self._counts: dict[int, int] = {}
        self.placements = placements
        self.weight = Fraction(1)
        self.size = 1

    @property
    def text(self) -> str:
        """Its methods, with their size, such as `lora with rank=4`."""
        methods = [one.method for one in self.placements.values()]
        names = " and ".join(method.name for method in methods)
        return f"{names} with {methods[0].size_setting}={self.size}"

    def with_size(self, size: int) -> dict[int, Placement]:
        """Return the placements with another size."""
        return {
            number: replace(one, method=one.method.with_size(size))
            for number, one in self.placements.items()
        }

    def count(self, size: int) -> int:
        """Return the trained parameters of these placements alone, without gates.

        Raises:
            RecipeMismatch, ValueError: the size is too large for the backbone, or the method.
        """
        if size not in self._counts:
            alone = (replace(one, gate=None) for one in self.with_size(size).values())
            self._counts[size] = count(self._backbone, Recipe(*alone)).trainable
        return self._counts[size]

    def limit(self) -> str:
        """Return why its size cannot be larger; an empty text if it can."""
        try:
            self.count(self.size + 1)
        except (RecipeMismatch, ValueError) as error:
            return str(error)
        return ""

    def fit(self, most: Fraction) -> None:
        """Choose the largest size with no more parameters than `most`, by bisection."""
        low, high = 1, 2
        while self._fits(high, most):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(middle, most) else (low, middle)
        self.size = low

    def _fits(self, size: int, most: Fraction) -> bool:
        try:
            return self.count(size) <= most
        except (RecipeMismatch, ValueError):
            return False


def fit_budget(
    backbone: Backbone,
    recipe: Recipe,
    budget: int,
    weights: Sequence[float] | Literal["layers"] | None = None,
) -> Fitted:
    """Return the recipe with the sizes that come closest to a budget from below.

    Args:
        backbone: It may be on the meta device: `load_backbone(name, weights=False)`.
        recipe: Its sizes are not used, the rest of its settings is.
        budget: Number of parameters to train, without the head.
        weights: How the methods with a size share it, in the order of the recipe; `layers`: by
            the number of layers that each is in; None: equally.

    Raises:
        BudgetError: the recipe has no size, trains more even with the smallest, or has another
            number of sizes than there are weights.
        SiteNotFound, RecipeMismatch: the recipe does not fit the backbone.
    """
    if budget < 1:
        raise BudgetError(f"the budget is {budget}; it must be 1 parameter or more")
    groups = _groups(backbone, recipe)
    if not groups:
        return _unsized(backbone, recipe, budget)
    if weights == "layers":
        weights = [_layers(backbone, group) for group in groups]
    _weigh(recipe, groups, weights)
    least = count(backbone, _sized(recipe, groups)).trainable
    if least > budget:
        raise BudgetError(
            f"'{recipe.label}' cannot train as few as {budget:,} parameters: with the smallest "
            f"sizes it trains {least:,}. Choose a budget of {least} or more"
        )
    _share(groups, budget - least + sum(group.count(1) for group in groups))
    fitted = _sized(recipe, groups)
    found = count(backbone, fitted).trainable
    note = "" if found >= CLOSE * budget else _distance(groups, found, budget)
    return Fitted(recipe=fitted, budget=budget, count=found, note=note)


def _groups(backbone: Backbone, recipe: Recipe) -> list[_Sized]:
    """Return the placements with sizes, those that must have the same size together."""
    leaders = {one.method.sized_with for one in recipe.placements}
    groups: dict[str, dict[int, Placement]] = {}
    for number, placement in enumerate(recipe.placements):
        method = placement.method
        if method.size_setting is not None:
            alone = str(number) if method.name not in leaders else method.name
            groups.setdefault(method.sized_with or alone, {})[number] = placement
    return [_Sized(backbone, placements) for placements in groups.values()]


def _weigh(recipe: Recipe, groups: Sequence[_Sized], weights: Sequence[float] | None) -> None:
    """Give every group its weight."""
    if weights is not None and len(weights) != len(groups):
        names = ", ".join(group.text.partition(" with ")[0] for group in groups)
        raise BudgetError(
            f"'{recipe.label}' needs {len(groups)} weights, one for each method with a size "
            f"({names}), and the number of weights is {len(weights)}"
        )
    for group, weight in zip(groups, weights or [1.0] * len(groups), strict=True):
        if not weight > 0:
            raise BudgetError(f"the weight {weight:g} is not positive")
        group.weight = Fraction(weight)


def _layers(backbone: Backbone, group: _Sized) -> float:
    """Return the number of layers of the first placement of a group; 1 outside the layers."""
    first = next(iter(group.placements.values()))
    found = backbone.anatomy.find(first.at[0])
    return len(found) if first.layers is None else len(first.select(len(found)) or found)


def _share(groups: Sequence[_Sized], rest: Fraction | int) -> None:
    """Fit the sizes to a number of parameters that is enough for the smallest of each."""
    waiting = sorted(groups, key=lambda group: -group.count(1) / group.weight)
    while waiting:
        share = rest * waiting[0].weight / sum(group.weight for group in waiting)
        group = waiting.pop(0)
        group.fit(share)
        rest -= group.count(group.size)
    growing = [group for group in groups if not group.limit()]
    if growing and len(growing) < len(groups):
        _share(growing, rest + sum(group.count(group.size) for group in growing))


def _sized(recipe: Recipe, groups: Sequence[_Sized]) -> Recipe:
    """Return the recipe, without its name, with the sizes of the groups."""
    changed: dict[int, Placement] = {}
    for group in groups:
        changed |= group.with_size(group.size)
    return Recipe(*(changed.get(n, one) for n, one in enumerate(recipe.placements)))


def _unsized(backbone: Backbone, recipe: Recipe, budget: int) -> Fitted:
    """Return a recipe without sizes if it meets the budget as it is."""
    found = count(backbone, recipe).trainable
    if not CLOSE * budget <= found <= budget:
        raise BudgetError(
            f"'{recipe.label}' has no size that a budget could change: it always trains {found:,} "
            f"parameters without the head, and the budget is {budget:,}. Run it without a budget"
        )
    return Fitted(recipe=Recipe(*recipe.placements), budget=budget, count=found)


def _distance(groups: Sequence[_Sized], found: int, budget: int) -> str:
    """Return why no sizes come closer to the budget."""
    nearest = f"the nearest is {found:,} parameters, {100 * found / budget:.1f} %"
    growing = [group for group in groups if not group.limit()]
    if growing:
        step = min(group.count(group.size + 1) - group.count(group.size) for group in growing)
        return f"{nearest}; with one size more it trains {found + step:,}"
    full = "; ".join(f"{group.text} is the largest: {group.limit()}" for group in groups)
    return f"{nearest}; {full}"
