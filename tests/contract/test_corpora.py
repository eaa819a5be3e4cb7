"""What every corpus reader must do, on its own example tree.

A new reader is one file in data/corpora and one line in its __init__, and is included
"""

import re
import sys
from pathlib import Path
from subprocess import run

import pytest
from examples import write_example

from ossicle.data import CORPORA, check, load_utterance, open_data, read_data
from ossicle.data.corpora import Corpus
from ossicle.data.folds import folds_of
from ossicle.data.pairs import write_pairs
from ossicle.data.selection import TABLE_COLUMNS, has_classes
from ossicle.errors import DataError, LabelError
from ossicle.tasks import suggest_task

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.fixture(params=CORPORA.values(), ids=lambda corpus: corpus.name)
def corpus(request) -> Corpus:
    return request.param


@pytest.fixture
def spec(corpus, tmp_path) -> str:
    return f"{corpus.name}:{write_example(corpus, tmp_path)}"


def test_it_reads_its_own_layout(corpus, spec, tmp_path):
    dataset = open_data(spec)
    check(dataset)
    assert dataset.name == spec
    assert dataset.labels == corpus.example.labels
    suggest_task(dataset.label_name).from_dataset(dataset)
    keys = [one.key for one in dataset.utterances]
    assert len(set(keys)) == len(keys)
    assert all(len(load_utterance(one, 8000)) == 800 for one in dataset.utterances)
    if corpus.example.pack:
        return  # the noises are in archives
    files = corpus.example.files
    sounds = {name for name, text in files.items() if text is None} - set(corpus.example.unread)
    assert {one.path for one in dataset.utterances} == {tmp_path / name for name in sounds}
    assert {key.partition("#")[0] for key in keys} == sounds


def test_its_sides_are_disjoint_and_none_is_empty(spec):
    sides = [{one.key for one in side} for side in open_data(spec).sides.values()]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_it_keeps_speakers_apart_where_it_says_so(spec):
    dataset = open_data(spec)
    if dataset.speaker_independent:
        sides = [{one.speaker for one in side} for side in dataset.sides.values()]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert None not in set.union(*sides)


def test_reading_twice_gives_the_same(spec):
    assert open_data(spec) == open_data(spec)


def test_its_folds_test_every_recording_once(corpus, spec):
    names = corpus.fold_names(Path(spec.partition(":")[2]), {})
    if not names:  # the example of a reader of tables has no column of folds
        assert corpus.folds is None or "fold" in corpus.options
        with pytest.raises(DataError, match="has no folds of its own"):
            folds_of(spec)
        return
    folds = [open_data(data) for _, data in folds_of(spec)]
    assert len(folds) == len(names) > 2
    tested = [one.key for fold in folds for one in fold.test]
    assert sorted(tested) == sorted(one.key for one in folds[0].utterances)


def test_a_misspelt_option_is_corrected(corpus, spec):
    for option in corpus.options:
        with pytest.raises(DataError, match=rf"no option '{option}x'.*Did you mean '{option}'"):
            open_data(f"{spec}?{option}x=1")


def test_an_unknown_option_value_is_refused(corpus, spec):
    for option in corpus.options:
        with pytest.raises(DataError, match="nonsense"):
            open_data(f"{spec}?{option}=nonsense")


def test_its_columns_are_those_of_its_description_and_each_has_values(corpus, spec):
    with pytest.raises(DataError, match="no column 'nonsense'") as refused:
        open_data(f"{spec}?where=nonsense=1")
    names = re.search(r"It has: (.*?)\.", str(refused.value))[1].split(", ")
    assert names[:2] == ["label", "speaker"]
    assert corpus.columns in (TABLE_COLUMNS, tuple(names[2:]))
    for column in corpus.columns if corpus.columns != TABLE_COLUMNS else ():
        with pytest.raises(DataError, match=f"no recording has {column}=nonsense. It has: (?!no )"):
            open_data(f"{spec}?where={column}=nonsense")


def test_labels_are_renamed_and_chosen_by(spec):
    dataset = read_data(spec)
    if not has_classes(dataset.label_name):
        with pytest.raises(LabelError, match="which is not a class"):
            read_data(f"{spec}?map={write_pairs([(dataset.utterances[0].label, 'new')])}")
        return
    old = dataset.utterances[0].label
    if dataset.label_name in ("tags", "slotvalues"):
        pytest.skip(
            "its labels consist of several classes: tests/unit/corpora/test_data_selection.py"
        )
    renamed = read_data(f"{spec}?map={write_pairs([(old, 'new, one')])}&where=label=new%2C one")
    assert [one.label for one in renamed.utterances] == ["new, one"] * len(renamed.utterances)
    assert {one.key for one in renamed.utterances} == {
        one.key for one in dataset.utterances if one.label == old
    }


def test_a_missing_path_is_refused(corpus, tmp_path):
    with pytest.raises(DataError, match=r"gone does not exist"):
        open_data(f"{corpus.name}:{tmp_path / 'gone'}")


def test_an_empty_folder_is_refused(corpus, tmp_path):
    with pytest.raises(DataError, match=r"has no|not exist|not a manifest|not the root folder"):
        open_data(f"{corpus.name}:{tmp_path}")


def test_a_corpus_has_a_complete_description(corpus):
    assert CORPORA[corpus.name] is corpus
    assert all([corpus.summary, corpus.size, corpus.protocol, corpus.source, corpus.licence])
    assert all(option.meaning for option in corpus.options.values())


@pytest.mark.parametrize(
    ("spec", "sizes", "labels", "independent"),
    [  # counted from the file names and meta/esc50.csv with ls, cut and sort
        ("fsdd:fsdd", (2400, 300, 300), 10, False),
        ("fsdd:fsdd?label=speaker", (2400, 300, 300), 6, False),
        ("fsdd:fsdd?test_speaker=theo", (2000, 500, 500), 10, True),
        ("esc50:esc10", (240, 80, 80), 10, False),
        ("emodb:emodb", (347, 81, 107), 7, True),  # 09: 43, 10: 38; 03: 49, 08: 58
        ("urdu:urdu", (192, 98, 110), 4, True),
    ],
)
def test_it_reads_the_release(spec, sizes, labels, independent):
    reader, _, rest = spec.partition(":")
    if not (SHARED / rest.partition("?")[0]).is_dir():
        pytest.skip("needs the recordings of ../shared/data")
    dataset = open_data(f"{reader}:{SHARED}/{rest}")
    assert tuple(len(side) for side in dataset.sides.values()) == sizes
    assert len(dataset.labels) == labels
    assert dataset.speaker_independent is independent
    assert dataset.given


def test_reading_data_loads_no_torch():
    program = "import sys, ossicle.data; print({'torch', 'transformers'} & set(sys.modules))"
    assert run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"
