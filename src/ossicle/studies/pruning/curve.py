"""The report of `ossicle prune --curve`: the metric of one run against the parameters kept."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ossicle.errors import RunError
from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Figure, Report, Section, Table
from ossicle.studies.pruning.survival import survival
from ossicle.tasks import TASKS, Task
from ossicle.training.folder import PRUNED, VERSIONS, read_json
from ossicle.training.parent import Parent
from ossicle.training.result import read_result

COLUMNS: Final = ("kept", "parameters", "pruned", "trained on", "recipe")
ENVIRONMENT: Final = ("ossicle", "torch", "transformers", "platform")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A size of an adapter, with the primary metric on the test recordings of its run.

    Attributes:
        share: Share of the parameters that was to be kept; None: the run before pruning.
        parameters: Its parameters, without the head.
        whole: Those before pruning.
        pruned: The metric after pruning, without training; None: it was not measured.
        trained: The metric of the run; of the run before pruning, its own.
        recipe: Its recipe.
        task: Name of the task.
        folder: The run folder.
    """

    share: float | None
    parameters: int
    whole: int
    pruned: float | None
    trained: float | None
    recipe: str
    task: str
    folder: str

    @property
    def kind(self) -> type[Task]:
        """The task."""
        return TASKS[self.task]

    @property
    def metric(self) -> Metric:
        """How the primary metric is written."""
        return self.kind.reported[self.kind.primary_metric]

    def texts(self) -> dict[str, str]:
        """Return the text of each of `COLUMNS`."""
        shown = [
            "–" if value is None else self.metric.text(value)
            for value in (self.pruned, self.trained)
        ]
        values = (f"{self.parameters / self.whole:.1%}", f"{self.parameters:,}", *shown)
        return dict(zip(COLUMNS, (*values, self.recipe), strict=True))


def point_of(folder: Path, share: float) -> Point:
    """Return the point of a run that was pruned.

    Raises:
        RunError: it has not been tested.
    """
    result = read_result(folder)
    if result.stage is None or "pruned" not in result.stage:
        raise RunError(f"the run in '{folder}' has no test after pruning; resume it")
    found, key = result.stage["pruned"], TASKS[result.task].primary_metric
    return Point(
        share=share,
        parameters=found["parameters"]["after"],
        whole=found["parameters"]["before"],
        pruned=found["pruned"] and found["pruned"][key],
        trained=found["trained"] and found["trained"][key],
        recipe=result.expression,
        task=result.task,
        folder=str(folder),
    )


def unpruned_point(parent: Parent, points: Sequence[Point]) -> Point:
    """Return the point of the run that was pruned; its metric if it had the same test recordings.

    Args:
        parent: The run.
        points: The points of its pruned runs.
    """
    stage = read_result(Path(points[0].folder)).stage
    known = None if stage is None else stage["pruned"]["unpruned"]
    key, whole = TASKS[parent.result.task].primary_metric, points[0].whole
    return Point(
        share=None,
        parameters=whole,
        whole=whole,
        pruned=None,
        trained=known and known[key],
        recipe=parent.result.expression,
        task=parent.result.task,
        folder=str(parent.folder),
    )


def curve_report(parent: Parent, points: Sequence[Point], out: Path) -> Report:
    """Return the report of a curve.

    Args:
        parent: The run that was pruned.
        points: The points, from the largest: first that of the run before pruning.
        out: The folder of the report, which has the runs.
    """
    facts = [read_json(Path(one.folder) / PRUNED) for one in points[1:]]
    by = facts[0]["by"]
    kept = survival(
        {
            f"{one.parameters / one.whole:.1%}": [f]
            for one, f in zip(points[1:], facts, strict=True)
        },
        name="kept",
        title="What is left of each method in each layer",
        about="What computes the input of the head, and what is inserted before it, is outside of "
        "the layers.",
    )
    found = read_json(Path(points[-1].folder) / VERSIONS)
    return Report(
        title="Pruning an adapter",
        command=_command(parent, points, out, by),
        verdict=_verdict(points),
        facts={
            "run": str(parent.folder),
            "data": read_result(Path(points[-1].folder)).data,
            "backbone": parent.result.backbone,
            "task": parent.result.task,
            "pruned by": by.partition("(")[0],
        },
        sections=[
            Section(
                title="Metric against parameters kept", parts=[_figure(points), _table(points)]
            ),
            *([Section(title="What is left", parts=[kept])] if kept else []),
        ],
        environment={key: str(found[key]) for key in ENVIRONMENT if key in found},
    )


def _command(parent: Parent, points: Sequence[Point], out: Path, by: str) -> str:
    shares = ",".join(f"{one.share:g}" for one in points if one.share is not None)
    words = ["ossicle", "prune", str(parent.folder), f"--by={by.partition('(')[0]}"]
    words += ["--unit=adapters"] if "unit=adapters" in by.replace(" ", "") else []
    return shlex.join([*words, f"--curve={shares}", f"--out={out}"])


def _verdict(points: Sequence[Point]) -> list[str]:
    """Return the metric of the largest and the smallest adapter, in one sentence."""
    ends = [
        f"{one.metric.text(one.trained)} with {one.parameters:,} parameters"
        for one in (points[0], points[-1])
        if one.trained is not None
    ]
    return [
        f"{points[0].metric.label}: {', '.join(ends)}. Each size is one run with one "
        "seed; ossicle study prune compares seeds, with tests."
    ]


def _table(points: Sequence[Point]) -> Table:
    metric = points[0].metric

    def row(one: Point) -> list[Cell]:
        values: list[Any] = [one.parameters / one.whole, one.parameters, one.pruned, one.trained]
        texts = one.texts().values()
        return [Cell(text=text, value=v) for text, v in zip(texts, [*values, None], strict=True)]

    return Table(
        name="curve",
        title=f"{metric.label} on the test recordings",
        columns=list(COLUMNS),
        rows=[row(one) for one in points],
        notes=[
            "Parameters are those of the adapter, without the head. Pruned: after pruning, without "
            "training. Trained on: the best epoch of the run that starts from it; of the first "
            "row, the run before pruning. What is kept was chosen by the training recordings of "
            "that run, or without any."
        ],
    )


def _figure(points: Sequence[Point]) -> Figure:
    metric = points[0].metric
    factor = 100 if metric.percent else 1

    def line(name: str, values: Sequence[float | None], series: int) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [one.parameters for one in points],
            "y": [None if value is None else factor * value for value in values],
            "meta": {"series": series},
            "hovertemplate": "%{x:,} parameters<br>%{y:.2f}<extra>%{fullData.name}</extra>",
        }

    before = [points[0].trained, *(one.pruned for one in points[1:])]
    return Figure(
        name="metric-against-parameters",
        title=f"{metric.label} against parameters kept",
        traces=[
            line("trained on", [one.trained for one in points], 0),
            line("pruned, without training", before, 1),
        ],
        layout={
            "xaxis": {
                "type": "log",
                "title": {"text": "parameters, without the head"},
                "tickvals": [one.parameters for one in points],
                "tickformat": ".3~s",
            },
            "yaxis": {"title": {"text": f"{metric.label} (%)" if metric.percent else metric.label}},
        },
        about=(
            f"Test {metric.label} of the adapter at each size, after pruning alone and after "
            "training on. The largest is the run before pruning."
        ),
    )
