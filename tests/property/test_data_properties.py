"""Invariants of windows, batches, drawn splits and manifests."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.data import (
    Utterance,
    bucketed,
    draw,
    random_crop,
    read_manifest,
    windows,
    write_manifest,
)
from ossicle.data.pairs import read_pairs, write_pairs
from ossicle.data.spec import PLUS, parse
from ossicle.data.text import composed

few = settings(max_examples=60, deadline=None)


@few
@given(st.integers(1, 10**7), st.integers(1, 10**6))
def test_windows_cover_everything_in_the_fewest_of_equal_length(num_samples, max_samples):
    if num_samples > 1000 * max_samples:
        max_samples = num_samples // 1000
    cuts = windows(num_samples, max_samples)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == num_samples
    assert {stop - start for start, stop in cuts} == {min(num_samples, max_samples)}
    assert all(a < b <= a_stop for (a, a_stop), (b, _) in pairwise(cuts))
    assert (len(cuts) - 1) * max_samples < num_samples <= len(cuts) * max_samples
    steps = {b[0] - a[0] for a, b in pairwise(cuts)}
    assert max(steps, default=0) - min(steps, default=0) <= 1


@few
@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 9))
def test_a_crop_lies_inside(num_samples, max_samples, seed):
    start, stop = random_crop(num_samples, max_samples, np.random.default_rng(seed))
    assert 0 <= start < stop <= num_samples
    assert stop - start == min(num_samples, max_samples)


@few
@given(st.lists(st.integers(1, 10**6), max_size=300), st.integers(1, 5), st.booleans())
def test_an_epoch_holds_every_index_once(lengths, batch_size, shuffle):
    batches = bucketed(lengths, batch_size, seed=0, epoch=3, shuffle=shuffle)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert len(batches) == -(-len(lengths) // batch_size)


@st.composite
def spoken(draw_from):
    """Draw utterances of 3 to 12 speakers, each with some of 4 words."""
    items = []
    for speaker in range(draw_from(st.integers(3, 12))):
        for i, word in enumerate(
            draw_from(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8))
        ):
            path = Path(f"{speaker}-{i}.wav")
            items.append(Utterance(str(path), path, word, str(speaker)))
    return items


shares = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45))


@few
@given(spoken(), shares, st.booleans(), st.integers(0, 99))
def test_a_draw_places_every_utterance_once_and_fills_every_side(items, share, by_speaker, seed):
    sides = draw(items, fractions=share, by_speaker=by_speaker, seed=seed)
    assert all(sides)
    assert sorted(one.key for side in sides for one in side) == sorted(one.key for one in items)
    assert draw(items, fractions=share, by_speaker=by_speaker, seed=seed) == sides


@few
@given(spoken(), shares, st.integers(0, 99))
def test_a_draw_by_speaker_never_shares_one(items, share, seed):
    sides_of = defaultdict(set)
    sides = draw(items, fractions=share, by_speaker=True, seed=seed)
    for number, side in enumerate(sides):
        for one in side:
            sides_of[one.speaker].add(number)
    assert all(len(numbers) == 1 for numbers in sides_of.values())


@few
@given(st.integers(10, 60), st.integers(10, 60), shares, st.integers(0, 99))
def test_a_draw_is_within_one_utterance_of_its_shares(xs, ys, share, seed):
    items = [
        Utterance(f"{label}{i}", Path(f"{label}{i}"), label)
        for label, count in (("x", xs), ("y", ys))
        for i in range(count)
    ]
    _, *drawn = draw(items, fractions=share, by_speaker=False, seed=seed)
    for side, fraction in zip(drawn, share, strict=True):
        assert abs(len(side) - fraction * (xs + ys)) <= 1
        assert abs(sum(one.label == "x" for one in side) - fraction * xs) <= 1


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
words = texts.map(str.strip).filter(bool)
names = texts.filter(
    lambda name: name.strip() and not set(name) & set("/\0") and name not in ("..", ".")
)


@few
@given(
    st.lists(
        st.tuples(
            names,
            words,
            st.none() | words,
            st.sampled_from(["train", "valid", "test"]),
            st.floats(0, 1e5, allow_subnormal=False).filter(lambda s: s == 0 or s > 1e-3),
            st.none() | st.floats(1e-3, 1e5),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from(["csv", "jsonl"]),
)
def test_a_manifest_survives_a_round_trip_with_any_unicode_path(rows, kind):
    with TemporaryDirectory() as folder:
        root = Path(folder)
        manifest = root / f"list.{kind}"
        items, split = [], {}
        for name, label, speaker, side, start_s, duration_s in rows:
            (root / "sounds").mkdir(exist_ok=True)
            path = root / "sounds" / name
            path.touch()
            one = Utterance.of(path, root, label, speaker, start_s, duration_s)
            items.append(one)
            split[one.key] = side
        write_manifest(manifest, items, split)
        back = read_manifest(manifest)
    assert back.utterances == tuple(items)
    assert back.split == split


@few
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=4))
def test_names_of_any_text_survive_a_data_string(pairs):
    text = write_pairs(pairs)
    assert PLUS not in text
    _, _, options = parse(f"emodb:a?map={text}&test_speakers=03")
    assert options.keys() == {"map", "test_speakers"}
    found = read_pairs("map", options["map"])
    assert found == [(composed(old), composed(new)) for old, new in pairs]
