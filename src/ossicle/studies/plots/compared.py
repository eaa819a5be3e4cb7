"""The runs whose inside is compared: one of each recipe, all tested on the same recordings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from ossicle.adapters.folder import TENSORS
from ossicle.studies.analysis.cell import REPEAT
from ossicle.studies.plots.groups import by_score, group, score_of
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import TRAINING

MOST_COMPARED: Final = 9
Kept = TypeVar("Kept")


def compared_runs(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Return a run of each of the best recipes, best first, by name: of the first seed and fold.

    Recipes without a run of that seed and fold are left out.

    Args:
        outcomes: The outcomes of a panel; only those that have trained an adapter count.
    """
    trained = [one for one in outcomes if one.trial.runner in TRAINING and one.measured is not None]
    score = score_of(trained)
    if score is None:
        return {}
    first = _repeat(trained[0])
    found = {
        each.name: next((one for one in each.outcomes if _repeat(one) == first), None)
        for each in by_score(group(trained), score)
    }
    known = {name: one for name, one in found.items() if one is not None}
    return dict(list(known.items())[:MOST_COMPARED])


def read_each(runs: Mapping[str, Outcome], read: Callable[[Path], Kept | None]) -> dict[str, Kept]:
    """Return what the run folders keep, by recipe; recipes whose folder keeps nothing are left out.

    Args:
        runs: A run of each recipe.
        read: Returns what a run folder keeps; None if there is nothing.

    Raises:
        AdapterFileError: a file is damaged.
    """
    with_adapter = {n: one.folder for n, one in runs.items() if (one.folder / TENSORS).is_file()}
    found = {name: read(folder) for name, folder in with_adapter.items()}
    return {name: one for name, one in found.items() if one is not None}


def _repeat(one: Outcome) -> tuple[object, ...]:
    return tuple(one.trial.labels.get(key) for key in REPEAT)
