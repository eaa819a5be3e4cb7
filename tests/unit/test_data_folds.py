"""Folds drawn from all recordings, and the folds that corpora define."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.data import Dataset, Utterance, check_classes, open_data
from ossicle.data.folds import draw_fold, folds_of, is_by_speaker, read_all
from ossicle.errors import DataError, LabelError, RunError, SplitError
from ossicle.training.config import TrainConfig
from ossicle.training.split import open_split


def dataset(*rows: tuple[str, str | None], name: str = "d") -> Dataset:
    """Return recordings with these labels and speakers, all of them in training."""
    made = [Utterance(f"{n:03}", Path(f"{n}.wav"), *row) for n, row in enumerate(rows)]
    return Dataset(name, tuple(made), (), (), False, True, "Given.", notices=("Read me.",))


def whole(label: str) -> list[str]:
    return [label]


def keys_by_fold(data: Dataset, count: int) -> list[list[str]]:
    """Return the keys of the test recordings of each fold."""
    folds = [draw_fold(data, n, count, whole, by_speaker=True) for n in range(1, count + 1)]
    return [[one.key for one in fold.test] for fold in folds]


PEOPLE = [("ab"[n % 2], f"s{n // 4}") for n in range(24)]  # six speakers, two of each class


def test_fold_k_is_test_the_next_is_validation_and_the_rest_trains() -> None:
    data = dataset(*PEOPLE)
    folds = [draw_fold(data, n, 3, whole, by_speaker=True) for n in (1, 2, 3)]
    assert [fold.valid for fold in folds] == [folds[n].test for n in (1, 2, 0)]
    assert [fold.train for fold in folds] == [folds[n].test for n in (2, 0, 1)]
    assert [len(fold.test) for fold in folds] == [8, 8, 8]
    assert folds[2].note == (
        "Fold 3 of 3 is test and fold 1 is validation; folds drawn from all recordings by speaker "
        "and class; no speaker in two folds."
    )
    assert folds[0].speaker_independent
    assert not folds[0].given
    assert folds[0].notices == ("Read me.",)


def test_folds_are_stratified_by_class() -> None:
    # Speakers of one class each, as patients are: two of a, four of b, so one of a in two folds.
    data = dataset(*[("a" if n < 6 else "b", f"s{n // 3}") for n in range(18)])
    folds = [draw_fold(data, n, 3, whole, by_speaker=True).test for n in (1, 2, 3)]
    held = [Counter(one.label for one in fold) for fold in folds]
    assert sorted(one["a"] for one in held) == [0, 3, 3]
    assert sorted(one["b"] for one in held) == [3, 3, 6]


def test_the_rarest_class_of_a_recording_is_its_stratum() -> None:
    # Of the six recordings with a rare tag, which all have a common tag too, each fold has two.
    rows = [("common|rare" if n < 6 else "common", None) for n in range(30)]
    data = dataset(*rows)

    def tags(label: str) -> list[str]:
        return label.split("|")

    folds = [draw_fold(data, n, 3, tags, by_speaker=False) for n in (1, 2, 3)]
    assert [sum("rare" in one.label for one in fold.test) for fold in folds] == [2, 2, 2]


def test_the_order_of_the_recordings_does_not_matter() -> None:
    data = dataset(*PEOPLE, ("a", "s9"), ("b", "s9"))
    turned = replace(data, train=data.train[12:], test=data.train[11::-1])
    assert keys_by_fold(turned, 4) == keys_by_fold(data, 4)


rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=12, max_size=40)


@settings(max_examples=30, deadline=None)
@given(rows, st.integers(3, 6), st.booleans())
def test_every_recording_is_tested_once_with_all_of_its_speaker(pairs, count, classes) -> None:
    data = dataset(*[(label, f"s{speaker}") for label, speaker in pairs])
    classes_in = whole if classes else lambda _: ()
    if len({speaker for _, speaker in pairs}) < count:
        with pytest.raises(SplitError, match=rf"speakers, too few for {count} folds"):
            draw_fold(data, 1, count, classes_in, by_speaker=True)
        return
    folds = [draw_fold(data, n, count, classes_in, by_speaker=True) for n in range(1, count + 1)]
    tested = [one.key for fold in folds for one in fold.test]
    assert sorted(tested) == sorted(one.key for one in data.train)
    for fold in folds:
        sides = [{one.speaker for one in side} for side in fold.sides.values()]
        assert sum(map(len, sides)) == len(set.union(*sides))


def test_without_speakers_parts_of_a_file_stay_together() -> None:
    parts = [
        Utterance(f"{n}", Path(f"{n // 2}.wav"), "ab"[n // 2 % 2], None, n, 1) for n in range(16)
    ]
    data = replace(dataset(), train=tuple(parts))
    for n in (1, 2, 3):
        fold = draw_fold(data, n, 3, whole, by_speaker=False)
        sides = [{one.path for one in side} for side in fold.sides.values()]
        assert sum(map(len, sides)) == 8
        assert not fold.speaker_independent
        assert fold.note.endswith("by recording and class; not split by speaker.")


def test_speakers_are_in_all_folds_if_they_are_the_classes() -> None:
    spoken = dataset(*PEOPLE, name="demo")
    assert is_by_speaker(spoken, closed_set=True)
    voices = dataset(*[(f"s{n % 3}", f"s{n % 3}") for n in range(30)], name="demo")
    assert not is_by_speaker(voices, closed_set=True)
    assert is_by_speaker(voices, closed_set=False)  # verification
    fold = draw_fold(voices, 1, 5, whole, by_speaker=False)
    assert {one.label for one in fold.test} == {"s0", "s1", "s2"}


def test_speakers_may_be_in_all_folds_if_the_data_string_says_so() -> None:
    some = dataset(*PEOPLE, ("a", None), name="demo")
    with pytest.raises(SplitError, match=r"1 of 25 recordings have no speaker \(024\)\. Add all"):
        is_by_speaker(some, closed_set=True)
    for known in (some, dataset(*PEOPLE)):
        allowed = replace(known, name="demo?speaker_independent=no")
        assert not is_by_speaker(allowed, closed_set=True)


def test_a_fold_that_cannot_be_judged_is_an_error_in_every_fold() -> None:
    # c is spoken by one speaker: where that one is tested, nothing is known of c.
    data = dataset(*PEOPLE, ("c", "s0"), ("c", "s0"))
    for number in (1, 2, 3):
        with pytest.raises(SplitError, match=r"3 folds by speaker cannot be drawn\. In fold .*'c'"):
            draw_fold(data, number, 3, whole, by_speaker=True, check_labels=check_classes)


def test_draws_are_repeated_until_every_class_is_trained() -> None:
    # Two of nine speakers have class c. In folds that follow each other, one is tested and the
    # other validates, so that training has neither: the first two draws are such.
    rows = [(name, f"{name}{n}") for name, count in (("a", 7), ("c", 2)) for n in range(count)]
    failed: list[str] = []

    def check_labels(split: Dataset) -> None:
        try:
            check_classes(split)
        except LabelError as error:
            failed.append(str(error))
            raise

    draw_fold(dataset(*rows, *rows), 1, 5, whole, by_speaker=True, check_labels=check_labels)
    assert failed
    assert all("which no training utterance has" in message for message in failed)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ("6/5", r"fold is '6/5'; with 5 folds, the number is from 1 to 5"),
        ("0/5", r"the number is from 1 to 5"),
        ("1/2", r"3 folds or more are needed"),
        ("two", r"fold is 'two'; expected NUMBER/FOLDS, such as 2/5"),
        ("2/5/5", r"expected NUMBER/FOLDS"),
        ("-1/5", r"expected NUMBER/FOLDS"),
    ],
)
def test_a_wrong_fold_is_refused_before_the_data_are_read(fold: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        TrainConfig(backbone="b", recipe="lora", data="d", fold=fold)


def test_the_configuration_of_an_earlier_version_has_no_fold() -> None:
    old = TrainConfig(backbone="b", recipe="lora", data="d").to_dict()
    del old["fold"]
    assert TrainConfig.from_dict(old).fold is None


def test_the_shipped_recordings_have_folds_of_voices() -> None:
    config = TrainConfig(backbone="b", recipe="lora", data="demo", fold="2/5", shots=3)
    split = open_split(config)
    assert len({one.speaker for one in split.test}) == 4  # of 20
    assert len(split.train) == 3 * 8
    assert "no speaker in two folds. Trained on 24 of 384 recordings" in split.note


def table(folder: Path, header: str, *lines: str) -> Path:
    for line in lines:
        noise = np.random.default_rng(list(line.encode())).normal(0, 0.1, 800)
        soundfile.write(folder / line.split(",")[0], noise, 8000)
    (folder / "metadata.csv").write_text("\n".join([header, *lines]))
    return folder


LINES = [f"{fold}-{label}.wav,{label},{fold}" for fold in (2, 10, 1) for label in "ab"]


@pytest.mark.parametrize("opens", ["metadata.csv", "."])
def test_the_folds_of_a_table_are_those_of_its_column(tmp_path: Path, opens: str) -> None:
    data = f"{table(tmp_path, 'path,label,fold', *LINES) / opens}?unit=seconds"
    found = folds_of(data)
    assert found == [(name, f"{data}&test_fold={name}") for name in ("1", "2", "10")]
    keys = [one.key for _, fold in found for one in open_data(fold).test]
    assert sorted(keys) == sorted(line.split(",")[0] for line in LINES)


def test_data_without_folds_and_with_a_chosen_one_are_refused(tmp_path: Path) -> None:
    folder = table(tmp_path, "path,label,fold", *LINES)
    with pytest.raises(DataError, match=r"'demo' has no folds of its own\. Draw.*--folds 5"):
        folds_of("demo")
    with pytest.raises(DataError, match="has no folds of its own"):
        folds_of(f"{folder}?fold=no")
    for option in ("test_fold=1", "valid_fold=1"):
        with pytest.raises(DataError, match=rf"chooses a fold by {option}.*Leave \w+_fold out"):
            folds_of(f"{folder}?{option}")


def test_folds_are_not_drawn_across_the_folds_of_the_data(tmp_path: Path) -> None:
    folder = table(tmp_path, "path,label,fold", *LINES)
    config = TrainConfig(backbone="b", recipe="lora", data=str(folder), fold="1/3")
    with pytest.raises(SplitError, match=r"has folds of its own \(1, 2, 10\).*--folds all"):
        open_split(config)
    drawn = open_split(replace(config, data=f"{folder}?fold=no"))
    assert "by recording and class" in drawn.note


def test_an_option_that_chooses_another_split_is_refused(tmp_path: Path) -> None:
    folder = table(tmp_path, "path,label,fold", *LINES)
    with pytest.raises(DataError, match=r"so test_fold=1, valid=0\.2 has no effect"):
        read_all(f"{folder}?test_fold=1&valid=0.2")


def test_a_list_of_trials_is_refused(tmp_path: Path) -> None:
    folder = table(tmp_path, "path,label,speaker", "1.wav,a,a", "2.wav,b,b")
    (tmp_path / "trials.txt").write_text("0 1.wav 2.wav\n")
    data = f"{folder / 'metadata.csv'}?trials={tmp_path / 'trials.txt'}"
    with pytest.raises(SplitError, match=r"has a list of trials.*Leave the list out"):
        read_all(data)
