"""The trials of the study of claims.

First those that choose (`choosing`), those with published settings, and searches; then those with
what was chosen, and those of studies of their own (`own_studies`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ossicle.errors import RunError
from ossicle.studies.analysis.claim import CellKey, Claim
from ossicle.studies.analysis.listed import chosen_claims
from ossicle.studies.analysis.notes import FEWEST_SEEDS
from ossicle.studies.analysis.text import count
from ossicle.studies.checks import Checks
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
    number_of_stages,
    search_trials,
)
from ossicle.studies.replication.refusals import grouped, refusal
from ossicle.tasks import parse_task, suggest_task
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

PLAIN: Final = ("methods", "few-shot", "scaling", "data-size")  # claims about cells of recipes


@dataclass(frozen=True)
class Wanted:
    """What the claims need of one corpus and backbone.

    Attributes:
        part: The grid of these alone.
        claims: The claims that can be asked.
        cells: Recipes to compare, with their labels.
        choosing: Recipes that need a choice of settings: these, members of ensembles, and the first
            of those that cannot be trained, whose trials keep the reason.
        refused: Names of the other claims, and why each cannot be asked.
    """

    part: Grid
    claims: tuple[Claim, ...]
    cells: tuple[Cell, ...]
    choosing: tuple[Cell, ...]
    refused: Mapping[str, str]

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
        OssicleError: bad input, or no claim can be asked; the message has each reason.
    """
    found = []
    asked = has_domains(study)
    for one in _wanted_by_place(study, grid):
        asked = asked or bool(one.claims)
        own = choice_trials(study, one.part, one.choosing)
        own += published_trials(study, one.part, one.cells)
        own += search_trials(study, one.part) if one.needs("search") else []
        found += _placed(grid, own, one.part.backbones[0], one.part.data[0])
    if has_domains(study):
        for backbone in grid.backbones:
            part, cells = domain_choice(study, replace(grid, backbones=(backbone,)))
            found += _placed(grid, choice_trials(study, part, cells), backbone, study.domains)
    if not asked:
        raise RunError(f"no claim can be asked. {'. '.join(_refused(study, grid))}")
    return found


def remarks(study: "Claims", grid: Grid) -> list[str]:
    """Return what to know before the first trial: which claims cannot be asked, or not decided."""
    found = [f"Cannot be asked: {line.rstrip('.')}." for line in _refused(study, grid)]
    if len(grid.seeds) < FEWEST_SEEDS:
        found.append(
            f"No claim can be decided with {count(len(grid.seeds), 'seed')}: it needs at least "
            f"{FEWEST_SEEDS}, as in --seeds 0,1,2,3,4."
        )
    if grid.folds is not None and has_domains(study):
        found.append("--folds does not apply to --domains, of which each has its own split.")
    return found


def chosen_trials(study: "Claims", grid: Grid, outcomes: Sequence[Outcome]) -> list[Trial]:
    """Return the trials with chosen settings; without those whose choice is not finished."""
    best = choices(outcomes)
    found: list[Trial] = []
    for one in _wanted_by_place(study, grid):
        plain = [cell.with_value(SETTINGS, CHOSEN) for cell in one.cells]
        own = [chosen(trial, best) for trial in trials_of(one.part, plain)]
        own += ensemble_trials(study, one.part, best) if one.needs("ensemble") else []
        known = [trial for trial in own if trial is not None]
        found += _placed(grid, known, one.part.backbones[0], one.part.data[0])
    return found + (domain_trials(study, grid, best) if has_domains(study) else [])


def expected(study: "Claims", grid: Grid) -> str:
    """Return how many trials follow those that choose, as a sentence; empty if none do."""
    number = 0
    for one in _wanted_by_place(study, grid):
        repeats = len(trials_of(one.part, [Cell(recipe="linear")]))  # seeds and folds
        members = 2 * len(MEMBERS) + 1 if one.needs("ensemble") else 0
        number += repeats * (len(one.cells) + members)
    number += number_of_stages(study, grid) * len(grid.backbones) if has_domains(study) else 0
    if not number:
        return ""
    follow = "trial follows" if number == 1 else "trials follow"
    return f"{number} further {follow} with the settings that these choose."


