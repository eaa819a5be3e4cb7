"""Which layers and which types of adapter survive: the share of parameters kept, as a heat map."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from ossicle.reports.parts import Figure
from ossicle.studies.plots.heat import heat, heat_layout

OUTSIDE: Final = "outside layers"


def survival(
    pruned: Mapping[str, Sequence[Mapping[str, Any]]], *, name: str, title: str, about: str
) -> Figure | None:
    """Return the share of parameters that is kept of each method in each layer.

    Args:
        pruned: Contents of `pruned.json` of runs, by the size that they kept; a size has rows of
            its own, which show the mean over its runs.
        name: Name of the figure.
        title: Its heading.
        about: Whose mean it is, as a sentence.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for size, runs in pruned.items():
        for one in runs:
            for (method, layer), (before, after) in by_place(one).items():
                place = f"{method}, {size}", layer
                found.setdefault(place, []).append(100 * after / before)
    if not found:
        return None
    methods = dict.fromkeys(row.rpartition(", ")[0] for row, _ in found)
    rows = [f"{method}, {size}" for method in methods for size in pruned]
    layers = sorted({layer for _, layer in found}, key=_position)
    means = [[_mean(found.get((row, layer))) for layer in layers] for row in rows]
    trace = heat(rows, layers, means, colours="parameters kept (%)", digits=0)
    trace |= {"zmin": 0, "zmax": 100}
    trace["hovertemplate"] = "%{y}, layer %{x}<br>%{z:.1f} % kept<extra></extra>"
    return Figure(
        name=name,
        title=title,
        traces=[trace],
        layout=heat_layout(len(rows), "method and size", "layer"),
        about=f"Parameters of each method in each layer that pruning has kept. {about}",
    )


def _mean(values: Sequence[float] | None) -> float | None:
    return None if values is None else fmean(values)


def by_place(pruned: Mapping[str, Any]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return parameters before and after, by method and layer."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for key, slot in pruned["slots"].items():
        layer = key.split("/")[1]
        place = slot["method"], OUTSIDE if layer == "-" else layer
        before, after = found.get(place, (0, 0))
        if slot["before"]:  # a candidate without parameters has no share
            found[place] = before + slot["before"], after + slot["after"]
    return found


def _position(layer: str) -> tuple[bool, int]:
    return (layer == OUTSIDE, 0 if layer == OUTSIDE else int(layer))
