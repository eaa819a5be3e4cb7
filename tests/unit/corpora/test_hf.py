"""Saved datasets: missing, unlabelled and unreadable data are refused."""

import io
import json

import numpy as np
import pytest
import soundfile

from ossicle.data import open_data, read_data
from ossicle.errors import DataError

arrow = pytest.importorskip("pyarrow")

TEXT = {"dtype": "string", "_type": "Value"}
CLASS = {"names": ["no", "yes"], "_type": "ClassLabel"}
SPEAKERS = [number // 2 for number in range(12)]


def sounds():
    rng = np.random.default_rng(0)
    for _ in range(12):
        data = io.BytesIO()
        soundfile.write(data, rng.uniform(-0.5, 0.5, 800), 8000, format="WAV")
        yield {"bytes": data.getvalue(), "path": None}


def saved(root, label, feature=CLASS, audio=None, compression=None, **others):
    """Write one split of twelve rows; other columns are given as (values, feature)."""
    values = {name: column for name, (column, _) in others.items()}
    table = arrow.table({"audio": audio or list(sounds()), "label": label, **values})
    options = arrow.ipc.IpcWriteOptions(compression=compression)
    with arrow.ipc.new_stream(str(root / "data-0.arrow"), table.schema, options=options) as out:
        out.write_table(table)
    features = {"audio": {"_type": "Audio"}, "label": feature}
    features |= {name: kind for name, (_, kind) in others.items()}
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    (root / "dataset_info.json").write_text(json.dumps({"features": features}))
    return root


def test_speakers_may_be_numbers_and_in_any_column(tmp_path):
    others = {"client": (SPEAKERS, TEXT), "marks": ([["x"]] * 12, [TEXT])}
    root = saved(tmp_path, [0, 1] * 6, **others)
    dataset = open_data(f"hf:{root}?speaker=client")
    assert dataset.speaker_independent
    assert {one.speaker for one in dataset.utterances} == set("012345")
    assert not open_data(f"hf:{root}").speaker_independent


@pytest.mark.parametrize(
    ("label", "feature"), [([0, 1, -1] * 4, CLASS), (["a", "b", None] * 4, TEXT)]
)
def test_a_row_without_a_label_is_refused(tmp_path, label, feature):
    with pytest.raises(DataError, match=r"4 rows have no label: 2, 5, 8, 11"):
        read_data(f"hf:{saved(tmp_path, label, feature)}")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"compression": "zstd"}, r"data-0.arrow is compressed"),
        ({"audio": [[0.1, 0.2]] * 12}, r"'audio' is list<.*expected a struct of bytes and path"),
        (
            {"audio": [{"array": [0.1], "path": "x"}] * 12},
            r"'audio' is struct<.*expected a struct of bytes",
        ),
        (
            {"audio": [None, *list(sounds())[1:]]},
            r"1 of 12 recordings .*\(row 0: no audio\)",
        ),
        ({"label": [[0], [0, 1]] * 6}, r"column 'label' is list<.*; expected a text or a number"),
    ],
)
def test_unreadable_datasets_are_refused(tmp_path, wrong, message):
    with pytest.raises(DataError, match=message):
        open_data(f"hf:{saved(tmp_path, **({'label': [0, 1] * 6} | wrong))}")


def test_a_split_that_was_not_copied_is_named(tmp_path):
    (tmp_path / "train").mkdir()
    saved(tmp_path / "train", [0, 1] * 6)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(DataError, match=r"has no split test"):
        open_data(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dataset_info.json", "[" * 100_000, r"info\.json cannot be read: .*levels.*Save the data"),
        ("dataset_info.json", '{"features": ' + "9" * 5000 + "}", r"info\.json cannot be read: "),
        ("dataset_info.json", '{"features": []}', "has no object 'features'"),
        ("dataset_info.json", "[]", "its top level is a list; expected an object"),
        ("state.json", '{"_data_files": 3}', r"state\.json cannot be read: "),
        ("state.json", '{"_data_files": [["x"]]}', r"state\.json cannot be read: "),
        ("dataset_dict.json", '{"splits": [3]}', "has no list of splits"),
    ],
)
def test_descriptions_of_any_content_are_an_error_in_one_line(tmp_path, name, text, message):
    saved(tmp_path, [0, 1] * 6)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_data(f"hf:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_class_without_a_name_is_refused(tmp_path):
    for names in (["no"], {"no": 0}):
        root = saved(tmp_path, [0, 1] * 6, {"names": names, "_type": "ClassLabel"})
        with pytest.raises(DataError, match=r"'label' has classes that dataset_info\.json does"):
            open_data(f"hf:{root}")


def test_any_column_with_texts_can_be_chosen_by(tmp_path):
    others = {
        "style": (["read", "free", None] * 4, TEXT),
        "kind": ([0, 1, 1] * 4, CLASS),
        "marks": ([["x"]] * 12, [TEXT]),
    }
    root = saved(tmp_path, [0, 1] * 6, **others)
    found = read_data(f"hf:{root}?where=style=free,kind=yes")
    assert [one.key for one in found.utterances] == ["1", "4", "7", "10"]
    assert not [one for one in found.notices if "style" in one or "kind" in one]
    with pytest.raises(DataError, match=r"no recording has style=x. It has: free, read\."):
        read_data(f"hf:{root}?where=style=x")
    with pytest.raises(DataError, match=r"column 'marks' is list.*; expected a text or a number"):
        read_data(f"hf:{root}?where=marks=x")
    with pytest.raises(DataError, match=r"no column 'x' for where. .*speaker, style, kind, marks"):
        read_data(f"hf:{root}?where=x=1")
