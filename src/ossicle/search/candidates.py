"""Candidates of a search, their sizes, and recipes that have one of them in each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ossicle.adapters.budget import fit_budget
from ossicle.adapters.count import count
from ossicle.anatomy.names import LAYER_SITES
from ossicle.backbones import Backbone
from ossicle.errors import BudgetError, SearchError
from ossicle.recipes.recipe import Recipe
from ossicle.search.strategy import Candidate, Problem

SKIP: Final = "skip"  # the candidate that leaves a layer as it is
DEFAULT_CANDIDATES: Final = (SKIP, "bottleneck", "parallel", "lora", "bias")


def read_candidates(
    backbone: Backbone, names: Sequence[str], budget: int
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Return the candidates that meet a budget in all layers, and why the others are left out.

    Args:
        backbone: It may be on the meta device.
        names: `skip`, presets, expressions or recipe files.
        budget: Number of parameters without the head.

    Raises:
        SearchError: fewer than two are left, one is given twice, or does not act in the layers.
        OssicleError: a recipe cannot be read, or does not fit the backbone.
    """
    if twice := next((name for name in names if list(names).count(name) > 1), None):
        raise SearchError(f"the candidate '{twice}' is given twice; leave one of them out")
    found: list[Candidate] = []
    notices: list[str] = []
    for name in names:
        recipe = Recipe() if name == SKIP else _read(name)
        try:
            found.append(Candidate(name=name, recipe=fitted(backbone, recipe, budget)))
        except BudgetError as error:
            notices.append(f"the candidate '{name}' is left out: {error}")
    if not any(one.recipe.placements for one in found):
        why = f" {'; '.join(notices)}" if notices else " Name recipes, such as lora,bottleneck"
        raise SearchError(f"no candidate fits a budget of {budget:,} parameters.{why}")
    if len(found) == 1:
        why = f"; {'; '.join(notices)}" if notices else ""
        raise SearchError(
            f"'{found[0].name}' is the only candidate, so there is nothing to choose{why}. Name "
            "two or more, of which one can be skip"
        )
    return tuple(found), tuple(notices)


def fitted(backbone: Backbone, recipe: Recipe, budget: int) -> Recipe:
    """Return a recipe with the largest sizes that a budget allows; each layer has an equal share.

    What has no size, such as biases, stays as it is if it trains no more than the budget.

    Raises:
        BudgetError: even the smallest sizes train more parameters than the budget.
        OssicleError: the recipe does not fit the backbone.
    """
    if any(one.method.size_setting is not None for one in recipe.placements):
        return fit_budget(backbone, recipe, budget, "layers").recipe
    if not recipe.placements:
        return Recipe()
    trained = count(backbone, recipe).trainable
    if trained > budget:
        raise BudgetError(
            f"'{recipe.label}' has no size that a budget could change: it always trains "
            f"{trained:,} parameters without the head, and the budget is {budget:,}"
        )
    return Recipe(*recipe.placements)


def architecture(problem: Problem, choice: Mapping[int, str], budget: int | None = None) -> Recipe:
    """Return the recipe that has one candidate in each layer, fitted to the budget.

    Args:
        problem: The problem.
        choice: Name of the candidate by layer; a layer that is not named has none.
        budget: Number of parameters without the head; None: that of the problem.

    Raises:
        BudgetError: even with the smallest sizes it trains more parameters.
    """
    most = problem.budget if budget is None else budget
    return fitted(problem.backbone, unsized_architecture(problem, choice), most)


def unsized_architecture(problem: Problem, choice: Mapping[int, str]) -> Recipe:
    """Return the recipe that has one candidate in each layer, with the sizes of the candidates."""
    placements = []
    for candidate in problem.candidates:
        layers = sorted(layer for layer, name in choice.items() if name == candidate.name)
        text = ",".join(map(str, layers)) if len(layers) < problem.layers else None
        if layers:
            placements += [replace(one, layers=text) for one in candidate.recipe.placements]
    return Recipe(*placements)


def _read(name: str) -> Recipe:
    """Return the recipe of a candidate, which acts inside the layers."""
    recipe = Recipe.parse(name)
    for one in recipe.placements:
        outside = [site for site in one.at if site not in LAYER_SITES]
        if outside or one.gate is not None or one.layers is not None:
            what = "has a gate"
            if outside:
                what = f"acts at '{outside[0]}', which is not in a layer of the encoder"
            if one.layers is not None:
                what = f"names the layers {one.layers}"
            raise SearchError(
                f"the candidate '{name}' {what}; a search chooses the layers and the gates, so "
                "name recipes whose sites are in all layers, such as lora@attn.q,attn.v"
            )
    return recipe
