"""Draw the splits of a dataset at random, and check that they do not leak.

A side is train, valid or test. Units are drawn: everything by one speaker, or everything from one
recording, so that neither can be on two sides.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from ossicle.data.balance import Balance
from ossicle.data.columns import SIDES
from ossicle.data.dataset import Dataset
from ossicle.data.leaks import check_files
from ossicle.data.utterance import Utterance
from ossicle.errors import LabelError, SplitError, listing

_MOST_CELLS = 50_000_000  # most units times labels of a draw
_SEARCHED_CELLS = 4_000_000  # most units times labels over all draws
_MOST_DRAWS = 20

Parts = tuple[tuple[Utterance, ...], tuple[Utterance, ...], tuple[Utterance, ...]]


def draw(
    utterances: Sequence[Utterance],
    *,
    fractions: tuple[float, float],
    by_speaker: bool,
    seed: int,
) -> Parts:
    """Return train, valid and test utterances, stratified by label and determined by the seed.

    If most labels occur once, as transcripts and numbers do, the draw is not stratified.

    First each side gets a target number of utterances of each label, with at least one for
    training. Then each unit, in random order, goes to the side that lacks most of its labels; a
    unit with a label that training does not have yet goes to training. If that leaves a side
    without a label or far from its size, as with speakers who have many utterances of few labels,
    units are moved and swapped (`ossicle.data.balance`), and the best of several draws is taken.

    Args:
        utterances: Utterances to split.
        fractions: Fractions of valid and test, each from 0 to 1, with a sum below 1. A side of
            fraction 0 stays empty; any other gets at least one unit.
        by_speaker: Whether to keep the utterances of a speaker together.
        seed: Seed of the draw.

    Raises:
        SplitError: a fraction is out of range, a speaker is unknown, or there are too few units.
    """
    if min(fractions) < 0 or not sum(fractions) < 1:
        raise SplitError(
            f"valid={fractions[0]:g} and test={fractions[1]:g}: expected fractions of 0 or more "
            "with a sum below 1."
        )
    units = _units(utterances, by_speaker)
    wanted = [0, *(side for side in (1, 2) if fractions[side - 1] > 0)]
    if len(units) < len(wanted):
        raise SplitError(
            f"{len(units)} {'speakers' if by_speaker else 'recordings'} are too few for "
            f"{listing(SIDES[side] for side in wanted)}. Add more"
            + (", or use speaker_independent=no." if by_speaker else ".")
        )
    side_by_unit = _search(_counts(units), fractions, wanted, np.random.default_rng(seed))
    train, valid, test = (
        tuple(
            one for unit, at in zip(units, side_by_unit, strict=True) if at == side for one in unit
        )
        for side in range(3)
    )
    return train, valid, test


def check(dataset: Dataset) -> None:
    """Check that no split of a dataset is empty and that they do not overlap.

    Raises:
        SplitError: a split is empty; a file, by path or bytes, or overlapping parts of it are in
            two splits; a speaker is in two splits of speaker-independent data.
    """
    for side, part in dataset.sides.items():
        if not part:
            raise SplitError(
                f"{dataset.name} has no {side} recordings. Choose a split with some of them. "
                f"Its split: {dataset.note}"
            )
    if dataset.speaker_independent:
        _check_speakers(replace(dataset, valid=()) if dataset.validates_on_test else dataset)
    check_files(dataset)


def _units(utterances: Sequence[Utterance], by_speaker: bool) -> list[list[Utterance]]:
    if by_speaker and (unknown := [one.key for one in utterances if one.speaker is None]):
        raise SplitError(
            f"{len(unknown)} of {len(utterances)} utterances have no speaker "
            f"({listing(unknown, 3)}). Add their speakers, or use speaker_independent=no."
        )
    by_unit: dict[Hashable, list[Utterance]] = defaultdict(list)
    for one in sorted(utterances, key=lambda one: one.key):  # independent of the order given
        by_unit[one.speaker if by_speaker else (one.path, one.span)].append(one)
    return list(by_unit.values())


def _counts(units: Sequence[Sequence[Utterance]]) -> np.ndarray:
    """Return the number of recordings of each label in each unit: (units, labels)."""
    total = Counter(one.label for unit in units for one in unit)
    labels = sorted(total)
    if len(labels) > total.total() / 2:
        labels = [""]
    most = max(1, _MOST_CELLS // len(units))
    if len(labels) > most:  # rare labels share one stratum
        labels = sorted(sorted(labels, key=lambda label: -total[label])[: most - 1])
    column = {label: number for number, label in enumerate(labels)}
    rest, width = len(labels), len(labels) + 1
    cells = [row * width + column.get(one.label, rest) for row, u in enumerate(units) for one in u]
    counts = np.bincount(cells, minlength=len(units) * width).reshape(len(units), width)
    return counts[:, counts.any(axis=0)]


def _search(
    counts: np.ndarray,
    fractions: tuple[float, float],
    wanted: Sequence[int],
    rng: np.random.Generator,
) -> list[int]:
    """Return the side of each unit: the first acceptable of several draws, or else the best."""
    balance = Balance(counts, (1 - sum(fractions), *fractions))
    best: list[int] = []
    lowest = math.inf
    for _ in range(max(1, min(_MOST_DRAWS, _SEARCHED_CELLS // counts.size))):
        targets = _targets(counts.sum(axis=0), fractions, rng)
        drawn = np.array(_assign(counts, targets, wanted, rng))
        if counts.size > _SEARCHED_CELLS or counts.sum(axis=1).max() == 1:
            return list(drawn)  # with so many or such small units, any draw is acceptable
        if not balance.is_good(drawn):
            drawn = balance.improved(drawn)
        if balance.is_good(drawn):
            return list(drawn)
        if (cost := balance.cost(drawn)) < lowest:
            best, lowest = list(drawn), cost
    return best


def _targets(
    totals: np.ndarray, fractions: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return the target number of utterances of each label on each side: (3, labels).

    Rounded by largest remainder, with ties broken at random: of 100 labels with 2 utterances each,
    a fraction of 0.15 gives one utterance of 30 labels, instead of none of any.
    """
    free = totals - 1  # one utterance of each label is kept for training
    sides = []
    for fraction in fractions:
        exact = totals * fraction
        target = np.minimum(np.floor(exact).astype(np.int64), free)
        for label in np.lexsort((rng.random(len(totals)), target - exact)):
            if target.sum() < round(fraction * totals.sum()) and target[label] < free[label]:
                target[label] += 1
        free = free - target
        sides.append(target)
    return np.stack([totals - sides[0] - sides[1], *sides])


