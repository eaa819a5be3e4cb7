"""Manifests: reading of each column, and the error for each mistake."""

from pathlib import Path

import pytest

from ossicle.data import Utterance, read_manifest, write_manifest
from ossicle.errors import ManifestError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "c, d.wav"):
        (tmp_path / name).touch()
    return tmp_path


def listed(folder: Path, text: str, kind: str = "csv", **options: str):
    path = folder / f"list.{kind}"
    path.write_text(text, encoding="utf-8")
    return read_manifest(path, **options)


def test_a_csv_row_becomes_an_utterance(folder):
    manifest = listed(folder, "path,label,speaker,split\na.wav, dog ,anna,dev\n\nb.wav,cat,,test\n")
    assert manifest.utterances == (
        Utterance("a.wav", folder / "a.wav", "dog", "anna"),
        Utterance("b.wav", folder / "b.wav", "cat"),
    )
    assert manifest.split == {"a.wav": "valid", "b.wav": "test"}


@pytest.mark.parametrize("column", ["path", "file_name", "audio_filepath", "filename", "wav"])
def test_the_path_has_several_names(folder, column):
    assert listed(folder, f"{column},label\na.wav,x\n").utterances[0].path == folder / "a.wav"


def test_json_lines_may_hold_numbers_and_nulls(folder):
    text = '{"path": "a.wav", "label": 3, "speaker": null}\n{"path": "b.wav", "label": "cat"}\n'
    first, second = listed(folder, text, "jsonl").utterances
    assert (first.label, first.speaker, second.label) == ("3", None, "cat")


@pytest.mark.parametrize(
    ("header", "values", "start_s", "length_s", "key"),
    [
        ("start_s,duration_s", "1.5,0.25", 1.5, 0.25, "a.wav#1.5-1.75"),
        ("offset,duration", "0.1,0.2", 0.1, 0.2, "a.wav#0.1-0.3"),
        ("start", "2", 2.0, None, "a.wav#2-end"),
        ("duration_s", "2", 0.0, 2.0, "a.wav#0-2"),
        ("duration", "2", 0.0, None, "a.wav"),  # of the whole file
        ("start_s,duration_s", ",", 0.0, None, "a.wav"),
    ],
)
def test_a_part_of_a_file(folder, header, values, start_s, length_s, key):
    (one,) = listed(folder, f"path,label,{header}\na.wav,x,{values}\n").utterances
    assert (one.start_s, one.duration_s, one.key) == (start_s, length_s, key)


def test_another_column_may_be_the_label(folder):
    (one,) = listed(folder, "path,label,emotion\na.wav,x,joy\n", label="emotion").utterances
    assert one.label == "joy"


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder):
    (folder / "list.csv").write_bytes("\ufeffpath,label\r\na.wav,x\r\n".encode())
    assert [one.label for one in read_manifest(folder / "list.csv").utterances] == ["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,lable\na.wav,x\n",
            r"no column 'label'\. It has: path, lable\. Did you mean 'lable'\?",
        ),
        ("path,lable\na.wav,x\n", r"Name the column to predict with label=COLUMN"),
        ("sound,label\na.wav,x\n", r"no column 'path' \(or file_name, audio_filepath"),
        ("path,label\na.wav,\n", r"row 2 has no label\. Fill it in"),
        ("path,label\n,x\n", r"row 2 has no path"),
        ("path,label\nc, d.wav,x\n", r'row 2 has 3 fields and the header 2\. Put .* in "quotes"'),
        ("path,label\na.wav,x\na.wav,y\n", r"row 3: a\.wav is already in row 2"),
        ("path,label,start_s\na.wav,x,soon\n", r"row 2: start_s is 'soon'; expected seconds"),
        ("path,label,start_s\na.wav,x,-1\n", r"row 2: start_s is '-1'"),
        ("path,label,start_s\na.wav,x,nan\n", r"row 2: start_s is 'nan'"),
        ("path,label,duration_s\na.wav,x,0\n", r"row 2: duration_s is 0\. Leave it empty"),
        ("path,label,split\na.wav,x,trian\n", r"split is 'trian'; expected train.*mean 'train'"),
        ("path,label,split\na.wav,x,train\nb.wav,x,\n", r"1 of 2 rows have no split \(row 3\)"),
        ('path,label\n"a.wav"b,x\n', r"list\.csv is not a CSV file"),
        ("path,label\n", r"has no rows"),
        ("", r"has no rows"),
    ],
)
def test_a_mistake_in_a_csv_names_its_row(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        listed(folder, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a.wav", "label": "x"}\n{"path": \n', r"row 2 is not JSON"),
        ('["a.wav", "x"]\n', r"row 1 is not an object"),
        ('{"path": "a.wav", "label": ["x"]}\n', r"row 1: label is not a text or a number"),
        (
            '{"path": "a.wav", "label": "x"}\n\n{"path": "b.wav"}\n',
            r"row 3 has no 'label', which other",
        ),
    ],
)
def test_a_mistake_in_json_lines_names_its_row(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        listed(folder, text, "jsonl")


def test_all_missing_files_are_listed_at_once(folder):
    rows = "".join(f"gone{i}.wav,x\n" for i in range(12))
    with pytest.raises(
        ManifestError, match=r"12 of 13 recordings are missing \(row 3: gone0\.wav.*and 2 more"
    ):
        listed(folder, "path,label\na.wav,x\n" + rows)


def test_other_files_are_refused(folder):
    with pytest.raises(
        ManifestError, match=r"list\.txt is not a manifest.*\.csv, \.tsv or \.jsonl"
    ):
        listed(folder, "path,label\n", "txt")
    with pytest.raises(ManifestError, match=r"gone\.csv does not exist"):
        read_manifest(folder / "gone.csv")
    (folder / "latin.csv").write_bytes("path,label\na.wav,Ärger\n".encode("latin-1"))
    with pytest.raises(ManifestError, match=r"latin\.csv is not UTF-8 at byte 17"):
        read_manifest(folder / "latin.csv")


def test_a_manifest_written_elsewhere_still_finds_its_files(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    one = Utterance("a.wav", folder / "a.wav", "dog", "anna", 0.5, 0.1)
    write_manifest(run / "split.csv", [one], {"a.wav": "train"})
    text = (run / "split.csv").read_text(encoding="utf-8")
    assert text == (
        "path,label,speaker,split,start_s,duration_s\n"
        f"{folder.as_posix()}/a.wav,dog,anna,train,0.5,0.1\n"
    )
    (back,) = read_manifest(run / "split.csv").utterances
    assert back.path == one.path


def test_several_columns_make_one_label(tmp_path):
    (tmp_path / "1.wav").touch()
    table = tmp_path / "list.csv"
    table.write_text("path,valence,arousal\n1.wav,3.5, 2 \n")
    (one,) = read_manifest(table, label="valence,arousal").utterances
    assert one.label == "valence=3.5,arousal=2"
    table.write_text("path,valence,arousal\n1.wav,3.5,\n")
    with pytest.raises(ManifestError, match="row 2 has no arousal"):
        read_manifest(table, label="valence,arousal")
