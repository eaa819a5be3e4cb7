"""Recordings as a run sees them: cropped in training, in windows in evaluation, in batches.

A recording longer than the limit is cropped at random in training; in evaluation it is cut into
equally long windows, evenly spaced from its start to its end, and the outputs are combined.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ossicle.backbones import Backbone
from ossicle.data import (
    AUGMENTATIONS,
    Utterance,
    bucketed,
    bucketed_by_length,
    load_utterance,
    random_crop,
    windows,
)
from ossicle.frozen.part import Example, FrozenPart

READERS = max(1, min(4, (os.cpu_count() or 2) - 1))  # one core computes
BATCHES_AHEAD = READERS + 2

Piece = tuple[int, tuple[int, int]]  # number of an utterance, first sample and one past the last
Share = Callable[[Sequence[Piece]], Sequence[Piece]]


def everything(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Return all pieces, as a process does that is alone."""
    return pieces


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one step.

    Attributes:
        items: The rows of this process, which may have none of a batch.
        owners: For each of them, the number of its utterance.
        everyone: The same for all rows of the batch, in every process.
    """

    items: list[Example]
    owners: list[int]
    everyone: list[int]


@dataclass(frozen=True)
class Clips:
    """Utterances with their lengths.

    Attributes:
        utterances: What to read.
        sizes: Samples of each at the backbone's rate.
        limit: Longest piece, in samples.
        augment: Names of `AUGMENTATIONS`, for training.
    """

    utterances: tuple[Utterance, ...]
    sizes: tuple[int, ...]
    limit: int
    augment: tuple[str, ...] = ()

    def plan(
        self, batch_size: int, budget: int | None, *, seed: int, epoch: int
    ) -> list[list[int]]:
        """Return the utterances of each batch of an epoch: so many, or within so many samples."""
        sizes = [min(size, self.limit) for size in self.sizes]
        if budget is not None:
            return bucketed_by_length(sizes, budget, seed=seed, epoch=epoch)
        return bucketed(sizes, batch_size, seed=seed, epoch=epoch)

    def training_batches(
        self,
        backbone: Backbone,
        plan: Sequence[Sequence[int]],
        *,
        frozen: FrozenPart,
        seed: int,
        epoch: int,
        share: Share = everything,
    ) -> Iterator[Batch]:
        """Yield the batches of a plan, cropped at random and augmented by seed and epoch."""

        def item(piece: Piece) -> Example:
            index, span = piece
            is_whole = span == (0, self.sizes[index])
            key, known = frozen.find(self.utterances[index], span) if is_whole else (None, None)
            if known is not None:
                return known
            wave = self._piece(index, span, backbone.sample_rate)
            row = backbone.row(self._augmented(index, wave, backbone, (seed, epoch)))
            return Example(row, None, row[1], key)

        pieces = [[(i, self._crop(i, seed, epoch)) for i in batch] for batch in plan]
        return self._read(pieces, share, item)

    def evaluation_batches(self, batch_size: int) -> list[list[Piece]]:
        """Return every window of every utterance, in batches, the longest first."""
        pieces = list(self.windows())
        sizes = [stop - start for _, (start, stop) in pieces]
        order = bucketed(sizes, batch_size, seed=0, epoch=0, shuffle=False)
        return [[pieces[j] for j in batch] for batch in order]

    def windows(self) -> Iterator[Piece]:
        """Yield the number of each utterance with each of its windows."""
        for i, size in enumerate(self.sizes):
            for window in windows(size, self.limit):
                yield i, window

    def read(
        self, backbone: Backbone, plan: Sequence[Sequence[Piece]], frozen: FrozenPart
    ) -> Iterator[Batch]:
        """Yield the batches of a plan as they are."""

        def item(piece: Piece) -> Example:
            index, span = piece
            key, known = frozen.find(self.utterances[index], span)
            if known is not None:
                return known
            row = backbone.row(self._piece(index, span, backbone.sample_rate))
            return Example(row, None, row[1], key)

        return self._read(plan, everything, item)

    def _crop(self, index: int, seed: int, epoch: int) -> tuple[int, int]:
        rng = np.random.default_rng([seed, epoch, index])
        return random_crop(self.sizes[index], self.limit, rng)

    def _augmented(
        self, index: int, wave: NDArray[np.float32], backbone: Backbone, drawn_by: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the piece after all augmentations that leave it neither too long nor too short."""
        rng = np.random.default_rng([*drawn_by, index, 1])
        for name in self.augment:
            made = AUGMENTATIONS[name](wave, backbone.sample_rate, rng)
            if backbone.min_samples <= len(made) <= max(self.limit, len(wave)):
                wave = made
        return wave

    def _read(
        self, plan: Sequence[Sequence[Piece]], share: Share, item: Callable[[Piece], Example]
    ) -> Iterator[Batch]:
        """Make a few batches ahead of the one in use."""

        def make(pieces: Sequence[Piece]) -> Batch:
            mine = share(pieces)
            owners, everyone = [i for i, _ in mine], [i for i, _ in pieces]
            return Batch([item(piece) for piece in mine], owners, everyone)

        with ThreadPoolExecutor(max_workers=READERS) as reader:
            waiting = iter(plan)
            queue: list[Future[Batch]] = [
                reader.submit(make, pieces) for pieces in islice(waiting, BATCHES_AHEAD)
            ]
            while queue:
                batch = queue.pop(0).result()
                queue += [reader.submit(make, pieces) for pieces in islice(waiting, 1)]
                yield batch

    def _piece(self, index: int, window: tuple[int, int], sample_rate: int) -> NDArray[np.float32]:
        start, stop = window
        return load_utterance(self.utterances[index], sample_rate)[start:stop]
