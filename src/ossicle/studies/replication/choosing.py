"""What is chosen on validation: the rate and the number of epochs of each recipe.

    choice     a recipe at a rate and a number of epochs: trained and validated, not tested
    chosen     the recipe with the best of these, with all seeds, tested
    published  the recipe with the settings of its publication, with all seeds, tested

Each fold chooses by its own validation recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ossicle.studies.analysis.listed import content
from ossicle.studies.grid import Cell, Grid
from ossicle.studies.grid import product as trials_of
from ossicle.tasks import TASKS
from ossicle.training.published import published
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

SETTINGS: Final = "settings"  # label: where rate and epochs are from
CHOICE, CHOSEN, PUBLISHED, OWN_RATES = "choice", "chosen", "published", "of each method"
STUDY: Final = "study"  # label of trials that a study of their own analyses
KEPT: Final = ("optimizer", "weight_decay", "schedule", "warmup", "clip", "lr", "head_lr", "epochs")
MOST_EPOCHS: Final = 10**6  # more than any publication has
Key: TypeAlias = tuple[tuple[str, Label], ...]


def size_of(study: "Claims") -> Mapping[str, Any]:
    """Return the sizes of everything, as `claims.toml` lists them."""
    found: Mapping[str, Any] = content()["sizes"][study.size]
    return found


def choice_trials(study: "Claims", grid: Grid, cells: Sequence[Cell]) -> list[Trial]:
    """Return a trial for each rate and number of epochs, with the first seed."""
    tried = [
        replace(one.with_value(SETTINGS, CHOICE), runner="validated")
        .with_value("lr", rate, lr=rate)
        .with_value("epochs", epochs, epochs=epochs)
        for one in cells
        for rate, epochs in product(*study.grid_of_settings)
    ]
    return trials_of(replace(grid, seeds=grid.seeds[:1]), tried)


def published_trials(study: "Claims", grid: Grid, cells: Sequence[Cell]) -> list[Trial]:
    """Return the trials with published settings, of recipes that have some."""
    found = []
    _, epochs = study.grid_of_settings
    for cell in cells:
        settings = published_settings(cell.recipe, max(epochs))
        if settings and cell.labels.keys() <= {"shots"}:
            found.append(cell.with_value(SETTINGS, PUBLISHED, **settings))
    return trials_of(grid, found)


def published_settings(recipe: str, longest: int) -> dict[str, Any]:
    """Return the optimisation of a recipe in its publication; empty where that states none.

    Args:
        recipe: The recipe.
        longest: Epochs at most: as many as the chosen settings can have.
    """
    for row in content()["settings"]:
        if recipe.startswith(row["recipes"]):
            fields = {k: v for k, v in published(row["published"]).items() if k in KEPT}
            rates = row.get("rates", {})
            own = {"lr": rates[recipe]} if recipe in rates else {}
            return fields | own | {"epochs": min(longest, fields["epochs"])}
    return {}


def cut_epochs(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return recipes that were trained for fewer epochs than in their publication, as `15 of 50`.

    Args:
        outcomes: Outcomes of any trials; those with the label `published` count.
    """
    found = {}
    for one in outcomes:
        if one.trial.labels.get(SETTINGS) == PUBLISHED:
            recipe, epochs = str(one.trial.labels["recipe"]), one.trial.config.epochs
            asked = published_settings(recipe, MOST_EPOCHS)["epochs"]
            if epochs < asked:
                found[recipe] = f"{epochs} of {asked}"
    return found


def choices(outcomes: Sequence[Outcome]) -> dict[Key, Mapping[str, Any]]:
    """Return the best rate and number of epochs of each cell and fold whose choice is complete.

    Ties go to the lower rate, and then to fewer epochs.

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
            best = max(score for score, _ in scored)
            tied = [one.trial.config for score, one in scored if score == best]
            lr, epochs = min((one.lr or 0.0, one.epochs) for one in tied)
            found[key] = {"lr": lr, "epochs": epochs}
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


def chosen(trial: Trial, best: Mapping[Key, Mapping[str, Any]]) -> Trial | None:
    """Return a trial with what was chosen for it; None if nothing is yet."""
    found = best.get(key_of(trial))
    return None if found is None else replace(trial, config=replace(trial.config, **found))
