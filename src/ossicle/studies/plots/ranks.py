"""The critical-difference diagram of recipes over several data sets.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", figure 1.
"""

from collections.abc import Mapping
from typing import Any, Final

from ossicle.reports.parts import Figure
from ossicle.statistics.ranks import Ranks
from ossicle.studies.plots.cost import BAR_PX

GAP: Final = 0.3  # ranks between two lines


def critical_difference(found: Ranks) -> Figure:
    """Return the diagram: average ranks, and a bar across each group that is not told apart."""
    names = list(found.names)
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "average rank",
        "x": list(found.average),
        "y": names,
        "customdata": list(found.names),
        "hovertemplate": "<b>%{customdata}</b><br>average rank %{x:.2f}<extra></extra>",
        "meta": {"series": 0},
    }
    return Figure(
        name="critical-difference",
        title="Average ranks and critical difference",
        traces=[
            points,
            *(_clique(names, number, *one) for number, one in enumerate(found.cliques)),
        ],
        layout={
            "height": 150 + BAR_PX * len(names),
            "showlegend": False,
            "xaxis": {
                "title": {"text": "average rank (1 is best)"},
                "range": [0.8, len(names) + GAP * (len(found.cliques) + 1)],
                "tickvals": list(range(1, len(names) + 1)),
            },
            "yaxis": {"type": "category", "automargin": True, **_order(names)},
        },
        about=(
            f"Average rank of each recipe over {found.num_data} data sets; 1 is the best. A line "
            "on the right is beside recipes whose ranks differ by less than the critical "
            f"difference of {found.critical_difference:.2f} (Nemenyi's test, level "
            f"{found.alpha:g}): these data do not tell them apart."
        ),
    )


def _order(names: list[str]) -> Mapping[str, Any]:
    return {"categoryorder": "array", "categoryarray": list(reversed(names))}


def _clique(names: list[str], number: int, first: int, last: int) -> Mapping[str, Any]:
    """Return an upright line beside the rows of a clique, to the right of the ranks."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "not told apart",
        "x": [len(names) + GAP * (number + 1)] * 2,
        "y": [names[first], names[last]],
        "line": {"dash": "solid", "width": 4},
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }
