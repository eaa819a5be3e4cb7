"""Releases with parts missing: folds, validation lists, recordings, and folders around them."""

from pathlib import Path

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError, SplitError

TWI = Path(__file__).parents[3] / ".." / "shared" / "data" / "commonvoice-tw"


def urbansound(tree, folds, listed=range(1, 11)):
    rows = [
        f"{fold}-{number}.wav,{100 * fold + number},{fold},{name}"
        for fold in listed
        for number, name in enumerate(("siren", "drilling"))
    ]
    files = {f"audio/fold{fold}/{fold}-{number}.wav": None for fold in folds for number in (0, 1)}
    table = "\n".join(["slice_file_name,fsID,fold,class", *rows])
    return tree({**files, "metadata/UrbanSound8K.csv": table})


def test_folds_that_are_missing_from_the_table_are_named_in_the_note(tree):
    dataset = open_data(f"urbansound8k:{urbansound(tree, (1, 2, 3, 10), (1, 2, 3, 10))}")
    lacks = "Incomplete release: folds 4, 5, 6, 7, 8, 9 of 10 are missing; 8 of 8,732 recordings"
    assert dataset.note == (
        "Official folds: 10 is test and 3 is valid; folds do not share sources. "
        + lacks
        + " found."
    )
    assert lacks + " found. Metrics are not comparable with published ones." in dataset.notices


def test_folds_with_missing_recordings_are_refused_by_folder_or_skipped(tree):
    root = urbansound(tree, (1, 2, 3, 10))
    with pytest.raises(DataError, match=r"12 of 20 .*audio/fold4/, .*audio/fold9/\)\. Add them"):
        open_data(f"urbansound8k:{root}")
    dataset = open_data(f"urbansound8k:{root}?missing=leave-out")
    assert {one.key.split("/")[1] for one in dataset.valid} == {"fold3"}  # the last one there
    assert "folds 4, 5, 6, 7, 8, 9 of 10 are missing" in dataset.note


def test_the_table_that_is_missing_is_named_without_advice_on_the_path(tree):
    root = tree({"audio/1.ogg": None})
    with pytest.raises(
        DataError, match=r"meta/esc50.csv does not exist\. Copy it from the release"
    ):
        open_data(f"esc50:{root}")


def test_a_small_language_of_common_voice_trains_on_what_it_has():
    if not TWI.is_dir():
        pytest.skip("needs the recordings of ../shared/data")
    dataset = open_data(f"commonvoice:{TWI}")
    # 205 rows of train.tsv by one speaker, of which a tenth is drawn; 20 of test.tsv by eight.
    assert [len(part) for part in dataset.sides.values()] == [185, 20, 20]
    assert len({one.speaker for one in dataset.test}) == 8
    assert "no validation split: 20 training recordings, drawn by recording" in dataset.note
    assert any("a single speaker, who is in both" in notice for notice in dataset.notices)
    assert not dataset.speaker_independent
    assert "no speaker in two splits" not in dataset.note


def commonvoice(tree, speakers, test_speaker="t", dev=None):
    head = "client_id\tpath\tsentence"
    files = {"train.tsv": head, "test.tsv": head}
    for number, speaker in enumerate((*speakers, test_speaker)):
        table = "test.tsv" if number == len(speakers) else "train.tsv"
        files[table] += f"\n{speaker}\t{number}.wav\tText {number}."
        files[f"clips/{number}.wav"] = None
    return tree(files if dev is None else {**files, "dev.tsv": dev})


@pytest.mark.parametrize("dev", [None, "client_id\tpath\tsentence", "client_id\tpath\tsentence\n"])
def test_validation_is_drawn_by_speaker_where_training_has_several(tree, dev):
    dataset = open_data(f"commonvoice:{commonvoice(tree, 'aaaabbbbcccc', dev=dev)}")
    assert dataset.speaker_independent
    assert [len(part) for part in dataset.sides.values()] == [8, 4, 1]
    assert "no validation split: 4 training recordings, drawn by speaker" in dataset.note


def test_a_lone_training_speaker_must_not_be_tested(tree):
    with pytest.raises(SplitError, match="speaker a is in train and in test"):
        open_data(f"commonvoice:{commonvoice(tree, 'aaaa', test_speaker='a')}")


def test_an_empty_test_says_what_else_to_do(tree):
    root = commonvoice(tree, "ab")
    (root / "test.tsv").write_text("client_id\tpath\tsentence\n")
    with pytest.raises(DataError, match=r"test.tsv is empty.*in a manifest"):
        open_data(f"commonvoice:{root}")


