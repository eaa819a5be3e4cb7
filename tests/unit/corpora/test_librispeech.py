"""LibriSpeech and Libri-Light: missing parts of a release are reported."""

import shutil

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError


def test_a_chapter_without_transcripts_is_refused(tree):
    files = CORPORA["librispeech"].example.files
    root = tree({**files, "train-clean-100/300/8/300-8-0000.flac": None})
    with pytest.raises(DataError, match=r"1 chapters have recordings but no .trans.txt: .*/300/8"):
        open_data(f"librispeech:{root}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("valid=test-clean", r"test-clean is named twice, for valid and for test"),
        (
            "train=train-clean-100,train-clean-100",
            r"train-clean-100 is named twice, for train and for t",
        ),
    ],
)
def test_a_subset_is_read_once(tree, options, message):
    root = tree(CORPORA["librispeech"].example.files)
    with pytest.raises(DataError, match=message):
        open_data(f"librispeech:{root}?{options}")


def test_libri_light_has_all_its_hours_or_none(tree):
    root = tree(CORPORA["librilight"].example.files)
    shutil.rmtree(root / "librispeech_finetuning/9h")
    with pytest.raises(DataError, match=r"has no 9h, which train=10h needs"):
        open_data(f"librilight:{root}")
    assert len(open_data(f"librilight:{root}?train=1h").train) == 2


def test_librispeech_may_be_next_to_libri_light_or_in_a_folder(tree):
    root = tree(CORPORA["librilight"].example.files)
    librilight = open_data(f"librilight:{root}/librispeech_finetuning")
    assert [len(part) for part in librilight.sides.values()] == [4, 2, 2]
    (root / "books").mkdir()
    (root / "LibriSpeech").rename(root / "books/LibriSpeech")
    assert len(open_data(f"librilight:{root}?librispeech={root}/books").test) == 2
