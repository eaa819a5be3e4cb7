"""Similarity of the hidden states of methods, layer by layer: linear CKA.

Source: Kornblith et al. 2019, https://arxiv.org/abs/1905.00414.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from ossicle.reports.parts import Figure
from ossicle.statistics.cka import similarities
from ossicle.studies.plots.compared import compared_runs, read_each
from ossicle.studies.plots.groups import left_out
from ossicle.studies.plots.heat import ROW_PX, heat, heat_layout
from ossicle.training.representations import Representations, read_representations
from ossicle.trials.outcome import Outcome

BARE: Final = "no adapters"
HOW: Final = (
    "Linear CKA of the outputs of layers on {count} test recordings, averaged over time; 1: equal "
    "up to rotation and scale. With few recordings all values are high, so compare them with each "
    "other. Prompts count as frames. The first run of each recipe."
)


def similarity_maps(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return heat maps of the similarity of methods to the bare backbone, and to each other.

    Recipes without representations, or with those of other recordings, are left out.

    Args:
        outcomes: The outcomes of a panel.

    Raises:
        AdapterFileError: a file is damaged.
    """
    runs = compared_runs(outcomes)
    known = read_each(runs, read_representations)
    if not known:
        return []
    first = next(iter(known.values()))
    shape = first.hidden.shape[:2]
    found = {
        name: one
        for name, one in known.items()
        if one.keys == first.keys and one.hidden.shape[:2] == shape
    }
    about = HOW.format(count=shape[0]) + left_out(len(runs) - len(found))
    return [_with_bare(found, about), *(_between(found, about) if len(found) > 1 else ())]


def _with_bare(found: Mapping[str, Representations], about: str) -> Figure:
    values = [one.with_bare.tolist() for one in found.values()]
    layers = range(len(values[0]))
    trace = _scaled(heat(list(found), list(layers), values, colours="CKA", digits=3))
    trace["hovertemplate"] = "%{y}<br>layer %{x}<br>CKA %{z:.3f}<extra></extra>"
    return Figure(
        name="cka-backbone",
        title="Similarity of hidden states to the backbone without adapters",
        traces=[trace],
        layout=heat_layout(len(found), "", "layer"),
        about=f"Each layer of each recipe against the same layer without adapters. {about}",
    )


def _between(found: Mapping[str, Representations], about: str) -> list[Figure]:
    by_layer = _cka_by_layer(found)  # (L, M, M)
    names = [*found, BARE]
    figures = []
    for key, where, values in (
        ("last", "after the last layer", by_layer[-1]),
        ("mean", "as the mean over layers", by_layer.mean(axis=0)),
    ):
        trace = _scaled(heat(names, names, values.tolist(), colours="CKA", digits=3))
        trace["hovertemplate"] = "%{y}<br>%{x}<br>CKA %{z:.3f}<extra></extra>"
        figures.append(
            Figure(
                name=f"cka-{key}",
                title=f"Similarity of hidden states between recipes, {where}",
                traces=[trace],
                layout={**heat_layout(len(names), "", ""), "height": 300 + ROW_PX * len(names)},
                about=f"Pairs of recipes, {where}. {about}",
            )
        )
    return figures


def _cka_by_layer(found: Mapping[str, Representations]) -> Float[np.ndarray, "L M M"]:
    """Return the CKA of all pairs of recipes; the last row and column are the bare backbone."""
    layers = []
    for layer, bare in enumerate(np.stack([one.with_bare for one in found.values()], axis=1)):
        vectors = np.stack([similarities(one.hidden[:, layer]).ravel() for one in found.values()])
        between = np.pad(vectors @ vectors.T, (0, 1), constant_values=1.0)
        between[-1, :-1] = between[:-1, -1] = bare
        layers.append(between)
    return np.stack(layers)


def _scaled(trace: dict[str, Any]) -> dict[str, Any]:
    lowest = min(min(row) for row in trace["z"])
    return trace | {"zmin": min(lowest, 0.99), "zmax": 1}  # small differences stay small
