"""The plot of the metric on both domains between the tensors of the first stage and the second."""

from collections.abc import Sequence
from typing import Any

from ossicle.reports.parts import Figure
from ossicle.studies.adaptation.models import TWO_STAGE, Pair
from ossicle.studies.adaptation.plots import point
from ossicle.studies.analysis.text import count
from ossicle.trials.runners.domains import CURVE


def between(pair: Pair, number: int) -> Figure | None:
    """Return the metric on both domains between the tensors of the first stage and the second.

    Args:
        pair: The models.
        number: Number of the pair in the report, from 1.
    """
    finished = [one.measured for one in pair.stages.get(TWO_STAGE, []) if one.measured is not None]
    curves = [found for one in finished if (found := one.facts.get(CURVE))]
    if not curves:
        return None
    task = pair.target_cells[TWO_STAGE].task
    metric = task.reported[task.primary_metric]
    shares = [row["share"] for row in curves[0]]
    traces: list[dict[str, Any]] = []
    for series, domain in enumerate((pair.source, pair.target)):
        rows = [
            [value for one in curves if (value := one[n][domain][task.primary_metric]) is not None]
            for n in range(len(shares))
        ]
        traces += _curve(domain, series, shares, rows, 100 if metric.percent else 1)
    unit = " (%)" if metric.percent else ""
    return Figure(
        name=f"interpolation-{number}",
        title=f"Between the two stages: {pair.name}",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "share of the second stage"}},
            "yaxis": {"title": {"text": f"{metric.label}{unit}"}},
        },
        about=(
            f"Test {metric.label} on both domains of adapters and heads between those after the "
            f"first stage ({pair.source}, share 0) and after the second ({pair.target}, share 1), "
            f"with nothing frozen or kept; means over {count(len(curves), 'seed')}, bands show the "
            "standard deviation (Wortsman et al. 2022). No share is chosen here: choosing one by "
            "these recordings would be choosing on the test."
        ),
    )


def _curve(
    name: str, series: int, shares: Sequence[float], rows: Sequence[Sequence[float]], factor: int
) -> list[dict[str, Any]]:
    known = [(share, row) for share, row in zip(shares, rows, strict=True) if row]
    points = [point([factor * value for value in row]) for _, row in known]
    across = [share for share, _ in known]
    low = [mean - (deviation or 0.0) for mean, deviation in points]
    high = [mean + (deviation or 0.0) for mean, deviation in points]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": across,
        "y": [mean for mean, _ in points],
        "meta": {"series": series},
        "hovertemplate": "%{fullData.name}, share %{x}<br>%{y:.4g}<extra></extra>",
    }
    if not any(deviation for _, deviation in points):
        return [line]
    band = {
        "type": "scatter",
        "x": [*across, *across[::-1]],
        "y": [*high, *low[::-1]],
        "fill": "toself",
        "meta": {"role": "band", "series": series},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [band, line]
