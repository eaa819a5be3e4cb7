"""Options of the readers, and the layouts that audiofolder accepts and refuses."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import CORPORA, open_data
from ossicle.data.spec import parse
from ossicle.errors import DataError, ManifestError, SplitError


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes short noises, or a text, at the given paths."""
    rng = np.random.default_rng(0)

    def write(*names: str, **texts: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, rng.uniform(-0.5, 0.5, 200), 8000)
        for name, text in texts.items():
            (tmp_path / name.replace("__", "/").replace("_dot_", ".")).write_text(text)
        return tmp_path

    return write


def example(tree, name: str) -> Path:
    files = CORPORA[name].example.files
    root = tree(*(file for file, text in files.items() if text is None))
    for file, text in files.items():
        if text is not None:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text, encoding="utf-8")
    return root


def speakers(side):
    return {one.speaker for one in side}


# The data string


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("fsdd:some/where?a=1&b=x=y", ("fsdd", Path("some/where"), {"a": "1", "b": "x=y"})),
        (r"fsdd:C:\sounds", ("fsdd", Path(r"C:\sounds"), {})),
        ("fsdd:what?/here?a=1", ("fsdd", Path("what?/here"), {"a": "1"})),
        ("fsdd:~/x", ("fsdd", Path.home() / "x", {})),
    ],
)
def test_a_data_string_is_cut_at_the_first_colon_and_the_last_question_mark(spec, parsed):
    assert parse(spec) == parsed


def test_a_question_mark_may_end_a_folder_that_is_there(tmp_path):
    (tmp_path / "really?").mkdir()
    assert parse(f"fsdd:{tmp_path}/really?") == ("fsdd", tmp_path / "really?", {})
    assert parse(f"{tmp_path}/really??valid=0.2")[1:] == (tmp_path / "really?", {"valid": "0.2"})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fsd:.", r"is neither a reader.*Readers: audiofolder, manifest, .*Did you mean 'fsdd'"),
        (
            "no/such/folder",
            r"is neither a reader nor an existing folder or .csv, .tsv or .jsonl file",
        ),
        ("fsdd:.?label", r"'label' is not a setting; write name=value"),
        ("fsdd:.?label=", r"'label=' is not a setting; write name=value"),
        ("fsdd:.?label=digit&label=digit", r"the setting 'label' is given twice"),
    ],
)
def test_a_data_string_that_cannot_be_read_says_why(spec, message):
    with pytest.raises(DataError, match=message):
        open_data(spec)


# fsdd, esc50, emodb


def test_fsdd_validates_on_the_next_speaker_and_after_the_last_on_the_first(tree):
    root = tree(*(f"recordings/{d}_{s}_{i}.wav" for d in (1, 2) for s in "abc" for i in range(2)))
    after = open_data(f"fsdd:{root}?test_speaker=b")
    assert [speakers(side) for side in after.sides.values()] == [{"a"}, {"c"}, {"b"}]
    cyclic = open_data(f"fsdd:{root / 'recordings'}?test_speaker=c")
    assert [speakers(side) for side in cyclic.sides.values()] == [{"b"}, {"a"}, {"c"}]
    chosen = open_data(f"fsdd:{root}?test_speaker=b&valid_speaker=a")
    assert [speakers(side) for side in chosen.sides.values()] == [{"c"}, {"a"}, {"b"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("label=speaker&test_speaker=ann", r"label=speaker does not go with test_speaker"),
        ("valid_speaker=ann", r"valid_speaker=ann needs a test_speaker"),
        (
            "test_speaker=an",
            r"test_speaker=an is not available\. Choose from ann, bob.*'ann'",
        ),
        ("test_speaker=ann&valid_speaker=ann", r"valid_speaker=ann is not available"),
        ("test_speaker=ann,bob", r"has no train recordings"),
    ],
)
def test_fsdd_refuses_what_cannot_be_split(tree, options, message):
    with pytest.raises(DataError, match=message):
        open_data(f"fsdd:{example(tree, 'fsdd')}?{options}")


