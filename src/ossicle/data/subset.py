"""Draw a small part of the training recordings, to learn how much a method needs.

Recordings have an order of their own, by a hash of the seed and the key, so a draw depends neither
on their order in the data nor on the other recordings. Draws of one seed are nested: the draw of k
recordings per class is part of the draw of 2k, the draw of 10 % is part of that of 20 %. A smaller
training side cannot leak, so recordings are drawn one by one, also where a speaker has several.
"""

import hashlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from ossicle.data.dataset import Dataset
from ossicle.data.sizes import ClassesIn
from ossicle.data.utterance import Utterance
from ossicle.errors import LabelError, RunError, listing


def draw_shots(dataset: Dataset, shots: int, classes_in: ClassesIn, seed: int) -> Dataset:
    """Return the dataset with k training recordings of each class, or all of a smaller class.

    Where a recording has several classes, such as tags, recordings are drawn class by class, in
    rounds: in round r, each class that has fewer than r recordings gets one more. A class that
    often comes with others may then have more than k.

    Args:
        dataset: The recordings; validation and test stay as they are.
        shots: k, at least 1.
        classes_in: Returns the classes of a label.
        seed: Seed of the draw.

    Raises:
        RunError: the labels have no classes.
    """
    by_class: dict[str, deque[Utterance]] = defaultdict(deque)
    for one in _shuffled(dataset.train, seed):
        for name in classes_in(one.label):
            by_class[name].append(one)
    if not by_class:
        raise RunError(
            "shots draws recordings of each class, and the labels of this task have no classes. "
            "Leave it out, or use train_fraction"
        )
    counts: Counter[str] = Counter()
    chosen: set[str] = set()
    for number in range(1, min(shots, max(map(len, by_class.values()))) + 1):
        for name in sorted(by_class):
            waiting = by_class[name]
            while counts[name] < number and waiting:
                one = waiting.popleft()
                if one.key not in chosen:
                    chosen.add(one.key)
                    counts.update(classes_in(one.label))
    fewer = [f"{name} {count}" for name, count in sorted(counts.items()) if count < shots]
    notices = dataset.notices
    if fewer:
        notices += (
            f"train has fewer than {shots} recordings of {len(fewer)} of {len(counts)} classes "
            f"({listing(fewer)}): all of these are used.",
        )
    return _reduced(replace(dataset, notices=notices), chosen, f"{shots} of each class")


def draw_fraction(dataset: Dataset, fraction: float, classes_in: ClassesIn, seed: int) -> Dataset:
    """Return the dataset with a fraction of its training recordings, stratified by class.

    The stratum of a recording is the rarest of its classes. At least one recording of each stratum
    is kept. Recordings without classes, such as those of transcripts, are one stratum.

    Args:
        dataset: The recordings; validation and test stay as they are.
        fraction: Above 0, up to 1.
        classes_in: Returns the classes of a label.
        seed: Seed of the draw.

    Raises:
        LabelError: a class loses all its training recordings.
    """
    counts = Counter(name for one in dataset.train for name in classes_in(one.label))
    strata: dict[str, list[str]] = defaultdict(list)
    for one in _shuffled(dataset.train, seed):
        names = sorted(classes_in(one.label), key=lambda name: (counts[name], name))
        strata[names[0] if names else ""].append(one.key)
    chosen = {
        key
        for keys in strata.values()
        for key in keys[: max(1, math.floor(fraction * len(keys) + 0.5))]
    }
    kept = {n for one in dataset.train if one.key in chosen for n in classes_in(one.label)}
    if lost := sorted(counts.keys() - kept):
        raise LabelError(
            f"a train_fraction of {fraction:g} leaves no training recordings of {len(lost)} of "
            f"{len(counts)} classes ({listing(lost)}). Choose a larger one, or use shots"
        )
    return _reduced(dataset, chosen, f"a fraction of {fraction:g}")


def _shuffled(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """Return the recordings in the order in which they are drawn."""

    def rank(one: Utterance) -> bytes:
        return hashlib.blake2b(f"{seed}\0{one.key}".encode(), digest_size=16).digest()

    return sorted(utterances, key=rank)


def _reduced(dataset: Dataset, chosen: set[str], what: str) -> Dataset:
    """Return the dataset with the chosen training recordings, in their order, and a note of it."""
    train = tuple(one for one in dataset.train if one.key in chosen)
    note = f"{dataset.note} Trained on {len(train)} of {len(dataset.train)} recordings: {what}."
    return replace(dataset, train=train, note=note)
