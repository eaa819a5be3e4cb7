"""The two halves of the training recordings."""

from collections import Counter
from pathlib import Path

import pytest

from ossicle.data import Clips, Utterance
from ossicle.errors import SearchError
from ossicle.search.bilevel.halves import halves


def clips(labels: list[str], keys: list[str] | None = None) -> Clips:
    names = keys or [f"{number:03}" for number in range(len(labels))]
    every = tuple(
        Utterance.of(Path(f"/nowhere/{name}.wav"), Path("/nowhere"), label)
        for name, label in zip(names, labels, strict=True)
    )
    return Clips(every, tuple(range(1, len(labels) + 1)), 99, ("noise",))


def tags(label: str) -> tuple[str, ...]:
    return tuple(label.split())


@pytest.mark.parametrize("labels", [["a"] * 7 + ["b"] * 3 + ["c"] * 2, ["a b", "a", "b", "a"] * 2])
def test_halves_are_disjoint_and_have_as_many_of_each_class(labels):
    whole = clips(labels)
    parts = halves(whole, tags, seed=3)
    keys = [{one.key for one in part.utterances} for part in parts]
    assert keys[0] | keys[1] == {one.key for one in whole.utterances}
    assert not keys[0] & keys[1]
    assert abs(len(keys[0]) - len(keys[1])) <= 1
    counts = [Counter(one.label for one in part.utterances) for part in parts]
    if "c" in labels:
        assert all(abs(counts[0][name] - counts[1][name]) <= 1 for name in "abc")
    for part in parts:
        assert part.sizes == tuple(int(one.path.stem) + 1 for one in part.utterances)
        assert (part.limit, part.augment) == (99, ("noise",))


def test_halves_depend_on_the_seed_and_not_on_the_order_of_recordings():
    labels, names = ["a"] * 6 + ["b"] * 6, [f"r{number}" for number in range(12)]

    def drawn(order, seed):
        part, _ = halves(clips([labels[n] for n in order], [names[n] for n in order]), tags, seed)
        return {one.key for one in part.utterances}

    assert drawn(range(12), 1) == drawn(range(11, -1, -1), 1)
    assert drawn(range(12), 1) != drawn(range(12), 2)


def test_labels_without_classes_are_split_in_two():
    first, second = halves(clips(["some words", "other", "more", "last"]), lambda _: (), 0)
    assert len(first.utterances) == len(second.utterances) == 2


@pytest.mark.parametrize(
    ("labels", "classes_in", "message"),
    [
        (["a", "a", "b"], tags, r"too small to split in two.*\(3 recordings\).*none of b"),
        (["words"], lambda _: (), r"too small to split in two.*\(1 recordings\)"),
    ],
)
def test_too_few_recordings_are_refused(labels, classes_in, message):
    with pytest.raises(SearchError, match=message):
        halves(clips(labels), classes_in, 0)
