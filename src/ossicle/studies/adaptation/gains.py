"""What a second stage gains on the target, what it forgets of the source, and what transfers.

With a(M, d) the metric of a model on the test recordings of a domain, and for errors its negative:

    target gain   a(two-stage, target) - a(target only, target)
                  a(two-stage, target) - a(source only, target)
    forgetting    a(source only, source) - a(two-stage, source)
    transfer      a(source only, target) - a(untrained, target)

The source-only model with a seed is what the two-stage models with that seed start from. Forgetting
is that of Chaudhry et al. 2018, "Riemannian walk for incremental learning", equation 3, for two
tasks, and the negative of backward transfer; transfer is forward transfer, both of Lopez-Paz and
Ranzato 2017, "Gradient episodic memory for continual learning", section 2. As there, the reference
of transfer is a model at random initialisation, with the same seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell as Shown
from ossicle.reports.parts import Part, Table
from ossicle.statistics.repeats import repeats_test
from ossicle.statistics.summary import summary
from ossicle.studies.adaptation.models import SOURCE_ONLY, TARGET_ONLY, TEST, Pair
from ossicle.studies.adaptation.plan import JOINT
from ossicle.studies.analysis.cell import Cell
from ossicle.studies.analysis.rows import Row, compare, corrected
from ossicle.studies.analysis.text import count, p_text
from ossicle.tasks import Task
from ossicle.trials.runners.domains import UNTRAINED

NOTHING: Final = Shown(text="–")


@dataclass(frozen=True)
class Question:
    """A difference that is asked of every model.

    Attributes:
        name: File name of its table.
        title: Title of the table.
        column: Heading of the difference.
        about: What is compared, as a sentence.
        cells: The models on the domain in question, by name.
        reference: The model that they are compared with.
        is_loss: Whether the difference is the reference minus the model.
    """

    name: str
    title: str
    column: str
    about: str
    cells: Mapping[str, Cell]
    reference: str
    is_loss: bool = False

    def rows(self, names: Sequence[str]) -> list[Row]:
        """Return each model compared with the reference, or the reference with it, corrected."""
        reference = self.cells[self.reference]
        pairs = [(self.cells[name], reference) for name in names if name in self.cells]
        if self.is_loss:
            pairs = [(second, first) for first, second in pairs]
        return corrected([compare(first, second, TEST) for first, second in pairs])


def questions(pair: Pair) -> list[Question]:
    """Return what is asked of the models of a pair."""
    return [
        Question(
            "gain-target-only",
            f"Target gain over training on {pair.target} alone",
            "target gain",
            f"{pair.target}: the model minus one of the same recipe that was trained on "
            f"{pair.target} alone.",
            pair.target_cells,
            TARGET_ONLY,
        ),
        Question(
            "gain-source-only",
            f"Target gain over the model that was trained on {pair.source} alone",
            "target gain",
            f"{pair.target}: the model minus the one that the second stage starts from.",
            pair.target_cells,
            SOURCE_ONLY,
        ),
        Question(
            "forgetting",
            f"Forgetting of {pair.source}",
            "forgetting",
            f"{pair.source}: the model that was trained on it alone, which the second stage starts "
            "from, minus the model after the second stage. Positive: it has become worse (Chaudhry "
            "et al. 2018; the negative of backward transfer, Lopez-Paz and Ranzato 2017).",
            pair.source_cells,
            SOURCE_ONLY,
            is_loss=True,
        ),
    ]


def gain_parts(pair: Pair, number: int) -> list[Part]:
    """Return a table for each question, and one of transfer.

    Args:
        pair: The models.
        number: Number of the pair in the report, from 1.
    """
    names = [JOINT, *pair.stages]
    parts: list[Part] = []
    for one in questions(pair):
        rows = one.rows([name for name in names if one.is_loss or name != one.reference])
        if any(row.difference is not None for row in rows):
            parts.append(_table(one, rows, pair, number))
    transfer = transfer_table(pair, number)
    return [*parts, *([] if transfer is None else [transfer])]


def _table(one: Question, rows: Sequence[Row], pair: Pair, number: int) -> Table:
    task = next(row.cell.task for row in rows if row.difference is not None)
    metric = task.reported[task.primary_metric]
    columns: list[tuple[str, Callable[[Row], Shown]]] = [
        ("model", lambda row: Shown(text=_model(one, row).name)),
        (_heading(metric), lambda row: mean_of(_model(one, row), task)),
        (f"{one.reference}", lambda row: mean_of(_reference(one, row), task)),
        (f"{one.column} in {metric.label}", lambda row: difference_of(row, metric)),
        *_score_columns(task, one.column),
        ("p over repeats", lambda row: p_of(row.p_repeats)),
        ("decided", lambda row: Shown(text="yes" if row.decided else "no")),
    ]
    place = f": {pair.name}"
    return Table(
        name=f"{one.name}-{number}",
        title=f"{one.title}{place}",
        columns=[heading for heading, _ in columns],
        rows=[[show(row) for _, show in columns] for row in rows],
        notes=_notes(one, rows, task),
    )


def _model(one: Question, row: Row) -> Cell:
    return row.reference if one.is_loss and row.reference is not None else row.cell


def _reference(one: Question, row: Row) -> Cell | None:
    return row.cell if one.is_loss else row.reference


def _heading(metric: Metric) -> str:
    return f"{metric.label} (%)" if metric.percent else metric.label


def mean_of(cell: Cell | None, task: type[Task]) -> Shown:
    """Return mean and standard deviation of the primary metric of a cell."""
    value = None if cell is None or not cell.repeats else cell.mean(task.primary_metric)
    if cell is None or value is None:
        return NOTHING
    deviation = cell.deviation(task.primary_metric)
    text = task.reported[task.primary_metric].spread(value, deviation)
    return Shown(text=text, value=value, deviation=deviation)


def difference_of(row: Row, metric: Metric) -> Shown:
    """Return a difference with its interval; positive is better."""
    if row.difference is None:
        return NOTHING
    sign = 1 if row.difference.higher_is_better else -1
    bounds = row.difference.interval
    ends = None if bounds is None else sorted(sign * end for end in bounds)
    return Shown(text=with_interval(metric, row.difference.gain, ends), value=row.difference.gain)


def spread(metric: Metric, values: Sequence[float]) -> Shown:
    """Return mean and standard deviation of values, one for each seed."""
    found = summary(np.array(values)[:, None])
    text = metric.spread(found.mean, found.deviation)
    return Shown(text=text, value=found.mean, deviation=found.deviation)


def with_interval(metric: Metric, value: float, bounds: Sequence[float] | None) -> str:
    """Return a difference with its interval, as in +2.1 (-0.3 to +4.5)."""
    text = metric.difference(value)
    if bounds is None:
        return text
    return f"{text} ({metric.difference(bounds[0])} to {metric.difference(bounds[1])})"


def _score_columns(task: type[Task], column: str) -> list[tuple[str, Callable[[Row], Shown]]]:
    """Return the difference in the score of a recording, with an interval, and its test."""
    measure = task.recording_score
    if measure is None:
        return []

    def difference(row: Row) -> Shown:
        if row.difference is None or row.difference.scores is None:
            return NOTHING
        scores = row.difference.scores
        return Shown(text=with_interval(measure, scores.mean, scores.interval()), value=scores.mean)

    return [
        (f"{column} in {measure.label}, over seeds and recordings", difference),
        ("p over recordings", lambda row: p_of(row.p_recordings)),
    ]


def p_of(value: float | None) -> Shown:
    """Return a p-value."""
    return NOTHING if value is None else Shown(text=p_text(value), value=value)


def _notes(one: Question, rows: Sequence[Row], task: type[Task]) -> list[str]:
    """Return what is compared, and what the intervals and p-values are about."""
    known = [row.difference for row in rows if row.difference is not None]
    fullest = max(known, key=lambda found: found.repeats.num_repeats)
    said = [
        f"On the test recordings of {one.about}",
        "The interval of the metric is over seeds. Each kind of p is corrected for "
        f"{count(len(known), 'comparison')} by Holm's method; decided: both are below 0.05, and "
        "both differences have the same sign.",
    ]
    if fullest.recordings is not None and task.recording_score is not None:
        unit = fullest.recordings.unit
        said.append(
            f"The interval of the difference in {task.recording_score.label} is over seeds and "
            f"{unit}s. {fullest.recordings.about}"
        )
    if fullest.repeats.num_repeats > 1:
        said.append(fullest.repeats.about)
    return [*said, *dict.fromkeys(row.fault for row in rows if row.fault is not None)]


def transfer_values(pair: Pair) -> tuple[type[Task], list[float], list[float]] | None:
    """Return task, metric of the untrained and of the source-only model on the target, by seed.

    None if no seed has both.
    """
    untrained, trained = [], []
    task = None
    for one in pair.models[SOURCE_ONLY]:
        found = None if one.measured is None else one.measured.domains.get(pair.target)
        if one.measured is None or found is None or not one.measured.facts.get(UNTRAINED):
            continue
        task = pair.target_cells[SOURCE_ONLY].task
        key = task.primary_metric
        before = one.measured.facts[UNTRAINED][pair.target].get(key)
        after = found.metrics.get(key)
        if before is not None and after is not None:
            untrained.append(before)
            trained.append(after)
    return (task, untrained, trained) if task is not None and trained else None


def transfer_table(pair: Pair, number: int) -> Table | None:
    """Return what training on the source gives on the target; None if nothing is finished."""
    found = transfer_values(pair)
    if found is None:
        return None
    task, untrained, trained = found
    metric = task.reported[task.primary_metric]
    sign = 1 if task.higher_is_better else -1
    changes = sign * (np.array(trained) - np.array(untrained))
    whole, test = summary(changes[:, None]), repeats_test(changes)
    change = Shown(text=with_interval(metric, whole.mean, whole.interval), value=whole.mean)
    p = p_of(test.p_value if test.num_repeats > 1 else None)
    place = f", {pair.pool.where}" if pair.pool.where else ""
    return Table(
        name=f"transfer-{number}",
        title=f"Transfer from {pair.source} to {pair.target}{place}",
        columns=["model on the target", _heading(metric), "transfer", "p over repeats"],
        rows=[
            [Shown(text="untrained"), spread(metric, untrained), NOTHING, NOTHING],
            [Shown(text=SOURCE_ONLY), spread(metric, trained), change, p],
        ],
        notes=[
            f"What training on {pair.source} gives on {pair.target} before any training there: the "
            "model that was trained on the source minus the same model at random initialisation, "
            "which is forward transfer (Lopez-Paz and Ranzato 2017). The interval is over seeds.",
            *([test.about] if test.num_repeats > 1 else []),
        ],
    )
