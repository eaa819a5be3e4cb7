"""Ranks of recipes over several data sets, with Friedman's and Nemenyi's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ossicle.errors import listing
from ossicle.reports import parts
from ossicle.statistics.ranks import Ranks, ranks
from ossicle.studies.analysis.cell import Cell, cells, describe, groups, varying
from ossicle.studies.analysis.text import p_text, score
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

DATA = "data"


@dataclass(frozen=True)
class OverData:
    """The ranks of the cells of one group over its data sets.

    Attributes:
        where: What tells the group from others, as text; empty if there is one.
        ranks: The ranks; the names are those of the cells, without data.
        metrics: Primary metric of each cell, by its name and the data set, as text.
        left_out: Names of cells that lack a result on some data set.
    """

    where: str
    ranks: Ranks
    metrics: Mapping[tuple[str, Label], str]
    left_out: Sequence[str]


def over_data(outcomes: Sequence[Outcome], against: str = "recipe") -> list[OverData]:
    """Return the ranks of each group of cells that differ in one label and data alone.

    Each data set has one result of each cell: its mean over seeds and folds.

    Args:
        outcomes: The outcomes of a study.
        against: The label that is ranked.

    Returns:
        Without groups that have fewer than two data sets, or fewer than two cells with a result on
        all of them.
    """
    found = cells(outcomes)
    names = [name for name in varying(found) if name not in (against, DATA)]
    every = [
        _ranked(describe(group[0].labels, names), group, against)
        for group in groups(found, (against, DATA))
    ]
    return [one for one in every if one is not None]


def _ranked(where: str, group: Sequence[Cell], against: str) -> OverData | None:
    by_name: dict[str, dict[Label, Cell]] = {}
    for cell in group:
        of_one = by_name.setdefault(describe(cell.labels, (against,)), {})
        if score(cell) > float("-inf"):
            of_one[cell.labels.get(DATA, "")] = cell
    data = list(dict.fromkeys(key for of_one in by_name.values() for key in of_one))
    whole = [name for name, of_one in by_name.items() if of_one.keys() == {*data}]
    if len(data) < 2 or len(whole) < 2:
        return None
    return OverData(
        where=where,
        ranks=ranks([[score(by_name[name][key]) for name in whole] for key in data], whole),
        metrics={(name, key): _text(by_name[name][key]) for name in whole for key in data},
        left_out=[name for name in by_name if name not in whole],
    )


def _text(cell: Cell) -> str:
    found = cell.summary
    metric = cell.task.reported[cell.task.primary_metric]
    return "–" if found is None else metric.spread(found.mean, found.deviation)


def ranks_table(found: OverData, number: int = 1) -> parts.Table:
    """Return the average ranks as a table, with the metric on each data set.

    Args:
        found: The ranks.
        number: Number of the table in the report, from 1.
    """
    data = list(dict.fromkeys(key for _, key in found.metrics))
    result = found.ranks
    rows = [
        [
            parts.Cell(text=name),
            parts.Cell(text=f"{average:.2f}", value=average),
            *(parts.Cell(text=found.metrics[name, key]) for key in data),
        ]
        for name, average in zip(result.names, result.average, strict=True)
    ]
    return parts.Table(
        name="ranks" if number == 1 else f"ranks-{number}",
        title=f"Ranks over {result.num_data} data sets" + (found.where and f": {found.where}"),
        columns=["", "average rank", *map(str, data)],
        rows=rows,
        notes=_notes(found),
    )


def _notes(found: OverData) -> list[str]:
    result = found.ranks
    apart = _apart(result)
    said = ["Rank 1 is the best. Ranks are of the mean over seeds and folds on each data set."]
    if result.p_value is not None and result.statistic is not None:
        said.append(
            f"Friedman's test that all are alike: chi squared {result.statistic:.2f}, "
            f"p {p_text(result.p_value)}. {result.about}"
        )
    said.append(
        f"Average ranks that differ by less than {result.critical_difference:.2f} are not told "
        f"apart at the level {result.alpha:g} (Nemenyi's test); "
        + (f"told apart: {listing(apart)}." if apart else "none are told apart.")
    )
    if found.left_out:
        said.append(f"Without a result on some data set, and not ranked: {listing(found.left_out)}")
    return said


def _apart(result: Ranks) -> list[str]:
    """Return the pairs whose average ranks differ by the critical difference or more."""
    pairs = [
        (first, last)
        for first in range(len(result.names))
        for last in range(first + 1, len(result.names))
        if result.average[last] - result.average[first] >= result.critical_difference
    ]
    return [f"{result.names[first]} from {result.names[last]}" for first, last in pairs]
