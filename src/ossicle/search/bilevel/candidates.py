"""From candidates to the recipe of a mixture, and from a choice to the recipe of an answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ossicle.errors import SearchError, listing
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.search.strategy import Candidate

SKIP = "skip"
LONGEST = 40  # characters of the name of a candidate in a recipe


def gate_names(candidates: Sequence[Candidate]) -> list[str]:
    """Return a name for each candidate that a recipe can have, such as `lora-rank-4`.

    Raises:
        SearchError: there are fewer than two candidates.
    """
    if len(candidates) < 2:
        only = f", '{candidates[0].name}'" if candidates else ""
        raise SearchError(
            f"a differentiable search needs two or more candidates, and there is {len(candidates)}"
            f"{only}; add some with --candidates, such as skip"
        )
    found: list[str] = []
    for one in candidates:
        name = re.sub(r"[^\w-]+", "-", one.name, flags=re.ASCII).strip("-")[:LONGEST] or "candidate"
        if name in found:
            name = f"{name[: LONGEST - 4]}-{len(found) + 1}"
        found.append(name)
    return found


def mixture(candidates: Sequence[Candidate], layers: int, kind: str) -> Recipe:
    """Return the recipe in which every layer is a mixture of all candidates that it can have.

    A layer that only one candidate can have has it without a gate.

    Args:
        candidates: The candidates.
        layers: Number of layers of the backbone.
        kind: `layers` or `softmax`: the name of the mixture.

    Raises:
        SearchError: there are fewer than two candidates, one cannot be mixed, or no layer has two.
    """
    names = gate_names(candidates)
    for one in candidates:
        _check(one)
    mixed = {layer for layer, having in _names_by_layer(candidates, layers).items() if having[1:]}
    if not mixed:
        raise SearchError(
            f"no layer is left to search: none has two of {listing(names)}. Name candidates "
            "without layers, or with some in common"
        )
    placements: list[Placement] = []
    for name, one in zip(names, candidates, strict=True):
        for placement in one.recipe.placements:
            chosen = set(_selected(placement, layers))
            gated = replace(placement, gate=f"{kind}:{name}")
            placements += _within(gated, chosen & mixed, layers)
            if placement.method.name != SKIP:
                placements += _within(placement, chosen - mixed, layers)
    return Recipe(*placements)


def discretised(candidates: Sequence[Candidate], choice: Mapping[int, str], layers: int) -> Recipe:
    """Return the recipe of an architecture: every placement with the layers it was chosen in.

    Args:
        candidates: The candidates.
        choice: Name of the chosen candidate of each searched layer, as `gate_names` has it. Others
            have the only candidate that there is.
        layers: Number of layers of the backbone.
    """
    only = {
        layer: having[0]
        for layer, having in _names_by_layer(candidates, layers).items()
        if len(having) == 1
    }
    choice = only | dict(choice)
    placements: list[Placement] = []
    for name, one in zip(gate_names(candidates), candidates, strict=True):
        own = {layer for layer, chosen in choice.items() if chosen == name}
        for placement in one.recipe.placements:
            if placement.method.name != SKIP:
                placements += _within(placement, own & set(_selected(placement, layers)), layers)
    return Recipe(*placements)


def _check(candidate: Candidate) -> None:
    """Raise unless each layer can have a candidate, or not."""
    for one in candidate.recipe.placements:
        what = f"the candidate '{candidate.name}' cannot be searched for"
        if one.method.changes_length:
            raise SearchError(
                f"{what}: '{one}' changes the length of sequences, so that its layers cannot be "
                "mixed with others. Leave it out"
            )
        if one.gate is not None:
            raise SearchError(f"{what}: '{one}' has a gate of its own. Leave the gate out")
    if not candidate.recipe.placements:
        raise SearchError(
            f"the candidate '{candidate.name}' has nothing in a layer; a layer without an adapter "
            "is the candidate skip"
        )


def _names_by_layer(candidates: Sequence[Candidate], layers: int) -> dict[int, list[str]]:
    """Return the names of the candidates that each layer can have."""
    found: dict[int, list[str]] = {layer: [] for layer in range(layers)}
    for name, candidate in zip(gate_names(candidates), candidates, strict=True):
        having = {layer for one in candidate.recipe.placements for layer in _selected(one, layers)}
        for layer in having:
            found[layer].append(name)
    return found


def _selected(placement: Placement, layers: int) -> list[int]:
    found = placement.select(layers)
    return list(range(layers)) if found is None else found


def _within(placement: Placement, chosen: set[int], layers: int) -> list[Placement]:
    """Return the placement in these layers; nothing without layers."""
    if not chosen:
        return []
    text = ",".join(map(str, sorted(chosen)))
    return [replace(placement, layers=None if len(chosen) == layers else text)]
