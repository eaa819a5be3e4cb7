"""What adapters have learnt about layers: weights of their states, and gates of candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final, TypeAlias

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.gates import gate_weights
from ossicle.adapters.saving import read_tensors
from ossicle.methods.gate import Gate
from ossicle.methods.weighted_sum import ReadsLayers
from ossicle.recipes.mixtures import mixtures
from ossicle.recipes.recipe import Recipe
from ossicle.reports.parts import Figure
from ossicle.studies.plots.curves import MOST_LINES
from ossicle.studies.plots.groups import Group, averaged, by_score, group, left_out, score_of
from ossicle.studies.plots.heat import heat, heat_layout
from ossicle.trials.outcome import Outcome

MOST_ROWS: Final = 60
MOST_READ: Final = 200  # groups, the best, whose adapter files are opened

ByLayer: TypeAlias = dict[int, float]


@dataclass(frozen=True)
class Learnt:
    """What a run has learnt about layers.

    Attributes:
        states: Weight of each state that the head reads; 0 is the input of layer 0, and k > 0 the
            output of layer k - 1.
        gates: Gate of each candidate of a mixture, by layer.
        gains: Mean gain of the channels of each layer, where a recipe has weighted gates.
    """

    states: ByLayer = field(default_factory=dict)
    gates: dict[str, ByLayer] = field(default_factory=dict)
    gains: ByLayer = field(default_factory=dict)


def layer_weights(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return heat maps of the weights of states, of gates, and of gains, by recipe and layer.

    Raises:
        AdapterFileError: an adapter folder cannot be read.
    """
    groups = group(outcomes)
    score = score_of(outcomes)
    if len(groups) > MOST_READ and score is not None:
        groups = by_score(groups, score)[:MOST_READ]
    found = {one: _read_all(one) for one in groups}
    found = {one: runs for one, runs in found.items() if runs}
    states = {one.name: _mean([run.states for run in runs]) for one, runs in found.items()}
    gains = {one.name: _mean([run.gains for run in runs]) for one, runs in found.items()}
    gates = {
        f"{one.name}: {candidate}": _mean([run.gates.get(candidate, {}) for run in runs])
        for one, runs in found.items()
        for candidate in runs[0].gates
    }
    how = averaged(list(found))
    figures = [
        _figure(
            "layer-weights",
            "Learnt weights of the layers",
            "hidden state",
            "weight",
            states,
            "Softmax weights of the hidden states that the head reads. State 0 is the input of the "
            f"first layer, state k the output of the k-th layer. {how}",
        ),
        _figure(
            "gates",
            "Learnt gates of candidates",
            "layer",
            "gate",
            gates,
            f"Gate of each candidate of a mixture in each layer, from 0. {how}",
        ),
        _figure(
            "gains",
            "Learnt gains of the layers",
            "layer",
            "gain",
            gains,
            "Gain of the weighted gate on the output of each layer, from 0, as the mean over "
            f"channels. 1 leaves the output as it is. {how}",
        ),
    ]
    return [figure for figure in figures if figure is not None]