def test_fsdd_names_the_files_it_cannot_read(tree):
    with pytest.raises(
        DataError, match=r"1 file names are not digit_speaker_index\.wav \(odd\.wav\)"
    ):
        open_data(f"fsdd:{tree('recordings/1_a_0.wav', 'recordings/odd.wav')}")


def test_esc50_validates_on_the_fold_before_the_test(tree):
    root = example(tree, "esc50")
    for test, valid in ((5, "4"), (1, "5"), (3, "2")):
        dataset = open_data(f"esc50:{root}?test_fold={test}")
        assert {one.path.name[0] for one in dataset.test} == {str(test)}
        assert {one.path.name[0] for one in dataset.valid} == {valid}
    with pytest.raises(
        DataError, match=r"test_fold=7 is not available\. Choose from 1, 2, 3, 4, 5"
    ):
        open_data(f"esc50:{root}?test_fold=7")
    with pytest.raises(DataError, match=r"valid_fold and test_fold are both 2"):
        open_data(f"esc50:{root}?test_fold=2&valid_fold=2")


def test_esc50_keeps_a_subset(tree):
    root = example(tree, "esc50")
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("rooster,True", "rooster,False"))
    assert open_data(f"esc50:{root}?subset=esc10").labels == ("dog",)
    assert open_data(f"esc50:{root}").labels == ("dog", "rooster")


def test_esc50_refuses_a_table_that_is_not_the_release(tree):
    root = example(tree, "esc50")
    table = root / "meta" / "esc50.csv"
    release = table.read_text()
    table.write_text(release.replace("True,200,", "True,100,"))
    with pytest.raises(SplitError, match=r"clips of source 100 are in folds 1 and 2"):
        open_data(f"esc50:{root}")
    table.write_text(release.replace("src_file", "source"))
    with pytest.raises(ManifestError, match=r"has no column src_file"):
        open_data(f"esc50:{root}")
    table.write_text(release.replace("1-100-B-0.ogg", "gone.ogg"))
    with pytest.raises(ManifestError, match=r"1 of 10 recordings are missing \(gone\.ogg\)"):
        open_data(f"esc50:{root}")


def test_emodb_validates_on_the_next_man_and_the_next_woman(tree):
    everyone = ("03", "10", "11", "12", "15", "08", "09", "13", "14", "16")
    root = tree(*(f"wav/{speaker}a01{emotion}a.wav" for speaker in everyone for emotion in "WF"))
    for test, valid in (("03,08", {"10", "09"}), ("15,16", {"03", "08"}), ("11", {"12", "08"})):
        dataset = open_data(f"emodb:{root}?test_speakers={test}")
        assert speakers(dataset.test) == set(test.split(","))
        assert speakers(dataset.valid) == valid
    chosen = open_data(f"emodb:{root}?valid_speakers=14")
    assert speakers(chosen.valid) == {"14"}


# audiofolder and manifest


def rows(*lines: str) -> str:
    return "\n".join(lines)


NAMES = [f"{kind}/{i}.wav" for kind in ("cat", "dog") for i in range(10)]


def test_a_folder_of_classes_is_drawn_by_label(tree):
    root = tree(*NAMES, README_dot_md="two animals", _dot_hidden="")
    dataset = open_data(f"{root}?valid=0.2&test=0.3")
    assert [len(side) for side in dataset.sides.values()] == [10, 4, 6]
    assert dataset.labels == ("cat", "dog")
    assert not dataset.given
    assert not dataset.speaker_independent
    assert dataset.note == "Valid and test drawn by label with seed 0; not split by speaker."
    assert open_data(f"{root}?split_seed=1").test != open_data(f"{root}?split_seed=2").test


def test_a_given_test_is_kept_and_valid_drawn_from_train(tree):
    root = tree(*(f"{s}/{name}" for s in ("train", "test") for name in NAMES))
    dataset = open_data(f"audiofolder:{root}?valid=0.2")
    assert [len(side) for side in dataset.sides.values()] == [16, 4, 20]
    assert {one.key.split("/")[0] for one in dataset.test} == {"test"}
    assert dataset.given
    with pytest.raises(SplitError, match=r"already has a test split, so test=0\.2 has no effect"):
        open_data(f"audiofolder:{root}?test=0.2")


