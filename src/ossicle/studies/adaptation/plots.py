"""The plot of the study of domains: the metric on the target against that on the source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Final

from ossicle.reports.parts import Figure
from ossicle.studies.adaptation.models import SOURCE_ONLY, TARGET_ONLY, TWO_STAGE, Pair
from ossicle.studies.adaptation.plan import FREEZE, JOINT, KEEP
from ossicle.studies.analysis.text import count
from ossicle.studies.plots.groups import short
from ossicle.tasks import Task

Point = tuple[float, float | None]  # mean and standard deviation over seeds
MOST_NAMED: Final = 12  # models with their name beside them
WIDTH_PX, HEIGHT_PX, LETTER_PX, LINE_PX = 720, 420, 7, 16  # of a plot and of the names in it
PLACES: Final = (  # where a name may be, and its centre relative to the point
    ("top center", 0.0, 1.0),
    ("bottom center", 0.0, -1.0),
    ("middle right", 0.5, 0.0),
    ("middle left", -0.5, 0.0),
    ("top right", 0.5, 1.0),
    ("bottom right", 0.5, -1.0),
    ("top left", -0.5, 1.0),
    ("bottom left", -0.5, -1.0),
)


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
    baselines = (SOURCE_ONLY, TARGET_ONLY, JOINT, TWO_STAGE)
    shown = [one for one in models if one in best or one.name in baselines]
    named = models if len(models) <= MOST_NAMED else shown
    places = positions(models, {one.name: label(one.name) for one in named})
    traces = [
        _trace(name, [one for one in models if kind(one.name) == name], places, metric.unit)
        for name in ("baselines", "two-stage", "modules frozen", "ways to keep")
    ]
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
        title=f"{pair.target} against {pair.source}"
        + (f": {pair.pool.where}" if pair.pool.where else ""),
        traces=[*(one for one in traces if one["x"]), *([line] if len(best) > 1 else [])],
        layout={
            "height": HEIGHT_PX + 140,
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
    """Return a name as it stands beside its point."""
    return short(name.removeprefix(f"{TWO_STAGE}, "))


def positions(models: Sequence[Placed], names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return name and position for each point that is named, so that few names overlap.

    Each takes the first place where it covers no point and no earlier name, else the one where it
    covers the fewest.

    Args:
        models: All points.
        names: What stands beside each point that is named, by the name of its model.
    """
    across, up = (
        _scale([one.source[0] for one in models]),
        _scale([one.target[0] for one in models]),
    )
    points = {
        one.name: (
            WIDTH_PX * (one.source[0] - across[0]) / across[1],
            HEIGHT_PX * (one.target[0] - up[0]) / up[1],
        )
        for one in models
    }
    taken = [(x, y, 12.0, 12.0) for x, y in points.values()]
    found: dict[str, tuple[str, str]] = {}
    for name, text in names.items():
        x, y = points[name]
        width = LETTER_PX * len(text)
        boxes = {
            place: (x + right * (width + 20), y + high * LINE_PX, width, float(LINE_PX))
            for place, right, high in PLACES
        }
        place = min(boxes, key=lambda one: sum(_overlap(boxes[one], other) for other in taken))
        taken.append(boxes[place])
        found[name] = (text, place)
    return found


def _scale(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return low, (high - low) or 1.0


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes share, given centre and size of each."""
    sides = [
        min(a + w / 2, b + v / 2) - max(a - w / 2, b - v / 2)
        for a, w, b, v in ((one[n], one[n + 2], other[n], other[n + 2]) for n in range(2))
    ]
    return max(0.0, sides[0]) * max(0.0, sides[1])


def _trace(
    name: str, models: Sequence[Placed], places: Mapping[str, tuple[str, str]], unit: str
) -> dict[str, Any]:
    texts = [places.get(one.name, ("", "top center")) for one in models]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": name,
        "x": [one.source[0] for one in models],
        "y": [one.target[0] for one in models],
        "error_x": _bars([one.source for one in models]),
        "error_y": _bars([one.target for one in models]),
        "text": [text for text, _ in texts],
        "textposition": [place for _, place in texts],
        "cliponaxis": False,
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
