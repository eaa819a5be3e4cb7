"""Assign groups of recordings, such as speakers, to sides so that every side has every label.

A side is train, valid or test; a unit is a group that stays together.

    cost of a side = 8 * (fraction of labels that are absent)
                   + 2 * |size / wanted - 1|  +  8 * max(0, |size / wanted - 1| - 0.5)
                   + mean over labels of |count / wanted - 1|, at most 2 each

A label counts as absent only if it could be present: a label of a single unit belongs in training,
and one of two units is on at most two sides. A side without units, and a label absent from
training, cost more than anything else. With few labels, covering one of them may change the size of
a side by up to three quarters; with hundreds, sides keep their size.

Units are moved, then swapped, as long as the cost decreases. scikit-learn's StratifiedGroupKFold
assigns each group once, has sides of equal size, and misses labels that few speakers have.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

Counts = Int[np.ndarray, "units labels"]

_EMPTY, _UNTRAINED = 1e6, 1e3  # a side without units; a label without training recordings
_ABSENT, _SIZE, _FAR_OFF = 8.0, 2.0, 8.0
_TEST = 1.25  # weight of the test side's cost
_SLACK = 0.5  # relative deviation of a size above which it costs more
_GOOD_SIZE, _GOOD_LABEL = 0.1, 0.5  # acceptable relative deviations of a size and of a label
_MOST_CELLS = 4_000_000  # units (or pairs of units) times labels, over all changes tried


class Balance:
    """Scores an assignment of units to sides and improves it.

    Args:
        counts: Recordings of each label in each unit.
        fractions: Wanted fractions of train, valid and test; a side of fraction 0 stays empty.
    """

    def __init__(self, counts: Counts, fractions: Sequence[float]) -> None:
        self.counts = counts.astype(np.float64)
        self.sides = [side for side, fraction in enumerate(fractions) if fraction > 0]
        self._sizes = self.counts.sum() * np.asarray(fractions)
        self._wanted = np.outer(fractions, self.counts.sum(axis=0))  # (sides, labels)
        units_of_label = (counts > 0).sum(axis=0)
        self._unavoidable = int(np.maximum(0, len(self.sides) - units_of_label).sum())
        self._missed = _ABSENT * (units_of_label > 1) / counts.shape[1]

    def cost(self, side_by_unit: Int[np.ndarray, " units"]) -> float:
        """Return the cost of an assignment; lower is better."""
        return float(sum(self._cost(side, self._held(side_by_unit, side)) for side in self.sides))

    def is_good(self, side_by_unit: Int[np.ndarray, " units"]) -> bool:
        """Return whether sizes and label counts of all sides are acceptable."""
        held = np.stack([self._held(side_by_unit, side) for side in self.sides])
        wanted = self._wanted[self.sides]
        sizes = np.abs(held.sum(axis=1) / self._sizes[self.sides] - 1)
        deviates = np.abs(held - wanted) > np.maximum(1.0, _GOOD_LABEL * wanted)
        far_off = int((deviates | (held == 0)).sum())
        return far_off <= self._unavoidable and bool((sizes <= _GOOD_SIZE).all())

    def improved(self, side_by_unit: Int[np.ndarray, " units"]) -> Int[np.ndarray, " units"]:
        """Return an assignment that no move improves, nor, if there are few units, any swap."""
        found = side_by_unit.copy()
        moving = self.counts.size * len(self.sides)
        swapping = len(found) ** 2 * self.counts.shape[1]
        left = _MOST_CELLS
        while left > 0:
            left -= moving
            if not self._move(found):
                left -= swapping
                if left < 0 or not self._swap(found):
                    break
        return found

    def _held(self, side_by_unit: Int[np.ndarray, " units"], side: int) -> np.ndarray:
        return np.asarray(self.counts[side_by_unit == side].sum(axis=0))  # (labels,)

    def _cost(self, side: int, held: Float[np.ndarray, "*many labels"]) -> np.ndarray:
        """Return the cost of a side with these numbers of recordings of each label."""
        size = held.sum(axis=-1)
        off = np.abs(size / self._sizes[side] - 1)
        absent = held == 0
        wanted = np.maximum(self._wanted[side], 1e-9)
        each = np.minimum(np.abs(held / wanted - 1), 2.0).mean(axis=-1)
        cost = _SIZE * off + _FAR_OFF * np.maximum(0.0, off - _SLACK) + each
        missed = absent @ (self._missed if side else np.full_like(self._missed, _UNTRAINED))
        cost = (_TEST if side == 2 else 1.0) * (cost + missed)
        return np.asarray(np.round(cost + _EMPTY * (size == 0), 9))  # equal on every machine

    def _move(self, found: Int[np.ndarray, " units"]) -> bool:
        """Make the move that lowers the cost most; return whether there was one."""
        gain, unit, to = 0.0, -1, -1
        held = {side: self._held(found, side) for side in self.sides}
        now = {side: self._cost(side, held[side]) for side in self.sides}
        for side in self.sides:
            here = np.flatnonzero(found == side)
            if not len(here):
                continue
            left = self._cost(side, held[side] - self.counts[here]) - now[side]
            for other in self.sides:
                if other == side:
                    continue
                change = left + self._cost(other, held[other] + self.counts[here]) - now[other]
                best = int(np.argmin(change))
                if change[best] < gain - 1e-6:
                    gain, unit, to = float(change[best]), int(here[best]), other
        if unit >= 0:
            found[unit] = to
        return unit >= 0

    def _swap(self, found: Int[np.ndarray, " units"]) -> bool:
        """Make the swap that lowers the cost most; return whether there was one."""
        gain, pair = 0.0, (-1, -1)
        held = {side: self._held(found, side) for side in self.sides}
        for number, side in enumerate(self.sides):
            for other in self.sides[number + 1 :]:
                here, there = np.flatnonzero(found == side), np.flatnonzero(found == other)
                if not len(here) or not len(there):
                    continue
                given = self.counts[there][None] - self.counts[here][:, None]
                change = (
                    self._cost(side, held[side] + given)
                    + self._cost(other, held[other] - given)
                    - self._cost(side, held[side])
                    - self._cost(other, held[other])
                )
                first, second = np.unravel_index(int(np.argmin(change)), change.shape)
                if change[first, second] < gain - 1e-6:
                    gain, pair = (
                        float(change[first, second]),
                        (int(here[first]), int(there[second])),
                    )
        if pair[0] >= 0:
            found[list(pair)] = found[list(pair)[::-1]]
        return pair[0] >= 0
