"""Curves over a number that a study varies: shots, fractions of the data, budgets, ranks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import (
    Group,
    Score,
    averaged,
    group,
    left_out,
    runs,
    score_of,
    slug,
)
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

MOST_LINES: Final = 50
FIRST_LINES: Final = 10  # others appear by a click in the legend
HOVER: Final = (
    "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}, %{customdata[3]}"
    "<extra></extra>"
)


def curves(
    outcomes: Sequence[Outcome], over: str, *, title: str, axis: str, log: bool = True
) -> Figure | None:
    """Return the metric over a label with numbers, a line for each recipe, with a band.

    Args:
        outcomes: The outcomes of a panel.
        over: The label; outcomes without a number there are left out.
        title: Heading.
        axis: Title of the horizontal axis.
        log: Whether that axis is logarithmic.
    """
    score, groups = score_of(outcomes), group(outcomes, apart=(over,))
    known = [one for one in groups if _is_number(one.labels.get(over))]
    known = [] if score is None else [one for one in known if score.spread(one)]
    if score is None or not known:
        return None
    lines: dict[str, list[Group]] = {}
    for one in known:
        lines.setdefault(one.name, []).append(one)
    shown = dict(list(lines.items())[:MOST_LINES])
    traces = [
        trace
        for number, (name, points) in enumerate(shown.items())
        for trace in _line(name, points, over, score, number)
    ]
    places = sorted({_number(one, over) for one in known})
    return Figure(
        name=f"by-{slug(over)}",
        title=title,
        traces=traces,
        layout={
            "xaxis": {
                "type": "log" if log else "linear",
                "title": {"text": axis},
                **({"tickvals": places} if len(places) <= 8 else {}),
            },
            "yaxis": {"title": {"text": score.title}},
        },
        about=(
            f"Test {score.metric.label} of each recipe over {axis}. "
            f"{averaged(known, 'bands', score=True)}{left_out(len(lines) - len(shown))}"
        ),
    )


def _is_number(label: Label | None) -> bool:
    return isinstance(label, int | float)


def _number(one: Group, over: str) -> float:
    return float(one.labels[over])


def _line(
    name: str, points: Sequence[Group], over: str, score: Score, number: int
) -> list[Mapping[str, Any]]:
    """Return the band and the line of a recipe."""
    points = sorted(points, key=lambda one: _number(one, over))
    found = [made for one in points if (made := score.spread(one))]
    return banded(
        name,
        [_number(one, over) for one in points],
        found,
        series=number,
        customdata=[
            [
                name,
                f"{over} {one.labels[over]}",
                f"{score.metric.label} {score.text(one)}",
                runs(len(one.outcomes)),
            ]
            for one in points
        ],
        hovertemplate=HOVER,
    )


def banded(
    name: str,
    x: Sequence[float],
    y: Sequence[tuple[float, float | None]],
    *,
    series: int,
    **more: Any,
) -> list[Mapping[str, Any]]:
    """Return a band of one standard deviation, and the line of the means above it.

    Args:
        name: Name in the legend.
        x: Positions.
        y: Mean and deviation at each position.
        series: Number of the line in its figure.
        more: Entries of the line's trace.
    """
    visible = True if series < FIRST_LINES else "legendonly"
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": [mean for mean, _ in y],
        "meta": {"series": series},
        "visible": visible,
        **more,
    }
    if not any(deviation for _, deviation in y):
        return [line]
    upper = [mean + (deviation or 0) for mean, deviation in y]
    lower = [mean - (deviation or 0) for mean, deviation in y]
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*upper, *reversed(lower)],
        "fill": "toself",
        "meta": {"series": series, "role": "band"},
        "hoverinfo": "skip",
        "showlegend": False,
        "visible": visible,
    }
    return [band, line]
