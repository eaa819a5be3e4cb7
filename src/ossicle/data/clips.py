"""Recordings cut into pieces that fit a model: random crops in training, windows in evaluation.

    limit        |---------|
    recording    |-----------------------|
    crop              |---------|            anywhere, drawn by seed, epoch and recording
    windows      |---------|
                        |---------|          of one length, evenly spaced from start to end
                               |---------|

A recording that is not longer than the limit is one piece.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ossicle.data.audio import load_utterance, random_crop, windows
from ossicle.data.augment import AUGMENTATIONS
from ossicle.data.batch import bucketed, bucketed_by_length
from ossicle.data.decode import Wave
from ossicle.data.utterance import Utterance

# Number of a recording; first sample of the piece, and one past its last.
Piece = tuple[int, tuple[int, int]]


@dataclass(frozen=True)
class Clips:
    """Recordings with their lengths.

    Attributes:
        utterances: The recordings.
        sizes: Number of samples of each, at the sample rate of the backbone.
        limit: Longest piece, in samples.
        augment: Names of `AUGMENTATIONS`, applied in training.
    """

    utterances: tuple[Utterance, ...]
    sizes: tuple[int, ...]
    limit: int
    augment: tuple[str, ...] = ()

    def chosen(self, numbers: Iterable[int]) -> "Clips":
        """Return some of the recordings, by number, in their original order."""
        rows = sorted(numbers)
        return Clips(
            tuple(self.utterances[row] for row in rows),
            tuple(self.sizes[row] for row in rows),
            self.limit,
            self.augment,
        )

    def plan(
        self, batch_size: int, budget: int | None, *, seed: int, epoch: int
    ) -> list[list[int]]:
        """Return the recordings of each batch of an epoch, by number.

        Args:
            batch_size: Recordings of a batch; not used if there is a budget.
            budget: Samples of a padded batch.
            seed: Seed of the run.
            epoch: Number of the epoch, counted from 1.
        """
        sizes = [min(size, self.limit) for size in self.sizes]
        if budget is not None:
            return bucketed_by_length(sizes, budget, seed=seed, epoch=epoch)
        return bucketed(sizes, batch_size, seed=seed, epoch=epoch)

    def crop(self, number: int, *, seed: int, epoch: int) -> Piece:
        """Return a random piece of a recording, by seed, epoch and number alone."""
        rng = np.random.default_rng([seed, epoch, number])
        return number, random_crop(self.sizes[number], self.limit, rng)

    def windows(self) -> Iterator[Piece]:
        """Yield all windows of all recordings."""
        for number, size in enumerate(self.sizes):
            for span in windows(size, self.limit):
                yield number, span

    def window_batches(self, batch_size: int) -> list[list[Piece]]:
        """Return all windows of all recordings in batches, the longest windows first."""
        pieces = list(self.windows())
        sizes = [stop - start for _, (start, stop) in pieces]
        order = bucketed(sizes, batch_size, seed=0, epoch=0, shuffle=False)
        return [[pieces[i] for i in batch] for batch in order]

    def is_whole(self, piece: Piece) -> bool:
        """Return whether a piece is a whole recording."""
        number, span = piece
        return span == (0, self.sizes[number])

    def read(self, piece: Piece, sample_rate: int) -> Wave:
        """Return the wave of a piece."""
        number, (start, stop) = piece
        return load_utterance(self.utterances[number], sample_rate)[start:stop]

    def read_augmented(
        self, piece: Piece, sample_rate: int, min_samples: int, *, seed: int, epoch: int
    ) -> Wave:
        """Return the wave of a piece after augmentation, drawn by seed, epoch and recording.

        An augmentation that would make the piece shorter than `min_samples`, or longer than the
        limit, is left out.
        """
        wave = self.read(piece, sample_rate)
        rng = np.random.default_rng([seed, epoch, piece[0], 1])
        for name in self.augment:
            changed = AUGMENTATIONS[name](wave, sample_rate, rng)
            if min_samples <= len(changed) <= max(self.limit, len(wave)):
                wave = changed
        return wave
