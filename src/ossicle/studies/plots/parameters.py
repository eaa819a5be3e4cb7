"""The metric against the number of trained parameters, with the Pareto front."""

from collections.abc import Sequence, Set
from typing import Any, Final

from ossicle.errors import OssicleError
from ossicle.recipes.recipe import Recipe
from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import (
    Group,
    Score,
    averaged,
    group,
    runs,
    score_of,
    short,
)
from ossicle.trials.outcome import Outcome

MOST_LABELLED: Final = 12  # groups with their name beside them
MOST_EXPLAINED: Final = 1000  # groups with bars and a hover text
HOVER: Final = (
    "<b>%{customdata[0]}</b><br>"
    + "<br>".join(f"%{{customdata[{number}]}}" for number in (1, 2, 3))
    + "<extra></extra>"
)


def parameters(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return the metric of each group against its trained parameters, the head included.

    The Pareto front joins the groups that no other beats with as few parameters or fewer. Groups
    without trained parameters are drawn as a line across.
    """
    score, groups = score_of(outcomes), group(outcomes)
    known = [] if score is None else [one for one in groups if score.spread(one)]
    if score is None or not known:
        return None
    sized = sorted((one for one in known if _size(one) > 0), key=_size)
    front = _front(sized, score)
    explained = sized if len(sized) <= MOST_EXPLAINED else _explained(sized, front)
    kept = set(explained)
    rest = [one for one in sized if one not in kept]
    labelled = set(sized if len(sized) <= MOST_LABELLED else front)
    traces = [_points(explained, labelled, score)] if explained else []
    traces += [_front_line(front, score)] if len(front) > 1 else []
    traces += [_others(rest, score)] if rest else []
    traces += [_across(one, sized, score) for one in known if _size(one) <= 0]
    return Figure(
        name="parameters",
        title=f"{score.metric.label} against trained parameters",
        traces=traces,
        layout={
            "xaxis": {
                "type": "log",
                "title": {"text": "trained parameters, head included"},
                **_ticks(sized),
            },
            "yaxis": {"title": {"text": score.title}},
        },
        about=(
            f"Test {score.metric.label} of each recipe against its trained parameters, the head "
            f"included. {averaged(known, 'bars', score=True)} The line joins the recipes that no "
            "other beats with as few parameters or fewer."
        ),
    )


def _ticks(sized: Sequence[Group]) -> dict[str, Any]:
    """Return ticks at powers of ten, or at 1, 2 and 5 times these if they span few decades."""
    ratio = _size(sized[-1]) / _size(sized[0]) if sized else 1
    if ratio < 4:
        return {}
    return {"dtick": 1 if ratio > 300 else "D2"}


def _size(one: Group) -> float:
    return one.runs[0].parameters.get("trainable", 0)


def _mean(one: Group, score: Score) -> float:
    found = score.spread(one)
    assert found is not None  # others are left out
    return found[0]


def _front(sized: Sequence[Group], score: Score) -> list[Group]:
    """Return the Pareto front of groups that are sorted by size."""
    sign = 1 if score.higher_is_better else -1
    front: list[Group] = []
    best = float("-inf")
    for one in sorted(sized, key=lambda one: (_size(one), -sign * _mean(one, score))):
        if sign * _mean(one, score) > best:
            best = sign * _mean(one, score)
            front.append(one)
    return front


def _explained(sized: Sequence[Group], front: Sequence[Group]) -> list[Group]:
    """Return the groups with a hover text: half of them of the front, half of the others."""
    kept = {*_thinned(front), *_thinned(sized)}
    return [one for one in sized if one in kept]


def _thinned(every: Sequence[Group]) -> Sequence[Group]:
    """Return evenly spaced groups, at most half of those that can have a hover text."""
    return every[:: max(1, -(-len(every) // (MOST_EXPLAINED // 2)))]


def _points(shown: Sequence[Group], labelled: Set[Group], score: Score) -> dict[str, Any]:
    deviations = [found[1] for one in shown if (found := score.spread(one))]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+text",
        "name": "recipes",
        "x": [_size(one) for one in shown],
        "y": [_mean(one, score) for one in shown],
        "text": [short(one.name) if one in labelled else "" for one in shown],
        "textposition": "top center",
        "cliponaxis": False,
        "customdata": [_facts(one, score) for one in shown],
        "hovertemplate": HOVER,
        "showlegend": False,
    }
    if any(deviations):
        trace["error_y"] = {"type": "data", "array": deviations, "visible": True}
    return trace


def _facts(one: Group, score: Score) -> list[str]:
    """Return name, metric, parameters and, where it says more, the recipe written out."""
    sizes = one.runs[0].parameters
    count, head = int(sizes.get("trainable", 0)), int(sizes.get("head", 0))
    expression = _expression(one.outcomes[0].trial.config.recipe)
    return [
        one.name,
        f"{score.metric.label} {score.text(one)}, {runs(len(one.outcomes))}",
        f"{count:,} trained parameters, {count - head:,} without the head",
        expression if expression not in one.name else "",
    ]


def _expression(recipe: str) -> str:
    """Return a recipe written out; as it is given where it can no longer be read."""
    try:
        return str(Recipe.parse(recipe))
    except OssicleError:
        return recipe


def _front_line(front: Sequence[Group], score: Score) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Pareto front",
        "x": [_size(one) for one in front],
        "y": [_mean(one, score) for one in front],
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }


def _others(rest: Sequence[Group], score: Score) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "other recipes",
        "x": [_size(one) for one in rest],
        "y": [_mean(one, score) for one in rest],
        "meta": {"role": "background"},
        "hoverinfo": "skip",
    }


def _across(one: Group, sized: Sequence[Group], score: Score) -> dict[str, Any]:
    sizes = [_size(other) for other in sized] or [1]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": one.name,
        "x": [min(sizes), max(sizes)] if len(set(sizes)) > 1 else [sizes[0] / 2, sizes[0] * 2],
        "y": [_mean(one, score)] * 2,
        "customdata": [_facts(one, score)] * 2,
        "hovertemplate": HOVER,
    }
