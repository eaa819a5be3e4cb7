"""The recipe of a mixture of all candidates of a search."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ossicle.errors import SearchError
from ossicle.methods.skip import Skip
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.search.candidates import SKIP
from ossicle.search.strategy import Candidate

LONGEST: Final = 40  # characters of the name of a candidate in a recipe


def mixture(candidates: Sequence[Candidate], kind: str) -> Recipe:
    """Return the recipe in which every layer is a mixture of all candidates.

    Args:
        candidates: The candidates.
        kind: `layers` or `softmax`: the name of the mixture.

    Raises:
        SearchError: there are fewer than two candidates, or one cannot be mixed.
    """
    if len(candidates) < 2:
        only = f", '{candidates[0].name}'" if candidates else ""
        raise SearchError(
            f"a differentiable search needs two or more candidates, and there is {len(candidates)}"
            f"{only}; add some with --candidates, such as skip"
        )
    placements: list[Placement] = []
    for name, one in zip(gate_names(candidates), candidates, strict=True):
        for placement in one.recipe.placements or (Placement(Skip()),):
            if placement.method.changes_length:
                raise SearchError(
                    f"the candidate '{one.name}' changes the length of sequences, so its layers "
                    "cannot be mixed with others; leave it out of --candidates"
                )
            placements.append(replace(placement, gate=f"{kind}:{name}"))
    return Recipe(*placements)


def gate_names(candidates: Sequence[Candidate]) -> list[str]:
    """Return a name for each candidate that a recipe can have, such as `lora-rank-4`.

    Only that of the candidate without an adapter is `skip`.
    """
    found: list[str] = []
    for number, one in enumerate(candidates, start=1):
        name = re.sub(r"[^\w-]+", "-", one.name, flags=re.ASCII).strip("-")[: LONGEST - 4]
        if name in ("", *found) or (name == SKIP and one.recipe.placements):
            name = f"{name}-{number}"
        found.append(name)
    return found
