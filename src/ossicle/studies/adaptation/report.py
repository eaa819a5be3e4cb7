"""The report of the study of domains."""

from collections.abc import Mapping, Sequence
from typing import Final

from ossicle.reports.parts import Cell as Shown
from ossicle.reports.parts import Part, Section, Table
from ossicle.studies.adaptation.between import between
from ossicle.studies.adaptation.claims import ask_pair
from ossicle.studies.adaptation.gains import gain_parts, mean_of
from ossicle.studies.adaptation.matrix import chains, matrix_parts
from ossicle.studies.adaptation.models import (
    SOURCE_ONLY,
    TARGET_ONLY,
    TEST,
    TWO_STAGE,
    Pair,
    Pool,
    pools,
)
from ossicle.studies.adaptation.plan import ARROW
from ossicle.studies.adaptation.plots import front, placed, scatter
from ossicle.studies.analysis.cell import Cell
from ossicle.studies.analysis.judging import decide
from ossicle.studies.analysis.sentences import sentence
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.text import count
from ossicle.studies.analysis.verdict import unfinished
from ossicle.trials.outcome import Outcome

BEST: Final = 3  # models named in a sentence


def report_domains(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of the report.

    Args:
        outcomes: The outcomes of all trials; some may be missing or failed.
    """
    every = [one for one in pools(outcomes) if one.finished]
    if not every:
        return ["No trial is finished yet."], []
    pairs = [
        Pair(pool, *order) for pool in every if len(pool.domains) == 2 for order in pool.orders
    ]
    several = [pool for pool in every if len(pool.domains) > 2]
    numbered = list(enumerate(pairs, start=1))
    sections = [
        Section(
            title="Results",
            parts=[
                *(part for number, one in numbered for part in _overview(one, number)),
                *(part for pool in several for part in matrix_parts(pool)),
            ],
        ),
        Section(
            title="Gain, forgetting and transfer",
            parts=[part for number, one in numbered for part in gain_parts(one, number)],
        ),
        Section(
            title="Every model on each domain",
            parts=[part for number, one in numbered for part in _tables(one, number)],
        ),
    ]
    said = [line for one in pairs for line in _said(one)]
    said += [line for pool in several for line in _said_of_chains(pool)]
    return said + unfinished(outcomes), [one for one in sections if one.parts]


def _overview(pair: Pair, number: int) -> list[Part]:
    """Return each model on both domains, and the plots."""
    found = placed(pair)
    if found is None:
        return []
    task, models = found
    best = {one.name for one in front(models, higher_is_better=task.higher_is_better)}
    metric = task.reported[task.primary_metric]
    unit = " (%)" if metric.percent else ""
    names = [one.name for one in models]
    table = Table(
        name=f"overview-{number}",
        title=f"Every model on both domains: {pair.name}",
        columns=[
            "model",
            "trained parameters",
            f"{metric.label} on {pair.source}{unit}",
            f"{metric.label} on {pair.target}{unit}",
            "Pareto front",
            "seeds",
        ],
        rows=[
            [
                Shown(text=name),
                Shown(
                    text=f"{pair.source_cells[name].parameters:,}",
                    value=pair.source_cells[name].parameters,
                ),
                mean_of(pair.source_cells[name], task),
                mean_of(pair.target_cells[name], task),
                Shown(text="yes" if name in best else ""),
                Shown(text=str(len(pair.source_cells[name].repeats))),
            ]
            for name in names
        ],
        notes=[
            "Mean and standard deviation over seeds, on the test recordings of each domain. "
            "Trained parameters are those of the last stage, without the head. Pareto front: no "
            "other model is better on one domain without being worse on the other."
        ],
    )
    figures = [scatter(pair, number), between(pair, number)]
    return [table, *(one for one in figures if one is not None)]


def _tables(pair: Pair, number: int) -> list[Part]:
    """Return all metrics of each model on each domain."""
    return [
        summary_table(
            outcomes,
            name=f"{side}-{number}",
            title=f"Results on {domain}, the {side}: {pair.name}",
            reference=reference,
            sides=TEST,
        )
        for side, domain, outcomes, reference in (
            ("target", pair.target, pair.on_target, TARGET_ONLY),
            ("source", pair.source, pair.on_source, SOURCE_ONLY),
        )
        if any(one.measured is not None for one in outcomes)
    ]


def _said(pair: Pair) -> list[str]:
    """Return the verdict on a pair."""
    found = [_levels(pair), _best(pair), *map(sentence, decide(ask_pair(pair)))]
    place = f"{pair.name}: "
    return [place + line for line in found if line]


def _levels(pair: Pair) -> str:
    """Return how good the plain models are on both domains."""
    source, target = pair.source_cells, pair.target_cells
    names = (SOURCE_ONLY, TARGET_ONLY, TWO_STAGE)
    if not all(one in source and source[one].repeats for one in names):
        return ""
    task = source[SOURCE_ONLY].task
    metric = task.reported[task.primary_metric]

    def text(cell: Cell) -> str:
        value = cell.mean(task.primary_metric)
        return "not defined" if value is None else metric.text(value)

    return (
        f"in {metric.label}, two-stage training reaches {text(target[TWO_STAGE])} on "
        f"{pair.target}, training on it alone {text(target[TARGET_ONLY])}, and on {pair.source} "
        f"alone {text(target[SOURCE_ONLY])}; on {pair.source}, the second stage goes from "
        f"{text(source[SOURCE_ONLY])} to {text(source[TWO_STAGE])}{_unequal(source, names)}."
    )


def _unequal(cells: Mapping[str, Cell], names: Sequence[str]) -> str:
    """Return what to add to means of models with different seeds, of a study under way."""
    equal = len({frozenset(cells[name].repeats) for name in names}) == 1
    return (
        "" if equal else " (not all have finished the same seeds, so these means differ in seeds)"
    )


def _best(pair: Pair) -> str:
    """Return the Pareto front of the means, as a sentence."""
    found = placed(pair)
    if found is None:
        return ""
    task, models = found
    best = front(models, higher_is_better=task.higher_is_better)
    metric = task.reported[task.primary_metric]
    factor = 100 if metric.percent else 1
    named = [
        f"{one.name} ({metric.number(one.source[0] / factor)} and "
        f"{metric.text(one.target[0] / factor)})"
        for one in best
    ]
    return (
        f"of {count(len(models), 'model')}, these have means on {pair.source} and {pair.target} "
        f"that no other beats on both: {', '.join(named)}. Which models differ is in the tables."
    )


def _said_of_chains(pool: Pool) -> list[str]:
    """Return average, backward transfer and forgetting of each way, over the orders."""
    found = chains(pool)
    if not found:
        return []
    metric = found[0].task.reported[found[0].task.primary_metric]
    place = f"{pool.where}: " if pool.where else ""
    said = []
    for order in dict.fromkeys(one.order for one in found):
        ranked = []
        for one in found:
            values = list(one.values("average").values())
            if one.order == order and values:
                ranked.append((sum(values) / len(values), one.way))
        ranked.sort(reverse=found[0].task.higher_is_better)
        texts = [f"{way} ({metric.text(mean)})" for mean, way in ranked[:BEST]]
        said.append(
            f"{place}{ARROW.join(order)}: the best average {metric.label} over all domains after "
            f"the last has {', then '.join(texts)}; p-values are in the table."
        )
    return said
