"""What the reports of all studies show: verdict, tables and plots of each data set and backbone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ossicle.reports.parts import Figure, Part, Section
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import listed_claims
from ossicle.studies.analysis.over_data import over_data, ranks_table
from ossicle.studies.analysis.sentences import judge
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.verdict import verdict
from ossicle.studies.explain import HOW_TO_EXPLAIN, explained
from ossicle.studies.explain import TITLE as INSIDE
from ossicle.studies.plots import critical_difference, data_maps, for_each_panel, standard_figures
from ossicle.studies.plots.groups import panels
from ossicle.studies.plots.tsne import EMBEDDINGS
from ossicle.trials.outcome import Outcome

Plot = Callable[[Sequence[Outcome]], Figure | None]
HOW_TO_EMBED: Final = (
    "To add a map of the embeddings of the test recordings (t-SNE): ossicle report DIR --embeddings"
)


def results(
    outcomes: Sequence[Outcome],
    *,
    against: str = "recipe",
    plots: Sequence[Plot] = (),
) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of a study.

    Args:
        outcomes: The outcomes of its trials.
        against: The label whose values are compared.
        plots: The study's own plots, each of one data set on one backbone; they come first.
    """
    finished = any(one.measured is not None for one in outcomes)
    if not finished:
        return ["No trial is finished yet."], []
    tables = [
        summary_table(
            part,
            against=against,
            name="summary" if number == 1 else f"summary-{number}",
            title=f"Results: {name}" if name else "Results",
        )
        for number, (name, part) in enumerate(panels(outcomes), start=1)
    ]
    own = [figure for plot in plots for figure in for_each_panel(outcomes, plot)]
    standard = standard_figures(outcomes)
    if not any(isinstance(one, Figure) and one.name.startswith(EMBEDDINGS) for one in standard):
        standard.append(HOW_TO_EMBED)
    inside = explained(outcomes)
    if not inside:
        standard.append(HOW_TO_EXPLAIN)
    sections = [
        Section(title="Results", parts=[*tables, *own]),
        Section(title="Over several data sets", parts=_over_data(outcomes, against)),
        Section(title="Plots", parts=standard),
        Section(title=INSIDE, parts=inside),
    ]
    said = verdict(outcomes, against=against)
    return [*said, *judge(claims_on(outcomes), outcomes)], [one for one in sections if one.parts]


def claims_on(outcomes: Sequence[Outcome]) -> list[Claim]:
    """Return the listed claims that may be asked of a study of recipes.

    Claims about few recordings, fractions of them and budgets are asked where the outcomes have
    such a label, and the others where they have none.
    """
    labels = {name for one in outcomes for name in one.trial.labels}
    varied = {one.over for one in listed_claims().values()} & labels
    return [
        one
        for one in listed_claims().values()
        if not one.cannot
        and (one.over in varied if varied else not one.over and one.study == "methods")
    ]


def _over_data(outcomes: Sequence[Outcome], against: str) -> list[Part]:
    """Return a map of results, ranks and critical-difference diagrams; empty for one data set."""
    found: list[Part] = [*data_maps(outcomes)]
    for number, one in enumerate(over_data(outcomes, against), start=1):
        figure = critical_difference(one.ranks)
        name = figure.name if number == 1 else f"{figure.name}-{number}"
        title = f"{figure.title}: {one.where}" if one.where else figure.title
        found += [ranks_table(one, number), replace(figure, name=name, title=title)]
    return found
