"""What searches cost, and whether their answer is better retrained or continued."""

from collections.abc import Sequence
from statistics import fmean

from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Table
from ossicle.statistics.correction import holm
from ossicle.statistics.repeats import RepeatsTest, repeats_test
from ossicle.studies.analysis.text import count, p_text
from ossicle.studies.plots.groups import spread
from ossicle.studies.searching.found import NOTHING, Found, by_strategy
from ossicle.tasks import TASKS

EMPTY = Cell(text=NOTHING)


def cost_table(found: Sequence[Found], number: int, place: str) -> Table:
    """Return epochs, steps and parameters of each strategy, as means over its searches."""
    rows = [
        [
            Cell(text=name),
            Cell(text="control" if part[0].is_control else "search"),
            _mean([one.facts["cost_epochs"] for one in part]),
            _mean([one.facts.get("cost_steps") for one in part]),
            _mean([one.facts.get("trainings") for one in part]),
            _mean([_parameters(one) for one in part]),
            _mean([_continued_parameters(one) for one in part]),
        ]
        for name, part in by_strategy(found).items()
    ]
    columns = ["strategy", "kind", "epochs", "steps", "trainings", "parameters"]
    return Table(
        name=f"cost-{number}",
        title=f"Cost of the searches{place}",
        columns=[*columns, "parameters, continued"],
        rows=rows,
        notes=[
            "Epochs, optimiser steps and trainings of the search, without the training of its "
            "answer; parameters are those of the answer, without the head. Means over seeds and "
            "folds."
        ],
    )


def continued_table(found: Sequence[Found], number: int, place: str) -> Table | None:
    """Return answers retrained from scratch against answers continued; None if none are."""
    parts = {
        name: known
        for name, part in by_strategy(found).items()
        if (known := [pair for one in part if (pair := _pair(one)) is not None])
    }
    if not parts:
        return None
    task = TASKS[found[0].measured.task]
    metric = task.reported[task.primary_metric]
    tests = {
        name: repeats_test([after - before for before, after in part])
        for name, part in parts.items()
    }
    p_values = holm([one.p_value if one.num_repeats > 1 else None for one in tests.values()])
    rows = [
        [Cell(text=name), *_both(parts[name], metric), *_tested(test, p, metric)]
        for (name, test), p in zip(tests.items(), p_values, strict=True)
    ]
    fewest = min(one.num_repeats for one in tests.values())
    return Table(
        name=f"continued-{number}",
        title=f"Answers retrained from scratch, and continued from searched weights{place}",
        columns=["strategy", "retrained", "continued", "difference", "p over repeats", "repeats"],
        rows=rows,
        notes=[
            f"Test {metric.label}, mean ± standard deviation over seeds and folds. p is that of a "
            "permutation test over repeats, corrected by Holm's method; with "
            f"{count(fewest, 'repeat')} it cannot be below {2.0 ** (1 - fewest):.2g}.",
            "A continued answer has been trained in the search too, for the epochs in the table of "
            "costs; the other begins anew.",
            "The two need not have equally many parameters: the sizes of a continued answer are "
            "those of the search.",
        ],
    )


def _pair(one: Found) -> tuple[float, float] | None:
    """Return the test metric of the answer retrained and continued; None if one is not defined."""
    task = TASKS[one.measured.task]
    before = one.measured.metrics.get(task.primary_metric)
    continued = one.continued
    after = None if continued is None else continued["metrics"].get(task.primary_metric)
    return None if before is None or after is None else (float(before), float(after))


def _both(pairs: Sequence[tuple[float, float]], metric: Metric) -> list[Cell]:
    cells = []
    for values in zip(*pairs, strict=True):
        mean, deviation = spread(values)
        text = metric.spread(mean, deviation) + metric.unit
        cells.append(Cell(text=text, value=mean, deviation=deviation))
    return cells


def _tested(test: RepeatsTest, p: float | None, metric: Metric) -> list[Cell]:
    return [
        Cell(text=metric.difference(test.difference), value=test.difference),
        EMPTY if p is None else Cell(text=p_text(p), value=p),
        Cell(text=str(test.num_repeats), value=test.num_repeats),
    ]


def _mean(values: Sequence[float | None]) -> Cell:
    known = [value for value in values if value is not None]
    return Cell(text=f"{fmean(known):,.0f}", value=fmean(known)) if known else EMPTY


def _parameters(one: Found) -> float:
    counted = one.measured.parameters
    return counted.get("trainable", 0) - counted.get("head", 0)


def _continued_parameters(one: Found) -> float | None:
    return None if one.continued is None else one.continued.get("parameters")
