"""Plots of what searches have found: Pareto front, gates by epoch, architectures, importance."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ossicle.reports.parts import Figure
from ossicle.studies.plots.curves import MOST_LINES
from ossicle.studies.plots.groups import left_out, slug
from ossicle.studies.plots.heat import ROW_PX, heat, heat_layout
from ossicle.studies.searching.found import Found, by_strategy
from ossicle.tasks import TASKS

MOST_ROWS: Final = 60
GAP: Final = 0.02  # between two heat maps, as a fraction of the width


def front_figure(found: Sequence[Found], number: int, place: str) -> Figure | None:
    """Return the validation metric against parameters of what strategies have tried.

    Args:
        found: The searches of a panel.
        number: Number of the panel in the report, from 1.
        place: Data and backbone, as the end of a heading.
    """
    tried = {name: part for name, part in by_strategy(found).items() if any(o.front for o in part)}
    if not tried:
        return None
    task = TASKS[found[0].measured.task]
    metric = task.reported[task.primary_metric]
    factor = (100 if metric.percent else 1) * (1 if task.higher_is_better else -1)
    title = f"{metric.label} (%)" if metric.percent else metric.label
    return Figure(
        name=f"front-{number}",
        title=f"Validation {metric.label} against parameters{place}",
        traces=[_front_trace(name, part, factor) for name, part in tried.items()],
        layout={
            "xaxis": {"title": {"text": "trained parameters, without the head"}},
            "yaxis": {"title": {"text": f"validation {title}"}},
        },
        about=(
            f"Everything that a search has trained and that nothing with as few parameters beats "
            f"on the validation recordings, of all seeds: the Pareto front of {metric.label} and "
            "parameters. Each point is the best of many by these recordings, so it is optimistic."
        ),
    )


def _front_trace(name: str, part: Sequence[Found], factor: float) -> dict[str, Any]:
    points = sorted(
        (size, factor * score, one.repeat, recipe)
        for one in part
        for size, score, recipe in one.front
    )
    sizes, scores, repeats, recipes = zip(*points, strict=True)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(sizes),
        "y": list(scores),
        "customdata": [list(pair) for pair in zip(repeats, recipes, strict=True)],
        "hovertemplate": "<b>%{fullData.name}</b>, %{customdata[0]}<br>%{x:,} parameters, "
        "%{y:.2f}<br>%{customdata[1]}<extra></extra>",
    }


def gate_figures(found: Sequence[Found], number: int, place: str) -> list[Figure]:
    """Return a heat map of the gates by layer and epoch for each strategy that has gates."""
    figures = []
    for name, part in by_strategy(found).items():
        gates = [one.gates for one in part]
        known = [one for one in gates if one is not None and len(one)]
        if not known:
            continue
        epochs = min(len(one) for one in known)  # of searches that were stopped too
        mean = np.mean([one[:epochs] for one in known], axis=0)  # (E, L, K)
        candidates = _named(part[0].candidates, mean.shape[2])
        figures.append(
            Figure(
                name=f"gates-{slug(name)}-{number}",
                title=f"Gates of {name}{place}",
                traces=_gate_maps(mean, candidates),
                layout=_side_by_side(candidates, mean.shape[1]),
                about=(
                    "Gate of each candidate by layer (down, from 0) and epoch (across), as the "
                    f"mean over {len(known)} searches. The candidate with the highest gate of a "
                    "layer after the last epoch is kept there."
                ),
            )
        )
    return figures


def _named(candidates: Sequence[str], count: int) -> list[str]:
    """Return the names of the candidates; numbers where they are not known."""
    return list(candidates) if len(candidates) == count else list(map(str, range(count)))


def _gate_maps(gates: Any, candidates: Sequence[str]) -> list[dict[str, Any]]:
    epochs, layers, count = gates.shape
    highest = max(float(gates.max()), 1 / count)
    traces = []
    for position, name in enumerate(candidates):
        rows = gates[:, :, position].T.tolist()
        trace = heat(range(layers), range(1, epochs + 1), rows, colours="gate", digits=2)
        trace |= {
            "name": name,
            "xaxis": _axis("x", position),
            "zmin": 0,
            "zmax": highest,
            "showscale": position == count - 1,
            "hovertemplate": "%{fullData.name}<br>layer %{y}, epoch %{x}<br>gate %{z:.3f}"
            "<extra></extra>",
        }
        trace.pop("text", None)  # too small for numbers
        trace.pop("texttemplate", None)
        traces.append(trace)
    return traces


def _side_by_side(candidates: Sequence[str], layers: int) -> dict[str, Any]:
    width = (1 + GAP) / len(candidates)
    layout = {**heat_layout(layers, "layer", "")}
    for position, name in enumerate(candidates):
        layout[_axis("xaxis", position)] = {
            "title": {"text": f"{name}: epoch"},
            "domain": [position * width, (position + 1) * width - GAP],
            "automargin": True,
        }
    return layout


def _axis(name: str, position: int) -> str:
    return name if position == 0 else f"{name}{position + 1}"


def architecture_figure(found: Sequence[Found], number: int, place: str) -> Figure | None:
    """Return the candidate of each layer in every search, the searches of a strategy together."""
    chosen = [one for part in by_strategy(found).values() for one in part if one.choice]
    if not chosen:
        return None
    shown = chosen[:MOST_ROWS]
    layers = 1 + max(layer for one in chosen for layer in one.choice)
    names = [[one.in_layer(layer) for layer in range(layers)] for one in shown]
    kinds = list(dict.fromkeys(["–", *shown[0].candidates, *(n for row in names for n in row)]))
    rows = [f"{one.strategy}, {one.repeat}" for one in shown]
    trace = heat(rows, range(layers), [[kinds.index(n) for n in row] for row in names], colours="")
    trace |= {
        "text": names,
        "texttemplate": "%{text}",
        "showscale": False,
        "hovertemplate": "%{y}<br>layer %{x}: %{text}<extra></extra>",
    }
    return Figure(
        name=f"architectures-{number}",
        title=f"What was chosen for each layer{place}",
        traces=[trace],
        layout={**heat_layout(len(rows), "", "layer"), "height": 160 + ROW_PX * len(rows)},
        about=(
            "Candidate of each layer of the answer of every search; – is a layer without an "
            f"adapter. Equal colours are equal candidates.{left_out(len(chosen) - len(shown))}"
        ),
    )


def importance_figure(found: Sequence[Found], number: int, place: str) -> Figure | None:
    """Return the importance of each layer by a probe, as the mean over searches."""
    known = {
        name: np.mean(values, axis=0).tolist()
        for name, part in by_strategy(found).items()
        if (values := [one.facts["importance"] for one in part if one.facts.get("importance")])
    }
    if not known:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(range(len(values))),
            "y": values,
        }
        for name, values in list(known.items())[:MOST_LINES]
    ]
    return Figure(
        name=f"importance-{number}",
        title=f"Importance of layers by a probe{place}",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "layer"}, "dtick": 1},
            "yaxis": {"title": {"text": "score of a linear model on its output"}},
        },
        about=(
            "Cross-validated accuracy, or R squared, of a linear model on the mean over time of "
            "the output of each layer of the bare backbone, within the training recordings."
        ),
    )
