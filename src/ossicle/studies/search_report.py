"""The report of one search: what is recommended, the strategies side by side, and the front."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any, Final

from ossicle import __version__
from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Report, Section, Table
from ossicle.studies.search_record import SearchRecord
from ossicle.studies.searching.found import Found
from ossicle.studies.searching.report import found_parts
from ossicle.tasks import TASKS
from ossicle.trials.outcome import Measured
from ossicle.trials.searched import CONTINUED, Searched

PACKAGES: Final = ("torch", "transformers", "numpy", "optuna")


def search_report(
    record: SearchRecord, searched: Sequence[Searched], failed: Mapping[str, str], best: Searched
) -> Report:
    """Return the report of a search.

    Args:
        record: What was searched for.
        searched: What each strategy has found, the one that was asked for first.
        failed: Strategies that have found nothing, and why.
        best: The one whose recipe is recommended.
    """
    measured = _measured(best)
    metric = TASKS[measured.task].reported[best.facts["metric"]]
    trainings = [
        (f"{one.name}: {recipe}", reason)
        for one in searched
        for recipe, reason in one.facts["failed"]
    ]
    return Report(
        title="search: the best adapter for these recordings and this budget",
        command=command_of(record),
        verdict=_verdict(record, searched, best, metric),
        facts={
            "Data": record.config.data,
            "Backbone": record.config.backbone,
            "Task": measured.task,
            "Split": measured.split,
            "Budget": f"{record.budget:,} parameters without the head",
            "Candidates": ", ".join(best.facts["candidates"]),
            "Trainings": f"up to {record.trials} full ones for each strategy",
        },
        sections=[
            Section(title="Strategies", parts=[_strategies(searched, best, metric)]),
            Section(
                title="Pareto front",
                parts=[_front(searched, metric, higher=TASKS[measured.task].higher_is_better)],
            ),
            Section(title="What was found", parts=found_parts(_found(record, searched))),
        ],
        failed=[*trainings, *failed.items()],
        environment=_environment(),
    )


def command_of(record: SearchRecord) -> str:
    """Return the command that repeats a search, without its folder."""
    words = ["ossicle", "search", f"--data={record.config.data}"]
    words += [f"--backbone={record.config.backbone}", f"--budget={record.budget}"]
    words += [f"--strategy={record.strategy}", f"--candidates={record.candidates}"]
    return shlex.join([*words, f"--trials={record.trials}", f"--seed={record.config.seed}"])


def _measured(found: Searched) -> Measured:
    measured = found.best.measured
    assert measured is not None, "an answer is tested"
    return measured


def _verdict(
    record: SearchRecord, searched: Sequence[Searched], best: Searched, metric: Metric
) -> list[str]:
    """Return the result in sentences."""
    facts, asked = _facts_of(best), searched[0]
    count = len(_measured(best).rows.keys)
    verdict = [
        f"Recommended: '{facts['recipe']}', which trains {facts['parameters']:,} parameters "
        f"without the head. {metric.label} {_with_interval(facts, metric)} on {count} test "
        "recordings, which no choice has seen."
    ]
    if best.is_control and asked.name == record.strategy and best is not asked:
        verdict.append(
            f"The control {best.name} is better on the validation recordings than the strategy "
            f"{asked.name}: {metric.label} {metric.text(facts['valid'])} against "
            f"{metric.text(_facts_of(asked)['valid'])}. So the recipe of the control is "
            "recommended: the strategy has found nothing better."
        )
    elif asked.name != record.strategy:
        verdict.append(
            f"The strategy {record.strategy} has found nothing, so the recipe of the control "
            f"{best.name} is recommended."
        )
    epochs = sum(one.facts["cost_epochs"] for one in searched)
    shares = ", ".join(f"{one.name} {one.facts['cost_epochs']}" for one in searched)
    verdict.append(
        f"The strategies have trained {epochs:,} epochs ({shares}), of which those that several "
        f"have in common were trained once. It took {record.seconds / 60:.1f} minutes."
    )
    return verdict


def _facts_of(found: Searched) -> Mapping[str, Any]:
    """Return the facts of the better run of a strategy."""
    facts: Mapping[str, Any] = found.facts
    return facts if found.best is found.scratch else facts[CONTINUED]


def _with_interval(facts: Mapping[str, Any], metric: Metric) -> str:
    if facts["test"] is None:
        return "not available"
    bounds = facts["interval"]
    within = "" if bounds is None else f" [{metric.number(bounds[0])}, {metric.number(bounds[1])}]"
    return metric.text(facts["test"]) + within


def _strategies(searched: Sequence[Searched], best: Searched, metric: Metric) -> Table:
    rows = []
    for one in searched:
        scratch = one is best and best.best is best.scratch
        rows.append(_row(one.name, one.facts, one.facts, metric, scratch))
        if (continued := one.facts.get(CONTINUED)) is not None:
            name, strong = f"{one.name}, continued", one is best and not scratch
            rows.append(_row(name, continued, one.facts, metric, strong))
    return Table(
        name="strategies",
        title="The answer of each strategy, trained and tested once",
        columns=["strategy", "validation", "test", "parameters", "epochs", "recipe"],
        rows=rows,
        notes=[
            f"Metric: {metric.label}. The validation metric has chosen the recipe and is "
            "optimistic; intervals are 95 % bootstrap intervals of the test.",
            "Epochs are those that the search has trained, without the answer's own.",
        ],
    )


def _row(
    name: str, facts: Mapping[str, Any], of_search: Mapping[str, Any], metric: Metric, strong: bool
) -> list[Cell]:
    control = " (control)" if of_search["is_control"] and facts is of_search else ""
    epochs = of_search["cost_epochs"]
    return [
        Cell(text=name + control, strong=strong),
        Cell(text=metric.text(facts["valid"]), value=facts["valid"]),
        Cell(text=_with_interval(facts, metric), value=facts["test"]),
        Cell(text=f"{facts['parameters']:,}", value=facts["parameters"]),
        Cell(text=f"{epochs:,}", value=epochs),
        Cell(text=facts["recipe"]),
    ]


def _front(searched: Sequence[Searched], metric: Metric, *, higher: bool) -> Table:
    """Return the Pareto front of everything that was trained."""
    tried = sorted(
        ((*point, one.name) for one in searched for point in one.facts["front"]),
        key=lambda point: (point[0], -point[1]),
    )
    rows, highest = [], float("-inf")
    for parameters, score, recipe, name in tried:
        if score > highest:
            highest = score
            value = score if higher else -score
            rows.append(
                [
                    Cell(text=f"{parameters:,}", value=parameters),
                    Cell(text=metric.text(value), value=value),
                    Cell(text=name),
                    Cell(text=recipe),
                ]
            )
    return Table(
        name="pareto-front",
        title="The best validation metric for each number of parameters",
        columns=["parameters", "validation", "strategy", "recipe"],
        rows=rows,
        notes=["Each is the best of many trainings by the validation recordings, so optimistic."],
    )


def _found(record: SearchRecord, searched: Sequence[Searched]) -> list[Found]:
    """Return what the strategies have found, as the report of a study takes it."""
    repeat = f"seed {record.config.seed}"
    return [
        Found(one.name, repeat, replace(one.scratch.measured, facts=one.facts))
        for one in searched
        if one.scratch.measured is not None
    ]


def _environment() -> dict[str, str]:
    found = {"ossicle": __version__, "python": platform.python_version()}
    found |= {package: metadata.version(package) for package in PACKAGES}
    return found | {"platform": platform.platform()}
