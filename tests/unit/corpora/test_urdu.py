"""The reader of URDU, on trees in the released layout and on the release."""

from collections import Counter
from pathlib import Path

import pytest

from ossicle.data import open_data, read_data
from ossicle.data.folds import folds_of
from ossicle.errors import DataError

RELEASE = Path(__file__).parents[3] / ".." / "shared" / "data" / "urdu"
EMOTIONS = ("Angry", "Happy", "Neutral", "Sad")
SPEAKERS = ("SM2", "SF9", "SM1", "SF1", "SM4", "SF2")


@pytest.fixture
def root(tree) -> Path:
    return tree(
        {
            f"{label}/{who}_F1_{label[0]}0{n}.wav": None
            for label in EMOTIONS
            for n, who in enumerate(SPEAKERS)
        }
    )


def test_speakers_are_apart_and_known_by_sex(root):
    dataset = open_data(f"urdu:{root}")
    assert {one.speaker for one in dataset.test} == {"SM2", "SF9"}
    assert {one.speaker for one in dataset.valid} == {"SM1", "SF1"}
    assert dataset.labels == EMOTIONS
    assert dataset.label_name == "emotion"
    women = read_data(f"urdu:{root}?where=sex=F")
    assert {one.speaker for one in women.utterances} == {"SF9", "SF1", "SF2"}


def test_validation_is_the_smallest_other_group_or_drawn_by_speaker(root):
    tested = open_data(f"urdu:{root}?test_speakers=SM1,SF1")
    assert {one.speaker for one in tested.valid} == {"SM2", "SF9"}
    largest = open_data(f"urdu:{root}?test_speakers=SM4,SF2")
    assert {one.speaker for one in largest.valid} == {"SM1", "SF1"}
    mixed = open_data(f"urdu:{root}?test_speakers=SM1,SM2,SM4")
    assert len({one.speaker for one in mixed.valid}) == 1
    assert any("no validation split" in notice for notice in mixed.notices)


def test_flac_is_read_but_not_beside_its_wav(root):
    old = root / "Sad/SM1_F1_S02.wav"
    old.rename(old.with_suffix(".flac"))
    assert len(read_data(f"urdu:{root}").utterances) == 24
    (root / "Sad/SM1_F1_S02.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"has 1 recordings twice: SM1_F1_S02. Keep one"):
        open_data(f"urdu:{root}")


def test_a_recording_in_the_folder_of_another_emotion_is_refused(root):
    (root / "Sad/SM1_F1_S02.wav").rename(root / "Happy/SM1_F1_S02.wav")
    with pytest.raises(DataError, match="another emotion than their name says: Happy/SM1_F1_S02"):
        open_data(f"urdu:{root}")


@pytest.mark.skipif(not RELEASE.is_dir(), reason="needs the recordings of ../shared/data")
def test_each_fold_of_the_release_has_all_emotions_on_all_sides():
    folds = [open_data(data) for _, data in folds_of(f"urdu:{RELEASE}")]
    counts = [Counter(one.label for one in fold.test) for fold in folds]
    assert [tuple(count[label] for label in EMOTIONS) for count in counts] == [
        (28, 28, 14, 40),
        (24, 38, 14, 22),
        (48, 34, 72, 38),
    ]
    sides = [side for fold in folds for side in fold.sides.values()]
    assert all({one.label for one in side} == set(EMOTIONS) for side in sides)
    assert "Incomplete" not in folds[0].note
    assert "SM5" in {one.speaker for one in open_data(f"urdu:{RELEASE}").train}
