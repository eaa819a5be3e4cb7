"""The members that ensembles are made of: trials with their kept outputs.

A pool has the trials of one data set on one backbone. Its members are those at the smaller of two
budgets, or all of them without budgets; those at the larger budget are the single recipes that
ensembles are compared with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final, TypeAlias

from ossicle.errors import OssicleError
from ossicle.studies.plots.groups import PANEL
from ossicle.tasks import TASKS, Task
from ossicle.training.outputs import KeptOutputs, read_outputs
from ossicle.trials.outcome import Measured, Outcome, State
from ossicle.trials.runners.outputs import RUNNER, VALID
from ossicle.trials.trial import Label

Model: TypeAlias = tuple[str, Label, Label]  # recipe, seed and fold
BUDGET: Final = "budget"


@dataclass(frozen=True)
class Member:
    """A trial with its outputs.

    Attributes:
        outcome: The trial.
        measured: Its result.
        kept: Its outputs.
    """

    outcome: Outcome
    measured: Measured
    kept: KeptOutputs


@dataclass(frozen=True)
class Missing:
    """Why there is no ensemble, or no member.

    Attributes:
        state: State of the trial that is not there.
        reason: Why it is not there.
    """

    state: State
    reason: str


@dataclass(frozen=True)
class Pool:
    """The trials of one data set on one backbone.

    Attributes:
        labels: Labels that all trials share: data and backbone, if there are several.
        recipes: The recipes.
        seeds: The seeds, in the order of the grid.
        folds: The folds; one, "", without folds.
        members: The trial of each recipe, seed and fold that ensembles are made of.
        singles: The trials at the larger budget; empty without budgets.
    """

    labels: Mapping[str, Label]
    recipes: tuple[str, ...]
    seeds: tuple[Label, ...]
    folds: tuple[Label, ...]
    members: Mapping[Model, Outcome]
    singles: Mapping[Model, Outcome]
    _opened: dict[Model, Member | Missing] = field(default_factory=dict)

    @property
    def task(self) -> type[Task] | None:
        """The task; None while nothing is finished."""
        known = (one.measured for one in self.members.values() if one.measured is not None)
        first = next(known, None)
        return None if first is None else TASKS[first.task]

    @property
    def where(self) -> str:
        """Data and backbone as text, if there are several."""
        return ", ".join(str(value) for value in self.labels.values())

    def open(self, model: Model) -> Member | Missing:
        """Return a member with its outputs, which are read once."""
        if model not in self._opened:
            self._opened[model] = _opened(self.members.get(model), model)
        return self._opened[model]

    def best(self, trials: Mapping[Model, Outcome]) -> str | None:
        """Return the recipe with the best mean metric on the validation recordings."""
        task = self.task
        if task is None:
            return None
        values: dict[str, list[float]] = {}
        for (recipe, _, _), one in trials.items():
            if one.measured is not None:
                value = one.measured.facts[VALID].get(task.primary_metric)
                values.setdefault(recipe, []).extend([] if value is None else [value])
        means = {recipe: fmean(found) for recipe, found in values.items() if found}
        choose = max if task.higher_is_better else min
        return choose(means, key=lambda recipe: means[recipe]) if means else None

    def seed_after(self, seed: Label, steps: int) -> Label:
        """Return the seed that comes so many steps after another in the grid, cyclically."""
        return self.seeds[(self.seeds.index(seed) + steps) % len(self.seeds)]

    def seeds_from(self, seed: Label) -> tuple[Label, ...]:
        """Return as many seeds as there are recipes, from one on and cyclic.

        None where there are too few. Where there are just as many, they are all from the first one
        on, and none from the others: it would be the same set again.
        """
        number = len(self.recipes)
        if len(self.seeds) < number or (len(self.seeds) == number and seed != self.seeds[0]):
            return ()
        return tuple(self.seed_after(seed, steps) for steps in range(number))


def pools(outcomes: Sequence[Outcome]) -> list[Pool]:
    """Return the pool of each data set and backbone; trials without outputs are left out."""
    by_place: dict[tuple[tuple[str, Label], ...], list[Outcome]] = {}
    for one in outcomes:
        if one.trial.runner == RUNNER.name:
            labels = one.trial.labels
            place = tuple((key, labels[key]) for key in PANEL if key in labels)
            by_place.setdefault(place, []).append(one)
    return [_pool(dict(place), part) for place, part in by_place.items()]


def model_of(outcome: Outcome) -> Model:
    """Return what tells a trial from others of its pool and budget."""
    labels = outcome.trial.labels
    return str(labels["recipe"]), labels["seed"], labels.get("fold", "")


def _pool(labels: Mapping[str, Label], part: Sequence[Outcome]) -> Pool:
    budgets = {one.trial.labels[BUDGET] for one in part if BUDGET in one.trial.labels}
    largest = max(budgets, key=int) if len(budgets) > 1 else None
    models = [model_of(one) for one in part]
    split: tuple[dict[Model, Outcome], dict[Model, Outcome]] = ({}, {})
    for model, one in zip(models, part, strict=True):
        is_single = largest is not None and one.trial.labels.get(BUDGET) == largest
        split[is_single][model] = one
    recipes, seeds, folds = (tuple(dict.fromkeys(column)) for column in zip(*models, strict=True))
    return Pool(labels, recipes, seeds, folds, *split)


def _opened(outcome: Outcome | None, model: Model) -> Member | Missing:
    name = f"{model[0]}, seed {model[1]}" + (f", fold {model[2]}" if model[2] != "" else "")
    if outcome is None:
        return Missing("failed", f"there is no trial of its member {name}")
    if outcome.measured is None:
        reason = f": {outcome.reason}" if outcome.reason else ""
        return Missing(outcome.state, f"its member {name} is {outcome.state}{reason}")
    try:
        kept = read_outputs(outcome.folder)
    except OssicleError as error:
        return Missing("failed", f"the outputs of its member {name} cannot be read: {error}")
    if kept is None:
        return Missing("failed", f"the outputs of its member {name} are those of another adapter")
    if kept.test.keys != outcome.measured.rows.keys:
        return Missing("failed", f"its member {name} was tested on other recordings")
    return Member(outcome, outcome.measured, kept)
