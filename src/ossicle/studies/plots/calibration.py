"""Plots of confidences: reliability diagrams, and the error by coverage."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from ossicle.reports.parts import Figure
from ossicle.statistics.calibration import BINS, reliability, risk_coverage
from ossicle.studies.plots.curves import FIRST_LINES, MOST_LINES
from ossicle.studies.plots.groups import left_out

MOST_POINTS: Final = 200  # of a curve of coverage

Answers = tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]  # confidence, correctness


def reliability_diagram(name: str, title: str, methods: Mapping[str, Answers]) -> Figure:
    """Return accuracy by confidence, a line for each method.

    Args:
        name: Name of the figure.
        title: Heading.
        methods: Confidences, and correctness from 0 to 1, by the name of the method.
    """
    shown = dict(list(methods.items())[:MOST_LINES])
    traces = [
        _reliability_line(number, method, answers)
        for number, (method, answers) in enumerate(shown.items())
    ]
    equal = {
        "type": "scatter",
        "mode": "lines",
        "name": "accuracy equals confidence",
        "x": [0, 100],
        "y": [0, 100],
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }
    return Figure(
        name=name,
        title=title,
        traces=[equal, *traces],
        layout={
            "xaxis": {"title": {"text": "mean confidence (%)"}, "range": [0, 102]},
            "yaxis": {"title": {"text": "accuracy (%)"}, "range": [-2, 102]},
        },
        about=(
            f"Accuracy on the test recordings by confidence, in {BINS} bins of equal width; empty "
            "bins are left out. Points below the dotted line are overconfident. Bins with few "
            f"recordings scatter.{left_out(len(methods) - len(shown))}"
        ),
    )


def _reliability_line(number: int, method: str, answers: Answers) -> Mapping[str, Any]:
    found = reliability(*answers)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": method,
        "x": _percent(found.confidence),
        "y": _percent(found.accuracy),
        "customdata": found.counts.tolist(),
        "hovertemplate": (
            "<b>%{fullData.name}</b><br>confidence %{x:.1f} %<br>accuracy %{y:.1f} %<br>"
            "%{customdata} recordings<extra></extra>"
        ),
        "meta": {"series": number},
        "visible": True if number < FIRST_LINES else "legendonly",
    }


def error_by_coverage(name: str, methods: Mapping[str, Answers]) -> Figure:
    """Return the error of the answered recordings by their share, a line for each method.

    Args:
        name: Name of the figure.
        methods: Confidences, and correctness from 0 to 1, by the name of the method.
    """
    shown = dict(list(methods.items())[:MOST_LINES])
    return Figure(
        name=name,
        title="Error by coverage",
        traces=[
            _coverage_line(number, method, answers)
            for number, (method, answers) in enumerate(shown.items())
        ],
        layout={
            "xaxis": {"title": {"text": "recordings answered (%)"}, "range": [0, 102]},
            "yaxis": {"title": {"text": "error of these (%)"}, "rangemode": "tozero"},
        },
        about=(
            "Error of the test recordings that are answered if only the most confident are, by "
            "their share. A lower line is better; one that rises to the right belongs to a method "
            f"whose confidence tells right from wrong.{left_out(len(methods) - len(shown))}"
        ),
    )


def _coverage_line(number: int, method: str, answers: Answers) -> Mapping[str, Any]:
    found = risk_coverage(*answers)
    size = len(found.risk)
    rows = np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).round().astype(int))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": method,
        "x": _percent(found.coverage[rows]),
        "y": _percent(found.risk[rows]),
        "hovertemplate": (
            "<b>%{fullData.name}</b><br>%{x:.1f} % answered<br>error %{y:.1f} %<extra></extra>"
        ),
        "meta": {"series": number},
        "visible": True if number < FIRST_LINES else "legendonly",
    }


def _percent(values: Float[np.ndarray, " n"]) -> Sequence[float]:
    percent: list[float] = np.round(100 * values, 2).tolist()
    return percent