def example(tree, name, *without, more=None):
    files = {**CORPORA[name].example.files, **(more or {})}
    return tree({name: text for name, text in files.items() if not name.startswith(without)})


def test_fluent_speech_commands_without_validation_draws_it(tree):
    root = example(tree, "fsc", "data/valid")
    assert len(open_data(f"fsc:{root}").valid) == 1  # of two recordings of one speaker
    head = CORPORA["fsc"].example.files["data/valid_data.csv"].partition("\n")[0]
    (root / "data/valid_data.csv").write_text(head + "\n")
    assert "no validation split" in open_data(f"fsc:{root}").note


def test_librispeech_without_dev_clean_draws_validation_unless_it_was_asked_for(tree):
    more = {f"train-clean-100/{s}/7/{s}-7.trans.txt": f"{s}-7-0000 ON\n" for s in (7, 8, 9)}
    more |= {f"train-clean-100/{s}/7/{s}-7-0000.flac": None for s in (7, 8, 9)}
    root = example(tree, "librispeech", "dev-clean", more=more)
    dataset = open_data(f"librispeech:{root}")
    assert [len(part) for part in dataset.sides.values()] == [4, 1, 2]
    assert "dev-clean is missing" in dataset.note
    assert "drawn by speaker" in dataset.note
    with pytest.raises(DataError, match="valid=dev-clean is not available"):
        open_data(f"librispeech:{root}?valid=dev-clean")


def test_speech_commands_without_a_validation_list_keeps_speakers_apart(tree):
    more = {f"{word}/{s}_nohash_0.wav": None for word in ("cat", "yes") for s in ("dd", "ee")}
    root = example(tree, "speechcommands", "validation_list", more=more)
    dataset = open_data(f"speechcommands:{root}")
    speakers = [{one.speaker for one in part} for part in dataset.sides.values()]
    assert speakers[2] == {"cc"}
    assert len(speakers[1]) == 1
    assert "validation_list.txt is empty, so a tenth of training, by speaker" in dataset.note


def test_an_empty_validation_folder_is_filled_from_training(tree):
    folders = [f"{side}/{kind}" for side in ("train", "test") for kind in "ab"]
    root = tree({f"{folder}/{n}.wav": None for folder in folders for n in range(9)})
    (root / "valid" / "a").mkdir(parents=True)
    dataset = open_data(f"audiofolder:{root}")
    assert dataset.valid
    assert all(one.key.startswith("train/") for one in dataset.valid)
    assert "valid drawn" in dataset.note


def test_manifest_rows_with_missing_files_are_skipped_on_request(tree):
    rows = [
        f"{n}.wav,{'ab'[n % 2]},{side}" for n, side in enumerate(["train", "valid", "test"] * 4)
    ]
    files = {row.partition(",")[0]: None for row in rows[1:]}
    root = tree({**files, "list.csv": "\n".join(["path,label,split", *rows])})
    with pytest.raises(DataError, match=r"1 of 12 recordings are missing \(row 2: 0.wav\)\. Add"):
        open_data(f"manifest:{root}/list.csv")
    dataset = open_data(f"manifest:{root}/list.csv?missing=leave-out")
    assert [len(part) for part in dataset.sides.values()] == [3, 4, 4]
    assert any("1 of 12" in notice and "skipped" in notice for notice in dataset.notices)
    for file in root.glob("*.wav"):
        file.unlink()
    with pytest.raises(DataError, match=r"none of its 12 files exists .*Correct them"):
        open_data(f"manifest:{root}/list.csv?missing=leave-out")


def test_missing_files_of_a_metadata_table_are_skipped_on_request(tree):
    rows = [f"{n}.wav,{'ab'[n % 2]}" for n in range(12)]
    files = {row.partition(",")[0]: None for row in rows[2:]}
    root = tree({**files, "metadata.csv": "\n".join(["file_name,label", *rows])})
    dataset = open_data(f"audiofolder:{root}?missing=leave-out")
    assert len(dataset.utterances) == 10
    assert any("2 of 12 recordings are missing" in notice for notice in dataset.notices)


def test_several_places_below_are_all_named(tree):
    root = tree(
        {f"cv/{lang}/{side}.tsv": "x" for lang in ("de", "tw") for side in ("train", "test")}
    )
    with pytest.raises(DataError, match=r"Give one of commonvoice:.*/cv/de, commonvoice:.*/cv/tw"):
        open_data(f"commonvoice:{root}")


def test_the_outermost_place_is_the_one_named(tree):
    root = tree({f"fsdd/recordings/{n}_ann_0.wav": None for n in (1, 2)})
    with pytest.raises(DataError, match=r"Give fsdd:[^,]*/fsdd$"):
        open_data(f"fsdd:{root}")
