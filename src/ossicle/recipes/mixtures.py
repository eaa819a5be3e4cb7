"""The mixtures of a recipe: which placements are candidates, in which layers."""

from dataclasses import replace
from typing import TypeAlias

from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe

Candidates: TypeAlias = dict[str, list[int]]  # numbers of the placements of each, by its name


def mixtures(recipe: Recipe, num_layers: int) -> dict[tuple[str, int], Candidates]:
    """Return the candidates of each mixture in each layer, in the order of the recipe.

    Args:
        recipe: The recipe.
        num_layers: Number of layers of the backbone.

    Returns:
        The numbers of the placements of each candidate, by mixture and layer and then by name of
        the candidate. A candidate without a name has its number, from 1, and its expression.

    Raises:
        RecipeMismatch: the backbone has no such layer.
    """
    found: dict[tuple[str, int], Candidates] = {}
    for number, one in enumerate(recipe.placements):
        if one.mixture is None:
            continue
        name = candidate_name(number, one)
        layers = one.select(num_layers)
        for layer in range(num_layers) if layers is None else layers:
            found.setdefault((one.mixture, layer), {}).setdefault(name, []).append(number)
    return found


def candidate_name(number: int, placement: Placement) -> str:
    """Return the name of the candidate that a placement belongs to.

    Args:
        number: Position of the placement in the recipe, from 0.
        placement: The placement.
    """
    return placement.candidate or f"{number + 1}. {replace(placement, gate=None)}"
