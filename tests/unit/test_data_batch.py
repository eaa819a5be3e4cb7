"""Batches of similar length."""

import numpy as np
import pytest

from ossicle.data.batch import bucketed, bucketed_by_length, padded_fraction


def test_without_shuffling_the_longest_come_first():
    assert bucketed([5, 9, 1, 7, 3], 2, seed=0, epoch=0, shuffle=False) == [[1, 3], [0, 4], [2]]


def test_a_pool_is_sorted_before_it_is_cut():
    batches = bucketed([30, 10, 20, 40], 2, seed=0, epoch=0)
    assert sorted(batches) == [[2, 1], [3, 0]]


def test_an_epoch_has_an_order_of_its_own_and_keeps_it():
    lengths = list(range(500))
    first = bucketed(lengths, 4, seed=1, epoch=0)
    assert bucketed(lengths, 4, seed=1, epoch=0) == first
    assert bucketed(lengths, 4, seed=1, epoch=1) != first
    assert bucketed(lengths, 4, seed=2, epoch=0) != first


def test_the_padded_fraction_is_that_of_padding():
    assert padded_fraction([4, 2, 3, 3], [[0, 1], [2, 3]]) == pytest.approx(2 / 14)
    assert padded_fraction([], []) == 0


def test_buckets_pad_less_than_the_order_of_the_files():
    lengths = [100 + 37 * i % 900 for i in range(800)]
    plain = [list(range(start, start + 8)) for start in range(0, 800, 8)]
    bucket = bucketed(lengths, 8, seed=0, epoch=0)
    assert padded_fraction(lengths, bucket) < 0.2 * padded_fraction(lengths, plain)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="batch_size is 0"):
        bucketed([1, 2], 0, seed=0, epoch=0)


def test_a_budget_bounds_every_batch_padding_included():
    lengths = np.random.default_rng(0).integers(1, 100, 400).tolist()
    batches = bucketed_by_length(lengths, 500, seed=3, epoch=1)
    assert sorted(i for batch in batches for i in batch) == list(range(400))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 500 for batch in batches)
    assert bucketed_by_length(lengths, 500, seed=3, epoch=1) == batches
    assert bucketed_by_length(lengths, 500, seed=3, epoch=2) != batches
    # Greedy: two neighbours of a sorted pool never fit into one batch.
    assert len(batches) < 1.2 * sum(lengths) / 500 + 10


def test_an_utterance_beyond_the_budget_is_alone():
    batches = bucketed_by_length([10, 900, 10], 100, seed=0, epoch=0)
    assert sorted(map(sorted, batches)) == [[0, 2], [1]]
