"""The report of the study of pruning, for each recipe on each data set and backbone."""

from collections.abc import Sequence
from typing import Any

from ossicle.errors import OssicleError
from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell as Shown
from ossicle.reports.parts import Figure, Part, Section, Table
from ossicle.studies.adaptation.gains import NOTHING, mean_of, spread
from ossicle.studies.analysis.cell import Cell
from ossicle.studies.analysis.verdict import unfinished
from ossicle.studies.pruning.compared import REFERENCES, compared_with, comparisons
from ossicle.studies.pruning.panel import WHOLE, Panel, panels_of
from ossicle.studies.pruning.plan import KEPT, PRUNING, SCRATCH, UNPRUNED
from ossicle.studies.pruning.survival import survival
from ossicle.tasks import TASKS
from ossicle.training.folder import PRUNED, read_json
from ossicle.training.result import read_result
from ossicle.trials.outcome import Outcome


def report_pruning(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of the report.

    Args:
        outcomes: The outcomes of all trials; some may be missing or failed.
    """
    found = panels_of(outcomes)
    if not found:
        return ["No trial is finished yet."], []
    numbered = list(enumerate(found, start=1))
    sections = [
        Section(title="Results", parts=[p for n, one in numbered for p in _results(one, n)]),
        Section(
            title="Compared with other ways to a small adapter",
            parts=[part for number, one in numbered for part in comparisons(one, number)],
        ),
        Section(
            title="Which layers and which types of adapter survive",
            parts=[part for number, one in numbered for part in _maps(one, number)],
        ),
    ]
    said = [line for one in found for line in _said(one)]
    return said + unfinished(outcomes), [one for one in sections if one.parts]


def _results(panel: Panel, number: int) -> list[Part]:
    """Return the curve and the table of all sizes."""
    return [_curve(panel, number), _table(panel, number)]


def _curve(panel: Panel, number: int) -> Figure:
    """Return the metric against the parameters kept, a line for each way."""
    traces: list[dict[str, Any]] = []
    for series, pruning in enumerate([*panel.ways, SCRATCH]):
        line = [(x, cell) for x in panel.shares if (cell := panel.cell(pruning, x)) is not None]
        if line:
            traces.append(_line(panel, pruning, [cell for _, cell in line], series))
    for whole in WHOLE:
        cell = panel.cell(whole, 1.0)
        if cell is not None and traces:
            ends = [x for trace in traces for x in trace["x"]] + [cell.parameters]
            traces.append(_across(panel, whole, cell, [min(ends), max(ends)]))
    metric = panel.metric
    return Figure(
        name=f"curve-{number}",
        title=f"{metric.label} against parameters kept: {panel.name}",
        traces=traces,
        layout={
            "xaxis": {
                "type": "log",
                "title": {"text": "parameters, without the head"},
                "tickvals": _ticks(panel),
                "tickformat": ".3~s",
            },
            "yaxis": {"title": {"text": f"{metric.label} (%)" if metric.percent else metric.label}},
        },
        about=(
            f"Test {metric.label} after pruning and training on, mean over seeds; bars are "
            "standard deviations. Lines across: the adapter before pruning, and trained on without "
            "pruning."
        ),
    )


def _ticks(panel: Panel) -> list[int]:
    """Return the parameters before pruning, and those of one way at each share."""
    names = [(UNPRUNED, 1.0), *((way, share) for way in panel.ways[:1] for share in panel.shares)]
    found = (panel.cell(*name) for name in names)
    return [cell.parameters for cell in found if cell is not None]


def _line(panel: Panel, name: str, line: Sequence[Cell], series: int) -> dict[str, Any]:
    key, factor = panel.task.primary_metric, 100 if panel.metric.percent else 1
    means, deviations = [one.mean(key) for one in line], [one.deviation(key) for one in line]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [one.parameters for one in line],
        "y": [None if mean is None else factor * mean for mean in means],
        "meta": {"series": series},
        "hovertemplate": "%{x:,} parameters<br>%{y:.2f}<extra>%{fullData.name}</extra>",
    }
    if any(deviations):
        array = [factor * (one or 0.0) for one in deviations]
        trace["error_y"] = {"type": "data", "array": array, "visible": True}
    return trace


def _across(panel: Panel, name: str, cell: Cell, ends: Sequence[float]) -> dict[str, Any]:
    mean, factor = cell.mean(panel.task.primary_metric), 100 if panel.metric.percent else 1
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(ends),
        "y": [None if mean is None else factor * mean] * 2,
        "meta": {"role": "reference"},
    }


def _table(panel: Panel, number: int) -> Table:
    """Return parameters and metric of every cell, after pruning alone and after training on."""
    metric = panel.metric

    def row(pruning: str, share: float, cell: Cell) -> list[Shown]:
        own = [o for o in panel.outcomes if o.trial.labels[PRUNING] == pruning]
        own = [o for o in own if o.trial.labels[KEPT] == share and o.measured is not None]
        before = [v for v in map(_untrained, own) if v is not None]
        summary = cell.summary
        bounds = None if summary is None else summary.interval
        return [
            Shown(text=pruning),
            Shown(text=f"{share:.0%}", value=share),
            Shown(text=f"{cell.parameters:,}", value=cell.parameters),
            spread(metric, before) if before else NOTHING,
            mean_of(cell, panel.task),
            NOTHING if bounds is None else Shown(text=_range(metric, bounds)),
            Shown(text=f"{len(cell.repeats)} of {cell.num_trials}", value=len(cell.repeats)),
        ]

    heading = f"{metric.label} (%)" if metric.percent else metric.label
    shown = [(p, s, c) for (p, s), c in panel.cells.items() if c.repeats]
    return Table(
        name=f"sizes-{number}",
        title=f"Every size: {panel.name}",
        columns=[
            "pruning",
            "kept",
            "parameters",
            f"{heading}, pruned alone",
            heading,
            "95 % interval",
            "repeats",
        ],
        rows=[row(*one) for one in shown],
        notes=[
            "Mean and standard deviation over seeds, on the test recordings. Parameters are those "
            "of the first seed, without the head. Pruned alone: after pruning, before training on. "
            f"Training {SCRATCH} has as many epochs as training and training on have together."
        ],
    )


def _untrained(one: Outcome) -> float | None:
    """Return the primary metric after pruning alone; None if nothing was pruned."""
    try:
        result = read_result(one.folder)
    except OssicleError:  # the folder has been moved away; the study keeps its results
        return None
    found = None if result.stage is None else result.stage.get("pruned", {}).get("pruned")
    return None if found is None else found[TASKS[result.task].primary_metric]


def _range(metric: Metric, bounds: Sequence[float]) -> str:
    return f"{metric.number(bounds[0])} to {metric.number(bounds[1])}"


def _maps(panel: Panel, number: int) -> list[Part]:
    """Return a heat map for each way, of what is left in each layer."""
    found = []
    for way in panel.ways:
        kept = {
            f"{share:.0%}": [
                read_json(one.folder / PRUNED)
                for one in panel.outcomes
                if one.measured is not None
                and one.trial.labels[PRUNING] == way
                and one.trial.labels[KEPT] == share
                and (one.folder / PRUNED).is_file()
            ]
            for share in panel.shares
        }
        found.append(
            survival(
                kept,
                name=f"kept-{way}-{number}",
                title=f"What {way} keeps: {panel.name}",
                about="Mean over seeds. What computes the input of the head, and what is inserted "
                "before it, is outside of the layers.",
            )
        )
    return [one for one in found if one is not None]


def _said(panel: Panel) -> list[str]:
    """Return the metric at each size, and which differences are decided."""
    metric, key = panel.metric, panel.task.primary_metric
    whole = panel.cell(UNPRUNED, 1.0)
    said = []
    if whole is not None and (mean := whole.mean(key)) is not None:
        said.append(f"{panel.name}: {metric.label} {metric.text(mean)} before pruning.")
    for share in panel.shares:
        means = [
            f"{metric.text(mean)} {name if name == SCRATCH else f'by {name}'}"
            for name in (*panel.ways, SCRATCH)
            if (cell := panel.cell(name, share)) is not None
            and (mean := cell.mean(key)) is not None
        ]
        if means:
            said.append(f"{panel.name} at {share:.0%} of the parameters: {', '.join(means)}.")
    decided = [
        f"{row.cell.labels[PRUNING]} at {row.cell.labels[KEPT]:.0%} "
        f"{'better' if row.difference.gain > 0 else 'worse'} than {reference}"
        for reference in REFERENCES
        for row in compared_with(panel, reference)
        if row.decided and row.difference is not None
    ]
    end = ", ".join(decided) or "none"
    return [*said, f"{panel.name}: differences that both tests decide: {end}."] if said else []
