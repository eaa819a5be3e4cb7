"""Runs and trained models as tables, for notebooks."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import read_folder
from ossicle.errors import listing
from ossicle.html import TextTable, card
from ossicle.inference.predictor import Predictor
from ossicle.tasks import TASKS, Task
from ossicle.training.ensemble_folder import EnsembleFolder, Member
from ossicle.training.folder import METRICS
from ossicle.training.result import RunResult, read_result

MOST_LABELS: Final = 20
COLUMNS: Final = ("metric", "value", "95 % interval")


def result_card(result: RunResult) -> str:
    """Return the recipe, parameters and metrics of a run as HTML."""
    sizes = result.parameters
    facts = {
        "task": result.task,
        "backbone": result.backbone,
        "recipe": result.expression,
        "parameters": f"{sizes['trainable']:,} of {sizes['total']:,} trained "
        f"({sizes['percent']:.3g} %)",
        "data": result.data,
        "split": result.split,
        "epochs": f"best {result.best_epoch} of {result.epochs}, by {result.chosen_by}; "
        f"{result.train_seconds:.0f} s",
    }
    if result.test is None:
        return card(f"Run {result.recipe}", facts, notes=["The run has stopped before its test."])
    return card(
        f"Run {result.recipe}",
        facts,
        [_metrics(TASKS[result.task], result.test, "Test")],
        [*_notes(result.test), *result.notices],
    )


def trained_card(
    folder: Path,
    members: Sequence[Member],
    predictor: Predictor,
    ensemble: EnsembleFolder | None,
) -> str:
    """Return what a trained model answers, what it consists of, and its metrics, as HTML.

    Args:
        folder: The run, adapter or ensemble folder.
        members: The members of an ensemble; of a run, the run.
        predictor: The model in use.
        ensemble: The content of an ensemble folder; None for a run.
    """
    labels = getattr(predictor.task, "labels", ())
    facts = {"folder": str(folder), "task": predictor.task.name}
    facts |= {"labels": listing(labels, MOST_LABELS)} if labels else {}
    facts["backbone"] = ", ".join(dict.fromkeys(one.backbone.name for one in predictor.groups))
    if ensemble is not None:
        facts["vote"] = str(ensemble.vote.get("name", ""))
        rows = [[one.name, *_size(one.folder)] for one in members]
        columns = ("member", "recipe", "parameters")
        return card("Trained ensemble", facts, [TextTable(columns, rows, right=2)])
    facts["recipe"], facts["parameters"] = _size(folder)
    if not (folder / METRICS).is_file():
        return card("Trained adapter", facts)
    result = read_result(folder)
    if result.test is None:
        return card("Trained adapter", facts)
    tables = [_metrics(predictor.task, result.test, f"Test on {result.data}")]
    return card("Trained adapter", facts, tables, _notes(result.test))


def _size(folder: Path) -> tuple[str, str]:
    """Return the recipe of an adapter folder, and the number of its parameters."""
    found = read_folder(folder)
    recipe = found.facts["recipe"].get("name") or found.facts["expression"]
    return str(recipe), f"{sum(prod(shape) for shape in found.shapes.values()):,}"


def _metrics(task: Task | type[Task], found: Mapping[str, Any], title: str) -> TextTable:
    """Return a row for each metric that reports show of a task."""
    rows = []
    for key, metric in task.reported.items():
        value, bounds = found[key], found["intervals"][key]
        shown = "not available" if value is None else metric.text(value)
        interval = f"{metric.number(bounds[0])} to {metric.number(bounds[1])}" if bounds else "–"
        rows.append([metric.label, shown, interval])
    return TextTable(COLUMNS, rows, title, right=1)


def _notes(found: Mapping[str, Any]) -> list[str]:
    """Return sentences on what the intervals are over."""
    unit = f"{found['interval_units']} {found['interval_unit']}s"
    about = f"{found['count']} recordings; intervals by bootstrap over {unit}."
    return [about, *([found["interval_note"]] if found.get("interval_note") else [])]
