"""Columns of tables: found by usual names, mapped, refused, or reported as unused."""

import json

import numpy as np
import pytest
import soundfile

from ossicle.data import open_data, read_data, read_manifest
from ossicle.errors import DataError, ManifestError
from ossicle.tasks import suggest_task

NAMES = [f"{speaker}{number}.wav" for speaker in "abcd" for number in range(2)]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in NAMES:
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, 8000), 8000)
    return tmp_path


def table(folder, header, *rows, name="list.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def one_row(folder, header, values, **options):
    (one,) = read_manifest(table(folder, header, values), options=options).utterances
    return one


def unused(dataset):
    """Return the notices about columns, without those about sizes of splits."""
    return tuple(notice for notice in dataset.notices if "columns not used" in notice)


@pytest.mark.parametrize(
    ("header", "values", "part"),
    [
        ("start,end", "0.25,0.75", (0.25, 0.5)),
        ("start_s,end_s", "0.25,0.75", (0.25, 0.5)),
        ("start,stop", "0.25,0.75", (0.25, 0.5)),
        ("offset,end", "0.25,0.75", (0.25, 0.5)),
        ("Start Time,End Time", "0.25,0.75", (0.25, 0.5)),
        ("start,end,duration", "0.25,0.75,0.5", (0.25, 0.5)),  # of the part
        ("start,end,duration", "0.25,0.75,1", (0.25, 0.5)),  # of the file
        ("end", "0.75", (0.0, 0.75)),
        ("start,end", "0.25,", (0.25, None)),
        ("end,duration", ",1", (0.0, None)),
    ],
)
def test_a_segment_ends_where_its_row_says(folder, header, values, part):
    one = one_row(folder, f"path,label,{header}", f"a0.wav,x,{values}")
    assert (one.start_s, one.duration_s) == part


def test_samples_and_milliseconds_are_turned_into_seconds(folder):
    header, values = "ID,duration,wav,start,stop,spk_id", "a0,1.0,a0.wav,2000,6000,anna"
    with pytest.raises(ManifestError, match=r"row 2: start and stop are 2000 and 6000, but dur.*1"):
        one_row(folder, header, values, label="spk_id")
    one = one_row(folder, header, values, label="spk_id", unit="samples")
    assert (one.start_s, one.duration_s, one.speaker) == (0.25, 0.5, "anna")
    with pytest.raises(
        ManifestError, match=r"'start_ms' is not in seconds\. Use start=start_ms&un"
    ):
        one_row(folder, "path,label,start_ms,end_ms", "a0.wav,x,250,750")
    times = {"start": "start_ms", "stop": "end_ms", "unit": "milliseconds"}
    one = one_row(folder, "path,label,start_ms,end_ms", "a0.wav,x,250,750", **times)
    assert (one.start_s, one.duration_s) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("header", "values", "message"),
    [
        ("start,end", "0.5,0.5", r"row 2: end is 0.5, but the part begins at 0.5"),
        ("start_s,duration_s,end", "0.1,0.2,0.9", r"from 0.1 to 0.9 is not a duration_s of 0.2"),
        ("start,begin", "0.1,0.1", r"start and begin, and each can be the start of the part"),
        ("onset,offset", "0.1,0.2", r"Choose one, as in start=onset&stop=offset, or start=no"),
        ("speaker,client_id", "a,b", r"speaker and client_id.*can be the speaker.*speaker=speaker"),
        ("split,set", "train,x", r"split and set, and each can be the split"),
        ("file_name", "a1.wav", r"path and file_name.*path of the recording.*path=path\."),
    ],
)
def test_ambiguous_columns_are_refused(folder, header, values, message):
    with pytest.raises(ManifestError, match=message):
        one_row(folder, f"path,label,{header}", f"a0.wav,x,{values}")


def test_an_unused_column_with_the_name_of_a_label_is_reported(folder):
    manifest = read_manifest(table(folder, "path,label,Label", "a0.wav,x,y"))
    assert manifest.utterances[0].label == "x"
    assert manifest.notices == ("list.csv: columns not used: Label.",)
    assert one_row(folder, "Path,Label", "a0.wav,y").label == "y"


@pytest.mark.parametrize("column", ["speaker_id", "client_id", "spk", "Speaker", "spk_id"])
def test_speakers_of_any_name_are_kept_apart(folder, column):
    rows = [f"{name},{'xy'[int(name[1])]},{name[0]}" for name in NAMES]
    dataset = open_data(str(table(folder, f"path,label,{column}", *rows)))
    assert dataset.speaker_independent
    assert unused(dataset) == ()


