"""The figures that every study shows."""

from collections.abc import Sequence

from ossicle.reports.parts import Figure, Part
from ossicle.studies.plots.confusion import confusion
from ossicle.studies.plots.cost import peak_memory, train_time
from ossicle.studies.plots.det import det_curves
from ossicle.studies.plots.groups import for_each_panel, group
from ossicle.studies.plots.layers import layer_weights
from ossicle.studies.plots.learning import learning_curves
from ossicle.studies.plots.parameters import parameters
from ossicle.studies.plots.tsne import embedding_map
from ossicle.trials.outcome import Outcome


def standard_figures(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the figures that every study shows; a figure without anything to show is left out.

    Each task, data set and backbone has figures of its own. A figure whose files cannot be read is
    replaced by a sentence.

    Args:
        outcomes: All outcomes of the study; those that are not finished are left out.
    """
    return [*figures_of_results(outcomes), *figures_of_runs(outcomes)]


def figures_of_results(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the figures that are drawn from the results alone."""
    return [part for plot in (parameters, _confusions) for part in for_each_panel(outcomes, plot)]


def figures_of_runs(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the figures that are drawn from files in the folders of the runs as well."""
    plots = (det_curves, learning_curves, layer_weights, embedding_map, train_time, peak_memory)
    return [part for plot in plots for part in for_each_panel(outcomes, plot)]


def _confusions(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the confusion matrix of the best recipe, and of the first if that is another one."""
    first = next((one.labels.get("recipe") for one in group(outcomes)), None)
    found = [confusion(outcomes), confusion(outcomes, str(first))]
    best, chosen = found
    if best is not None and chosen is not None and best.title == chosen.title:
        found = [best]
    return [one for one in found if one is not None]
