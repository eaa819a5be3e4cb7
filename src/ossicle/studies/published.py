"""Results that publications report, and whether results of a study are comparable with them.

The values are in `published.toml`. They are shown next to those of a study only where the corpus,
the number of classes and the size of the backbone are those of the publication. That does not make
the training the same: options such as `--published ast/esc50` do.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from ossicle.reports import parts
from ossicle.studies.analysis.cell import Cell
from ossicle.trials.trial import Label

FILE: Final = Path(__file__).with_name("published.toml")
_CHANGED: Final = re.compile(r"[?&](map|where)=| \+ ")  # part of a corpus, or several joined
SIZE: Final = 0.1  # how far the number of parameters of the model may be from that published


@dataclass(frozen=True)
class PublishedResult:
    """A result of a publication.

    Attributes:
        value: The value, as a fraction.
        metric: Key of its metric.
        source: The publication and its table.
        classes: Number of classes of the data.
        parameters: About the number of parameters of the whole model.
    """

    value: float
    metric: str
    source: str
    classes: int
    parameters: float


def published_result(
    recipe: str, corpus: str, shots: Label | None = None
) -> PublishedResult | None:
    """Return what a publication reports for a preset on a corpus; None if nothing.

    Args:
        recipe: Name of the preset.
        corpus: Name of the corpus, as in a data string.
        shots: Training recordings of each class; None: all.
    """
    wanted: dict[str, Label] = {"data": corpus}
    if shots is not None:
        wanted["shots"] = shots
    for table in _content()["tables"]:
        row = table["rows"].get(recipe)
        if row is None or wanted not in table["columns"]:
            continue
        paper = _content()["papers"][table["paper"]]
        return PublishedResult(
            value=row[table["columns"].index(wanted)] / 100,
            metric=paper["metric"],
            source=f"{table['paper']}, {table['table']}",
            classes=paper["classes"][corpus],
            parameters=paper["parameters"],
        )
    return None


def published_difference(
    first: str, second: str, shots: Label | None = None
) -> tuple[float, int] | None:
    """Return the mean difference of two presets over the corpora of a publication; None if unknown.

    Args:
        first: Name of a preset.
        second: Name of the preset to subtract.
        shots: Training recordings of each class; None: all.

    Returns:
        The difference as a fraction, and the number of corpora.
    """
    for table in _content()["tables"]:
        rows = table["rows"]
        found = [
            (rows[first][number] - rows[second][number]) / 100
            for number, column in enumerate(table["columns"])
            if first in rows and second in rows and column.get("shots") == shots
        ]
        if found:
            return sum(found) / len(found), len(found)
    return None


def published_values(
    found: Sequence[Cell],
) -> tuple[dict[int, PublishedResult], list[str]]:
    """Return the published result of each comparable cell, and notes on them.

    Args:
        found: Cells of a table.

    Returns:
        Results by position of the cell, and sentences: the source of the values, or why published
        values are not shown.
    """
    results: dict[int, PublishedResult] = {}
    reasons: dict[str, str] = {}
    for position, cell in enumerate(found):
        result = _of(cell)
        if result is None:
            continue
        reason = _not_comparable(cell, result)
        if reason is None:
            results[position] = result
        else:
            reasons.setdefault(result.source.partition(",")[0], reason)
    sources = dict.fromkeys(one.source for one in results.values())
    notes = [f"Published values: {'; '.join(sources)}."] if sources else []
    notes += [
        f"The results of {paper} are not shown, because they are not comparable: {reason}."
        for paper, reason in reasons.items()
    ]
    return results, notes


def published_cell(result: PublishedResult | None) -> parts.Cell:
    """Return the cell of a table with a published value, in percent."""
    if result is None:
        return parts.Cell(text="–")
    return parts.Cell(text=f"{100 * result.value:.1f}", value=result.value)


def _of(cell: Cell) -> PublishedResult | None:
    data = str(cell.data)
    if not cell.repeats or "budget" in cell.labels or _CHANGED.search(data):
        return None
    corpus = data.partition(":")[0]
    return published_result(str(cell.labels.get("recipe")), corpus, cell.labels.get("shots"))


def _not_comparable(cell: Cell, result: PublishedResult) -> str | None:
    """Return how a cell differs from a publication; None if it is comparable."""
    classes = len({label for one in cell.repeats.values() for label in one.rows.labels})
    if classes != result.classes:
        return f"its data have {result.classes} classes, these {classes}"
    total = cell.first.parameters.get("total", 0)
    if abs(total - result.parameters) > SIZE * result.parameters:
        return (
            f"its backbone has {result.parameters / 1e6:.0f} million parameters, this one "
            f"{total / 1e6:.1f} million"
        )
    return None


@cache
def _content() -> Mapping[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