def _wanted_by_place(study: "Claims", grid: Grid) -> list[Wanted]:
    """Return what the claims need of each corpus with each backbone."""
    claims = [one for one in chosen_claims(study.only) if one.study != "domains"]
    if not claims:
        return []
    checks = Checks()
    return [
        _wanted(study, replace(grid, data=(data,), backbones=(backbone,)), claims, checks)
        for data in grid.data
        for backbone in grid.backbones
    ]


def _wanted(study: "Claims", part: Grid, claims: Sequence[Claim], checks: Checks) -> Wanted:
    """Return what claims need of the corpus and backbone of a grid.

    A claim of which one recipe cannot be trained cannot be asked, so that its others are not
    trained either.
    """
    size, task = size_of(study), _task(part.data[0], part.config.task)
    asked: list[Claim] = []
    refused: dict[str, str] = {}
    unfit: dict[CellKey, Cell] = {}
    cells: dict[CellKey, Cell] = {}
    members: dict[CellKey, Cell] = {}
    for claim in claims:
        why = refusal(claim, task, has_domains=False)
        needed = {} if why else _needed(values_of(claim, size), size, part)
        faults = {key: _fault(cell, part, checks) for key, cell in needed.items()}
        key = next((key for key, fault in faults.items() if fault is not None), None)
        if key is not None:
            unfit[key] = needed[key]
            why = f"{needed[key].recipe}: {faults[key]}"
        if why is not None:
            refused[claim.name] = why
            continue
        asked.append(claim)
        (members if claim.study == "ensemble" else cells).update(needed)
    choosing = {**cells, **members, **unfit}
    return Wanted(
        part=part,
        claims=tuple(asked),
        cells=tuple(cells.values()),
        choosing=tuple(choosing.values()),
        refused=refused,
    )


def _refused(study: "Claims", grid: Grid) -> list[str]:
    """Return each reason why claims cannot be asked, after their names and before the place.

    The place is left out of a reason that is the same everywhere.
    """
    places: dict[str, list[str]] = {}
    every = _wanted_by_place(study, grid)
    for one in every:
        names = {"data": one.part.data[0], "backbone": one.part.backbones[0]}
        several = {"data": len(grid.data) > 1, "backbone": len(grid.backbones) > 1}
        where = ", ".join(f"{name} {value}" for name, value in names.items() if several[name])
        for line in grouped(one.refused.items()):
            places.setdefault(line, []).append(where)
    found = [
        line if len(where) == len(every) else f"{line} ({'; '.join(where)})"
        for line, where in places.items()
    ]
    domains = [one for one in chosen_claims(study.only) if one.study == "domains"]
    apart = [(one.name, refusal(one, None, has_domains=has_domains(study))) for one in domains]
    return found + grouped((name, why) for name, why in apart if why is not None)


@cache
def _task(data: str, given: str | None) -> str:
    """Return the name of the task of a data string."""
    from ossicle.data import open_data

    if given is not None:
        return parse_task(given)[0].name
    return suggest_task(open_data(data).label_name).name


def _fault(cell: Cell, part: Grid, checks: Checks) -> str | None:
    """Return why a recipe cannot be trained with its labels on one of the folds; None if it can."""
    trials = trials_of(replace(part, seeds=part.seeds[:1]), [cell])
    return next((why for one in trials if (why := checks.fault(one)) is not None), None)


def _needed(claim: Claim, size: Mapping[str, Any], part: Grid) -> dict[CellKey, Cell]:
    """Return the recipes that a claim needs, with their labels."""
    fraction = part.config.train_fraction
    if claim.study == "ensemble":
        budget = size["ensemble"]
        keys: list[CellKey] = [(recipe, budget) for recipe in (*MEMBERS, HYBRID)]
        return {key: _cell(key[0], "budget", budget, fraction) for key in keys}
    return {key: _cell(key[0], claim.over, key[1], fraction) for key in _keys(claim)}


def _keys(claim: Claim) -> list[CellKey]:
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


def _placed(grid: Grid, trials: Sequence[Trial], backbone: str, data: str) -> list[Trial]:
    """Return trials with labels of their data and backbone, where the grid has several."""
    places: dict[str, Label] = {"data": data} if len(grid.data) > 1 else {}
    places |= {"backbone": backbone} if len(grid.backbones) > 1 else {}
    return [replace(one, labels={**places, **one.labels}) for one in trials]
