"""Draw the sides of a dataset, and refuse those that leak.

A side is train, valid or test. A draw moves units: everything by one speaker, or everything from
one recording, so that neither can stand on two sides.
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

_MOST_CELLS = 50_000_000  # units times labels, of what is shared out
_SEARCHED_CELLS = 4_000_000  # units times labels, of all draws together, until one is good
_MOST_DRAWS = 20

Parts = tuple[tuple[Utterance, ...], tuple[Utterance, ...], tuple[Utterance, ...]]


def draw(
    utterances: Sequence[Utterance],
    *,
    fractions: tuple[float, float],
    by_speaker: bool,
    seed: int,
) -> Parts:
    """Return train, valid and test parts, stratified by label and fixed by the seed.

    Where most labels are on one utterance alone, as transcripts and numbers are, they are no
    strata, and all utterances are of one.

    First the utterances of each label are shared out in whole numbers, at least one for training.
    Then each unit, in random order, goes to the side that lacks most of its labels; a unit with a
    label that training has none of goes to training. Where that leaves a side without a label or
    far from its size, as it can with speakers who have much to say of few labels, units are moved
    and swapped (`ossicle.data.balance`), and the best of several draws is taken.

    Args:
        utterances: What is to be shared out.
        fractions: The shares of valid and test, each from 0 to 1 and less than 1 together. A side
            of share 0 stays empty; any other gets one unit at least.
        by_speaker: Whether a speaker's utterances stay together.
        seed: Of the draw.

    Raises:
        SplitError: a share is out of range, a speaker is not known, or there are too few units.
    """
    if min(fractions) < 0 or not sum(fractions) < 1:
        raise SplitError(
            f"valid={fractions[0]:g} and test={fractions[1]:g} cannot be drawn. Choose shares of 0 "
            "or more that leave a part for training."
        )
    units = _units(utterances, by_speaker)
    wanted = [0, *(side for side in (1, 2) if fractions[side - 1] > 0)]
    if len(units) < len(wanted):
        raise SplitError(
            f"{len(units)} {'speakers' if by_speaker else 'recordings'} cannot be drawn into "
            f"{listing(SIDES[side] for side in wanted)}. Add more"
            + (", or say speaker_independent=no." if by_speaker else ".")
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
    """Raise unless the sides of a dataset are apart and there is something on each.

    Raises:
        SplitError: a side is empty; a file, by path or by its bytes, is on two sides, or
            overlapping parts of it are; a speaker is on two sides of speaker-independent data.
    """
    for side, part in dataset.sides.items():
        if not part:
            raise SplitError(f"{dataset.name} has no {side} part. Choose a split that fills it.")
    if dataset.speaker_independent:
        _check_speakers(replace(dataset, valid=()) if dataset.test_chooses else dataset)
    check_files(dataset)


def _units(utterances: Sequence[Utterance], by_speaker: bool) -> list[list[Utterance]]:
    if by_speaker and (unknown := [one.key for one in utterances if one.speaker is None]):
        raise SplitError(
            f"{len(unknown)} of {len(utterances)} utterances name no speaker "
            f"({listing(unknown, 3)}). Name them, or say speaker_independent=no."
        )
    by_unit: dict[Hashable, list[Utterance]] = defaultdict(list)
    for one in sorted(utterances, key=lambda one: one.key):  # the draw is the same in any order
        by_unit[one.speaker if by_speaker else (one.path, one.span)].append(one)
    return list(by_unit.values())


def _counts(units: Sequence[Sequence[Utterance]]) -> np.ndarray:
    """Return how many recordings of each label each unit has: (units, labels)."""
    total = Counter(one.label for unit in units for one in unit)
    labels = sorted(total)
    if len(labels) > total.total() / 2:
        labels = [""]
    most = max(1, _MOST_CELLS // len(units))
    if len(labels) > most:  # the rare ones are one stratum
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
    """Return the side of each unit: of several draws, the first good one or else the best."""
    balance = Balance(counts, (1 - sum(fractions), *fractions))
    best: list[int] = []
    lowest = math.inf
    for _ in range(max(1, min(_MOST_DRAWS, _SEARCHED_CELLS // counts.size))):
        targets = _targets(counts.sum(axis=0), fractions, rng)
        drawn = np.array(_assign(counts, targets, wanted, rng))
        if counts.size > _SEARCHED_CELLS or counts.sum(axis=1).max() == 1:
            return list(drawn)  # units are so many, or so small, that any draw is good
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
    """Return how many utterances of each label each side should get: (3, labels).

    A side's whole number is shared out by largest remainder, equal ones at random: of 100 labels
    with 2 utterances each, a share of 0.15 is one utterance of 30 labels, not none of any.
    """
    free = totals - 1  # one of each label is training's
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
    """Return the side of each unit, each wanted side getting one at least."""
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
                    f"{dataset.name}: {one.key} names no speaker, so no side can be kept apart. "
                    "Name the speakers, or say speaker_independent=no."
                )
            if (other := side_by_speaker.setdefault(one.speaker, side)) != side:
                raise SplitError(
                    f"{dataset.name}: speaker '{one.speaker}' is in {other} and in {side}. Move "
                    "them to one side, or say speaker_independent=no if known voices may be tested."
                )


def check_classes(dataset: Dataset) -> None:
    """Raise unless the labels are classes that can be learnt and judged.

    Raises:
        LabelError: training has one class only, or valid or test a label that training has not.
    """
    known = set(dataset.labels)
    for side, part in (("valid", dataset.valid), ("test", dataset.test)):
        for label, count in sorted(Counter(one.label for one in part).items()):
            if label not in known:
                example = next(one.key for one in part if one.label == label)
                raise LabelError(
                    f"{dataset.name}: the label '{label}' is on {count} utterances of {side} "
                    f"(such as {example}) and on none of train ({listing(sorted(known))}). "
                    "Move some to train, or mend the label."
                )
    if len(known) == 1:
        raise LabelError(
            f"{dataset.name}: all {len(dataset.train)} training utterances are "
            f"'{dataset.labels[0]}'. Give two labels at least."
        )
