"""The two halves of the training recordings: one trains the weights, the other the gates."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ossicle.data import Clips
from ossicle.data.sizes import ClassesIn
from ossicle.errors import SearchError, listing

Halves = tuple[Clips, Clips]


def halves(clips: Clips, classes_in: ClassesIn, seed: int) -> Halves:
    """Return two halves of the training recordings, drawn by class.

    The stratum of a recording is the rarest of its classes. Recordings are shuffled within strata,
    which are dealt out one after the other, so that the sizes of the halves, and of each stratum in
    them, differ by 1 at most. Which recordings are in a half does not depend on their order.

    Args:
        clips: The training recordings.
        classes_in: Returns the classes of a label; none for labels without.
        seed: Seed of the draw.

    Raises:
        SearchError: a half has no recordings, or none of some class.
    """
    classes = [tuple(classes_in(one.label)) for one in clips.utterances]
    order = _dealt(clips, classes, seed)
    rows = (order[::2], order[1::2])
    total = Counter(name for names in classes for name in names)
    for half in rows:
        lost = sorted(total.keys() - {name for row in half for name in classes[row]})
        if lost or not half:
            why = f"one half would have none of {listing(lost, 3)}" if lost else "it is one"
            raise SearchError(
                f"training data too small to split in two, by which gates and weights are trained "
                f"in turn ({len(order)} recordings): {why}. Use two or more recordings of each "
                "class, or another strategy"
            )
    return clips.chosen(rows[0]), clips.chosen(rows[1])


def _dealt(clips: Clips, classes: Sequence[tuple[str, ...]], seed: int) -> list[int]:
    """Return the numbers of all recordings, stratum by stratum, in random order within each."""
    counts = Counter(name for names in classes for name in names)
    stratum = [min(names, key=lambda name: (counts[name], name), default="") for names in classes]
    by_key = sorted(range(len(classes)), key=lambda row: clips.utterances[row].key)
    draw = np.random.default_rng([seed, 2]).permutation(len(by_key))
    place = {row: int(at) for row, at in zip(by_key, draw, strict=True)}
    return sorted(by_key, key=lambda row: (stratum[row], place[row]))
