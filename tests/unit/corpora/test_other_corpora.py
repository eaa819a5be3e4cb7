"""Readers of sounds, speakers and archives, on small trees in the released layouts."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile

from ossicle.data import load_utterance, open_data
from ossicle.errors import DataError, SplitError
from ossicle.tasks import suggest_task


def test_urbansound8k_keeps_sources_and_folds(tree):
    rows = [
        f"{fold}{n}-0.wav,{fold}{n},{fold},{name}"
        for fold in range(1, 11)
        for n, name in enumerate(("siren", "drilling"))
    ]
    table = "\n".join(["slice_file_name,fsID,fold,class", *rows])
    files = {f"audio/fold{row.split(',')[2]}/{row.split(',')[0]}": None for row in rows}
    root = tree({**files, "metadata/UrbanSound8K.csv": table})
    dataset = open_data(f"urbansound8k:{root}?test_fold=1")
    assert {one.key.split("/")[1] for one in dataset.test} == {"fold1"}
    assert {one.key.split("/")[1] for one in dataset.valid} == {"fold10"}
    assert len(dataset.train) == 16
    with pytest.raises(DataError, match="valid_fold and test_fold are both 3"):
        open_data(f"urbansound8k:{root}?test_fold=3&valid_fold=3")
    flattered = open_data(f"urbansound8k:{root}?test_fold=3&protocol=paper-d")
    assert flattered.valid == flattered.test
    assert {one.key.split("/")[1] for one in flattered.test} == {"fold3"}
    assert len(flattered.train) == 18
    assert "its metrics are optimistic" in flattered.note
    (root / "audio/fold1/10-0.wav").write_bytes((root / "audio/fold3/30-0.wav").read_bytes())
    with pytest.raises(SplitError, match=r"1 recordings are in two splits: .*10-0.wav \(train\)"):
        open_data(f"urbansound8k:{root}?test_fold=3&protocol=paper-d")
    with pytest.raises(DataError, match="protocol=paper-d has no validation fold"):
        open_data(f"urbansound8k:{root}?protocol=paper-d&valid_fold=3")
    tree({"metadata/UrbanSound8K.csv": table.replace("20-0.wav,20,", "20-0.wav,10,")})
    with pytest.raises(SplitError, match="clips of source 10 are in folds 1 and 2"):
        open_data(f"urbansound8k:{root}")


def audioset(tree, present):
    segments = "# a\n# b\n# c\n"
    files = {
        "class_labels_indices.csv": 'index,mid,display_name\n0,/m/1,Speech\n1,/t/2,"Rain, hard"\n',
        "balanced_train_segments.csv": segments
        + "".join(f'aaaaaaaaaa{x}, 0.000, 10.000, "/m/1,/t/2"\n' for x in "01b")
        + 'aaaaaaaaaa2, 30.000, 40.000, "/m/1"\n',
        "eval_segments.csv": segments + 'zzzzzzzzzz0, 1.000, 11.000, "/t/2"\n',
    }
    return tree(files | {f"audio/{name}": None for name in present})


def test_audioset_names_its_tags_and_looks_for_clips_anywhere(tree):
    names = ("train/Yaaaaaaaaaa0.wav", "train/aaaaaaaaaa1.flac", "x/aaaaaaaaaa2.wav")
    root = audioset(tree, (*names, "aaaaaaaaaab.wav", "eval/zzzzzzzzzz0.wav"))
    dataset = open_data(f"audioset:{root}")
    assert suggest_task(dataset.label_name).name == "tagging"
    assert {one.key: one.label for one in dataset.train} == {
        "audio/train/Yaaaaaaaaaa0.wav": "Speech|Rain, hard",
        "audio/train/aaaaaaaaaa1.flac": "Speech|Rain, hard",
        "audio/x/aaaaaaaaaa2.wav": "Speech",
    }
    assert [one.path.stem for one in dataset.valid] == ["aaaaaaaaaab"]  # by its hash
    assert [one.label for one in dataset.test] == ["Rain, hard"]


def test_missing_clips_of_audioset_are_refused_or_skipped(tree):
    root = audioset(tree, ("aaaaaaaaaa0.wav", "aaaaaaaaaab.wav", "zzzzzzzzzz0.wav"))
    with pytest.raises(
        DataError, match=r"2 of 4 .* missing \(aaaaaaaaaa1, aaaaaaaaaa2\).*missing="
    ):
        open_data(f"audioset:{root}")
    dataset = open_data(f"audioset:{root}?missing=leave-out")
    assert "2 of 4 recordings are missing (aaaaaaaaaa1, aaaaaaaaaa2) and were skipped" in "".join(
        dataset.notices
    )
    with pytest.raises(DataError, match="audio=sound is not a folder"):
        open_data(f"audioset:{root}?audio=sound")


# VoxCeleb1


def voxceleb(tree):
    files = {
        f"wav/id{speaker}/v/0000{n}.wav": None
        for speaker in (10001, 10002, 10011, 10012, 10015, 10270, 10271)
        for n in (1, 2)
    }
    split = "".join(
        f"{1 + n} {name.removeprefix('wav/')}\n" for n, name in enumerate(list(files)[:2])
    )
    split += f"3 {list(files)[2].removeprefix('wav/')}\n1 {list(files)[3].removeprefix('wav/')}\n"
    trials = (
        "1 id10270/v/00001.wav id10270/v/00002.wav\n0 id10270/v/00001.wav id10271/v/00001.wav\n"
    )
    return tree({**files, "iden_split.txt": split, "veri_test2.txt": trials})


def test_identification_has_the_official_split(tree):
    dataset = open_data(f"voxceleb1:{voxceleb(tree)}")
    assert [[one.key for one in part] for part in dataset.sides.values()] == [
        ["wav/id10001/v/00001.wav", "wav/id10002/v/00002.wav"],
        ["wav/id10001/v/00002.wav"],
        ["wav/id10002/v/00001.wav"],
    ]
    assert dataset.labels == ("id10001", "id10002")


def test_the_speakers_of_the_trials_do_not_train(tree):
    root = voxceleb(tree)
    dataset = open_data(f"voxceleb1:{root}?label=verification")
    assert suggest_task(dataset.label_name).name == "verification"
    assert [sorted({one.speaker for one in part}) for part in dataset.sides.values()] == [
        ["id10001", "id10002", "id10012"],
        ["id10011", "id10015"],  # whose hashes lie in the first tenth
        ["id10270", "id10271"],
    ]
    assert len(dataset.test) == 3  # those that a trial names
    assert dataset.trials["test"][1] == (
        "wav/id10270/v/00001.wav",
        "wav/id10271/v/00001.wav",
        False,
    )


def test_trials_that_cannot_be_run_say_why(tree):
    root = voxceleb(tree)
    with pytest.raises(DataError, match=r"list_test_hard2.txt does not exist"):
        open_data(f"voxceleb1:{root}?label=verification&trials=H")
    tree({"veri_test2.txt": "1 id10270/v/00001.wav id10270/v/00009.wav\n"})
    with pytest.raises(DataError, match=r"lists 1 recordings that do not exist: id10270/v/00009"):
        open_data(f"voxceleb1:{root}?label=verification")
    tree({"veri_test2.txt": "yes id10270/v/00001.wav id10270/v/00002.wav\n"})
    with pytest.raises(DataError, match=r"row 1 is 'yes .*'; expected 1 or 0 and two recordings"):
        open_data(f"voxceleb1:{root}?label=verification")
    everyone = "".join(
        f"1 id{s}/v/00001.wav id{s}/v/00002.wav\n" for s in (10001, 10002, 10011, 10012, 10015)
    )
    tree({"veri_test2.txt": everyone})
    with pytest.raises(SplitError, match=r"has trials of nearly all speakers .* VoxCeleb2"):
        open_data(f"voxceleb1:{root}?label=verification")


def test_a_manifest_may_have_trials_of_its_own(tree):
    rows = [
        f"{who}{n}.wav,{who},{who},{side}"
        for who, side in zip("abcdef", (*["train"] * 2, *["valid"] * 2, *["test"] * 2), strict=True)
        for n in (0, 1)
    ]
    files = {row.split(",")[0]: None for row in rows}
    table = "\n".join(["path,label,speaker,split", *rows])
    root = tree({**files, "list.csv": table, "t.txt": "1 e0.wav e1.wav\n0 e0.wav f0.wav\n"})
    dataset = open_data(f"manifest:{root}/list.csv?trials={root}/t.txt")
    assert suggest_task(dataset.label_name).name == "verification"
    assert dataset.trials["test"] == (("e0.wav", "e1.wav", True), ("e0.wav", "f0.wav", False))
    with pytest.raises(DataError, match=r"the list of trials '.*gone.txt' cannot be read"):
        open_data(f"manifest:{root}/list.csv?trials=gone.txt")


# Archives


def wav(seconds=0.1, seed=0):
    data = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, round(8000 * seconds))
    soundfile.write(data, noise, 8000, format="WAV")
    return data.getvalue()


def shard(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in samples.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_a_recording_is_read_from_within_its_shard(tmp_path):
    for number, side in enumerate(("train", "valid", "test")):
        samples = {}
        for n, label in enumerate(("no", "yes")):
            samples[f"a.b/{n}.wav"] = wav(0.1 + 0.01 * n, seed=10 * number + n)
            about = {"label": label, "speaker": side, "age": 3}
            samples[f"a.b/{n}.json"] = json.dumps(about).encode()
        shard(tmp_path / f"{side}-000000.tar", samples)
    dataset = open_data(f"webdataset:{tmp_path}")
    one = dataset.train[1]
    assert (one.key, one.label, one.speaker) == ("train-000000.tar/a.b/1", "yes", "train")
    expected = np.random.default_rng(1).uniform(-0.5, 0.5, 880)
    np.testing.assert_allclose(load_utterance(one, 8000), expected, atol=1e-4)
    assert open_data(f"webdataset:{tmp_path}?label=age").train[0].label == "3"


def test_labels_may_be_in_cls_files_and_splits_may_be_drawn(tmp_path):
    samples = {}
    for n in range(12):
        samples[f"{n}.wav"], samples[f"{n}.cls"] = wav(seed=n), str(n % 2).encode()
    shard(tmp_path / "all.tar", samples)
    dataset = open_data(f"webdataset:{tmp_path / 'all.tar'}?valid=0.2&test=0.2")
    assert [len(part) for part in dataset.sides.values()] == [8, 2, 2]
    assert dataset.labels == ("0", "1")


def test_shards_that_cannot_be_read_say_why(tmp_path):
    shard(tmp_path / "train.tar", {"0.wav": wav(), "1.wav": wav(), "1.json": b'{"label": "a"}'})
    with pytest.raises(DataError, match=r"train.tar: 1 recordings have no 'label': 0"):
        open_data(f"webdataset:{tmp_path}")
    shard(tmp_path / "train.tar", {"0.wav": wav(), "0.json": b"{"})
    with pytest.raises(DataError, match=r"train.tar, 0.json is not JSON"):
        open_data(f"webdataset:{tmp_path}")
    (tmp_path / "train.tar").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"train.tar cannot be read: .*uncompressed"):
        open_data(f"webdataset:{tmp_path}")


def test_the_same_sound_in_two_shards_is_a_leak(tmp_path):
    for side in ("train", "valid", "test"):
        samples = {}
        for n, label in enumerate((b"no", b"yes")):
            samples[f"{n}.wav"], samples[f"{n}.txt"] = wav(seed=n), label
        shard(tmp_path / f"{side}.tar", samples)
    with pytest.raises(SplitError, match="recordings are in two splits"):
        open_data(f"webdataset:{tmp_path}")


def saved(root, kind="binary", embed=True):
    """Write three splits as `save_to_disk` of datasets does."""
    arrow = pytest.importorskip("pyarrow")
    features = {"sound": {"_type": "Audio"}, "text": {"dtype": "string", "_type": "Value"}}
    for number, split in enumerate(("train", "validation", "test")):
        folder = root / split
        folder.mkdir(parents=True)
        sounds = [
            {"bytes": wav(0.1, seed=10 * number + n) if embed else None, "path": f"{n}.wav"}
            for n in (0, 1)
        ]
        sound = arrow.array(
            sounds, arrow.struct([("bytes", getattr(arrow, kind)()), ("path", arrow.string())])
        )
        table = arrow.table({"sound": sound, "text": ["no", "yes"]})
        with arrow.ipc.new_stream(str(folder / "data-0.arrow"), table.schema) as out:
            out.write_table(table, max_chunksize=1)  # several batches in a file
        (folder / "state.json").write_text(
            json.dumps({"_data_files": [{"filename": "data-0.arrow"}]})
        )
        (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return root


@pytest.mark.parametrize("kind", ["binary", "large_binary"])
def test_a_saved_dataset_is_read_from_within_its_files(tmp_path, kind):
    dataset = open_data(f"hf:{saved(tmp_path, kind)}?speaker_independent=no")
    assert (suggest_task(dataset.label_name).name, dataset.test[0].label) == (
        "asr",
        "no",
    )  # by the name of the column
    assert [[one.key for one in part] for part in dataset.sides.values()] == [
        ["train/0", "train/1"],
        ["validation/0", "validation/1"],
        ["test/0", "test/1"],
    ]
    expected = np.random.default_rng(21).uniform(-0.5, 0.5, 800)
    np.testing.assert_allclose(load_utterance(dataset.test[1], 8000), expected, atol=1e-4)


def test_a_saved_data_set_that_cannot_be_read_says_why(tmp_path):
    root = saved(tmp_path / "without", embed=False)
    with pytest.raises(DataError, match=r"2 of 2 recordings are missing \(row test/0: 0.wav"):
        open_data(f"hf:{root}?label=text")
    with pytest.raises(DataError, match=r"has no column 'txet'.*Did you mean 'text'"):
        open_data(f"hf:{root}?label=txet")
    (root / "test/data-0.arrow").write_bytes(b"not arrow at all")
    with pytest.raises(DataError, match=r"data-0.arrow is not an Arrow stream"):
        open_data(f"hf:{root}?label=text")
    (root / "test/data-0.arrow").unlink()
    with pytest.raises(DataError, match=r"has no data-0.arrow"):
        open_data(f"hf:{root}?label=text")


# Columns that suggest a task


@pytest.mark.parametrize(
    ("columns", "values", "task", "label"),
    [
        ("transcript", "no one", "asr", "no one"),
        ("tags", "dog|rain", "tagging", "dog|rain"),
        ("arousal,valence", "2,3.5", "regression", "valence=3.5,arousal=2"),
        ("events", "0-1:dog", "events", "0-1:dog"),
        ("action,object", "on,lamp", "intent", "action=on,object=lamp"),
        ("label,transcript", "x,no one", "classification", "x"),
    ],
)
def test_the_columns_suggest_the_task(tree, columns, values, task, label):
    rows = [f"{n}.wav,{values}" for n in range(8)]
    files = {f"{n}.wav": None for n in range(8)}
    root = tree({**files, "list.csv": "\n".join([f"path,{columns}", *rows])})
    dataset = open_data(f"manifest:{root}/list.csv")
    assert (suggest_task(dataset.label_name).name, dataset.train[0].label) == (task, label)


def test_columns_of_several_tasks_have_to_be_chosen_from(tree):
    root = tree({"0.wav": None, "list.csv": "path,transcript,events\n0.wav,no,-\n"})
    with pytest.raises(DataError, match=r"has transcript or events to predict\. Choose with"):
        open_data(f"manifest:{root}/list.csv")
