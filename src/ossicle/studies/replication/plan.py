"""The trials of the study of claims.

First those that choose (`choosing`), those with published settings, and searches; then those with
what was chosen, and those of studies of their own (`own_studies`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ossicle.errors import RunError
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import chosen_claims
from ossicle.studies.grid import Cell, Grid
from ossicle.studies.grid import product as trials_of
from ossicle.studies.replication.choosing import (
    CHOSEN,
    SETTINGS,
    choice_trials,
    choices,
    chosen,
    published_trials,
    size_of,
)
from ossicle.studies.replication.own_studies import (
    HYBRID,
    MEMBERS,
    domain_choice,
    domain_trials,
    ensemble_trials,
    has_domains,
    search_trials,
)
from ossicle.tasks import TASKS, parse_task, suggest_task
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

PLAIN: Final = ("methods", "few-shot", "scaling", "data-size")  # claims about cells of recipes


@dataclass(frozen=True)
class Wanted:
    """What the claims need of one corpus.

    Attributes:
        claims: The claims that its task can answer.
        cells: Recipes to compare, with their labels.
    """

    claims: tuple[Claim, ...]
    cells: tuple[Cell, ...]

    def needs(self, study: str) -> bool:
        """Return whether a claim needs the trials of a study."""
        return any(one.study == study for one in self.claims)


def values_of(claim: Claim, size: Mapping[str, Any]) -> Claim:
    """Return a claim with the values of its label that this size has."""
    lists = {"shots": "shots", "budget": "budgets", "fraction": "fractions"}
    return claim.at(size[lists[claim.over]]) if claim.over else claim


def first_trials(study: "Claims", grid: Grid) -> list[Trial]:
    """Return the trials that choose, those with published settings, and searches.

    Raises:
        OssicleError: bad input, or no claim can be asked of these data.
    """
    found = []
    for part, wanted in _by_data(study, grid):
        own = choice_trials(study, part, _to_choose(study, wanted, grid.config.train_fraction))
        own += published_trials(study, part, wanted.cells)
        own += search_trials(study, part) if wanted.needs("search") else []
        found += _placed(grid, part, own)
    if has_domains(study):
        part, cells = domain_choice(study, grid)
        found += _placed(
            grid, replace(part, data=(study.domains,)), choice_trials(study, part, cells)
        )
    if not found:
        raise RunError(
            "no claim can be asked of these data; without --only, all that can be asked are"
        )
    return found


def chosen_trials(study: "Claims", grid: Grid, outcomes: Sequence[Outcome]) -> list[Trial]:
    """Return the trials with chosen settings; without those whose choice is not finished."""
    best = choices(outcomes)
    found: list[Trial] = []
    for part, wanted in _by_data(study, grid):
        plain = [one.with_value(SETTINGS, CHOSEN) for one in wanted.cells]
        own = [chosen(trial, best) for trial in trials_of(part, plain)]
        own += ensemble_trials(study, part, best) if wanted.needs("ensemble") else []
        found += _placed(grid, part, [one for one in own if one is not None])
    return found + (domain_trials(study, grid, best) if has_domains(study) else [])


def expected(study: "Claims", grid: Grid) -> str:
    """Return how many trials follow those that choose, as a sentence."""
    number = 0
    for part, wanted in _by_data(study, grid):
        folds = len(trials_of(part, [Cell(recipe="linear")]))  # seeds, folds and backbones
        members = 2 * len(MEMBERS) + 1 if wanted.needs("ensemble") else 0
        number += folds * (len(wanted.cells) + members)
    number += 6 * len(grid.seeds) * len(grid.backbones) if has_domains(study) else 0
    return f"{number} further trials follow with the settings that these choose."


def _by_data(study: "Claims", grid: Grid) -> list[tuple[Grid, Wanted]]:
    """Return what the claims need of each corpus, with the grid of that corpus."""
    return [
        (
            replace(grid, data=(data,)),
            _wanted(study, _task(data, grid.config.task), grid.config.train_fraction),
        )
        for data in grid.data
    ]


@cache
def _task(data: str, given: str | None) -> str:
    """Return the name of the task of a data string."""
    from ossicle.data import open_data

    if given is not None:
        return parse_task(given)[0].name
    return suggest_task(open_data(data).label_name).name


def _wanted(study: "Claims", task: str, fraction: float | None) -> Wanted:
    size = size_of(study)
    claims = tuple(
        values_of(one, size)
        for one in chosen_claims(study.only)
        if not one.cannot and (not one.tasks or task in one.tasks) and one.study != "domains"
    )
    if not has_ensembles(task):
        claims = tuple(one for one in claims if one.study != "ensemble")
    if TASKS[task].name != "classification":
        claims = tuple(one for one in claims if one.over != "shots")
    cells: dict[tuple[str, Label | None], Cell] = {}
    for claim in claims:
        for recipe, value in _keys(claim):
            cells[recipe, value] = cells.get((recipe, value)) or _cell(
                recipe, claim.over, value, fraction
            )
    return Wanted(claims, tuple(cells.values()))


def has_ensembles(task: str) -> bool:
    """Return whether single answers of a task are right or wrong, which votes are asked about."""
    score = TASKS[task].recording_score
    return score is not None and score.label == "accuracy"


def _keys(claim: Claim) -> list[tuple[str, Label | None]]:
    if claim.study not in PLAIN:
        return []
    return [key for one in claim.comparisons for _, key in one.terms]


def _cell(recipe: str, over: str, value: Label | None, fraction: float | None) -> Cell:
    """Return a recipe with a value of a label; a fraction is one of the given fraction."""
    cell = Cell(recipe=recipe, changes={"recipe": recipe})
    if not over or value is None:
        return cell
    if over == "shots":
        return cell.with_value(over, value, shots=value, train_fraction=None)
    if over == "fraction":
        share = float(value) * (fraction or 1.0)
        return cell.with_value(over, value, train_fraction=None if share == 1 else share)
    return cell.with_value(over, value)


def _to_choose(study: "Claims", wanted: Wanted, fraction: float | None) -> list[Cell]:
    """Return the cells that need a choice: those to compare, and members of ensembles."""
    found = list(wanted.cells)
    if wanted.needs("ensemble"):
        budget = size_of(study)["ensemble"]
        found += [_cell(recipe, "budget", budget, fraction) for recipe in (*MEMBERS, HYBRID)]
    return found


def _placed(grid: Grid, part: Grid, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of one corpus with a label of their data, where there are several."""
    if len(grid.data) == 1:
        return list(trials)
    return [replace(one, labels={"data": part.data[0], **one.labels}) for one in trials]