@pytest.mark.parametrize("column", ["Split", "set", "subset", "partition", "fold"])
def test_a_split_of_any_name_is_the_split(folder, column):
    sides = ["Train", "train", "training", "train", "dev", "valid", "test", "test"]
    rows = [f"{name},{'xy'[int(name[1])]},{side}" for name, side in zip(NAMES, sides, strict=True)]
    dataset = open_data(str(table(folder, f"path,label,{column}", *rows)))
    assert [len(part) for part in dataset.sides.values()] == [4, 2, 2]
    assert dataset.note == "Train and valid and test as given; not split by speaker."


def test_folds_are_never_drawn_across(folder):
    rows = [f"{name},{'xy'[int(name[1])]},{'abcd'.index(name[0]) + 8}" for name in NAMES]
    path = table(folder, "path,label,fold", *rows)
    with pytest.raises(DataError, match=r"the folds 8, 9, 10, 11 and no split.*test_fold=11"):
        open_data(str(path))
    dataset = open_data(f"{path}?test_fold=10")
    assert [{one.key[0] for one in part} for part in dataset.sides.values()] == [
        {"a", "d"}, {"b"}, {"c"},
    ]  # fmt: skip
    assert dataset.note.startswith("Train and valid and test by folds (10 is test and 9 is valid)")
    other = open_data(f"{path}?test_fold=8")  # before the first comes the last
    assert {one.key[0] for one in other.valid} == {"d"}
    assert unused(open_data(f"{path}?fold=no")) == ("list.csv: columns not used: fold.",)
    assert len(read_data(str(path)).test) == 8
    with pytest.raises(DataError, match=r"test_fold=7 is not available"):
        open_data(f"{path}?test_fold=7")
    plain = table(folder, "path,label", *(row.rpartition(",")[0] for row in rows))
    with pytest.raises(DataError, match=r"has no column of folds, so test_fold=1 has no effect"):
        open_data(f"{plain}?test_fold=1")


def test_every_column_that_is_not_used_is_named(folder):
    rows = [f"{name},{'xy'[int(name[1])]},1.0,hello,nice" for name in NAMES]
    path = table(folder, "path,label,duration,transcript,remark", *rows)
    notice = "list.csv: columns not used: duration, transcript, remark."
    assert unused(open_data(str(path))) == (notice,)
    assert unused(read_data(str(path))) == (notice,)


def test_a_repeated_column_or_key_is_refused(folder):
    with pytest.raises(ManifestError, match=r"has the column label more than once"):
        read_manifest(table(folder, "path,label,label", "a0.wav,x,y"))
    path = table(folder, '{"path": "a0.wav", "label": "x", "label": "y"}', name="list.jsonl")
    with pytest.raises(ManifestError, match=r"row 1 has label more than once"):
        read_manifest(path)


def test_a_table_with_another_separator_is_refused(folder):
    for mark, seen in ((";", r"';'"), ("\t", r"'\\t'")):
        path = table(folder, f"path{mark}label", f"a0.wav{mark}x")
        with pytest.raises(ManifestError, match=rf"seems to use the separator {seen}.*with commas"):
            read_manifest(path)


def test_a_missing_value_that_is_written_as_text_is_named(folder):
    manifest = read_manifest(table(folder, "path,label", "a0.wav,nan", "b0.wav,x"))
    assert manifest.notices == (
        "list.csv: 1 rows have the label nan. If that is a missing value, remove them.",
    )


def test_options_map_columns_of_any_name(folder):
    header = "cough_filename,sentence_text,who,part,from,to"
    rows = [f"{name},hi there,{name[0]},{'test' if name[0] == 'd' else 'train'},0,0.5"
            for name in NAMES]  # fmt: skip
    path = table(folder, header, *rows)
    with pytest.raises(ManifestError, match=r"'cough_filename' looks like one: use path=cough_fil"):
        open_data(f"{path}?text=sentence_text")
    mapped = "path=cough_filename&text=sentence_text&speaker=who&split=part&start=from&stop=to"
    dataset = open_data(f"{path}?{mapped}")
    assert (suggest_task(dataset.label_name).name, unused(dataset)) == ("asr", ())
    assert {one.speaker for one in dataset.test} == {"d"}
    assert {one.duration_s for one in dataset.utterances} == {0.5}
    assert {one.label for one in dataset.utterances} == {"hi there"}
    with pytest.raises(ManifestError, match=r"no column 'whom' \(option speaker=whom\).*'who'"):
        open_data(f"{path}?{mapped.replace('=who', '=whom')}")
    with pytest.raises(ManifestError, match=r"label=who and text=sentence_text both name"):
        open_data(f"{path}?{mapped}&label=who")


