"""What every corpus reader must do with an incomplete release, or a folder above or below.

Tested on its own example tree.
"""

from pathlib import Path

import pytest
from examples import write_example

from ossicle.data import CORPORA, open_data
from ossicle.data.columns import SIDE_BY_NAME
from ossicle.errors import DataError, SplitError

FROM_NAMES = {  # of files
    *("cremad", "emodb", "esd", "fsdd", "ravdess", "timit", "urdu", "webdataset")
}
FOLDS = {  # split by speaker, of whom the examples have just enough
    *("urbansound8k", "msp-improv", "emodb", "cremad", "ravdess")
}
OF_ANY_SIZE = {"audiofolder", "manifest", "webdataset", "hf", "commonvoice", "msp-podcast"}
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.fixture(params=CORPORA.values(), ids=lambda corpus: corpus.name)
def corpus(request):
    return request.param


@pytest.fixture
def place(corpus, tmp_path):
    """Path to open; the root of the corpus is two folders below tmp_path."""
    return write_example(corpus, tmp_path / "data" / "root")


def test_a_missing_recording_is_refused_or_skipped(corpus, place):
    assert ("missing" in corpus.options) is (corpus.name not in FROM_NAMES)
    if corpus.name in (*FROM_NAMES, "audiofolder", "hf"):
        pytest.skip("its example lists no files")
    gone, *rest = open_data(f"{corpus.name}:{place}").test
    assert rest
    gone.path.unlink()
    with pytest.raises(DataError, match=r"1 of \d+ recordings are missing .*missing=leave-out"):
        open_data(f"{corpus.name}:{place}")
    dataset = open_data(f"{corpus.name}:{place}?missing=leave-out")
    assert gone.key not in {one.key for one in dataset.utterances}
    said = [notice for notice in dataset.notices if "and were skipped" in notice]
    assert len(said) == 1
    assert gone.path.stem in said[0]


def test_an_incomplete_release_is_reported(corpus, place):
    if corpus.name in OF_ANY_SIZE:
        pytest.skip("its releases have no fixed size")
    dataset = open_data(f"{corpus.name}:{place}")
    assert "Incomplete release" in dataset.note
    assert sum("Incomplete release" in notice for notice in dataset.notices) == 1


@pytest.mark.parametrize("name", ["fsdd", "esc10", "emodb"])
def test_a_complete_release_is_not_reported_as_incomplete(name):
    if not (SHARED / name).is_dir():
        pytest.skip("needs the recordings of ../shared/data")
    reader = name.replace("esc10", "esc50")
    dataset = open_data(f"{reader}:{SHARED / name}")
    assert "whole release" not in "".join((dataset.note, *dataset.notices))


def test_missing_validation_is_drawn_from_training_and_never_from_test(corpus, place):
    before = open_data(f"{corpus.name}:{place}")
    if corpus.example.pack or not before.given:
        pytest.skip("its sounds lie in archives, or its sides are drawn")
    for path in {one.path for one in before.valid}:
        path.unlink()
    options = "?missing=leave-out" if "missing" in corpus.options else ""
    if corpus.name in FOLDS:
        with pytest.raises(SplitError, match="has no train recordings"):
            open_data(f"{corpus.name}:{place}{options}")
        return
    after = open_data(f"{corpus.name}:{place}{options}")
    tested = {one.key for one in before.test}
    assert tested.isdisjoint(one.key for one in (*after.valid, *after.train))
    assert after.valid
    assert {one.key for one in after.valid} <= {one.key for one in before.train}
    drawn = [notice for notice in after.notices if "no validation split" in notice]
    assert all(notice in after.note for notice in drawn)


def below(root):
    return sorted(one for one in (*root.glob("*"), *root.glob("*/*")) if one.is_dir())


def answer(spec):
    """Return the labels of a data string, or the error message."""
    try:
        return open_data(spec).labels
    except DataError as error:
        return str(error)


def test_an_error_for_a_folder_above_names_the_right_one(corpus, place, tmp_path):
    labels = open_data(f"{corpus.name}:{place}").labels
    for above in (tmp_path / "data", tmp_path):
        found = answer(f"{corpus.name}:{above}")  # some readers find their recordings from there
        assert found == labels or f"{corpus.name}:{place}" in found


def test_an_error_for_a_folder_below_names_the_right_one(corpus, place):
    labels = open_data(f"{corpus.name}:{place}").labels
    for folder in below(place if place.is_dir() else place.parent):
        if folder.name in SIDE_BY_NAME and corpus.name in ("audiofolder", "hf"):
            continue  # also a dataset
        found = answer(f"{corpus.name}:{folder}")
        assert found == labels or f"{corpus.name}:{place}" in found, folder


def test_a_folder_with_nothing_near_is_left_to_the_reader(tmp_path):
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    assert "has no *.wav" in answer(f"emodb:{tmp_path / 'a' / 'b' / 'c' / 'd'}")
