"""What the methods look at: hidden states by layer, learnt layer weights, attribution."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ossicle.errors import AdapterFileError, OssicleError, listing
from ossicle.inference.attribution import check_captum
from ossicle.progress import Progress, no_progress
from ossicle.reports.parts import Part
from ossicle.studies.plots.attribution import attributions
from ossicle.studies.plots.compared import compared_runs
from ossicle.studies.plots.groups import for_each_panel, panels
from ossicle.studies.plots.layers import compared_weights
from ossicle.studies.plots.similarity import similarity_maps
from ossicle.training.attribution import compute_attributions, read_attributions
from ossicle.training.representations import (
    BareStates,
    compute_representations,
    read_representations,
)
from ossicle.trials.outcome import Outcome

TITLE: Final = "What the methods look at"
HOW_TO_EXPLAIN: Final = (
    "To compare the hidden states of the recipes, and the parts of recordings that their decisions "
    "depend on: ossicle report DIR --explain"
)


def explained(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the figures and tables of what run folders hold about the methods' inside.

    Args:
        outcomes: The outcomes of a study.
    """
    plots = (similarity_maps, compared_weights, attributions)
    return [part for plot in plots for part in for_each_panel(outcomes, plot)]


def store_explanations(
    outcomes: Sequence[Outcome], *, device: str = "auto", progress: Progress = no_progress
) -> list[str]:
    """Compute the representations and attributions that `explained` shows, where there are none.

    Args:
        outcomes: All outcomes of a study.
        device: Where to compute them: auto, cpu, cuda, ...
        progress: Called while they are computed.

    Returns:
        A sentence for each reason why something cannot be computed.

    Raises:
        RunError: captum is missing.
    """
    check_captum()
    faults: dict[tuple[str, str], list[str]] = {}
    for _, panel in panels(outcomes):
        bare: BareStates = {}
        for name, one in compared_runs(panel).items():
            folder = one.folder
            for what, compute in _missing(folder, bare, device, progress):
                try:
                    compute()
                except OssicleError as error:
                    faults.setdefault((what, str(error)), []).append(name)
    return [f"no {what} of {listing(names)}: {error}" for (what, error), names in faults.items()]


def _missing(
    folder: Path, bare: BareStates, device: str, progress: Progress
) -> list[tuple[str, Callable[[], object]]]:
    """Return what a run folder lacks, and the function that computes it."""
    every: list[tuple[str, Callable[[Path], object], Callable[[], object]]] = [
        (
            "representations",
            read_representations,
            lambda: compute_representations(folder, device=device, bare=bare, progress=progress),
        ),
        (
            "attributions",
            read_attributions,
            lambda: compute_attributions(folder, device=device, progress=progress),
        ),
    ]
    return [(what, compute) for what, read, compute in every if not _is_stored(read, folder)]


def _is_stored(read: Callable[[Path], object], folder: Path) -> bool:
    """Return whether a run folder has something that can be read."""
    try:
        return read(folder) is not None
    except AdapterFileError:
        return False
