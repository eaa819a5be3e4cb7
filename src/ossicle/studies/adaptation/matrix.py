"""Domains that are learnt one after the other: the matrix of continual learning, and its metrics.

R[i, j] is the metric after stage i on the domain of stage j, of T domains, and b[j] that of the
untrained model:

    average       mean over j of R[T, j]
    BWT           mean over j < T of R[T, j] - R[j, j]                  backward transfer
    FWT           mean over j > 1 of R[j - 1, j] - b[j]                 forward transfer
    forgetting    mean over j < T of max over i < T of R[i, j] - R[T, j]

For errors, R and b are taken with a minus sign in all but the average, so that more is better.

Sources: average, BWT and FWT are equations 2 to 4 of Lopez-Paz and Ranzato 2017, "Gradient episodic
memory for continual learning", https://arxiv.org/abs/1706.08840; forgetting is equation 3 of
Chaudhry et al. 2018, "Riemannian walk for incremental learning", https://arxiv.org/abs/1801.10112.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell as Shown
from ossicle.reports.parts import Figure, Part, Table
from ossicle.statistics.correction import holm
from ossicle.statistics.repeats import repeats_test
from ossicle.statistics.summary import summary
from ossicle.studies.adaptation.gains import NOTHING, spread, with_interval
from ossicle.studies.adaptation.models import Pool
from ossicle.studies.adaptation.plan import ARROW, PLAIN
from ossicle.studies.analysis.cell import Cell, cells
from ossicle.studies.analysis.text import count, p_text
from ossicle.studies.plots.heat import heat, heat_layout
from ossicle.tasks import Task
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.runners.domains import UNTRAINED
from ossicle.trials.trial import Label

METRICS: Final = ("average", "BWT", "FWT", "forgetting")


@dataclass(frozen=True)
class Matrix:
    """The metric after each stage on each domain, with one seed or as a mean over several.

    Attributes:
        after: Metric after stage i on the domain of stage j.
        untrained: Metric of the untrained model on each domain; NaN where it is unknown.
    """

    after: Float[np.ndarray, "T T"]
    untrained: Float[np.ndarray, " T"]

    def metrics(self, *, higher_is_better: bool = True) -> dict[str, float]:
        """Return average, BWT, FWT and forgetting; NaN where something is unknown."""
        gain = self.after if higher_is_better else -self.after
        before = self.untrained if higher_is_better else -self.untrained
        last, own, earlier = gain[-1, :-1], np.diagonal(gain)[:-1], gain[:-1, :-1]
        return {
            "average": float(self.after[-1].mean()),
            "BWT": float((last - own).mean()),
            "FWT": float((np.diagonal(gain, offset=1) - before[1:]).mean()),
            "forgetting": float((earlier.max(axis=0) - last).mean()),
        }


@dataclass(frozen=True)
class Chain:
    """A way to learn the domains in one order.

    Attributes:
        order: The domains in their order.
        way: The way to go on.
        task: The task.
        by_seed: The matrix of each seed whose stages are all finished.
    """

    order: tuple[str, ...]
    way: str
    task: type[Task]
    by_seed: Mapping[Label, Matrix]

    def values(self, name: str) -> dict[Label, float]:
        """Return one of `METRICS` for each seed where it is known."""
        better = self.task.higher_is_better
        found = {
            seed: one.metrics(higher_is_better=better)[name] for seed, one in self.by_seed.items()
        }
        return {seed: value for seed, value in found.items() if not np.isnan(value)}

    @property
    def mean(self) -> Matrix:
        """The mean over seeds."""
        every = self.by_seed.values()
        return Matrix(
            np.mean([one.after for one in every], axis=0),
            np.mean([one.untrained for one in every], axis=0),
        )


def chains(pool: Pool) -> list[Chain]:
    """Return every order and way of a pool that is finished with some seed."""
    task = _task_of(pool)
    if task is None:
        return []
    found = [
        Chain(order, way, task, _matrices(pool, way, order, task))
        for order in pool.orders
        for way in pool.ways
    ]
    return [one for one in found if one.by_seed]


def _task_of(pool: Pool) -> type[Task] | None:
    every = [one for some in pool.trained.values() for one in some if one.measured is not None]
    found: Cell | None = cells(every)[0] if every else None
    return None if found is None else found.task


def _matrices(
    pool: Pool, way: str, order: tuple[str, ...], task: type[Task]
) -> dict[Label, Matrix]:
    stages = [_by_seed(pool.after(way, order[: number + 1])) for number in range(len(order))]
    found: dict[Label, Matrix] = {}
    for seed, first in stages[0].items():
        if all(seed in stage for stage in stages):
            rows = [[_value(stage[seed], name, task) for name in order] for stage in stages]
            untrained = first.facts.get(UNTRAINED) or {}
            before = [untrained.get(name, {}).get(task.primary_metric) for name in order]
            found[seed] = Matrix(np.array(rows, float), np.array(before, float))
    return found


def _by_seed(outcomes: Sequence[Outcome]) -> dict[Label, Measured]:
    return {one.trial.labels["seed"]: one.measured for one in outcomes if one.measured is not None}


def _value(measured: Measured, domain: str, task: type[Task]) -> float | None:
    found = measured.domains.get(domain)
    return None if found is None else found.metrics.get(task.primary_metric)


def matrix_parts(pool: Pool) -> list[Part]:
    """Return the metrics of continual learning, the matrices as a table, and as maps."""
    found = chains(pool)
    if not found:
        return []
    plain = [one for one in found if one.way == PLAIN]
    return [
        _metrics_table(found, pool),
        *(_map(one, pool, number) for number, one in enumerate(plain, start=1)),
        _matrix_table(found, pool),
    ]


def _place(pool: Pool) -> str:
    return f": {pool.where}" if pool.where else ""


def _metrics_table(found: Sequence[Chain], pool: Pool) -> Table:
    """Return a row for each order and way, compared with the plain way of the same order."""
    task = found[0].task
    metric = task.reported[task.primary_metric]
    plain = {one.order: one for one in found if one.way == PLAIN}
    tests = [
        None if one.way == PLAIN or one.order not in plain else _p(one, plain[one.order])
        for one in found
    ]
    corrected = holm(tests)
    rows = [
        [
            Shown(text=ARROW.join(one.order)),
            Shown(text=one.way),
            *(_metric_cell(one, name, metric) for name in METRICS),
            NOTHING if p is None else Shown(text=p_text(p), value=p),
            _count(one.by_seed),
        ]
        for one, p in zip(found, corrected, strict=True)
    ]
    rows += [
        [Shown(text="–"), Shown(text=name), spread(metric, values), *[NOTHING] * 4, _count(values)]
        for name, values in _baselines(pool, task).items()
        if values
    ]
    return Table(
        name=f"continual-{pool.number}",
        title=f"Domains learnt one after the other{_place(pool)}",
        columns=["order", "way", *METRICS, "p of the average over repeats", "seeds"],
        rows=rows,
        notes=[
            f"In {metric.label}{metric.unit}, with an interval over seeds. Average: after the last "
            "stage, over all domains. BWT, backward transfer: after the last stage minus right "
            "after the domain's own, over all but the last. FWT, forward transfer: before the "
            "domain's own stage minus untrained, over all but the first (Lopez-Paz and Ranzato "
            "2017). Forgetting: the best before the last stage minus after it (Chaudhry et al. "
            "2018). Negative BWT and positive forgetting mean that earlier domains became worse.",
            "Joint: one model, trained on all domains together. Each domain alone: a model for "
            "each, trained and tested on it.",
            "p compares the average with that of the plain way in the same order, corrected for "
            f"{count(sum(p is not None for p in tests), 'comparison')} by Holm's method.",
        ],
    )


def _p(one: Chain, plain: Chain) -> float | None:
    """Return the p over repeats of the difference in average; None of fewer than two seeds."""
    own, other = one.values("average"), plain.values("average")
    changes = [own[seed] - other[seed] for seed in own if seed in other]
    return repeats_test(changes).p_value if len(changes) > 1 else None


def _metric_cell(one: Chain, name: str, metric: Metric) -> Shown:
    values = list(one.values(name).values())
    if not values:
        return NOTHING
    if name == "average":
        return spread(metric, values)
    found = summary(np.array(values)[:, None])
    return Shown(text=with_interval(metric, found.mean, found.interval), value=found.mean)


def _count(seeds: Sized) -> Shown:
    return Shown(text=str(len(seeds)), value=len(seeds))


def _baselines(pool: Pool, task: type[Task]) -> dict[str, list[float]]:
    """Return the average over domains for each seed of models that need no order."""
    alone = {name: _by_seed(pool.after(PLAIN, [name])) for name in pool.domains}
    joint = _by_seed(pool.joint())
    seeds = set.intersection(*(set(one) for one in alone.values()))
    found = {
        "joint": [[_value(joint[seed], name, task) for name in pool.domains] for seed in joint],
        "each domain alone": [
            [_value(alone[name][seed], name, task) for name in pool.domains] for seed in seeds
        ],
    }
    means = {name: np.array(rows, float).mean(axis=1) for name, rows in found.items() if rows}
    return {name: values[~np.isnan(values)].tolist() for name, values in means.items()}


def _matrix_table(found: Sequence[Chain], pool: Pool) -> Table:
    """Return the mean over seeds after each stage on each domain."""
    task = found[0].task
    metric = task.reported[task.primary_metric]
    rows = []
    for one in found:
        for number, stage in enumerate(one.order):
            after = dict(zip(one.order, one.mean.after[number].tolist(), strict=True))
            values = [after[name] for name in pool.domains]
            rows.append(
                [
                    Shown(text=ARROW.join(one.order)),
                    Shown(text=one.way),
                    Shown(text=f"{number + 1}, {stage}"),
                    *(Shown(text=metric.number(value), value=value) for value in values),
                ]
            )
    return Table(
        name=f"matrix-{pool.number}",
        title=f"{metric.label} after each stage{_place(pool)}",
        columns=["order", "way", "after stage", *pool.domains],
        rows=rows,
        notes=["Means over seeds, on the test recordings of each domain."],
    )


def _map(one: Chain, pool: Pool, number: int) -> Figure:
    """Return the matrix of an order as a heat map."""
    task = one.task
    metric = task.reported[task.primary_metric]
    factor = 100 if metric.percent else 1
    mean = one.mean
    rows = ["untrained", *(f"after {number + 1}: {n}" for number, n in enumerate(one.order))]
    values = [mean.untrained, *mean.after]
    shown = [[None if np.isnan(v) else factor * float(v) for v in row] for row in values]
    title = f"{metric.label} (%)" if metric.percent else metric.label
    return Figure(
        name=f"matrix-{pool.number}-{number}",
        title=f"{metric.label} after each stage, {ARROW.join(one.order)}{_place(pool)}",
        traces=[heat(rows, one.order, shown, colours=title, digits=1 if metric.percent else 3)],
        layout=heat_layout(len(rows), "stage", "tested on"),
        about=(
            f"Test {metric.label} after each stage (rows) on each domain (columns), with nothing "
            f"frozen or kept; means over {count(len(one.by_seed), 'seed')}. Along a column below "
            "its own stage, a lower value is forgetting."
        ),
    )
