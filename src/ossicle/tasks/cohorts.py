"""The cohort of an ensemble for speaker verification, by which its scores are normalised.

    member a:  recording 1 .. K  ->  (K, E_a) at length 1  ┐
    member b:  recording 1 .. K  ->  (K, E_b) at length 1  ┴─>  (K, E_a + E_b)

The rows of all members must be of the same training recordings, in the same order. The cosine of a
row with the combined embedding of a recording (`Verification.combine_members`) is then the mean of
the members' cosines, as it is for a pair that is scored.
"""

from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray

from ossicle.metrics.verification import unit

Cohort = NDArray[np.float64]  # (K, E)


def combined_cohort(
    cohorts: Mapping[str, Cohort | None], recordings: Mapping[str, Hashable]
) -> tuple[Cohort | None, str | None]:
    """Return the cohort of an ensemble for `Task.with_cohort`, or why there is none.

    With the runs of a verification as members::

        cohorts = {name: read_cohort(folder) for name, folder in folders.items()}
        recordings = {name: (fingerprint of the training side, seed if it was drawn), ...}
        cohort, notice = combined_cohort(cohorts, recordings)
        task = task if cohort is None else task.with_cohort(cohort)

    A run draws its cohort by its seed if it has more training recordings than `Task.cohort_size`;
    otherwise the seed has no influence, and belongs to no key.

    Args:
        cohorts: The cohort of each member, by its name; None for a member without one. The members
            are in the order in which their outputs are combined.
        recordings: What identifies the recordings of each cohort and their order, by member.

    Returns:
        The cohort and None, or None and a notice that scores are not normalised.
    """
    present = {name: cohort for name, cohort in cohorts.items() if cohort is not None}
    if missing := [name for name in cohorts if name not in present]:
        return None, f"{_NONE}: the member '{missing[0]}' has no cohort"
    first, *others = present
    for name in others:
        if recordings[name] != recordings[first] or len(present[name]) != len(present[first]):
            whose = f"the cohorts of '{first}' and '{name}'"
            return None, f"{_NONE}: {whose} are not of the same training recordings"
    return np.concatenate([unit(cohort) for cohort in present.values()], axis=1), None


_NONE = "Scores are not normalised by s-norm and AS-norm"
