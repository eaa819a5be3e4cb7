"""Data strings that join several data, and functions that rename labels in data strings."""

import pytest

from ossicle.data import open_data, read_data
from ossicle.data.folds import folds_of, read_all
from ossicle.data.labels import labels_of, with_mapping, with_mappings, with_where
from ossicle.data.spec import split_spec
from ossicle.errors import DataError, LabelError, SplitError

PEOPLE = ("03", "08", "09", "10", "11", "13")


@pytest.fixture
def acted(tree) -> str:
    """Two recordings, of anger and neutral, of each of six speakers."""
    files = {f"acted/wav/{who}a01{emotion}a.wav": None for who in PEOPLE for emotion in "WN"}
    return f"emodb:{tree(files)}/acted"


@pytest.fixture
def listed(tree) -> str:
    """Recordings of a manifest, with speakers of the same names and other labels."""
    rows = [
        f"{who}/{n}.wav,{label},{who}" for who in PEOPLE for n, label in enumerate(("Sad", "Mad"))
    ]
    files = {f"listed/{row.split(',')[0]}": None for row in rows}
    root = tree(files | {"listed/list.csv": "\n".join(["path,label,speaker", *rows])})
    return f"manifest:{root}/listed/list.csv"


def test_sides_are_joined_and_keys_and_speakers_made_unique(acted, listed):
    both, parts = open_data(f"{acted} + {listed}"), (open_data(acted), open_data(listed))
    for side, joint in both.sides.items():
        own = [one for part in parts for one in part.sides[side]]
        assert [one.path for one in joint] == [one.path for one in own]
        assert [one.label for one in joint] == [one.label for one in own]
    assert both.utterances[0].key == "emodb/wav/11a01Na.wav"
    assert {one.speaker for one in both.utterances} == {
        f"{name}/{who}" for name in ("emodb", "manifest") for who in PEOPLE
    }
    assert both.labels == ("Mad", "Sad", "anger", "neutral")
    assert both.label_name == "label"
    assert both.name == f"{acted} + {listed}"
    assert both.speaker_independent
    assert not both.given
    assert both.note.startswith("emodb: Test speakers: 03, 08;")
    assert len(read_data(both.name).test) == 4 + 12


def test_folds_are_drawn_from_all_and_the_folds_of_one_are_not_those_of_all(acted, listed):
    assert len(read_all(f"{acted} + {listed}").utterances) == 24
    with pytest.raises(DataError, match="joins several data, which have no folds in common"):
        folds_of(f"{acted} + {listed}")
    with pytest.raises(DataError, match="test_speakers=11 has no effect"):
        read_all(f"{listed} + {acted}?test_speakers=11")


def test_two_parts_of_one_corpus_cannot_leak_through_speakers_or_recordings(acted):
    anger, neutral = f"{acted}?where=label=anger", f"{acted}?where=label=neutral"
    assert len(open_data(f"{anger} + {neutral}").utterances) == 12
    with pytest.raises(SplitError, match=r"speaker 'emodb/03' is in train and in test"):
        open_data(f"{neutral} + {anger}&test_speakers=10,13&valid_speakers=09")
    with pytest.raises(SplitError, match=r"6 recordings are in two of the data: emodb/wav/03a01W"):
        open_data(f"{anger} + {acted}")
    with pytest.raises(DataError, match=r"joins .* twice"):
        open_data(f"{anger} + {anger}")


def test_speakers_as_labels_are_classes_of_their_own_in_each_of_the_data(acted, tree):
    other = tree({f"other/wav/{who}a01{emotion}a.wav": None for who in PEOPLE for emotion in "WN"})
    both = open_data(f"{acted}?label=verification + emodb:{other}/other?label=verification")
    assert {one.label for one in both.test} == {"emodb/03", "emodb/08", "emodb-2/03", "emodb-2/08"}
    assert both.label_name == "trials"


def test_trials_are_joined_and_must_be_given_by_all_or_none(listed, tree):
    root = tree({"pairs.txt": "1 03/0.wav 03/1.wav\n0 03/0.wav 08/0.wav"})
    tree(
        {
            "more/list.csv": "path,label,speaker\na.wav,a,a\nb.wav,b,b",
            "more/pairs.txt": "0 a.wav b.wav",
        }
    )
    tree({"more/a.wav": None, "more/b.wav": None})
    spec, more = f"{listed}?trials={root}/pairs.txt", f"{root}/more/list.csv"
    both = read_data(f"{spec} + {more}?trials={root}/more/pairs.txt")
    assert [tuple(one) for one in both.trials["test"]] == [
        ("manifest/03/0.wav", "manifest/03/1.wav", True),
        ("manifest/03/0.wav", "manifest/08/0.wav", False),
        ("manifest-2/a.wav", "manifest-2/b.wav", False),
    ]
    with pytest.raises(DataError, match=r"labels of different kinds: 'trials' in .*'label' in"):
        read_data(f"{spec} + {more}")
    listless = f"{root}/more/list.csv?label=speaker"
    with pytest.raises(DataError, match="labels of different kinds"):
        read_data(f"{spec} + {listless}")


