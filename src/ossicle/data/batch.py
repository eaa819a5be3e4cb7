"""Put utterances of like length into one batch, so that little of it is padding."""

from collections.abc import Sequence

import numpy as np

_POOL = 50  # batches; large enough to find like lengths, small enough to mix utterances anew


def bucketed(
    num_samples: Sequence[int], batch_size: int, *, seed: int, epoch: int, shuffle: bool = True
) -> list[list[int]]:
    """Return the batches of one epoch: every index once, by seed and epoch alone.

        shuffled indices -> pools of 50 batches -> each sorted by length -> cut -> batches shuffled

    Args:
        num_samples: The length of each utterance.
        batch_size: Utterances in a batch; one batch may have fewer.
        seed: Of the run, 0 or more.
        epoch: From 0; each has an order of its own.
        shuffle: False gives batches sorted by length, the longest first, so that a batch too large
            for memory fails at once.
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
    """Return the batches of one epoch, as long as the budget allows and no longer.

    As `bucketed`, but a batch is cut where its longest utterance times their number would pass the
    budget. One that is longer alone is a batch of its own.

    Args:
        num_samples: The length of each utterance.
        budget: Most samples of a batch, padding included.
        seed: Of the run, 0 or more.
        epoch: From 0.
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
    """Return the share of padding, 0 to 1, where each batch is padded to its longest."""
    held = sum(len(batch) * max(num_samples[i] for i in batch) for batch in batches)
    return 1 - sum(num_samples[i] for batch in batches for i in batch) / held if held else 0.0


def _cut(lengths: np.ndarray, indices: np.ndarray, batch_size: int) -> list[list[int]]:
    ordered = indices[np.argsort(-lengths[indices], kind="stable")]
    starts = range(0, len(ordered), batch_size)
    return [ordered[start : start + batch_size].tolist() for start in starts]
