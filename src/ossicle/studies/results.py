"""What the reports of all studies show: verdict, tables and plots of each data set and backbone."""

from collections.abc import Callable, Sequence

from ossicle.reports.parts import Figure, Section
from ossicle.studies.analysis import summary_table, verdict
from ossicle.studies.plots import for_each_panel, standard_figures
from ossicle.studies.plots.groups import panels
from ossicle.trials.outcome import Outcome

Plot = Callable[[Sequence[Outcome]], Figure | None]


def results(
    outcomes: Sequence[Outcome],
    *,
    against: str = "recipe",
    claims: Sequence[str] = (),
    plots: Sequence[Plot] = (),
) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of a study.

    Args:
        outcomes: The outcomes of its trials.
        against: The label whose values are compared.
        claims: Sentences on what publications claim, which follow the verdict.
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
    sections = [
        Section(title="Results", parts=[*tables, *own]),
        Section(title="Plots", parts=standard_figures(outcomes)),
    ]
    said = verdict(outcomes, against=against)
    return [*said, *claims], [one for one in sections if one.parts]
