"""Batch utterances of similar length, to reduce padding."""

from collections.abc import Sequence

import numpy as np

_POOL = 50  # batches; enough to find similar lengths, few enough to shuffle well


def bucketed(
    num_samples: Sequence[int], batch_size: int, *, seed: int, epoch: int, shuffle: bool = True
) -> list[list[int]]:
    """Return the batches of one epoch: every index once, determined by seed and epoch.

        shuffled indices -> pools of 50 batches -> each sorted by length -> cut -> batches shuffled

    Args:
        num_samples: Length of each utterance.
        batch_size: Utterances per batch; one batch may have fewer.
        seed: Seed of the run, 0 or more.
        epoch: Number of the epoch, from 0.
        shuffle: Whether to shuffle; otherwise batches are sorted by length, longest first, so that
            a batch too large for memory fails at once.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be 1 or more")
    lengths = np.asarray(num_samples, dtype=np.int64)
    if not shuffle:
        return _cut(lengths, np.arange(len(lengths)), batch_size)
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    pool = _POOL * batch_size
    batches = [
        batch
        for start in range(0, len(order), pool)
        for batch in _cut(lengths, order[start : start + pool], batch_size)
    ]
    return [batches[i] for i in rng.permutation(len(batches))]


def bucketed_by_length(
    num_samples: Sequence[int], budget: int, *, seed: int, epoch: int
) -> list[list[int]]:
    """Return the batches of one epoch, limited by their total length.

    As `bucketed`, but a batch ends where its longest utterance times its size would exceed the
    budget. An utterance longer than the budget is a batch of its own.

    Args:
        num_samples: Length of each utterance.
        budget: Most samples of a batch, including padding.
        seed: Seed of the run, 0 or more.
        epoch: Number of the epoch, from 0.
    """
    lengths = np.asarray(num_samples, dtype=np.int64)
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    pool = max(1, _POOL * budget // max(1, int(lengths.mean())))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        indices = order[start : start + pool]
        batch: list[int] = []
        for index in indices[np.argsort(-lengths[indices], kind="stable")].tolist():
            if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    return [batches[i] for i in rng.permutation(len(batches))]


def padded_fraction(num_samples: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Return the fraction of padding, 0 to 1, if batches are padded to their longest utterance."""
    held = sum(len(batch) * max(num_samples[i] for i in batch) for batch in batches)
    return 1 - sum(num_samples[i] for batch in batches for i in batch) / held if held else 0.0


def _cut(lengths: np.ndarray, indices: np.ndarray, batch_size: int) -> list[list[int]]:
    ordered = indices[np.argsort(-lengths[indices], kind="stable")]
    starts = range(0, len(ordered), batch_size)
    return [ordered[start : start + batch_size].tolist() for start in starts]
