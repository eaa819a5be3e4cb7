"""Time and memory of the training of each group, as bars."""

from collections.abc import Callable, Sequence
from typing import Final

from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import averaged, group, left_out, runs, spread
from ossicle.trials.outcome import Measured, Outcome

MOST_BARS: Final = 60
BAR_PX: Final = 26


def train_time(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return the training time of each group."""
    return _bars(
        outcomes,
        lambda run: run.train_seconds,
        name="train-time",
        title="Time of the training",
        axis="training time (s)",
        about="Wall time from the start of a run to its last epoch, of each recipe.",
    )


def peak_memory(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return the peak memory of each group."""
    return _bars(
        outcomes,
        lambda run: run.peak_memory_mib,
        name="peak-memory",
        title="Peak memory of the training",
        axis="peak memory (MiB)",
        about="Peak memory of the GPU, or else of the process, of each recipe.",
    )


def _bars(
    outcomes: Sequence[Outcome],
    read: Callable[[Measured], float | None],
    *,
    name: str,
    title: str,
    axis: str,
    about: str,
) -> Figure | None:
    groups = group(outcomes)
    values = {one: [v for run in one.runs if (v := read(run)) is not None] for one in groups}
    known = [one for one in groups if values[one]]
    shown = known[:MOST_BARS]
    if not shown:
        return None
    found = [spread(values[one]) for one in shown]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [one.name for one in shown],
        "x": [mean for mean, _ in found],
        "error_x": {
            "type": "data",
            "array": [deviation or 0 for _, deviation in found],
            "visible": any(deviation for _, deviation in found),
        },
        "customdata": [
            [one.name, _text(*of_one, axis), runs(len(one.outcomes))]
            for one, of_one in zip(shown, found, strict=True)
        ],
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>%{customdata[1]}, %{customdata[2]}<extra></extra>"
        ),
        "showlegend": False,
    }
    return Figure(
        name=name,
        title=title,
        traces=[trace],
        layout={
            "height": 120 + BAR_PX * len(shown),
            "xaxis": {"title": {"text": axis}, "rangemode": "tozero"},
            "yaxis": {"type": "category", "autorange": "reversed", "automargin": True},
        },
        about=(f"{about} {averaged(shown, 'whiskers')}{left_out(len(known) - len(shown))}"),
    )


def _text(mean: float, deviation: float | None, axis: str) -> str:
    unit = axis[axis.index("(") + 1 : -1]
    return f"{mean:,.1f}" + ("" if deviation is None else f" ± {deviation:,.1f}") + f" {unit}"
