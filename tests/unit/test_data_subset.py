"""Draws of training recordings: exact numbers, nested, whatever the order of the data."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.data import Dataset, Utterance
from ossicle.data.subset import draw_fraction, draw_shots
from ossicle.errors import LabelError, RunError


def dataset(labels: list[str]) -> Dataset:
    """Return recordings with these labels for training, and one each for validation and test."""
    train = tuple(Utterance(f"{n}.wav", Path(f"{n}.wav"), one) for n, one in enumerate(labels))
    valid, test = (Utterance(f"{side}.wav", Path(f"{side}.wav"), "a") for side in ("v", "t"))
    return Dataset("d", train, (valid,), (test,), False, True, "Given.")


def whole(label: str) -> list[str]:
    return [label]


def tags(label: str) -> list[str]:
    return label.split("|")


def keys(data: Dataset) -> list[str]:
    return [one.key for one in data.train]


def test_shots_are_that_many_of_each_class_in_their_order() -> None:
    data = dataset(["a"] * 10 + ["b"] * 5 + ["a"] * 2)
    drawn = draw_shots(data, 3, whole, seed=1)
    assert Counter(one.label for one in drawn.train) == {"a": 3, "b": 3}
    assert keys(drawn) == [key for key in keys(data) if key in set(keys(drawn))]
    assert (drawn.valid, drawn.test) == (data.valid, data.test)
    assert drawn.note == "Given. Trained on 6 of 17 recordings: 3 of each class."
    assert drawn.notices == ()


def test_a_class_with_fewer_is_used_whole_and_named() -> None:
    drawn = draw_shots(dataset(["a"] * 9 + ["b"] * 2), 4, whole, seed=0)
    assert Counter(one.label for one in drawn.train) == {"a": 4, "b": 2}
    assert drawn.notices == (
        "train has fewer than 4 recordings of 1 of 2 classes (b 2): all of these are used.",
    )


def test_seeds_differ_and_the_order_of_the_data_does_not_matter() -> None:
    data = dataset(["a"] * 50)
    turned = replace(data, train=data.train[::-1])
    assert set(keys(draw_shots(turned, 9, whole, 3))) == set(keys(draw_shots(data, 9, whole, 3)))
    assert keys(draw_shots(data, 9, whole, 3)) != keys(draw_shots(data, 9, whole, 4))
    fraction = set(keys(draw_fraction(turned, 0.2, whole, 3)))
    assert fraction == set(keys(draw_fraction(data, 0.2, whole, 3)))
    assert fraction != set(keys(draw_fraction(data, 0.2, whole, 4)))


def test_a_fraction_is_that_of_each_class_and_one_at_least() -> None:
    data = dataset(["a"] * 40 + ["b"] * 10 + ["c"])
    drawn = draw_fraction(data, 0.25, whole, seed=0)
    # 40 / 4 = 10; 10 / 4 = 2.5, rounded up; of one recording, the one.
    assert Counter(one.label for one in drawn.train) == {"a": 10, "b": 3, "c": 1}
    assert keys(draw_fraction(data, 1.0, whole, seed=0)) == keys(data)


def test_labels_without_classes_are_drawn_as_a_whole_and_have_no_shots() -> None:
    data = dataset([f"text {n}" for n in range(20)])
    assert len(draw_fraction(data, 0.1, lambda _: (), seed=0).train) == 2
    with pytest.raises(RunError, match=r"no classes\. Leave it out, or use train_fraction"):
        draw_shots(data, 5, lambda _: (), seed=0)


def test_a_class_that_loses_all_its_recordings_is_named() -> None:
    # The strata are p and q, the rarer tags. A draw of one of each may hold no z.
    data = dataset(["z|p", "z|p", "p", "z|q", "z|q", "q"])
    refused: list[str] = []
    for seed in range(30):
        try:
            drawn = draw_fraction(data, 0.1, tags, seed)
        except LabelError as error:
            refused.append(str(error))
        else:
            assert any("z" in one.label for one in drawn.train)
    assert 0 < len(refused) < 30
    assert all("no training recordings of 1 of 3 classes (z)" in text for text in refused)


def test_recordings_with_several_classes_are_drawn_in_rounds() -> None:
    # Round 1 draws a, b and c; round 2 the second of a and of b, after which c has three. Class by
    # class, two of a and two of b would leave nothing to draw for c, and miss what one shot drew.
    alike = dataset(["a"] * 5)
    draws = [set[str](), *(set(keys(draw_shots(alike, n, whole, seed=0))) for n in range(1, 6))]
    order = [key for few, more in pairwise(draws) for key in more - few]
    by_key = dict(zip(order, ["a", "b", "c", "a|c", "b|c"], strict=True))
    data = dataset([by_key[f"{n}.wav"] for n in range(5)])
    one, two = ({r.label for r in draw_shots(data, n, tags, seed=0).train} for n in (1, 2))
    assert one == {"a", "b", "c"}
    assert two == {"a", "b", "c", "a|c", "b|c"}


sets_of_tags = ["a", "b", "c", "a|b", "a|c", "b|c", "a|b|c"]
labels = st.lists(st.sampled_from(sets_of_tags), min_size=1, max_size=40)


@given(labels, st.integers(1, 6), st.integers(0, 3))
def test_a_draw_of_few_is_part_of_the_draw_of_more(many: list[str], shots: int, seed: int) -> None:
    data = dataset(many)
    few, more = (draw_shots(data, number, tags, seed) for number in (shots, 2 * shots))
    assert set(keys(few)) <= set(keys(more))
    held = Counter(name for one in few.train for name in tags(one.label))
    total = Counter(name for one in many for name in tags(one))
    assert all(held[name] >= min(shots, total[name]) for name in total)


@given(labels, st.floats(0.01, 0.5), st.integers(0, 3))
def test_a_small_fraction_is_part_of_a_larger_one(
    many: list[str], fraction: float, seed: int
) -> None:
    data = dataset(many)
    few, more = (draw_fraction(data, one, whole, seed) for one in (fraction, 2 * fraction))
    assert set(keys(few)) <= set(keys(more))