def _assign(
    counts: np.ndarray, targets: np.ndarray, wanted: Sequence[int], rng: np.random.Generator
) -> list[int]:
    """Return the side of each unit; every wanted side gets at least one."""
    lacking = targets.copy()  # (sides, labels)
    taken = np.zeros_like(targets)
    side_by_unit = [0] * len(counts)
    order = rng.permutation(len(counts))
    for place, unit in enumerate(order):
        empty = [side for side in wanted if not taken[side].any()]
        if len(order) - place == len(empty):
            sides: Sequence[int] = empty
        elif (taken[0][counts[unit] > 0] == 0).any():
            sides = [0]
        else:
            sides = wanted
        need = [(int(lacking[side] @ counts[unit]), int(lacking[side].sum())) for side in sides]
        side = sides[need.index(max(need))]
        side_by_unit[unit] = side
        taken[side] += counts[unit]
        lacking[side] -= counts[unit]
    return side_by_unit


def _check_speakers(dataset: Dataset) -> None:
    side_by_speaker: dict[str, str] = {}
    for side, part in dataset.sides.items():
        for one in part:
            if one.speaker is None:
                raise SplitError(
                    f"{dataset.name}: {one.key} has no speaker, which a speaker-independent split "
                    "needs. Add the speakers, or use speaker_independent=no."
                )
            if (other := side_by_speaker.setdefault(one.speaker, side)) != side:
                raise SplitError(
                    f"{dataset.name}: speaker '{one.speaker}' is in {other} and in {side}. Move "
                    "them to one split, or use speaker_independent=no to test on known speakers."
                )


def check_classes(dataset: Dataset) -> None:
    """Check that the labels are classes that can be trained and evaluated.

    Raises:
        LabelError: training has only one class, or valid or test has a label that is not in
            training.
    """
    known = set(dataset.labels)
    for side, part in (("valid", dataset.valid), ("test", dataset.test)):
        for label, count in sorted(Counter(one.label for one in part).items()):
            if label not in known:
                example = next(one.key for one in part if one.label == label)
                raise LabelError(
                    f"{dataset.name}: {count} utterances of {side} (such as {example}) have the "
                    f"label '{label}', which no training utterance has ({listing(sorted(known))}). "
                    "Move some to train, or fix the label."
                )
    if len(known) == 1:
        raise LabelError(
            f"{dataset.name}: all {len(dataset.train)} training utterances are "
            f"'{dataset.labels[0]}'. Use data with at least two labels."
        )
