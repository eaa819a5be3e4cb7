"""The report of searches: results against controls, costs, and what was found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ossicle.reports.parts import Part, Section, Table
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import claims_about
from ossicle.studies.analysis.sentences import judge
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.verdict import verdict
from ossicle.studies.plots.groups import panels
from ossicle.studies.searching.agreement import agreement_table
from ossicle.studies.searching.costs import continued_table, cost_table
from ossicle.studies.searching.found import Found, by_strategy, found_in
from ossicle.studies.searching.plots import (
    architecture_figure,
    front_figure,
    gate_figures,
    importance_figure,
)
from ossicle.trials.outcome import Outcome

EVERYWHERE: Final = "uniform"  # the control: one candidate in all layers


def report_searches(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of the report of a study of searches.

    Args:
        outcomes: Outcomes of searches; some may not be finished.
    """
    if not any(one.measured is not None for one in outcomes):
        return ["No search is finished yet."], []
    results: list[Part] = []
    inside: list[Part] = []
    for number, (name, part) in enumerate(panels(outcomes), start=1):
        place, found = f": {name}" if name else "", found_in(part)
        results += [_results(part, number, place), cost_table(found, number, place)]
        if (continued := continued_table(found, number, place)) is not None:
            results.append(continued)
        inside += found_parts(found, number, place)
    sections = [
        Section(title="Strategies against controls", parts=results),
        Section(title="What was found", parts=inside),
    ]
    said = [*verdict(outcomes), *judge(claims(found_in(outcomes)), outcomes)]
    return said, [one for one in sections if one.parts]


def found_parts(found: Sequence[Found], number: int = 1, place: str = "") -> list[Part]:
    """Return plots and tables of what the searches of one data set and backbone have found."""
    one_each = (front_figure, architecture_figure, agreement_table, importance_figure)
    parts = [make(found, number, place) for make in one_each]
    return [*(one for one in parts if one is not None), *gate_figures(found, number, place)]


def claims(found: Sequence[Found]) -> list[Claim]:
    """Return the claims that the searches can test."""
    strategies = by_strategy(found)
    if EVERYWHERE not in strategies:
        return []
    gated = [
        name for name, part in strategies.items() if any(one.gates is not None for one in part)
    ]
    return [one.filled(strategy=[name]) for one in claims_about("search") for name in gated]


def _results(outcomes: Sequence[Outcome], number: int, place: str) -> Table:
    """Return the test metrics of each strategy, compared with the control `uniform`."""
    strategies = {str(one.trial.labels["recipe"]) for one in outcomes}
    table = summary_table(
        outcomes,
        name=f"strategies-{number}",
        title=f"Answers of the strategies, retrained from scratch{place}",
        reference=EVERYWHERE if EVERYWHERE in strategies else None,
    )
    columns = ["strategy" if one == "recipe" else one for one in table.columns]
    note = (
        "The training time is that of the answer; the cost of the search is in the next table. "
        "uniform is the best candidate in all layers, by the validation recordings."
    )
    return replace(table, columns=columns, notes=[*table.notes, note])
