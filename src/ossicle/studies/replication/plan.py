"""The trials of the study of claims.

    choice     a recipe at a rate and a number of epochs: trained and validated, not tested
    chosen     the recipe with the best of these, with all seeds, tested
    published  the recipe with the settings of its publication, with all seeds, tested
    search     whole searches, which choose recipes themselves, with the rates of each method

Each fold chooses by its own validation recordings. What is chosen for a recipe at a budget is used
for it as a member of an ensemble; what is chosen for a recipe on the source domain, in all stages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ossicle.errors import RunError
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import chosen_claims, content
from ossicle.studies.ensemble import Ensemble
from ossicle.studies.grid import Cell, Grid
from ossicle.studies.grid import product as trials_of
from ossicle.tasks import TASKS, parse_task, suggest_task
from ossicle.training.published import published
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

SETTINGS: Final = "settings"  # label: where rate and epochs are from
CHOICE, CHOSEN, PUBLISHED, OWN_RATES = "choice", "chosen", "published", "of each method"
STUDY: Final = "study"  # label of trials that a study of their own analyses
HYBRID: Final = "superb/hybrid"
MEMBERS: Final = Ensemble.recipes
DOMAINS_RECIPE: Final = "ser/lora+ba+ws+wg"
PLAIN: Final = ("methods", "few-shot", "scaling", "data-size")
KEPT: Final = ("optimizer", "weight_decay", "schedule", "warmup", "clip", "lr", "head_lr", "epochs")
Key: TypeAlias = tuple[tuple[str, Label], ...]


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


def size_of(study: "Claims") -> Mapping[str, Any]:
    """Return the sizes of everything, as `claims.toml` lists them."""
    found: Mapping[str, Any] = content()["sizes"][study.size]
    return found


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
        own = _choices(study, part, _to_choose(study, wanted, grid.config.train_fraction))
        own += _published(study, part, wanted.cells)
        own += _searches(study, part) if wanted.needs("search") else []
        found += _placed(grid, part, own)
    if _has_domains(study):
        part, cells = _domain_choice(study, grid)
        found += _placed(grid, replace(part, data=(study.domains,)), _choices(study, part, cells))
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
        plain = [_with(one, SETTINGS, CHOSEN) for one in wanted.cells]
        own = [_chosen(trial, best) for trial in trials_of(part, plain)]
        own += _ensemble(study, part, best) if wanted.needs("ensemble") else []
        found += _placed(grid, part, [one for one in own if one is not None])
    return found + (_domain_trials(study, grid, best) if _has_domains(study) else [])


def expected(study: "Claims", grid: Grid) -> str:
    """Return how many trials follow those that choose, as a sentence."""
    number = 0
    for part, wanted in _by_data(study, grid):
        folds = len(trials_of(part, [Cell(recipe="linear")]))  # seeds, folds and backbones
        members = 2 * len(MEMBERS) + 1 if wanted.needs("ensemble") else 0
        number += folds * (len(wanted.cells) + members)
    number += 6 * len(grid.seeds) * len(grid.backbones) if _has_domains(study) else 0
    return f"{number} further trials follow with the settings that these choose."


def choices(outcomes: Sequence[Outcome]) -> dict[Key, Mapping[str, Any]]:
    """Return the best rate and number of epochs of each cell and fold whose choice is complete.

    Args:
        outcomes: Outcomes of any trials; those with the label `choice` count.
    """
    by_key: dict[Key, list[Outcome]] = {}
    for one in outcomes:
        if one.trial.labels.get(SETTINGS) == CHOICE:
            by_key.setdefault(key_of(one.trial), []).append(one)
    found: dict[Key, Mapping[str, Any]] = {}
    for key, tried in by_key.items():
        scored = [(score, one) for one in tried if (score := validation(one.measured)) is not None]
        if scored and all(one.state in ("finished", "failed") for one in tried):
            config = max(scored, key=lambda pair: pair[0])[1].trial.config
            found[key] = {"lr": config.lr, "epochs": config.epochs}
    return found


def validation(measured: Measured | None) -> float | None:
    """Return the primary metric on validation of a trial that chooses, higher being better."""
    if measured is None:
        return None
    task = TASKS[measured.task]
    value = measured.metrics.get(task.primary_metric)
    return None if value is None else value if task.higher_is_better else -value


def key_of(trial: Trial) -> Key:
    """Return what a choice is made for: a recipe with its labels, on a fold, with a backbone."""
    apart = ("seed", SETTINGS, STUDY, "lr", "epochs", "data", "backbone")
    labels = {name: value for name, value in trial.labels.items() if name not in apart}
    config = trial.config
    own = {"on": config.data, "drawn": config.fold or "", "with": config.backbone}
    return tuple(sorted({**labels, **own}.items()))


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


def _with(cell: Cell, label: str, value: Label, **changes: Any) -> Cell:
    return cell.with_value(label, value, **changes)


def _to_choose(study: "Claims", wanted: Wanted, fraction: float | None) -> list[Cell]:
    """Return the cells that need a choice: those to compare, and members of ensembles."""
    found = list(wanted.cells)
    if wanted.needs("ensemble"):
        budget = size_of(study)["ensemble"]
        found += [_cell(recipe, "budget", budget, fraction) for recipe in (*MEMBERS, HYBRID)]
    return found


def _choices(study: "Claims", grid: Grid, cells: Sequence[Cell]) -> list[Trial]:
    """Return a trial for each rate and number of epochs, with the first seed."""
    tried = [
        replace(_with(one, SETTINGS, CHOICE), runner="validated")
        .with_value("lr", rate, lr=rate)
        .with_value("epochs", epochs, epochs=epochs)
        for one in cells
        for rate, epochs in product(*study.grid_of_settings)
    ]
    return trials_of(replace(grid, seeds=grid.seeds[:1]), tried)


def _chosen(trial: Trial, best: Mapping[Key, Mapping[str, Any]]) -> Trial | None:
    found = best.get(key_of(trial))
    return None if found is None else replace(trial, config=replace(trial.config, **found))


def _published(study: "Claims", grid: Grid, cells: Sequence[Cell]) -> list[Trial]:
    """Return the trials with published settings, of recipes that have some."""
    found = []
    for cell in cells:
        settings = published_settings(cell.recipe, size_of(study)["longest"])
        if settings and cell.labels.keys() <= {"shots"}:
            found.append(_with(cell, SETTINGS, PUBLISHED, **settings))
    return trials_of(grid, found)


def published_settings(recipe: str, longest: int) -> dict[str, Any]:
    """Return the optimisation of a recipe in its publication; empty where that states none.

    Args:
        recipe: The recipe.
        longest: Epochs at most: corpora here are smaller, and steps of the schedule are few.
    """
    for row in content()["settings"]:
        if recipe.startswith(row["recipes"]):
            fields = {k: v for k, v in published(row["published"]).items() if k in KEPT}
            rates = row.get("rates", {})
            own = {"lr": rates[recipe]} if recipe in rates else {}
            return fields | own | {"epochs": min(longest, fields["epochs"])}
    return {}


def _searches(study: "Claims", grid: Grid) -> list[Trial]:
    """Return searches with DARTS and with the controls."""
    from ossicle.studies.search import Search

    size = size_of(study)
    search = Search(strategies="darts", trainings=size["trainings"])
    found = search.trials(replace(grid, budgets=(size["search"],)))
    found = [one for one in found if one.labels["recipe"] in ("darts", "uniform")]
    return [_labelled(one, "search", OWN_RATES) for one in found]


def _ensemble(
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
        chosen = _chosen(asked, best)
        if chosen is not None:
            chosen = _labelled(replace(chosen, labels=one.labels), "ensemble", CHOSEN)
        found.append(chosen)
    return found


def _has_domains(study: "Claims") -> bool:
    return bool(study.pair) and any(one.study == "domains" for one in chosen_claims(study.only))


def _domain_choice(study: "Claims", grid: Grid) -> tuple[Grid, list[Cell]]:
    cell = Cell(recipe=DOMAINS_RECIPE, changes={"recipe": DOMAINS_RECIPE})
    return replace(grid, data=(study.pair[0],), folds=None), [_with(cell, STUDY, "domains")]


def _domain_trials(
    study: "Claims", grid: Grid, best: Mapping[Key, Mapping[str, Any]]
) -> list[Trial]:
    """Return the trials of the study of domains, all with what was chosen on the source."""
    from ossicle.studies.domains import Domains

    part, cells = _domain_choice(study, grid)
    found: list[Trial] = []
    domains = Domains(freeze="lora; bottleneck; lora,bottleneck", keeps="none", common_labels=True)
    for backbone in grid.backbones:
        (some,) = trials_of(replace(part, seeds=grid.seeds[:1], backbones=(backbone,)), cells)
        chosen = best.get(key_of(some))
        if chosen is None:
            continue
        config = replace(grid.config, **chosen)
        own = replace(
            grid,
            config=config,
            data=study.pair,
            backbones=(backbone,),
            folds=None,
            recipes=(DOMAINS_RECIPE,),
        )
        renamed: dict[int, Trial] = {}
        for one in domains.trials(own):
            labels = {**one.labels, STUDY: "domains", SETTINGS: CHOSEN}
            labels |= {"backbone": backbone} if len(grid.backbones) > 1 else {}
            labels |= {"data": study.domains} if len(grid.data) > 1 else {}
            after = None if one.after is None else renamed[id(one.after)]
            renamed[id(one)] = replace(one, labels=labels, after=after)
        found += renamed.values()
    return found


def _labelled(trial: Trial, study: str, settings: str) -> Trial:
    return replace(trial, labels={**trial.labels, STUDY: study, SETTINGS: settings})


def _placed(grid: Grid, part: Grid, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of one corpus with a label of their data, where there are several."""
    if len(grid.data) == 1:
        return list(trials)
    return [replace(one, labels={"data": part.data[0], **one.labels}) for one in trials]
