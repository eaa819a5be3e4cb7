"""Heat maps: the metric by two labels, such as placement and data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Final

from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import averaged, group, score_of, slug
from ossicle.trials.outcome import Outcome

MOST_WRITTEN: Final = 200  # cells with their value in them
ROW_PX: Final = 26


def metric_map(
    outcomes: Sequence[Outcome], rows: str, columns: str, *, title: str
) -> Figure | None:
    """Return the metric by two labels; a cell is the mean over all that it holds.

    Args:
        outcomes: Outcomes of one task.
        rows: The label of the rows.
        columns: The label of the columns.
        title: Heading.
    """
    score = score_of(outcomes)
    groups = [one for one in group(outcomes) if rows in one.labels and columns in one.labels]
    if score is None or not groups:
        return None
    values: dict[tuple[str, str], list[float]] = {}
    for one in groups:
        place = str(one.labels[rows]), str(one.labels[columns])
        of_one = score.spread(one)
        values.setdefault(place, []).extend([] if of_one is None else [of_one[0]])
    down = list(dict.fromkeys(row for row, _ in values))
    across = list(dict.fromkeys(column for _, column in values))
    found = [[values.get((row, column), []) for column in across] for row in down]
    means = [[fmean(cell) if cell else None for cell in row] for row in found]
    trace = heat(down, across, means, colours=score.title)
    trace["hovertemplate"] = "%{y}, %{x}<br>%{z:.2f}<extra></extra>"
    return Figure(
        name=slug(f"{rows} {columns}"),
        title=title,
        traces=[trace],
        layout=heat_layout(len(down), rows, columns),
        about=f"Test {score.metric.label} by {rows} and {columns}. {averaged(groups, score=True)}",
    )


def data_maps(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the metric by recipe and data set, a map for each task with several data sets."""
    by_task: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if one.measured is not None:
            by_task.setdefault(one.measured.task, []).append(one)
    found = []
    for number, part in enumerate(by_task.values(), start=1):
        title = "Results by recipe and data set"
        figure = metric_map(part, "recipe", "data", title=title)
        if figure is not None and len(figure.traces[0]["x"]) > 1:
            name = figure.name if number == 1 else f"{figure.name}-{number}"
            found.append(replace(figure, name=name))
    return found


def heat(
    rows: Sequence[object],
    columns: Sequence[object],
    values: Sequence[Sequence[float | None]],
    *,
    colours: str,
    digits: int = 1,
) -> dict[str, Any]:
    """Return the trace of a heat map, with the values in its cells where there is room.

    Args:
        rows: Names of the rows, from the top.
        columns: Names of the columns.
        values: A value for each row and column; None leaves a cell empty.
        colours: Title of the colour bar.
        digits: Digits after the decimal point in the cells.
    """
    trace: dict[str, Any] = {
        "type": "heatmap",
        "y": [str(one) for one in rows],
        "x": [str(one) for one in columns],
        "z": [list(row) for row in values],
        "hoverongaps": False,
        "colorbar": {"title": {"text": colours, "side": "right"}},
    }
    if len(rows) * len(columns) <= MOST_WRITTEN:
        trace["text"] = [
            ["" if value is None else f"{value:.{digits}f}" for value in row] for row in values
        ]
        trace["texttemplate"] = "%{text}"
    return trace


def heat_layout(num_rows: int, rows: str, columns: str) -> Mapping[str, Any]:
    """Return the layout of a heat map, whose rows have room for their names."""
    return {
        "height": 160 + ROW_PX * max(num_rows, 4),
        "xaxis": {"type": "category", "title": {"text": columns}, "automargin": True},
        "yaxis": {
            "type": "category",
            "title": {"text": rows},
            "autorange": "reversed",
            "automargin": True,
        },
    }
