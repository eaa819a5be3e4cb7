"""What decisions depend on: attribution over time and frequency, and the agreement of methods."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from ossicle.reports.parts import Cell, Figure, Part, Table
from ossicle.studies.plots.compared import compared_runs, read_each
from ossicle.studies.plots.groups import left_out
from ossicle.training.attribution import Attributions, read_attributions
from ossicle.trials.outcome import Outcome

CELL_PX: Final = 10
ACROSS: Final = 2  # cells between maps
DOWN: Final = 4  # the same, with room for the name of a recipe and for decisions that are wrong
LONGEST: Final = 10  # characters of a decision below a map
ABOUT: Final = (
    "How much less sure each decision is if a part of the recording is silenced: its log odds "
    "without a time window and frequency band, subtracted from those with it (of a predicted "
    "number, its value). Time goes to the right, frequency up, in bands of equal width on the mel "
    "scale. Each map is scaled by its largest value; negative parts spoke against the decision. An "
    "arrow shows a decision that is not the label. The first run of each recipe."
)


def attributions(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the maps of all methods on the same recordings, and a table of their agreement.

    Recipes without attributions, or with those of other recordings, are left out.

    Args:
        outcomes: The outcomes of a panel.

    Raises:
        AdapterFileError: a file is damaged.
    """
    runs = compared_runs(outcomes)
    known = read_each(runs, read_attributions)
    if not known:
        return []
    first = next(iter(known.values()))
    found = {
        name: one
        for name, one in known.items()
        if one.keys == first.keys and one.maps.shape == first.maps.shape
    }
    maps = _maps(found, len(runs) - len(found))
    return [maps, _agreement_table(found)] if len(found) > 1 else [maps]


def agreement(first: Attributions, second: Attributions) -> tuple[float | None, int]:
    """Return the mean rank correlation of the maps of two methods, and the number of recordings.

    Only recordings on which both decide the same count: other maps answer other questions. None
    without any.
    """
    from scipy.stats import spearmanr

    pairs = zip(first.decisions, second.decisions, first.maps, second.maps, strict=True)
    found = [
        float(spearmanr(one.ravel(), other.ravel()).statistic)
        for decision, other_decision, one, other in pairs
        if decision == other_decision and np.ptp(one) > 0 and np.ptp(other) > 0
    ]
    return (float(np.mean(found)), len(found)) if found else (None, 0)


def _agreement_table(found: Mapping[str, Attributions]) -> Table:
    rows = []
    for name, one in found.items():
        cells = [Cell(text=name)]
        for other_name, other in found.items():
            mean, count = (None, 0) if other_name == name else agreement(one, other)
            text = "" if mean is None else f"{mean:.2f} ({count})"
            cells.append(Cell(text=text, value=mean))
        rows.append(cells)
    return Table(
        name="attribution-agreement",
        title="Agreement of methods on what decisions depend on",
        columns=("recipe", *found),
        rows=rows,
        notes=(
            "Mean rank correlation (Spearman) of two recipes' maps above, and the number of "
            "recordings on which both decide the same, which are those that count. 1: the same "
            "parts matter in the same order; 0: no relation.",
            "These are a few recordings and one run of each recipe. Two seeds of one recipe may "
            "differ as much.",
        ),
    )


def _maps(found: Mapping[str, Attributions], missing: int) -> Figure:
    """Return all maps as one heat map, a row for each method and a column for each recording."""
    first = next(iter(found.values()))
    count, windows, bands = first.maps.shape
    across, down = windows + ACROSS, bands + DOWN
    values = np.full((len(found) * down - DOWN, count * across - ACROSS), np.nan)
    hover: list[list[Any]] = [[None] * values.shape[1] for _ in range(len(values))]
    texts = []
    for row, (name, one) in enumerate(found.items()):
        texts.append(_text(name, -0.5, row * down - 0.7, "left", "bottom", 13))
        for column in range(count):
            top, left = row * down, column * across
            values[top : top + bands, left : left + windows] = _scaled(one.maps[column])
            for band, window in np.ndindex(bands, windows):
                place = top + bands - 1 - band, left + window
                hover[place[0]][place[1]] = _hover(name, one, column, window, band)
            if one.decisions[column] != one.labels[column]:
                middle = left + (windows - 1) / 2
                decision = f"→ {_brief(one.decisions[column])}"
                texts.append(_text(decision, middle, top + bands - 0.5, "center", "top", 10))
    trace = {
        "type": "heatmap",
        "x": list(range(values.shape[1])),
        "y": list(range(values.shape[0])),
        "z": [[None if np.isnan(one) else round(one, 3) for one in row] for row in values.tolist()],
        "customdata": hover,
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<br>"
            "%{z:.2f} of the largest<extra></extra>"
        ),
        "zmin": -1,
        "zmax": 1,
        "xgap": 0,
        "ygap": 0,
        "meta": {"scale": "diverging"},
        "colorbar": {"title": {"text": "share of the largest", "side": "right"}},
    }
    return Figure(
        name="attribution",
        title="What decisions depend on, over time and frequency",
        traces=[trace],
        layout={
            "height": 170 + CELL_PX * (len(values) + DOWN),
            "xaxis": {
                **_axis(first.labels, across, windows),
                "range": [-0.5, count * across - ACROSS - 0.5],  # annotations would widen it
            },
            "yaxis": {
                **_axis((), down, bands),
                "range": [len(values) + DOWN / 2 - 0.5, -DOWN / 2 - 0.5],
            },
            "annotations": texts,
        },
        about=ABOUT + left_out(missing),
    )


def _scaled(one: Float[np.ndarray, "W F"]) -> Float[np.ndarray, "F W"]:
    """Return a map with frequency upwards, divided by its largest value."""
    largest = np.abs(one).max()
    scaled: Float[np.ndarray, "F W"] = one.T[::-1] / (largest or 1)
    return scaled


def _hover(name: str, one: Attributions, number: int, window: int, band: int) -> list[str]:
    step = one.seconds[number] / one.maps.shape[1]
    low, high = one.edges_hz[band : band + 2]
    return [
        f"{name}: {one.decisions[number]}",
        f"{one.labels[number]} ({one.keys[number]})",
        f"{window * step:.2f} to {(window + 1) * step:.2f} s, {low:.0f} to {high:.0f} Hz",
    ]


def _brief(decision: str) -> str:
    return decision if len(decision) <= LONGEST else f"{decision[: LONGEST - 1]}…"


def _text(text: str, x: float, y: float, x_at: str, y_at: str, size: int) -> Mapping[str, Any]:
    where = {"x": x, "y": y, "xanchor": x_at, "yanchor": y_at}
    return {"text": text, **where, "showarrow": False, "font": {"size": size}}


def _axis(names: Sequence[str], step: int, size: int) -> dict[str, Any]:
    """Return an axis with each name in the middle of its maps."""
    return {
        "tickvals": [number * step + (size - 1) / 2 for number in range(len(names))],
        "ticktext": list(names),
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "automargin": True,
    }
