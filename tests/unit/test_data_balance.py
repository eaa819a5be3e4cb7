"""Splits by speaker, for speakers with very different labels and numbers of recordings."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ossicle.data import Utterance, draw, open_data, write_manifest

URDU = Path(__file__).parents[2] / ".." / "shared" / "data" / "urdu"
TAUGHT = {  # speaker -> recordings of each class; most have one class, one has a fifth of all
    **{f"a{n}": {"angry": size} for n, size in enumerate((22, 28, 2, 48))},
    **{f"h{n}": {"happy": size} for n, size in enumerate((12, 14, 6, 28, 4, 4, 10, 22))},
    **{f"n{n}": {"neutral": size} for n, size in enumerate((72, 4, 10, 4, 10))},
    **{f"s{n}": {"sad": size} for n, size in enumerate((38, 40, 6, 4, 2, 4, 6))},
}


def spoken(counts):
    return [
        Utterance.of(Path(f"{speaker}-{label}-{n}.wav"), Path(), label, speaker)
        for speaker, sizes in counts.items()
        for label, size in sizes.items()
        for n in range(size)
    ]


def classes(part):
    return Counter(one.label for one in part)


@pytest.mark.parametrize("seed", range(6))
def test_every_side_has_every_class_and_its_size_where_that_can_be(seed):
    items = spoken(TAUGHT)
    _, valid, test = draw(items, fractions=(0.15, 0.15), by_speaker=True, seed=seed)
    for part in (valid, test):
        assert classes(part).keys() == {"angry", "happy", "neutral", "sad"}
        assert 54 <= len(part) <= 66  # 15 % of 400 is 60


def test_the_only_split_that_covers_all_classes_is_found():
    # Of x, y and z two speakers each have all but one; only a, b and c can be separated so.
    counts = {
        "a": {"x": 2, "y": 2, "z": 2},
        "b": {"x": 2, "y": 2, "z": 2},
        **{f"{label}{n}": {label: 9} for label in "xyz" for n in range(3)},
        **{f"m{n}": {"x": 1, "y": 1} for n in range(3)},
    }
    # 99 recordings; 6 are 6 %. No other speakers have all three classes in so few recordings.
    for seed in range(5):
        _, valid, test = draw(spoken(counts), fractions=(0.06, 0.06), by_speaker=True, seed=seed)
        assert {one.speaker for one in (*valid, *test)} == {"a", "b"}
        assert len(valid) == len(test) == 6


def test_a_draw_by_speaker_is_the_same_in_any_order_of_the_rows():
    items = spoken(TAUGHT)
    first = draw(items, fractions=(0.15, 0.15), by_speaker=True, seed=4)
    shuffled = random.Random(0).sample(items, len(items))
    assert draw(shuffled, fractions=(0.15, 0.15), by_speaker=True, seed=4) == first
    assert draw(items, fractions=(0.15, 0.15), by_speaker=True, seed=5) != first


def test_a_class_of_two_speakers_is_in_training_and_in_test():
    counts = {f"p{n}": {"x": 5, "y": 5} for n in range(12)}
    counts |= {"p0": {"z": 10}, "p1": {"z": 10}}
    for seed in range(5):
        train, _, test = draw(spoken(counts), fractions=(0.15, 0.15), by_speaker=True, seed=seed)
        assert "z" in classes(train)
        assert "z" in classes(test)


def test_many_classes_of_few_speakers_do_not_blow_up_the_test():
    # 40 classes of three speakers each: to test all would take a third of the recordings.
    counts = {f"{label}-{n}": {f"c{label}": 5} for label in range(40) for n in range(3)}
    train, valid, test = draw(spoken(counts), fractions=(0.1, 0.1), by_speaker=True, seed=0)
    assert len(classes(train)) == 40
    assert all(54 <= len(part) <= 96 for part in (valid, test))  # 10 % is 60; at most 1.6 times it


def test_parts_of_recordings_are_searched_as_speakers_are():
    items = [
        Utterance.of(Path(f"{name}.wav"), Path(), label, None, float(n), 1.0)
        for name, sizes in TAUGHT.items()
        for label, size in sizes.items()
        for n in range(size)
    ]
    _, valid, test = draw(items, fractions=(0.15, 0.15), by_speaker=False, seed=0)
    assert len(classes(valid)) == len(classes(test)) == 4


def test_many_speakers_with_common_and_rare_classes_are_split():
    rng = np.random.default_rng(0)
    pairs = zip(rng.integers(200, size=10_000), rng.zipf(1.3, size=10_000) % 100, strict=True)
    items = [
        Utterance(f"{n}", Path(f"{n}"), f"{label}", f"{speaker}")
        for n, (speaker, label) in enumerate(pairs)
    ]
    train, *others = draw(items, fractions=(0.15, 0.15), by_speaker=True, seed=0)
    assert len(classes(train)) == len(classes(items))
    assert all(1350 < len(part) < 1650 for part in others)


def test_urdu_is_tested_on_all_four_emotions(tmp_path):
    if not URDU.is_dir():
        pytest.skip("needs the recordings of ../shared/data")
    files = sorted(URDU.resolve().glob("*/*.flac"))
    speakers = [file.stem.split("_")[0] for file in files]
    items = [
        Utterance.of(file, tmp_path, file.parent.name, speaker)
        for file, speaker in zip(files, speakers, strict=True)
    ]
    write_manifest(tmp_path / "list.csv", items)
    dataset = open_data(f"manifest:{tmp_path}/list.csv")
    assert len(dataset.utterances) == 400
    assert dataset.speaker_independent
    for part in (dataset.valid, dataset.test):
        assert 54 <= len(part) <= 66
        assert min(classes(part).values()) >= 5
        assert len(classes(part)) == 4
    assert not any("no recordings of" in notice for notice in dataset.notices)
