"""The runs whose inside is compared: one of each recipe, all tested on the same recordings."""

from collections.abc import Sequence
from typing import Final

from ossicle.studies.analysis.cell import REPEAT
from ossicle.studies.plots.groups import by_score, group, score_of
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import TRAINING

MOST_COMPARED: Final = 9


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


def _repeat(one: Outcome) -> tuple[object, ...]:
    return tuple(one.trial.labels.get(key) for key in REPEAT)
