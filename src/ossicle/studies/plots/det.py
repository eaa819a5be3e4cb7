"""DET curves of speaker verification: miss against false alarm rate, on normal-deviate axes.

Curves of several repeats are averaged vertically: the mean miss rate at each false alarm rate.

Sources: Martin et al. 1997, "The DET curve in assessment of detection task performance"; of the
average, Fawcett 2006, "An introduction to ROC analysis", section 8.1.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ossicle.reports.parts import Figure
from ossicle.studies.plots.curves import FIRST_LINES, MOST_LINES
from ossicle.studies.plots.groups import by_score, group, runs, score_of
from ossicle.tasks import TASKS
from ossicle.training.result import read_result
from ossicle.trials.outcome import Outcome

TICKS: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
LOWEST: Final = 0.0005  # rates below are drawn at the edge, as those above 1 - LOWEST
HIGHEST: Final = 0.85  # rate at the end of the axes
POINTS: Final = 101  # false alarm rates at which several repeats are averaged

Curve = NDArray[np.float64]  # (K, 2) false alarm and miss rate


def det_curves(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return a DET curve for each group, best groups first; None for tasks without trials.

    Raises:
        RunError: a result cannot be read.
    """
    score = score_of(outcomes)
    if score is None or not _scores_pairs(outcomes):
        return None
    ranked = by_score(group(outcomes), score)[:MOST_LINES]
    found = {one: _curves(one.outcomes) for one in ranked}
    known = [one for one in ranked if found[one]]
    if not known:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": one.name,
            "text": f"{score.metric.label} {score.text(one)}",
            **_axes(_average(found[one])),
            "visible": True if number < FIRST_LINES else "legendonly",
            "meta": {"series": number},
            "hovertemplate": (
                "<b>%{fullData.name}</b><br>%{fullData.text}<br>"
                "false alarm %{customdata[0]:.2%}<br>miss %{customdata[1]:.2%}<extra></extra>"
            ),
        }
        for number, one in enumerate(known)
    ]
    edge = _deviate(np.array([LOWEST, 1 - LOWEST])).tolist()
    equal = {
        "type": "scatter",
        "mode": "lines",
        "name": "equal error",
        "x": edge,
        "y": edge,
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }
    most = max(len(one.outcomes) for one in known)
    return Figure(
        name="det",
        title="Detection error trade-off",
        traces=[*traces, equal],
        layout={"xaxis": _axis("false alarm rate"), "yaxis": _axis("miss rate"), "height": 520},
        about=(
            "Miss rate against false alarm rate of the test trials at every threshold, on axes of "
            "normal deviates; a curve crosses the diagonal at its equal error rate. "
            + (
                "Each curve is of one run."
                if most == 1
                else f"Miss rates are means over {runs(most)}."
            )
        ),
    )


def _scores_pairs(outcomes: Sequence[Outcome]) -> bool:
    tasks = {one.measured.task for one in outcomes if one.measured is not None}
    return all(TASKS[task].recording_score is None for task in tasks)


def _curves(outcomes: Sequence[Outcome]) -> list[Curve]:
    results = [read_result(one.folder).test_metrics for one in outcomes]
    return [np.array(result["det"], float) for result in results if result.get("det")]


def _average(curves: Sequence[Curve]) -> Curve:
    """Return one curve: the mean miss rate at each false alarm rate."""
    if len(curves) == 1:
        return curves[0]
    from scipy.stats import norm

    rates = norm.cdf(np.linspace(norm.ppf(LOWEST), -norm.ppf(LOWEST), POINTS))
    misses = [np.interp(rates, *_lowest_miss(curve)) for curve in curves]
    return np.stack((rates, np.mean(misses, axis=0)), axis=1)


def _lowest_miss(curve: Curve) -> tuple[Curve, Curve]:
    """Return false alarm rates without repetitions, and the lowest miss rate at each."""
    rates, last = np.unique(curve[::-1, 0], return_index=True)
    return rates, curve[::-1, 1][last]


def _axes(curve: Curve) -> dict[str, Any]:
    drawn: NDArray[np.bool_] = np.all((curve > LOWEST) & (curve < 1 - LOWEST), axis=1)
    drawn[:-1] |= drawn[1:]  # one point beyond each end
    drawn[1:] |= drawn[:-1]
    curve = curve[drawn] if drawn.any() else curve
    shown = _deviate(curve)
    return {
        "x": np.round(shown[:, 0], 4).tolist(),
        "y": np.round(shown[:, 1], 4).tolist(),
        "customdata": np.round(curve, 6).tolist(),
    }


def _deviate(rates: Curve) -> Curve:
    from scipy.stats import norm

    found: Curve = norm.ppf(np.clip(rates, LOWEST, 1 - LOWEST))
    return found


def _axis(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "tickvals": _deviate(np.array(TICKS)).tolist(),
        "ticktext": [f"{100 * tick:g} %" for tick in TICKS],
        "zeroline": False,
        "range": _deviate(np.array([LOWEST, HIGHEST])).tolist(),
    }