def test_each_split_folder_may_have_metadata(tree):
    table = rows("file_name,label", "0.wav,a", "1.wav,b")
    names = [f"{side}/{i}.wav" for side in ("train", "dev", "test") for i in range(2)]
    texts = {f"{side}__metadata_dot_csv": table for side in ("train", "dev", "test")}
    dataset = open_data(str(tree(*names, **texts)))
    assert [one.key for one in dataset.utterances] == names


def test_a_manifest_is_split_by_speaker_unless_turned_off(tree):
    names = [f"{speaker}{i}.wav" for speaker in "abcdef" for i in range(4)]
    table = rows("path,label,speaker", *(f"{n},{'xy'[int(n[1]) % 2]},{n[0]}" for n in names))
    root = tree(*names, list_dot_csv=table)
    apart = open_data(f"{root}/list.csv")
    assert apart.speaker_independent
    assert sum(len(speakers(side)) for side in apart.sides.values()) == 6
    mixed = open_data(f"{root}/list.csv?speaker_independent=no&test=0.5")
    assert speakers(mixed.test) & speakers(mixed.train)


def test_a_given_split_with_a_speaker_in_two_splits_is_refused(tree):
    names = [f"{i}.wav" for i in range(4)]
    table = rows(
        "path,label,speaker,split", "0.wav,x,a,train", "1.wav,y,a,train", "2.wav,x,a,test",
        "3.wav,y,b,val",
    )  # fmt: skip
    root = tree(*names, metadata_dot_csv=table)
    with pytest.raises(SplitError, match=r"'a' is in train and in test.*speaker_independent=no"):
        open_data(str(root))
    assert len(open_data(f"{root}?speaker_independent=no").test) == 1


def test_speakers_known_for_some_only_are_asked_for(tree):
    table = rows("path,label,speaker", "0.wav,x,a", "1.wav,y,", "2.wav,x,b")
    root = tree("0.wav", "1.wav", "2.wav", list_dot_csv=table)
    with pytest.raises(SplitError, match=r"1 of 3 utterances have no speaker"):
        open_data(f"{root}/list.csv")


@pytest.mark.parametrize(
    ("names", "texts", "message"),
    [
        (["a/1.wav", "2.wav"], {}, r"1 recordings are not in a class folder \(2\.wav\)"),
        (["a/1.wav", "a/b/2.wav"], {}, r"a: cannot read b\. Expected \.wav"),
        (["a/1.wav"], {"a__2_dot_m4a": ""}, r"a: cannot read 2\.m4a\. Expected \.wav, \.flac"),
        (["train/a/1.wav", "b/2.wav"], {}, r"folder 'b' next to its train folder"),
        ([], {"README_dot_md": ""}, r"has no recordings\. Expected a folder for each class"),
        (["a/1.wav"], {"metadata_dot_csv": "file_name,label\na/1.wav,x", "metadata_dot_jsonl": ""},
         r"has metadata\.csv and metadata\.jsonl"),
        (["1.wav"], {"list_dot_csv": "path,label,split\n1.wav,x,test"}, "not in a class folder"),
    ],
)  # fmt: skip
def test_a_folder_of_another_layout_is_refused(tree, names, texts, message):
    with pytest.raises(DataError, match=message):
        open_data(str(tree(*names, **texts)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("label=mood", r"label=mood needs a table, and .* has no metadata\.csv"),
        ("valid=1.5", r"valid is 1\.5; expected a number above 0"),
        ("split_seed=-1", r"split_seed is -1; expected a whole number from 0"),
        ("speaker_independent=maybe", r"speaker_independent=maybe is not available.*yes, no"),
        ("speaker_independent=yes", r"20 of 20 utterances have no speaker"),
    ],
)
def test_an_option_without_effect_is_refused(tree, options, message):
    with pytest.raises(DataError, match=message):
        open_data(f"{tree(*NAMES)}?{options}")


def test_a_split_without_train_is_refused(tree):
    root = tree("1.wav", list_dot_csv="path,label,split\n1.wav,x,test")
    with pytest.raises(SplitError, match=r"has test recordings but no train"):
        open_data(f"{root}/list.csv")