def test_a_column_that_is_not_the_split_can_be_left_out(folder):
    rows = [f"{name},{'xy'[int(name[1])]},clean" for name in NAMES]
    path = table(folder, "path,label,subset", *rows)
    with pytest.raises(ManifestError, match=r"subset is 'clean'; expected.*use split=no"):
        open_data(str(path))
    assert unused(open_data(f"{path}?split=no")) == ("list.csv: columns not used: subset.",)


def test_two_columns_of_one_transcript_are_not_joined(folder):
    path = table(folder, "path,text,transcript", "a0.wav,x,y")
    with pytest.raises(ManifestError, match=r"has transcript or text to predict"):
        read_manifest(path)


def test_columns_of_a_jsonl_are_those_of_all_rows(folder):
    rows = [{"path": "a0.wav", "label": 1, "words": [{"a": 1}]}]
    rows += [{"path": "b0.wav", "label": 1.0, "spk": "b", "set": "test", "split": "x"}]
    path = table(folder, *(json.dumps(row) for row in rows), name="list.jsonl")
    with pytest.raises(ManifestError, match=r"set and split, and each can be the split"):
        read_manifest(path)
    manifest = read_manifest(path, options={"split": "no"})
    assert [(one.label, one.speaker) for one in manifest.utterances] == [("1", None), ("1", "b")]
    assert manifest.notices == ("list.jsonl: columns not used: words, set, split.",)


@pytest.mark.parametrize("missing", ["NaN", "null"])
def test_a_missing_value_of_a_jsonl_is_not_a_class(folder, missing):
    line = f'{{"path": "a0.wav", "label": {missing}, "speaker": {missing}}}'
    with pytest.raises(ManifestError, match=r"row 1 has no label"):
        read_manifest(table(folder, line, name="list.jsonl"))
    line = line.replace(f'"label": {missing}', '"label": "x"')
    (one,) = read_manifest(table(folder, line, name="list.jsonl")).utterances
    assert one.speaker is None


def test_numbers_of_a_jsonl_are_kept_and_infinity_is_refused(folder):
    long = "1" * 5000
    (one,) = read_manifest(
        table(folder, f'{{"path": "a0.wav", "label": {long}}}', name="list.jsonl")
    ).utterances
    assert one.label == long
    for wrong in ("Infinity", '"\\ud800"', "[" * 100_000):
        path = table(folder, f'{{"path": "a0.wav", "label": {wrong}}}', name="list.jsonl")
        with pytest.raises(ManifestError, match=r"row 1"):
            read_manifest(path)


def test_a_tsv_is_a_table_whose_quotes_are_characters(folder):
    rows = ('a0.wav\t"No", she said, "no', 'b0.wav\t"yes"')
    path = table(folder, "path\ttranscript", *rows, name="list.TSV")
    manifest = read_manifest(path)
    assert [one.label for one in manifest.utterances] == ['"No", she said, "no', '"yes"']
    assert suggest_task(manifest.label_name).name == "asr"
    assert len(read_data(str(path)).test) == 2
    with pytest.raises(ManifestError, match=r"row 2 has 1 fields and the header 2\. Remove tabs"):
        read_manifest(table(folder, "path\tlabel", "a0.wav", name="list.tsv"))


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_tags_may_be_joined_by_a_comma_a_semicolon_or_a_bar(folder, mark):
    lines = [
        json.dumps({"path": name, "tags": tags})
        for name, tags in (("a0.wav", f"dog{mark} rain"), ("b0.wav", "rain"))
    ]
    path = table(folder, *lines, name="list.jsonl")
    manifest = read_manifest(path)
    assert [one.label.replace(" ", "") for one in manifest.utterances] == ["dog|rain", "rain"]
    expected = () if mark == "|" else (f"list.jsonl: tags are separated by '{mark}'.",)
    assert manifest.notices == expected
    assert read_manifest(path, options={"separator": mark}).notices == ()


def test_tags_that_could_be_cut_in_two_ways_are_refused(folder):
    lines = (
        "path;tags".replace(";", "\t"),
        "a0.wav\tdog|rain",
        "b0.wav\tMale speech, man speaking",
    )
    path = table(folder, *lines, name="list.tsv")
    with pytest.raises(
        ManifestError, match=r"'\|' as in 'dog\|rain' and ',' as in 'Male.*separator"
    ):
        read_manifest(path)
    manifest = read_manifest(path, options={"separator": "|"})
    assert [one.label for one in manifest.utterances] == ["dog|rain", "Male speech, man speaking"]
    with pytest.raises(
        ManifestError, match=r"the tags 'dog\|rain' contain '\|', which separates tags"
    ):
        read_manifest(path, options={"separator": ","})
