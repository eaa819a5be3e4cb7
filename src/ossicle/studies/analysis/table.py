"""The table that every study shows: metrics of each cell, its cost, and tests against a reference.

With fewer than five seeds it shows spread, and emphasises no best cell.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean
from typing import TypeAlias

from ossicle.reports import parts
from ossicle.studies.analysis.cell import Cell, cells, groups, varying
from ossicle.studies.analysis.difference import SIDES
from ossicle.studies.analysis.notes import enough_seeds, notes
from ossicle.studies.analysis.rows import Row, rows_of
from ossicle.studies.analysis.text import p_text
from ossicle.studies.published import PublishedResult, published_cell, published_values
from ossicle.tasks import Task
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label

Column: TypeAlias = tuple[str, Callable[[Row], parts.Cell]]
NOTHING = parts.Cell(text="–")


def summary_table(
    outcomes: Sequence[Outcome],
    *,
    name: str = "summary",
    title: str = "Results",
    against: str = "recipe",
    reference: Label | None = None,
    sides: Collection[str] = SIDES,
) -> parts.Table:
    """Return the metrics of each cell, with its cost and its difference to a reference.

    Args:
        outcomes: Outcomes of one task; some may not be finished.
        name: Name of the table.
        title: Its heading.
        against: The label that is compared. Cells with equal other labels are compared.
        reference: Value of that label to compare with; None: the first.
        sides: Sides of the split that compared cells must have in common.
    """
    found = cells(outcomes)
    task = next((one.task for one in found if one.repeats), None)
    if task is None:
        return parts.Table(
            name=name,
            title=title,
            columns=[against],
            rows=[],
            notes=[f"None of {len(outcomes)} trials is finished."],
        )
    rows = rows_of(found, against, reference, sides)
    known, sources = published_values(found)
    columns = [
        *_label_columns(found, against),
        ("parameters", _parameters),
        *_metric_columns(rows, task, against),
        *([("published accuracy (%)", _published(rows, known))] if known else []),
        ("repeats", _repeats),
        *(_test_columns(task) if any(row.difference for row in rows) else []),
        ("training (s)", _mean_of(lambda one: one.train_seconds)),
        ("peak memory (MiB)", _mean_of(lambda one: one.peak_memory_mib)),
    ]
    return parts.Table(
        name=name,
        title=title,
        columns=[heading for heading, _ in columns],
        rows=[[of_row(row) for _, of_row in columns] for row in rows],
        notes=[*notes(rows, task, against), *sources],
    )


def _label_columns(found: Sequence[Cell], against: str) -> list[Column]:
    names = [against, *(name for name in varying(found) if name != against)]
    return [(name, _label(name)) for name in names]


def _label(name: str) -> Callable[[Row], parts.Cell]:
    def of_row(row: Row) -> parts.Cell:
        value = row.cell.labels.get(name, "–")
        return parts.Cell(text=str(value), value=None if isinstance(value, str) else value)

    return of_row


def _parameters(row: Row) -> parts.Cell:
    if not row.cell.repeats:
        return NOTHING
    return parts.Cell(text=f"{row.cell.parameters:,}", value=row.cell.parameters)


def _metric_columns(rows: Sequence[Row], task: type[Task], against: str) -> list[Column]:
    """Return a column for each metric; the primary one first, with its interval."""
    best = _best(rows, task, against)
    others = [key for key in task.reported if key != task.primary_metric]
    return [
        (_heading(task, task.primary_metric), _metric(task, task.primary_metric, best)),
        ("95 % interval", _interval(task)),
        *((_heading(task, key), _metric(task, key, ())) for key in others),
    ]


def _heading(task: type[Task], key: str) -> str:
    metric = task.reported[key]
    return f"{metric.label} (%)" if metric.percent else metric.label


def _metric(task: type[Task], key: str, best: Collection[int]) -> Callable[[Row], parts.Cell]:
    def of_row(row: Row) -> parts.Cell:
        mean, deviation = row.cell.mean(key), row.cell.deviation(key)
        if mean is None:
            return NOTHING
        return parts.Cell(
            text=task.reported[key].spread(mean, deviation),
            value=mean,
            deviation=deviation,
            strong=id(row.cell) in best,
        )

    return of_row


def _published(
    rows: Sequence[Row], known: Mapping[int, PublishedResult]
) -> Callable[[Row], parts.Cell]:
    of_cell = {id(rows[position].cell): result for position, result in known.items()}
    return lambda row: published_cell(of_cell.get(id(row.cell)))


def _interval(task: type[Task]) -> Callable[[Row], parts.Cell]:
    number = task.reported[task.primary_metric].number

    def of_row(row: Row) -> parts.Cell:
        found = row.cell.summary
        if found is None or found.interval is None:
            return NOTHING
        low, high = found.interval
        return parts.Cell(text=f"{number(low)} to {number(high)}")

    return of_row


def _best(rows: Sequence[Row], task: type[Task], against: str) -> set[int]:
    """Return the cells with the best mean of their group, if all have enough seeds."""
    if not enough_seeds([row.cell for row in rows]):
        return set()
    sign = 1 if task.higher_is_better else -1
    best = set()
    for group in groups([row.cell for row in rows], (against,)):
        values = {id(one): one.mean(task.primary_metric) for one in group}
        known = {cell: sign * value for cell, value in values.items() if value is not None}
        if known:
            best.add(max(known, key=known.__getitem__))
    return best


def _repeats(row: Row) -> parts.Cell:
    done, wanted = len(row.cell.repeats), row.cell.num_trials
    return parts.Cell(text=str(done) if done == wanted else f"{done} of {wanted}", value=done)


def _test_columns(task: type[Task]) -> list[Column]:
    columns: list[Column] = [
        (f"difference in {task.reported[task.primary_metric].label}", _difference(task))
    ]
    if task.recording_score is not None:
        columns.append(("p over recordings", lambda row: _p(row.p_recordings)))
    return [
        *columns,
        ("p over repeats", lambda row: _p(row.p_repeats)),
        ("d_z", _effect),
    ]


def _difference(task: type[Task]) -> Callable[[Row], parts.Cell]:
    metric = task.reported[task.primary_metric]

    def of_row(row: Row) -> parts.Cell:
        if row.difference is None:
            return NOTHING
        text = metric.difference(row.difference.value)
        if row.difference.interval is not None:
            low, high = row.difference.interval
            text += f" ({metric.difference(low)} to {metric.difference(high)})"
        return parts.Cell(text=text, value=row.difference.value)

    return of_row


def _p(value: float | None) -> parts.Cell:
    return NOTHING if value is None else parts.Cell(text=p_text(value), value=value)


def _effect(row: Row) -> parts.Cell:
    effect = None if row.difference is None else row.difference.repeats.effect
    return NOTHING if effect is None else parts.Cell(text=f"{effect:+.2f}", value=effect)


def _mean_of(what: Callable[[Measured], float | None]) -> Callable[[Row], parts.Cell]:
    def of_row(row: Row) -> parts.Cell:
        known = [value for one in row.cell.repeats.values() if (value := what(one)) is not None]
        if not known:
            return NOTHING
        return parts.Cell(text=f"{fmean(known):,.0f}", value=fmean(known))

    return of_row