def test_data_that_name_no_speakers_are_joined_with_a_notice(acted, tree):
    root = tree({f"sounds/{kind}/{n}.wav": None for kind in ("anger", "neutral") for n in range(8)})
    both = open_data(f"{acted} + {root}/sounds")
    assert not both.speaker_independent
    assert "audiofolder names no speakers, who may be in two splits." in both.notices


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{acted}+{listed}", r"does not exist .*Join data by ' \+ ', with a space on both sides"),
        ("{acted} + ", "before or after ' . ' is empty"),
        ("{acted} + emdb:x", "'emdb:x' is neither a reader .*Did you mean 'emodb'"),
        ("{acted} + esd:/no/where", "/no/where does not exist"),
        ("{acted} + {listed}?wher=a=b", "manifest has no option 'wher'"),
        ("{acted}?label=phones + {listed}", "lablaut does not exist"),
    ],
)
def test_a_wrong_part_is_refused(acted, listed, spec, message):
    with pytest.raises(DataError, match=message):
        open_data(spec.format(acted=acted, listed=listed))


def test_a_path_that_exists_may_contain_a_plus(tree):
    root = tree({f"a + b/{kind}/{n}.wav": None for kind in "xy" for n in range(4)})
    tree({f"a/{kind}/{n}.wav": None for kind in "xy" for n in range(4)})
    assert split_spec(f"{root}/a + b?valid=0.2") == [f"{root}/a + b?valid=0.2"]
    assert len(open_data(f"{root}/a + b").utterances) == 8
    assert split_spec(f"{root}/a + {root}/a + b") == [f"{root}/a", f"{root}/a + b"]
    assert split_spec("demo?label=manner + a", [root]) == ["demo?label=manner", "a"]
    assert split_spec("a + b", [root]) == ["a + b"]
    assert split_spec("a + b", [root / "a"]) == ["a", "b"]


def test_a_pair_goes_to_the_data_that_have_the_label(acted, listed):
    mapping = {"anger": "Mad", "neutral": "Calm"}
    assert with_mapping(f"{acted} + {listed}", mapping) == (
        f"{acted}?map=anger=Mad,neutral=Calm + {listed}"
    )
    assert with_mappings([acted, listed], {"anger": "Mad", "Mad": "X"}) == [
        f"{acted}?map=anger=Mad",
        f"{listed}?map=Mad=X",
    ]
    with pytest.raises(
        LabelError, match=r"label angr, which .*: Mad, Sad, anger, neutral\. .*'anger'"
    ):
        with_mapping(f"{acted} + {listed}", {"angr": "Mad"})
    with pytest.raises(LabelError, match=r"label of .* is 'transcript'"):
        with_mapping("demo?label=transcript", {"a": "b"})


@pytest.mark.parametrize(
    ("before", "mapping", "labels"),
    [
        ("?map=anger=Mad", {"Mad": "Angry"}, {"W": "Angry", "N": "neutral"}),
        ("?map=anger=Mad", {"neutral": "Mad"}, {"W": "Mad", "N": "Mad"}),
        ("?map=anger=neutral", {"neutral": "all"}, {"W": "all", "N": "all"}),
        ("?where=label=anger", {"anger": "Mad"}, {"W": "Mad"}),
        ("?map=anger=Mad&where=label=Mad", {"Mad": "a, b & c"}, {"W": "a, b & c"}),
        ("?map=anger=neutral,neutral=anger", {"anger": "A"}, {"W": "neutral", "N": "A"}),
        (
            "?where=label=anger,label=neutral",
            {"anger": "neutral"},
            {"W": "neutral", "N": "neutral"},
        ),
    ],
)
def test_labels_are_renamed_after_the_options_that_were_given(acted, before, mapping, labels):
    found = read_data(with_mapping(acted + before, mapping))
    assert {one.path.stem[5]: one.label for one in found.utterances} == labels


def test_values_are_added_to_a_data_string_that_may_have_some(acted, listed):
    assert with_where(acted, "label", ["anger"]) == f"{acted}?where=label=anger"
    more = with_where(f"{acted}?test_speakers=10,13", "speaker", ["03", "10"])
    assert more == f"{acted}?test_speakers=10,13&where=speaker=03,speaker=10"
    assert with_where(more, "speaker", ["10", "11"]) == (
        f"{acted}?test_speakers=10,13&where=speaker=10"
    )
    with pytest.raises(DataError, match="has none of speaker=11"):
        with_where(more, "speaker", ["11"])
    assert with_where(f"{acted} + {listed}", "label", ["Sad", "anger"]) == (
        f"{acted}?where=label=anger + {listed}?where=label=Sad"
    )
    with pytest.raises(DataError, match=r"listed/list.csv' has none of label=anger. Choose other"):
        with_where(f"{acted} + {listed}", "label", ["anger"])
    with pytest.raises(DataError, match="no values of label were given"):
        with_where(acted, "label", [])
    assert labels_of(f"{acted} + {listed}") == ("Mad", "Sad", "anger", "neutral")
