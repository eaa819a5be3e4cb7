"""Trials of the study of claims with outcomes that were not trained."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from outcomes import outcome, rows

from ossicle.reports.parts import Table
from ossicle.studies import Claims, Grid
from ossicle.studies.replication.plan import chosen_trials, first_trials
from ossicle.training.config import TrainConfig
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="", data="demo")
GRID = Grid(config=CONFIG, seeds=(0, 1, 2, 3, 4))
ORDERED = Claims(only="D5b")
QKVO, QV = "ast/lora-qkvo", "ast/lora-qv"
LABELS = ["a", "b"] * 60
CALM_EXCITED = "demo?where=manner=calm; demo?where=manner=excited"


def finished(trial: Trial, right: float, state: str = "finished") -> Outcome:
    """Return the outcome of a trial that is right about so often."""
    tested = rows(LABELS)
    drawn = np.random.default_rng([trial.config.seed, sum(str(trial.labels["recipe"]).encode())])
    is_right = drawn.random(len(LABELS)) < right
    said = np.where(is_right == (np.arange(len(LABELS)) % 2 == 0), "a", "b").tolist()
    one = outcome(trial.labels, tested, said, state=state)
    return replace(one, trial=trial)


def trained(trials: Sequence[Trial], right: dict[str, float]) -> list[Outcome]:
    return [finished(one, right[str(one.labels["recipe"])]) for one in trials]


def texts(table: Table) -> list[dict[str, str]]:
    return [
        {name: cell.text for name, cell in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


def run(study: Claims, right: dict[str, float]) -> list[Outcome]:
    """Return the outcomes of all trials of a study, the second part after the first."""
    first = trained(first_trials(study, GRID), right)
    return first + trained(chosen_trials(study, GRID, first), right)


def labels_of(trials: Sequence[Trial], name: str) -> set[object]:
    return {one.labels[name] for one in trials}
