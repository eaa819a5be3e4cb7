"""Tables in folders, Arrow files and tar shards have the columns of a manifest."""

import io
import json
import tarfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import Utterance, open_data, read_data
from ossicle.data.text import composed_data
from ossicle.errors import DataError, LabelError, ManifestError
from ossicle.tasks import Tagging, suggest_task

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def noise(seed=0):
    data = io.BytesIO()
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, 8000)
    soundfile.write(data, wave, 8000, format="WAV")
    return data.getvalue()


def write(root: Path, *names: str, **texts: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(noise(seed))
    for name, text in texts.items():
        (root / name.replace("__", "/").replace("_dot_", ".")).write_text(text, encoding="utf-8")
    return root


# Folders


def listed(names, column="", values=()):
    """Return a table of names with alternating labels x and y, and one more column."""
    rows = [f"{name},{'xy'[i % 2]}" for i, name in enumerate(names)]
    more = [f",{value}" for value in values] or [""] * len(rows)
    pairs = zip(rows, more, strict=True)
    return "\n".join([f"file_name,label{column}", *(row + one for row, one in pairs)])


SIDED = [f"{side}/{i}.wav" for side in ("train", "test", "dev") for i in range(2)]


@pytest.mark.parametrize("kind", ["metadata", "list"])
@pytest.mark.parametrize("above", ["", "audio/"])
def test_the_folders_of_the_paths_are_the_split(tmp_path, kind, above):
    names = [above + name for name in SIDED]
    root = write(tmp_path, *names, **{f"{kind}_dot_csv": listed(names)})
    dataset = open_data(str(root if kind == "metadata" else root / "list.csv"))
    for side, part in (("train", "train"), ("test", "test"), ("dev", "valid")):
        assert {one.path.parent.name for one in dataset.sides[part]} == {side}
    assert dataset.given
    assert dataset.note.startswith("Train and valid and test by the folders of the paths;")
    assert len(read_data(dataset.name).test) == 2


def test_folders_do_not_split_where_a_column_or_an_option_does(tmp_path):
    column = ["train", "test", "train", "valid", "train", "test"]
    root = write(tmp_path, *SIDED, metadata_dot_csv=listed(SIDED, ",split", column))
    dataset = open_data(str(root))
    assert [one.key for one in dataset.valid] == ["test/1.wav"]
    assert dataset.notices[0].startswith(
        "metadata.csv: 5 of 6 recordings are in the folder of another split than their split"
    )
    drawn = open_data(f"{root}?split=no&valid=0.2&test=0.2")
    assert not drawn.given


def test_a_folder_called_train_may_be_a_class_and_paths_without_a_side_are_refused(tmp_path):
    names = [f"{kind}/{i}.wav" for kind in ("train", "plane") for i in range(10)]
    root = write(tmp_path, *names, metadata_dot_csv=listed(names))
    assert not open_data(str(root)).given
    names = [*SIDED, "more/0.wav"]
    write(tmp_path, *names, metadata_dot_csv=listed(names))
    with pytest.raises(ManifestError, match=r"1 of 7 paths are not in a split folder.*more/0\.wav"):
        open_data(str(root))


def test_recordings_that_the_table_does_not_list_are_named(tmp_path):
    names = [f"{i}.wav" for i in range(12)]
    root = write(tmp_path, *names, "x/new.ogg", ".hidden.wav", metadata_dot_csv=listed(names[:10]))
    notices = [one for one in open_data(str(root)).notices if "not in metadata.csv" in one]
    names = "10.wav, 11.wav, x/new.ogg"
    assert notices == [f"3 recordings in {root} are not in metadata.csv and were skipped: {names}."]


def test_a_table_inside_a_split_folder_must_agree_with_it(tmp_path):
    names = [f"{side}/{i}.wav" for side in ("train", "dev", "test") for i in range(2)]
    texts = {
        f"{side}__metadata_dot_tsv": listed(["0.wav", "1.wav"], ",Set", [said] * 2).replace(
            ",", "\t"
        )
        for side, said in (("train", "train"), ("dev", "validation"), ("test", "test"))
    }
    root = write(tmp_path, *names, **texts)
    assert [len(part) for part in open_data(str(root)).sides.values()] == [2, 2, 2]
    (root / "dev/metadata.tsv").write_text(texts["test__metadata_dot_tsv"])
    with pytest.raises(ManifestError, match=r"2 recordings are in the valid folder.*another split"):
        open_data(str(root))
    assert len(open_data(f"{root}?split=no").valid) == 2


# Shards and Arrow files


def shard(path: Path, *facts: dict[str, object]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, about in enumerate(facts):
            files = {"wav": noise(number), "json": json.dumps(about).encode()}
            for kind, content in files.items():
                member = tarfile.TarInfo(f"{path.stem}-{number}.{kind}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def test_a_shard_has_speakers_splits_parts_and_unused_fields(tmp_path):
    shard(
        tmp_path / "all.tar",
        {"text": "hi", "client_id": 7, "set": "train", "start": 0.25, "end": 0.75, "mark": [1]},
        {"text": "ho", "client_id": 8, "set": "dev", "start": None, "end": None},
        {"text": "ha", "client_id": 9.0, "set": "test"},
    )
    dataset = open_data(f"webdataset:{tmp_path / 'all.tar'}")
    (one,) = dataset.train
    assert (one.label, one.speaker, one.start_s, one.duration_s) == ("hi", "7", 0.25, 0.5)
    assert (dataset.valid[0].duration_s, dataset.test[0].speaker) == (None, "9")
    assert suggest_task(dataset.label_name).name == "asr"
    assert dataset.notices[0] == "all.tar: columns not used: mark."
    mapped = open_data(
        f"webdataset:{tmp_path / 'all.tar'}?text=set&split=no&start=no&stop=no&valid=.3"
    )
    assert {one.label for one in mapped.utterances} == {"train", "dev", "test"}


@pytest.mark.parametrize("value", ["NaN", "null"])
def test_a_missing_value_of_a_shard_is_not_a_class(tmp_path, value):
    shard(tmp_path / "all.tar", {"label": "a"}, {"label": json.loads(value)})
    with pytest.raises(DataError, match=r"all-1 has no label"):
        open_data(f"webdataset:{tmp_path}")


def saved(root: Path, **columns: list[object]) -> Path:
    """Write one split of recordings, as `save_to_disk` of datasets does."""
    arrow = pytest.importorskip("pyarrow")
    count = len(next(iter(columns.values())))
    sounds = [{"bytes": noise(number), "path": None} for number in range(count)]
    table = arrow.table({"audio": sounds, **columns})
    with arrow.ipc.new_stream(str(root / "data-0.arrow"), table.schema) as out:
        out.write_table(table)
    features = {"audio": {"_type": "Audio"}} | {name: {"_type": "Value"} for name in columns}
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    (root / "dataset_info.json").write_text(json.dumps({"features": features}))
    return root


def test_an_arrow_table_has_speakers_splits_and_parts(tmp_path):
    root = saved(
        tmp_path,
        Label=[1.0, 2.0, 3.5],
        client_id=["a", "b", "c"],
        partition=["train", "dev", "test"],
        start=[0.25, None, 0.5],
        end=[0.75, float("nan"), 0.75],
        age=[1, 2, 3],
    )
    dataset = open_data(f"hf:{root}")
    assert dataset.speaker_independent
    assert [one.label for one in dataset.utterances] == ["1", "2", "3.5"]
    parts = [(one.start_s, one.duration_s) for one in dataset.utterances]
    assert parts == [(0.25, 0.5), (0.0, None), (0.5, 0.25)]
    assert dataset.notices[0] == f"{root.name}: columns not used: age."


def test_a_missing_value_of_an_arrow_table_is_not_a_class(tmp_path):
    root = saved(tmp_path, label=["a", None, "b"], value=[1.5, float("nan"), 2.0])
    with pytest.raises(DataError, match=r"1 rows have no value: 1"):
        read_data(f"hf:{root}?label=value")
    with pytest.raises(DataError, match=r"1 rows have no label: 1"):
        read_data(f"hf:{root}")


def test_tags_of_an_arrow_table_may_be_joined_by_commas(tmp_path):
    root = saved(tmp_path, tags=["dog, rain", "rain", "dog"])
    assert [one.label for one in read_data(f"hf:{root}").test] == ["dog|rain", "rain", "dog"]


def test_joined_tags_of_any_column_are_noticed_by_the_task(tmp_path):
    sides = ["train", "train", "dev", "test"]
    root = saved(tmp_path, label=["dog,rain", "wind,rain", "wind", "dog"], split=sides)
    with pytest.raises(
        LabelError, match=r"'dog,rain' looks like several tags, since 'rain' .*or=,"
    ):
        Tagging.from_dataset(open_data(f"hf:{root}"))
    dataset = open_data(f"hf:{root}?separator=,")
    assert suggest_task(dataset.label_name).name == "tagging"
    assert Tagging.from_dataset(dataset).tags == ("dog", "rain", "wind")


# Unicode


def test_a_label_is_one_class_however_its_accents_are_written(tmp_path):
    names = [f"{kind}/{form}{i}.wav" for i in range(4) for kind in (COMPOSED, "thé")
             for form in "ab"]  # fmt: skip
    names += [f"{DECOMPOSED}/c{i}.wav" for i in range(4)]
    dataset = open_data(str(write(tmp_path, *names)))
    assert dataset.labels == (COMPOSED, unicodedata.normalize("NFC", "thé"))
    assert sum(one.label == COMPOSED for one in dataset.utterances) == 12
    decomposed = [one for one in dataset.utterances if DECOMPOSED in str(one.path)]
    assert len(decomposed) == 4  # a path is left as it is


def test_labels_and_speakers_are_composed_and_paths_are_not(tmp_path):
    one = Utterance.of(tmp_path / DECOMPOSED, tmp_path, DECOMPOSED, DECOMPOSED)
    assert (one.label, one.speaker) == (COMPOSED, COMPOSED)
    assert one.path.name == one.key == DECOMPOSED
    assert one == Utterance(DECOMPOSED, tmp_path / DECOMPOSED, COMPOSED, COMPOSED)


def test_a_column_is_found_and_mapped_in_either_form(tmp_path):
    names = ["0.wav", "1.wav", "2.wav"]
    text = f"path,{DECOMPOSED}\n" + "\n".join(f"{name},x" for name in names)
    root = write(tmp_path, *names, list_dot_csv=text)
    assert read_data(f"{root}/list.csv?label={COMPOSED}").test[0].label == "x"


def test_the_labels_of_a_saved_task_are_composed_too():
    saved_task = {"labels": [DECOMPOSED, "no"], "values": {DECOMPOSED: [DECOMPOSED]}, "rate": 50}
    assert composed_data(saved_task) == {
        "labels": [COMPOSED, "no"], "values": {COMPOSED: [COMPOSED]}, "rate": 50,
    }  # fmt: skip
