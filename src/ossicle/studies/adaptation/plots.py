"""The plot of the study of domains: the metric on the target against that on the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from ossicle.reports.parts import Figure
from ossicle.studies.adaptation.models import TWO_STAGE, Pair
from ossicle.studies.adaptation.plan import FREEZE, KEEP
from ossicle.studies.analysis.text import count
from ossicle.studies.plots.groups import short
from ossicle.tasks import Task

Point = tuple[float, float | None]  # mean and standard deviation over seeds


@dataclass(frozen=True)
class Placed:
    """A model in the plane of source and target.

    Attributes:
        name: Its name.
        source: Its metric on the source, in the unit of the axis.
        target: Its metric on the target.
        seeds: Number of seeds with both.
    """

    name: str
    source: Point
    target: Point
    seeds: int


def placed(pair: Pair) -> tuple[type[Task], list[Placed]] | None:
    """Return the models that are measured on both domains; None if there are none."""
    found: list[Placed] = []
    task: type[Task] | None = None
    for name, cell in pair.source_cells.items():
        other = pair.target_cells[name]
        if not cell.repeats or not other.repeats:
            continue
        task = cell.task
        key = task.primary_metric
        factor = 100 if task.reported[key].percent else 1
        both = [
            (factor * one, factor * two)
            for repeat, measured in cell.repeats.items()
            if repeat in other.repeats
            and (one := measured.metrics.get(key)) is not None
            and (two := other.repeats[repeat].metrics.get(key)) is not None
        ]
        if both:
            source, target = ([pair[n] for pair in both] for n in range(2))
            found.append(Placed(name, point(source), point(target), len(both)))
    return None if task is None or not found else (task, found)


def front(models: Sequence[Placed], *, higher_is_better: bool = True) -> list[Placed]:
    """Return the models that no other beats on one domain and equals or beats on the other.

    Ascending by the source, for errors descending.
    """
    sign = 1 if higher_is_better else -1
    best, kept = float("-inf"), []
    for one in sorted(models, key=lambda m: (-sign * m.source[0], -sign * m.target[0])):
        if sign * one.target[0] > best:
            best = sign * one.target[0]
            kept.append(one)
    return kept[::-1]


def scatter(pair: Pair, number: int) -> Figure | None:
    """Return the metric on the target against that on the source, with the Pareto front.

    Args:
        pair: The models.
        number: Number of the pair in the report, from 1.
    """
    found = placed(pair)
    if found is None:
        return None
    task, models = found
    best = front(models, higher_is_better=task.higher_is_better)
    metric = task.reported[task.primary_metric]
    unit = " (%)" if metric.percent else ""
    groups = {
        name: [one for one in models if kind(one.name) == name]
        for name in ("baselines", "two-stage", "modules frozen", "ways to keep")
    }
    traces = [_trace(name, some, metric.unit) for name, some in groups.items() if some]
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "Pareto front",
        "x": [one.source[0] for one in best],
        "y": [one.target[0] for one in best],
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }
    return Figure(
        name=f"target-against-source-{number}",
        title=f"{metric.label} on {pair.target} against {pair.source}"
        + (f": {pair.pool.where}" if pair.pool.where else ""),
        traces=[
            _names(
                sorted(models, key=lambda one: (one not in best, kind(one.name) != "baselines"))
            ),
            *traces,
            *([line] if len(best) > 1 else []),
        ],
        layout={
            "height": 560,
            "xaxis": {"title": {"text": f"{metric.label} on {pair.source}{unit}"}},
            "yaxis": {"title": {"text": f"{metric.label} on {pair.target}{unit}"}},
        },
        about=(
            f"Test {metric.label} of every model on {pair.target} (up) and on {pair.source} "
            f"(across); means over {count(max(one.seeds for one in models), 'seed')}, bars show "
            "the standard deviation. The line joins the models that no other beats on one domain "
            "without being worse on the other: "
            f"{', '.join(one.name for one in best)}."
        ),
    )


def kind(name: str) -> str:
    """Return the group that a model has its colour with."""
    if name.startswith(f"{TWO_STAGE}, {FREEZE}"):
        return "modules frozen"
    if name.startswith(f"{TWO_STAGE}, {KEEP}"):
        return "ways to keep"
    return "two-stage" if name == TWO_STAGE else "baselines"


def label(name: str) -> str:
    """Return a name as it is shown next to its point."""
    return short(name.removeprefix(f"{TWO_STAGE}, "))


def _names(models: Sequence[Placed]) -> dict[str, Any]:
    """Return the names next to the points; the page hides the later ones where there is no room."""
    return {
        "type": "scatter",
        "mode": "text",
        "name": "names",
        "x": [one.source[0] for one in models],
        "y": [one.target[0] for one in models],
        "text": [label(one.name) for one in models],
        "textposition": "top center",
        "cliponaxis": False,
        "meta": {"role": "background"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _trace(name: str, models: Sequence[Placed], unit: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [one.source[0] for one in models],
        "y": [one.target[0] for one in models],
        "error_x": _bars([one.source for one in models]),
        "error_y": _bars([one.target for one in models]),
        "customdata": [
            [one.name, _text(one.source, unit), _text(one.target, unit), count(one.seeds, "seed")]
            for one in models
        ],
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>source %{customdata[1]}<br>target %{customdata[2]}<br>"
            "%{customdata[3]}<extra></extra>"
        ),
    }


def _bars(points: Sequence[Point]) -> dict[str, Any]:
    deviations = [deviation or 0.0 for _, deviation in points]
    return {"type": "data", "array": deviations, "visible": any(deviations), "thickness": 1}


def _text(point: Point, unit: str) -> str:
    mean, deviation = point
    return f"{mean:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}") + unit


def point(values: Sequence[float]) -> Point:
    """Return mean and standard deviation; None instead of the deviation of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else None
