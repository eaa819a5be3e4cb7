"""Pairs of recordings that speaker verification is evaluated on: all pairs, or a list of trials."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ossicle.data import Trial, Utterance
from ossicle.errors import LabelError, listing

MOST_PAIRS: Final = 1_000_000  # if there are more, as many are drawn

Pairs = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]


def all_pairs(speakers: Sequence[str], keys: Sequence[str]) -> Pairs:
    """Return the rows of both sides of every pair, and whether it is one speaker.

    Rows with the same key are one recording, and make no pair. Of more than `MOST_PAIRS` pairs,
    that many are drawn, always the same.

    Args:
        speakers: Speaker of each row.
        keys: Key of each row's recording.
    """
    first, second = np.triu_indices(len(speakers), k=1)
    _, numbers = np.unique(keys, return_inverse=True)
    apart = numbers[first] != numbers[second]
    first, second = first[apart], second[apart]
    if len(first) > MOST_PAIRS:
        drawn = np.random.default_rng(0).choice(len(first), MOST_PAIRS, replace=False)
        first, second = first[drawn], second[drawn]
    _, speaker = np.unique(np.asarray(speakers), return_inverse=True)
    return first, second, speaker[first] == speaker[second]


def listed_pairs(trials: Sequence[Trial], keys: Sequence[str]) -> Pairs:
    """Return the rows of both sides of every trial, and whether it is one speaker.

    Args:
        trials: Pairs of recordings, by key.
        keys: Key of each row's recording.
    """
    row_by_key = {key: row for row, key in enumerate(keys)}
    first = np.array([row_by_key[one.first] for one in trials])
    second = np.array([row_by_key[one.second] for one in trials])
    return first, second, np.array([one.same for one in trials])


def check_trials(name: str, trials: Sequence[Trial], part: Sequence[Utterance]) -> None:
    """Raise LabelError for trials of missing recordings, or without both kinds of pairs."""
    known = {one.key for one in part}
    strange = {key for one in trials for key in (one.first, one.second) if key not in known}
    if strange:
        raise LabelError(
            f"{name}: {len(strange)} recordings of the trials are missing: "
            f"{listing(sorted(strange))}. Correct the list, or add the recordings"
        )
    if len({one.same for one in trials}) < 2:
        raise LabelError(
            f"{name}: the trials are all of one speaker, or all of two; list both kinds of pairs"
        )


def check_pairs(name: str, side: str, part: Sequence[Utterance]) -> None:
    """Raise LabelError for a side with one speaker, or with speakers with a single recording."""
    counts = Counter(one.label for one in part)
    alone = sorted(speaker for speaker, count in counts.items() if count == 1)
    if alone:
        raise LabelError(
            f"{name}: {len(alone)} speakers of {side} have a single recording, and no pair: "
            f"{listing(alone)}. Add another of each, or remove them"
        )
    if len(counts) < 2:
        raise LabelError(
            f"{name}: {side} has one speaker, {listing(counts)}, and no pairs of two speakers. Add "
            "recordings of another"
        )
