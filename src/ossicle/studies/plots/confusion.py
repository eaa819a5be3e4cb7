"""Confusion matrices: what recordings of each class were taken for, pooled over all repeats."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import Group, by_score, group, runs, score_of
from ossicle.studies.plots.heat import heat_layout
from ossicle.tasks import TASKS
from ossicle.trials.outcome import Outcome

MOST_CLASSES: Final = 100
MOST_COUNTED: Final = 12  # classes with the counts in the cells


def confusion(outcomes: Sequence[Outcome], recipe: str | None = None) -> Figure | None:
    """Return the confusion matrix of the best group, or of the best with a recipe.

    None for tasks whose answer is not one of a set of classes, and for more than `MOST_CLASSES`.

    Args:
        outcomes: The outcomes of a panel.
        recipe: The recipe; None: any.
    """
    score = score_of(outcomes)
    if score is None:
        return None
    ranked = by_score(group(outcomes), score)
    chosen = [one for one in ranked if recipe is None or one.labels.get("recipe") == recipe]
    classes = _classes(chosen[0]) if chosen else []
    if not 1 < len(classes) <= MOST_CLASSES:
        return None
    best = chosen[0]
    counts = _pooled(best, classes)
    what = "best recipe" if best is ranked[0] else "recipe"
    return Figure(
        name="confusion" if recipe is None else "confusion-chosen",
        title=f"Confusion matrix of {best.name}",
        traces=[_trace(classes, counts)],
        layout=_layout(len(classes)),
        about=(
            f"Fraction of the test recordings of each class (row) that the {what} takes for each "
            f"class (column), pooled over {runs(len(best.outcomes))}: {counts.sum():,} decisions, "
            f"{np.trace(counts):,} of them right."
        ),
    )


def confusion_of(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Return the confusion matrix of one run.

    Args:
        classes: The names of the classes, as `labels` in the metrics of a run.
        counts: Recordings by true class (rows) and predicted class, as `confusion` in them.
    """
    cells = np.array(counts, np.int64)
    return Figure(
        name="confusion",
        title="Confusion matrix",
        traces=[_trace(classes, cells)],
        layout=_layout(len(classes)),
        about=(
            "Fraction of the recordings of each class (row) that are taken for each class "
            f"(column): {cells.sum():,} decisions, {np.trace(cells):,} of them right."
        ),
    )


def _layout(num_classes: int) -> dict[str, Any]:
    """Return a layout in which every class has a row with its name."""
    layout = dict(heat_layout(num_classes, "true class", "predicted class"))
    layout["height"] = 200 + (26 if num_classes <= 20 else 17) * max(num_classes, 6)
    layout["yaxis"] = {**layout["yaxis"], "dtick": 1}
    return layout


def _classes(one: Group) -> list[str]:
    """Return the classes in order; none if the task has no classes."""
    found: set[str] = set()
    for run in one.runs:
        labels = {*run.rows.labels, *run.predicted}
        if any(tuple(TASKS[run.task].classes_in(label)) != (label,) for label in labels):
            return []
        found |= labels
    return sorted(found)


def _pooled(one: Group, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of recordings by true and predicted class, over all repeats."""
    number = {name: n for n, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for run in one.runs:
        true = [number[label] for label in run.rows.labels]
        np.add.at(counts, (true, [number[label] for label in run.predicted]), 1)
    return counts


def _trace(classes: Sequence[str], counts: NDArray[np.int64]) -> dict[str, Any]:
    totals = counts.sum(axis=1)
    fractions = [
        [None] * len(classes) if total == 0 else [round(float(n) / total, 4) for n in row]
        for row, total in zip(counts.tolist(), totals.tolist(), strict=True)
    ]
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": list(classes),
        "y": list(classes),
        "z": fractions,
        "zmin": 0,
        "zmax": 1,
        "hoverongaps": False,
        "colorbar": {"title": {"text": "fraction", "side": "right"}, "tickformat": ".0%"},
        "customdata": [
            [f"{n} of {total}" for n in row]
            for row, total in zip(counts.tolist(), totals.tolist(), strict=True)
        ],
        "hovertemplate": (
            "true class %{y}<br>predicted class %{x}<br>%{customdata} (%{z:.1%})<extra></extra>"
        ),
    }
    if len(classes) <= MOST_COUNTED:
        trace |= {"text": counts.tolist(), "texttemplate": "%{text}"}
    return trace
