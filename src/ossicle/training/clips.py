"""Recordings as a run sees them: cropped in training, in windows in evaluation, in batches.

A recording longer than the limit is cropped at random in training; in evaluation it is cut into
equally long windows, evenly spaced from its start to its end, and the outputs are combined.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from ossicle.backbones import Backbone
from ossicle.data import Utterance, bucketed, load_utterance, random_crop, windows

BATCHES_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one step.

    Attributes:
        values: What the backbone takes, padded.
        lengths: Real entries of each row.
        owners: For each row, the number of its utterance.
    """

    values: Tensor
    lengths: Int[Tensor, " B"]
    owners: list[int]


@dataclass(frozen=True)
class Clips:
    """Utterances with their lengths.

    Attributes:
        utterances: What to read.
        sizes: Samples of each at the backbone's rate.
        limit: Longest piece, in samples.
    """

    utterances: tuple[Utterance, ...]
    sizes: tuple[int, ...]
    limit: int

    def training_batches(
        self, backbone: Backbone, batch_size: int, *, seed: int, epoch: int
    ) -> Iterator[Batch]:
        """Yield every utterance once, cropped at random, in an order fixed by seed and epoch."""
        sizes = [min(size, self.limit) for size in self.sizes]
        order = bucketed(sizes, batch_size, seed=seed, epoch=epoch)
        pieces = [[(i, self._crop(i, seed, epoch)) for i in batch] for batch in order]
        return self._read(backbone, pieces)

    def evaluation_batches(self, backbone: Backbone, batch_size: int) -> Iterator[Batch]:
        """Yield every window of every utterance, the longest first."""
        pieces = list(self.windows())
        sizes = [stop - start for _, (start, stop) in pieces]
        order = bucketed(sizes, batch_size, seed=0, epoch=0, shuffle=False)
        return self._read(backbone, [[pieces[j] for j in batch] for batch in order])

    def windows(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield the number of each utterance with each of its windows."""
        for i, size in enumerate(self.sizes):
            for window in windows(size, self.limit):
                yield i, window

    def num_batches(self, batch_size: int) -> int:
        """Return the steps of one epoch of training."""
        return -(-len(self.sizes) // batch_size)

    def _crop(self, index: int, seed: int, epoch: int) -> tuple[int, int]:
        rng = np.random.default_rng([seed, epoch, index])
        return random_crop(self.sizes[index], self.limit, rng)

    def _read(
        self, backbone: Backbone, plan: Sequence[Sequence[tuple[int, tuple[int, int]]]]
    ) -> Iterator[Batch]:
        """Decode a few batches ahead of the one in use."""

        def make(pieces: Sequence[tuple[int, tuple[int, int]]]) -> Batch:
            waves = [self._piece(i, window, backbone.sample_rate) for i, window in pieces]
            return Batch(*backbone.batch(waves), [i for i, _ in pieces])

        with ThreadPoolExecutor(max_workers=1) as reader:
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
