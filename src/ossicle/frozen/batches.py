"""Batches, read by threads a few batches ahead of their use.

A row is read from its recording, or its states at the cut are read from the cache.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from ossicle.backbones import Backbone
from ossicle.data import Clips, Piece
from ossicle.frozen.part import BatchRow, FrozenPart, text_of

READERS: Final = max(1, min(4, (os.cpu_count() or 2) - 1))  # one core computes
BATCHES_AHEAD: Final = READERS + 2

Own = Callable[[Sequence[Piece]], Sequence[Piece]]


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step.

    Attributes:
        rows: The rows of this process; it may have none of a batch.
        owners: For each of these rows, the number of its recording.
        all_owners: The numbers of the recordings of the whole batch, over all processes.
    """

    rows: list[BatchRow]
    owners: list[int]
    all_owners: list[int]


def training_batches(
    clips: Clips,
    plan: Sequence[Sequence[int]],
    backbone: Backbone,
    frozen: FrozenPart,
    *,
    seed: int,
    epoch: int,
    own: Own = list,
) -> Iterator[Batch]:
    """Yield the batches of an epoch, cropped at random and augmented.

    Args:
        clips: The recordings.
        plan: The result of `Clips.plan`.
        backbone: The model that the batches are for.
        frozen: The frozen part, whose states are cached except those of random crops.
        seed: Seed of the run.
        epoch: Number of the epoch, counted from 1.
        own: Returns the pieces of a batch that this process reads. Default: all.
    """
    rate, shortest = backbone.sample_rate, backbone.min_samples

    def row(piece: Piece) -> BatchRow:
        key, cached = None, None
        if clips.is_whole(piece):
            key, cached = frozen.find(clips.utterances[piece[0]], piece[1])
        if cached is not None:
            return cached
        wave = clips.read_augmented(piece, rate, shortest, seed=seed, epoch=epoch)
        return BatchRow.of(backbone.row(wave), key, text_of(clips.utterances[piece[0]]))

    pieces = [[clips.crop(i, seed=seed, epoch=epoch) for i in batch] for batch in plan]
    return _read(pieces, own, row)


def window_batches(
    clips: Clips,
    batches: Sequence[Sequence[Piece]],
    backbone: Backbone,
    frozen: FrozenPart | None = None,
) -> Iterator[Batch]:
    """Yield batches of windows as they are.

    Args:
        clips: The recordings.
        batches: The result of `Clips.window_batches`.
        backbone: The model that the batches are for.
        frozen: The frozen part, whose states are cached; None: no cache.
    """

    def row(piece: Piece) -> BatchRow:
        key, cached = None, None
        if frozen is not None:
            key, cached = frozen.find(clips.utterances[piece[0]], piece[1])
        start, stop = piece[1]
        seconds = (stop - start) / backbone.sample_rate
        text = replace(text_of(clips.utterances[piece[0]]), seconds=seconds)
        if cached is not None:
            cached.text = text
            return cached
        return BatchRow.of(backbone.row(clips.read(piece, backbone.sample_rate)), key, text)

    return _read(batches, list, row)


def _read(
    batches: Sequence[Sequence[Piece]], own: Own, row: Callable[[Piece], BatchRow]
) -> Iterator[Batch]:
    """Read a few batches ahead of the one in use."""

    def read(pieces: Sequence[Piece]) -> Batch:
        mine = own(pieces)
        return Batch([row(piece) for piece in mine], [i for i, _ in mine], [i for i, _ in pieces])

    with ThreadPoolExecutor(max_workers=READERS) as reader:
        waiting = iter(batches)
        queue: list[Future[Batch]] = [
            reader.submit(read, pieces) for pieces in islice(waiting, BATCHES_AHEAD)
        ]
        while queue:
            batch = queue.pop(0).result()
            queue += [reader.submit(read, pieces) for pieces in islice(waiting, 1)]
            yield batch
