"""The settings that were chosen on validation, and what choosing cost."""

from collections.abc import Sequence
from typing import Final

from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Table
from ossicle.studies.analysis.cell import describe
from ossicle.studies.analysis.text import count
from ossicle.studies.replication.choosing import (
    CHOICE,
    SETTINGS,
    Key,
    choices,
    key_of,
    validation,
)
from ossicle.studies.replication.tables import NOTHING, number
from ossicle.tasks import TASKS
from ossicle.trials.outcome import Outcome, distinct

APART: Final = ("seed", SETTINGS, "lr", "epochs", "study")  # labels that a row leaves out


def settings_table(outcomes: Sequence[Outcome]) -> Table | None:
    """Return what was chosen for each recipe, and what choosing cost; None without choices."""
    tried: dict[Key, list[Outcome]] = {}
    for one in distinct(outcomes):
        if one.trial.labels.get(SETTINGS) == CHOICE and one.state != "refused":
            tried.setdefault(key_of(one.trial), []).append(one)
    best = choices(outcomes)
    rows = [_chosen_row(some, best.get(key)) for key, some in tried.items()]
    if not rows:
        return None
    return Table(
        name="settings",
        title="Settings chosen on validation",
        columns=[
            *("recipe", "rate", "epochs", "best on validation", "worst", "tried", "failed"),
            "seconds",
        ],
        rows=rows,
        notes=[
            "Each recipe is trained at each rate and number of epochs with the first seed, and the "
            "best by the primary metric on the validation recordings is used with all seeds. "
            "Where the best rate is the lowest or the highest, a wider grid could be better. Ties "
            "go to the lower rate and fewer epochs. Seconds are those of all these trainings."
        ],
    )


def grid_of(outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    """Return the rates (`lr`) and the numbers of epochs (`epochs`) that trials choose from."""
    tried = [one.trial.labels for one in outcomes if one.trial.labels.get(SETTINGS) == CHOICE]
    return {name: sorted({float(one[name]) for one in tried}) for name in ("lr", "epochs")}


def ends_of_the_grid(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many choices are at an end of the grid, where a wider one may be better."""
    best, grid = choices(outcomes).values(), grid_of(outcomes)
    found: list[str] = []
    for name, pick, end in (
        ("lr", max, "the highest rate"),
        ("lr", min, "the lowest rate"),
        ("epochs", max, "the most epochs"),
    ):
        values = grid[name]
        reached = sum(one[name] == pick(values) for one in best) if len(values) > 1 else 0
        of = "" if found else f" of {count(len(best), 'choice')}"
        found += [f"{reached}{of} at {end}"] * (reached > 0)
    if not found:
        return []
    return [f"At an end of the grid, where a wider one may be better: {', '.join(found)}."]


def _chosen_row(some: Sequence[Outcome], best: object) -> list[Cell]:
    labels = {k: v for k, v in some[0].trial.labels.items() if k not in APART}
    scored = [score for one in some if (score := validation(one.measured)) is not None]
    metric = _metric_of(some)
    seconds = sum(one.measured.train_seconds for one in some if one.measured is not None)
    lr = best.get("lr") if isinstance(best, dict) else None
    epochs = best.get("epochs") if isinstance(best, dict) else None
    shown = [
        NOTHING if not scored or metric is None else Cell(text=metric.text(abs(pick(scored))))
        for pick in (max, min)
    ]
    return [
        Cell(text=describe(labels)),
        NOTHING if lr is None else Cell(text=f"{lr:g}", value=lr),
        number(epochs),
        *shown,
        number(len(some)),
        number(sum(one.state == "failed" for one in some)),
        Cell(text=f"{seconds:,.0f}", value=seconds),
    ]


def _metric_of(some: Sequence[Outcome]) -> Metric | None:
    task = next((TASKS[one.measured.task] for one in some if one.measured is not None), None)
    return None if task is None else task.reported[task.primary_metric]


def seconds_by_settings(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the seconds of the finished trials by where their settings are from, each once."""
    found: dict[str, dict[str, float]] = {}
    for one in outcomes:
        if one.measured is not None:
            name = str(one.trial.labels.get(SETTINGS))
            spent = one.measured.train_seconds + (one.measured.test_seconds or 0.0)
            found.setdefault(name, {})[one.name] = spent
    return {name: sum(spent.values()) for name, spent in found.items()}
