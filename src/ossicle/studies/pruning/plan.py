"""The trials of the study of pruning.

unpruned      the recipe, which all but the last start from
trained on    the same with as many epochs more: what more training alone gives
taylor ...    pruned to a share of its parameters, and trained on
from scratch  the recipe fitted to as many parameters, trained for as many epochs in all
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ossicle.adapters.budget import fit_budget
from ossicle.adapters.count import count
from ossicle.backbones import load_backbone
from ossicle.errors import BudgetError, RunError
from ossicle.pruning import WAYS, parse_prune
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.recipes.recipe import Recipe
from ossicle.studies.grid import Grid, check_different, product, recipe_cells
from ossicle.studies.values import numbers
from ossicle.trials.trial import BEFORE, Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.prune import Prune

_LOGGER: Final = logging.getLogger(__name__)
PRUNING: Final = "pruning"  # label: how an adapter has become smaller
KEPT: Final = "kept"  # label: the share of the parameters
UNPRUNED, ON, SCRATCH = "unpruned", "trained on", "from scratch"


def declared(study: "Prune", grid: Grid) -> list[Trial]:
    """Return the trials of a grid, each after the one that it starts from.

    Raises:
        OssicleError: see `Prune.trials`.
    """
    from ossicle.studies.prune import SHARES

    shares = numbers("shares", study.shares, SHARES)
    ways = [one.strip() for one in study.ways.split(",") if one.strip()]
    check_different("ways to prune", ways)
    texts = {(way, share): _expression(study, way, share) for way in ways for share in shares}
    cells = [one.with_value(PRUNING, UNPRUNED).with_value(KEPT, 1.0) for one in recipe_cells(grid)]
    fitted = cache(_fitted)
    found: list[Trial] = []
    for base in product(grid, cells):
        epochs = base.config.num_epochs
        more = study.train_on or epochs
        on = {"recipe": HEAD_ONLY, "parent": BEFORE, "epochs": more}
        found += [base, _changed(base, ON, 1.0, base, **on)]
        found += [
            _changed(base, way, x, base, prune=text, **on) for (way, x), text in texts.items()
        ]
        for share in shares:
            recipe = fitted(base.config.backbone, base.config.recipe, share)
            if recipe is not None:
                changes = {"recipe": recipe, "epochs": epochs + more}
                found.append(_changed(base, SCRATCH, share, None, **changes))
    return found


def _expression(study: "Prune", way: str, share: float) -> str:
    """Return how to prune in a way to a share, as `--prune` has it.

    Raises:
        RunError: there is no such way, or it keeps no share.
    """
    if way in WAYS and "keep" not in WAYS[way].options:
        raise RunError(f"--ways has '{way}', which keeps no share of an adapter; leave it out")
    unit = f", unit={study.unit}" if way in WAYS and "unit" in WAYS[way].options else ""
    text = f"{way}(keep={share:g}{unit})"
    parse_prune(text)
    return text


def _changed(base: Trial, pruning: str, kept: float, after: Trial | None, **changes: Any) -> Trial:
    labels: dict[str, Label] = {**base.labels, PRUNING: pruning, KEPT: kept}
    return replace(base, config=replace(base.config, **changes), labels=labels, after=after)


def _fitted(backbone: str, text: str, share: float) -> str | None:
    """Return a recipe with a share of its parameters; None, with a warning, if it has no sizes."""
    bare, recipe = load_backbone(backbone, weights=False), Recipe.parse(text)
    whole = count(bare, recipe).trainable
    try:
        return str(fit_budget(bare, recipe, max(1, int(share * whole))).recipe)
    except BudgetError as error:
        _LOGGER.warning(f"No training from scratch at {share:g} of '{recipe.label}': {error}")
        return None


def ways_in(labels: Sequence[str]) -> list[str]:
    """Return the ways to prune among values of the label `pruning`, in their order."""
    return [one for one in dict.fromkeys(labels) if one not in (UNPRUNED, ON, SCRATCH)]
