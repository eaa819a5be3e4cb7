"""Random splits with known results, and every leak that must be refused."""

from collections import Counter
from pathlib import Path

import pytest

from ossicle.data.dataset import Dataset
from ossicle.data.split import check, check_classes, draw
from ossicle.data.utterance import Utterance
from ossicle.errors import LabelError, SplitError


def utterance(name, label="x", speaker=None, start_s=0.0, duration_s=None):
    return Utterance.of(Path(name), Path(), label, speaker, start_s, duration_s)


def test_each_label_gets_its_share_of_each_side():
    items = [
        utterance(f"{label}{i}", label) for label, n in (("x", 20), ("y", 40)) for i in range(n)
    ]
    train, valid, test = draw(items, fractions=(0.1, 0.2), by_speaker=False, seed=3)
    counts = [Counter(one.label for one in side) for side in (train, valid, test)]
    assert counts == [{"x": 14, "y": 28}, {"x": 2, "y": 4}, {"x": 4, "y": 8}]


def test_many_small_labels_fill_every_side_in_turn():
    items = [utterance(f"{label}-{i}", str(label)) for label in range(100) for i in range(2)]
    train, valid, test = draw(items, fractions=(0.15, 0.15), by_speaker=False, seed=0)
    assert (len(train), len(valid), len(test)) == (140, 30, 30)
    assert {one.label for one in train} == {str(label) for label in range(100)}


def test_one_seed_gives_one_draw_whatever_the_order_of_the_files():
    items = [utterance(f"{i}", "xy"[i % 2]) for i in range(40)]
    first = draw(items, fractions=(0.2, 0.2), by_speaker=False, seed=1)
    assert draw(items[::-1], fractions=(0.2, 0.2), by_speaker=False, seed=1) == first
    assert draw(items, fractions=(0.2, 0.2), by_speaker=False, seed=2) != first


def test_parts_of_one_recording_stay_together():
    items = [utterance(f"{i // 4}", "x", start_s=i % 4, duration_s=1) for i in range(40)]
    sides = draw(items, fractions=(0.2, 0.2), by_speaker=False, seed=0)
    paths = [{one.path for one in side} for side in sides]
    assert [len(side) for side in paths] == [6, 2, 2]


def test_three_speakers_are_one_for_each_side():
    items = [utterance(f"{s}{i}", "xy"[i % 2], s) for s in "abc" for i in range(10)]
    sides = draw(items, fractions=(0.1, 0.1), by_speaker=True, seed=0)
    assert [len(side) for side in sides] == [10, 10, 10]
    assert sorted(side[0].speaker for side in sides) == ["a", "b", "c"]


def test_a_label_of_one_speaker_is_for_training():
    items = [utterance(f"{s}{i}", "x", str(s)) for s in range(9) for i in range(2)]
    items.append(utterance("rare", "y", "9"))
    for seed in range(20):
        train, _, _ = draw(items, fractions=(0.2, 0.2), by_speaker=True, seed=seed)
        assert "y" in {one.label for one in train}


def test_a_draw_that_cannot_be_made_says_why():
    two = [utterance("a", speaker="anna"), utterance("b", speaker="ben")]
    with pytest.raises(SplitError, match=r"2 speakers are too few for train, valid, test.*=no"):
        draw(two, fractions=(0.1, 0.1), by_speaker=True, seed=0)
    with pytest.raises(SplitError, match=r"1 of 3 utterances have no speaker \(c\)"):
        draw([*two, utterance("c")], fractions=(0.1, 0.1), by_speaker=True, seed=0)
    with pytest.raises(SplitError, match=r"valid=0\.5 and test=0\.5: expected fractions"):
        draw(two, fractions=(0.5, 0.5), by_speaker=False, seed=0)


@pytest.fixture
def data(tmp_path):
    """Return a function that writes files of the given contents and makes a dataset of them."""

    def make(*sides, speaker_independent=False):
        made = []
        for side in sides:
            for name, _, content, *_ in side:
                (tmp_path / name).write_text(content)
            made.append(
                tuple(
                    Utterance.of(tmp_path / name, tmp_path, label, *rest)
                    for name, label, _, *rest in side
                )
            )
        return Dataset("mine", *made, speaker_independent, given=True, note="")

    return make


TRAIN = (("a", "x", "1", "anna"), ("b", "y", "2", "anna"))


def test_sides_that_are_apart_pass(data):
    check(
        data(TRAIN, [("c", "x", "3", "ben")], [("d", "y", "4", "cara")], speaker_independent=True)
    )


def test_an_empty_side_is_refused(data):
    with pytest.raises(SplitError, match="mine has no valid recordings"):
        check(data(TRAIN, [], [("d", "y", "4")]))


def test_a_recording_in_two_splits_is_refused(data):
    with pytest.raises(
        SplitError, match=r"1 recordings are in two splits: a \(train\) and a \(test\)"
    ):
        check(data(TRAIN, [("c", "x", "3")], [("a", "x", "1")]))


def test_a_copy_under_another_name_is_refused(data):
    with pytest.raises(SplitError, match=r"b \(train\) and copy \(valid\).*memorisation"):
        check(data(TRAIN, [("copy", "x", "2")], [("d", "y", "4")]))


def test_a_copy_on_the_same_side_is_no_leak(data):
    check(data((*TRAIN, ("copy", "x", "1")), [("c", "x", "3")], [("d", "y", "4")]))


def test_overlapping_parts_in_two_splits_are_refused_but_adjacent_ones_are_not(data):
    def sides(start_s):
        first = ("a", "x", "1", None, 0.1, 0.2)
        return [first, TRAIN[1]], [("c", "x", "3")], [("a", "x", "1", None, start_s, 1.0)]

    check(data(*sides(0.3)))
    with pytest.raises(SplitError, match=r"a#0\.1-0\.3 \(train\) and a#0\.29-1\.29 \(test\)"):
        check(data(*sides(0.29)))


def test_a_long_part_is_not_hidden_by_a_short_one_inside_it(data):
    train = [("a", "x", "1", None, 0.0, 9.0), ("a", "x", "1", None, 1.0, 1.0), TRAIN[1]]
    with pytest.raises(SplitError, match=r"a#0-9 \(train\) and a#5-6 \(test\)"):
        check(data(train, [("c", "x", "3")], [("a", "x", "1", None, 5.0, 1.0)]))


def test_a_speaker_in_two_splits_is_refused_in_a_split_by_speaker(data):
    sides = TRAIN, [("c", "x", "3", "ben")], [("d", "y", "4", "anna")]
    with pytest.raises(SplitError, match=r"'anna' is in train and in test.*speaker_independent=no"):
        check(data(*sides, speaker_independent=True))
    check(data(*sides))


def test_a_label_never_seen_in_training_is_refused(data):
    with pytest.raises(
        LabelError, match=r"2 utterances of test \(such as d\) have the label 'z'.*\(x, y\)"
    ):
        check_classes(data(TRAIN, [("c", "x", "3")], [("d", "z", "4"), ("e", "z", "5")]))


def test_a_single_class_is_refused(data):
    with pytest.raises(LabelError, match=r"all 1 training utterances are 'x'\. Use data with"):
        check_classes(data(TRAIN[:1], [("c", "x", "3")], [("d", "x", "4")]))


def test_a_draw_of_unique_texts_is_not_stratified():
    items = [utterance(f"{i}", f"text {i}") for i in range(40)]
    parts = draw(items, fractions=(0.1, 0.25), by_speaker=False, seed=0)
    assert [len(part) for part in parts] == [26, 4, 10]
