"""Cells of a comparison: outcomes that differ in seed and fold alone are repeats of one cell.

    metric of a seed   of the recordings of all its folds together, where the metric is a function
                       of labels and predictions; otherwise the mean over the folds
    metric of a cell   the mean over its seeds

A metric such as macro-F1 of a small fold can lack a class; of all folds together it does not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

from ossicle.statistics.summary import Summary, summary
from ossicle.tasks import Task, parse_task
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label

REPEAT: Final = ("seed", "fold")  # labels that tell repeats of one cell apart
Repeat: TypeAlias = tuple[Label, Label]


@dataclass(frozen=True)
class Cell:
    """The repeats of one cell.

    Attributes:
        labels: Its labels, without seed and fold.
        repeats: The result of each finished repeat, by seed and fold.
        num_trials: Number of its trials, finished or not.
        task_text: Its task with settings, as `parse_task` reads it; empty if nothing is finished.
        data: Its data string.
    """

    labels: Mapping[str, Label]
    repeats: Mapping[Repeat, Measured]
    num_trials: int
    task_text: str
    data: str

    @property
    def name(self) -> str:
        """Its labels as text."""
        return describe(self.labels)

    @cached_property
    def task(self) -> type[Task]:
        """The task of a cell with a finished repeat."""
        return parse_task(self.task_text)[0]

    @cached_property
    def seeds(self) -> list[Label]:
        """The seeds of its finished repeats, in ascending order."""
        return _ascending({seed for seed, _ in self.repeats})

    @cached_property
    def folds(self) -> list[Label]:
        """The folds of its finished repeats, in ascending order; one without folds."""
        return _ascending({fold for _, fold in self.repeats})

    @property
    def first(self) -> Measured:
        """The result of one finished repeat."""
        return next(iter(self.repeats.values()))

    @property
    def parameters(self) -> int:
        """Number of trained parameters without the head.

        Repeats of a search find adapters of different sizes: the mean, rounded.
        """
        counted = [one.parameters for one in self.repeats.values()]
        return round(fmean(one.get("trainable", 0) - one.get("head", 0) for one in counted))

    def only(self, repeats: Collection[Repeat]) -> "Cell":
        """Return the cell with some of its repeats."""
        kept = {key: one for key, one in self.repeats.items() if key in repeats}
        return Cell(self.labels, kept, self.num_trials, self.task_text, self.data)

    def values(self, metric: str) -> Float[np.ndarray, "S F"]:
        """Return the metric of each seed and fold; NaN where it is not finished or not defined."""
        table = np.full((len(self.seeds), len(self.folds)), np.nan)
        row = {seed: number for number, seed in enumerate(self.seeds)}
        column = {fold: number for number, fold in enumerate(self.folds)}
        for (seed, fold), one in self.repeats.items():
            value = one.metrics.get(metric)
            table[row[seed], column[fold]] = np.nan if value is None else value
        return table

    def mean(self, metric: str) -> float | None:
        """Return the metric of the cell; None if it is not defined."""
        if metric not in self._means:
            self._means[metric] = self._mean(metric)
        return self._means[metric]

    def _mean(self, metric: str) -> float | None:
        values = self.values(metric)
        known = ~np.isnan(values)
        if not known.any():
            return None
        if self.pools and metric in self._pooled:
            return self._pooled[metric]
        tested = known.any(axis=1)  # seeds with a value
        by_seed = np.where(known, values, 0.0).sum(axis=1)[tested] / known.sum(axis=1)[tested]
        return float(by_seed.mean())

    @cached_property
    def _means(self) -> dict[str, float | None]:
        """Metrics that were computed before: tables and sentences ask for them many times."""
        return {}

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation of a metric over repeats (n - 1); None of one repeat."""
        values = self.values(metric)
        known = values[~np.isnan(values)]
        return float(known.std(ddof=1)) if len(known) > 1 else None

    @cached_property
    def summary(self) -> Summary | None:
        """Mean, deviation and interval of the primary metric; None if it is not defined."""
        if not self.repeats:
            return None
        metric = self.task.primary_metric
        mean = self.mean(metric)
        return None if mean is None else summary(self.values(metric), mean)

    @property
    def pools(self) -> bool:
        """Whether metrics are of the recordings of all folds together, not means over folds."""
        return len(self.folds) > 1 and bool(self._pooled)

    @cached_property
    def _pooled(self) -> dict[str, float]:
        """The mean over seeds of the metrics of the recordings of all folds together."""
        kind, settings = parse_task(self.task_text)
        found = []
        for seed in self.seeds:
            parts = [one for (own, _), one in self.repeats.items() if own == seed]
            labels = [label for one in parts for label in one.rows.labels]
            predicted = [label for one in parts for label in one.predicted]
            pooled = kind.pooled_metrics(labels, predicted, **settings)
            if pooled is None:
                return {}
            found.append(pooled)
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def cells(outcomes: Sequence[Outcome]) -> list[Cell]:
    """Return the cells of outcomes, in the order in which they first occur."""
    grouped: dict[tuple[tuple[str, Label], ...], list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(tuple(_own_labels(outcome).items()), []).append(outcome)
    return [_cell(dict(labels), group) for labels, group in grouped.items()]


def varying(found: Sequence[Cell]) -> list[str]:
    """Return the labels whose values differ between cells."""
    names = dict.fromkeys(name for one in found for name in one.labels)
    return [name for name in names if len({one.labels.get(name) for one in found}) > 1]


def groups(found: Sequence[Cell], without: Collection[str]) -> list[list[Cell]]:
    """Return cells in groups that differ in some labels alone, in the order of occurrence.

    A cell that lacks a label, as a baseline lacks a budget, is in each group that it fits.

    Args:
        found: The cells.
        without: The labels in which cells of a group may differ.
    """
    own = [{key: one.labels[key] for key in one.labels if key not in without} for one in found]
    by_key: dict[tuple[tuple[str, Label], ...], list[Cell]] = {}
    for cell, labels in zip(found, own, strict=True):
        by_key.setdefault(tuple(sorted(labels.items())), []).append(cell)
    most = max((len(key) for key in by_key), default=0)
    partial = [key for key in by_key if len(key) < most]
    for key in partial:
        fitting = [other for other in by_key if len(other) > len(key) and {*key} <= {*other}]
        if fitting:
            group = by_key.pop(key)
            for other in fitting:
                by_key[other] += group
    return list(by_key.values())


def describe(labels: Mapping[str, Label], names: Collection[str] | None = None) -> str:
    """Return labels as text: a recipe as it is, others after their name."""
    shown = {key: value for key, value in labels.items() if names is None or key in names}
    return ", ".join(
        str(value) if key == "recipe" else f"{key} {value}" for key, value in shown.items()
    )


def _cell(labels: Mapping[str, Label], group: Sequence[Outcome]) -> Cell:
    finished = [one for one in group if one.measured is not None]
    repeats = {_repeat(one): one.measured for one in finished if one.measured is not None}
    task = ""
    if finished and finished[0].measured is not None:
        task = finished[0].trial.config.task or finished[0].measured.task
    return Cell(labels, repeats, len(group), task, group[0].trial.config.data)


def _own_labels(outcome: Outcome) -> dict[str, Label]:
    return {key: value for key, value in outcome.trial.labels.items() if key not in REPEAT}


def _repeat(outcome: Outcome) -> Repeat:
    labels = outcome.trial.labels
    return labels.get("seed", outcome.trial.config.seed), labels.get("fold", "")


def _ascending(values: set[Label]) -> list[Label]:
    return sorted(values, key=lambda value: (isinstance(value, str), value))
