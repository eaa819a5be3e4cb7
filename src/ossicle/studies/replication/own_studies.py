"""Trials of claims that a study of their own analyses: searches, ensembles, domains.

What is chosen for a recipe at a budget is used for it as a member of an ensemble; what is chosen
for a recipe on the source domain, in all stages. Searches have the default rates of each method.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ossicle.studies.adaptation.data import names_of, with_same_labels
from ossicle.studies.analysis.listed import chosen_claims
from ossicle.studies.domains import Domains
from ossicle.studies.ensemble import Ensemble
from ossicle.studies.grid import Cell, Grid
from ossicle.studies.grid import product as trials_of
from ossicle.studies.replication.choosing import (
    CHOSEN,
    OWN_RATES,
    SETTINGS,
    STUDY,
    Key,
    chosen,
    key_of,
    size_of,
)
from ossicle.studies.search import Search
from ossicle.trials.trial import Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

HYBRID: Final = "superb/hybrid"
MEMBERS: Final = Ensemble.recipes
DOMAINS_RECIPE: Final = "ser/lora+ba+ws+wg"


def search_trials(study: "Claims", grid: Grid) -> list[Trial]:
    """Return searches with DARTS and with the controls."""
    size = size_of(study)
    search = Search(strategies="darts", trainings=size["trainings"])
    found = search.trials(replace(grid, budgets=(size["search"],)))
    found = [one for one in found if one.labels["recipe"] in ("darts", "uniform")]
    return [_labelled(one, "search", OWN_RATES) for one in found]


def ensemble_trials(
    study: "Claims", grid: Grid, best: Mapping[Key, Mapping[str, Any]]
) -> list[Trial | None]:
    """Return single recipes at the budget, members at a part of it, and the hybrid."""
    budget = size_of(study)["ensemble"]
    whole = replace(grid, budgets=(budget,))
    trials = Ensemble().trials(whole)
    hybrid = Cell(recipe=HYBRID, changes={"recipe": HYBRID}, runner="outputs")
    trials += trials_of(whole, [hybrid])
    found: list[Trial | None] = []
    for one in trials:
        asked = replace(one, labels={**one.labels, "budget": budget})
        tried = chosen(asked, best)
        if tried is not None:
            tried = _labelled(replace(tried, labels=one.labels), "ensemble", CHOSEN)
        found.append(tried)
    return found


def has_domains(study: "Claims") -> bool:
    """Return whether a claim about two domains is asked, and these are given."""
    return bool(study.pair) and any(one.study == "domains" for one in chosen_claims(study.only))


def domain_choice(study: "Claims", grid: Grid) -> tuple[Grid, list[Cell]]:
    """Return the grid of the source domain, with the labels of both, and the cell to choose for."""
    cell = Cell(recipe=DOMAINS_RECIPE, changes={"recipe": DOMAINS_RECIPE})
    part = replace(grid, data=_with_common_labels(study.pair)[:1], folds=None)
    return part, [cell.with_value(STUDY, "domains")]


def domain_trials(
    study: "Claims", grid: Grid, best: Mapping[Key, Mapping[str, Any]]
) -> list[Trial]:
    """Return the trials of the study of domains, all with what was chosen on the source."""
    part, cells = domain_choice(study, grid)
    found: list[Trial] = []
    for backbone in grid.backbones:
        own = replace(part, backbones=(backbone,))
        (some,) = trials_of(replace(own, seeds=grid.seeds[:1]), cells)
        if key_of(some) in best:
            config = replace(grid.config, **best[key_of(some)])
            places = {"backbone": backbone} if len(grid.backbones) > 1 else {}
            places |= {"data": study.domains} if len(grid.data) > 1 else {}
            found += _stages(study, replace(own, config=config), places)
    return found


def number_of_stages(study: "Claims", grid: Grid) -> int:
    """Return how many trials `domain_trials` has with one backbone, once settings are chosen."""
    part, _ = domain_choice(study, replace(grid, backbones=grid.backbones[:1]))
    return len(_stages(study, part, {}))


def _stages(study: "Claims", grid: Grid, places: Mapping[str, Label]) -> list[Trial]:
    """Return the trials of the study of domains with one backbone, with labels of where they are.

    Args:
        study: The study of claims.
        grid: A grid with the chosen settings.
        places: Labels of corpus and backbone, where there are several.
    """
    domains = Domains(freeze="lora; bottleneck; lora,bottleneck", keeps="none")
    own = replace(grid, data=_with_common_labels(study.pair), recipes=(DOMAINS_RECIPE,))
    found: dict[int, Trial] = {}  # by the trial of the other study that each replaces
    trials = domains.trials(own)
    for one in trials:
        after = None if one.after is None else found[id(one.after)]
        placed = replace(one, labels={**one.labels, **places}, after=after)
        found[id(one)] = _labelled(placed, "domains", CHOSEN)
    return list(found.values())


@cache
def _with_common_labels(pair: tuple[str, ...]) -> tuple[str, ...]:
    """Return the data strings of two domains without recordings whose label only one has."""
    domains = dict(zip(names_of(pair), pair, strict=True))
    return tuple(with_same_labels(domains, common=True).values())


def _labelled(trial: Trial, study: str, settings: str) -> Trial:
    return replace(trial, labels={**trial.labels, STUDY: study, SETTINGS: settings})