def compared_weights(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return the weights of the states as a line for each recipe; None unless several have them.

    Raises:
        AdapterFileError: an adapter folder cannot be read.
    """
    groups = group(outcomes)
    found = {one: _mean([run.states for run in _read_all(one)]) for one in groups[:MOST_READ]}
    known = {one: weights for one, weights in found.items() if weights}
    if len(known) < 2:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": one.name,
            "x": list(weights),
            "y": list(weights.values()),
            "hovertemplate": "<b>%{fullData.name}</b><br>state %{x}<br>%{y:.3f}<extra></extra>",
        }
        for one, weights in list(known.items())[:MOST_LINES]
    ]
    return Figure(
        name="layer-weights-compared",
        title="Learnt weights of the layers, compared",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "hidden state"}, "dtick": 1},
            "yaxis": {"title": {"text": "weight"}, "rangemode": "tozero"},
        },
        about=(
            "Softmax weights of the hidden states that the head reads, of the recipes that learn "
            "them. State 0 is the input of the first layer, state k the output of the k-th layer. "
            f"{averaged(list(known))}{left_out(max(0, len(known) - MOST_LINES))}"
        ),
    )


def read_learnt(folder: Path) -> Learnt:
    """Return what an adapter folder has learnt about layers.

    Raises:
        AdapterFileError: the folder cannot be read.
        RecipeError: its recipe cannot be read.
    """
    opened = read_folder(folder)
    recipe = Recipe.from_dict(opened.facts["recipe"])
    num_layers = opened.facts["backbone"]["layers"]
    states, scales = _keys(recipe, num_layers)
    logits = [key for key in opened.shapes if key.startswith("gates/")]
    found = Learnt()
    if not opened.shapes.keys() & {*states, *scales, *logits}:
        return found
    tensors, _ = read_tensors(folder / TENSORS)
    for key in states & tensors.keys():
        weights = tensors[key].softmax(0).tolist()
        found.states.update(enumerate(weights, start=num_layers + 1 - len(weights)))
    for key in logits:
        mixture, layer = key.removeprefix("gates/").rsplit(".", 1)
        names = mixtures(recipe, num_layers)[mixture, int(layer)]
        for name, weight in zip(names, gate_weights(mixture, tensors[key]).tolist(), strict=True):
            found.gates.setdefault(name, {})[int(layer)] = weight
    for key, (number, scale) in scales.items():
        if key in tensors:
            found.gains[number] = float((scale * tensors[key].sigmoid()).mean())
    return found


def _keys(recipe: Recipe, num_layers: int) -> tuple[set[str], dict[str, tuple[int, float]]]:
    """Return keys of the logits of states, and of weighted gates with their layer and scale."""
    states: set[str] = set()
    scales: dict[str, tuple[int, float]] = {}
    for number, one in enumerate(recipe.placements):
        if isinstance(one.method, ReadsLayers):
            states.add(f"{number}/-/layers/{one.method.layer_logits}")
        if isinstance(one.method, Gate):
            for layer in range(num_layers):
                scales[f"{number}/{layer}/layer/gate"] = (layer, one.method.scale)
    return states, scales


def _read_all(one: Group) -> list[Learnt]:
    """Return what each repeat has learnt; nothing of runs without an adapter file.

    The recipe decides whether there is anything to learn, so the first repeat speaks for all.
    """
    folders = [each.folder for each in one.outcomes if (each.folder / TENSORS).is_file()]
    if not folders or read_learnt(folders[0]) == Learnt():
        return []
    return [read_learnt(folder) for folder in folders]


def _mean(every: Sequence[ByLayer]) -> ByLayer:
    """Return the mean of each layer over the repeats that have it."""
    layers = sorted({layer for one in every for layer in one})
    return {layer: fmean(one[layer] for one in every if layer in one) for layer in layers}


def _figure(
    name: str, title: str, columns: str, colours: str, by_row: Mapping[str, ByLayer], about: str
) -> Figure | None:
    """Return the heat map of rows that have learnt something; None without any."""
    known = {row: values for row, values in by_row.items() if values}
    shown = dict(list(known.items())[:MOST_ROWS])
    if not shown:
        return None
    layers = range(max(max(values) for values in shown.values()) + 1)
    trace = heat(
        list(shown),
        list(layers),
        [[values.get(layer) for layer in layers] for values in shown.values()],
        colours=colours,
        digits=3,
    )
    highest = max(max(values.values()) for values in shown.values())
    trace |= {"zmin": 0, "zmax": highest}  # small differences stay small
    trace["hovertemplate"] = f"%{{y}}<br>{columns} %{{x}}<br>{colours} %{{z:.3f}}<extra></extra>"
    return Figure(
        name=name,
        title=title,
        traces=[trace],
        layout=heat_layout(len(shown), "", columns),
        about=about + left_out(len(known) - len(shown)),
    )
