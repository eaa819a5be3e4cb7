"""Recordings that are Python objects: what is read from them, and their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ossicle.data import Dataset, in_memory, load_utterance, open_data, read_data, scan
from ossicle.data.held import _HELD
from ossicle.data.objects import utterances_in
from ossicle.errors import AudioError, DataError, ManifestError, SplitError

RATE = 8_000


def tone(number: int, size: int = RATE) -> np.ndarray:
    """Return a tone that belongs to a number, as float32."""
    hz = 200 + 37 * number
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(size) / RATE)).astype(np.float32)


def rows(count: int = 12) -> list[dict[str, Any]]:
    """Return rows of two labels and three speakers."""
    return [
        {
            "audio": tone(number),
            "sampling_rate": RATE,
            "label": "even" if number % 2 == 0 else "odd",
            "speaker": f"s{number // 4}",
        }
        for number in range(count)
    ]


def described(dataset: Dataset) -> set[tuple[str, str, str | None]]:
    return {(one.key, one.label, one.speaker) for one in dataset.utterances}


def test_rows_of_arrays_are_read_with_label_and_speaker_and_split_by_speaker():
    dataset = open_data(rows())
    expected = {(str(n), "odd" if n % 2 else "even", f"s{n // 4}") for n in range(12)}
    assert described(dataset) == expected
    assert [len(part) for part in dataset.sides.values()] == [4, 4, 4]
    one = dataset.utterances[3]
    np.testing.assert_array_equal(load_utterance(one, RATE), tone(int(one.key)))


def test_columns_and_arrays_with_labels_are_the_same_as_rows():
    by_column = {name: [row[name] for row in rows()] for name in rows()[0]}
    waves = by_column.pop("audio")
    one_rate = {**by_column, "sampling_rate": RATE}
    names = {
        in_memory(rows()),
        in_memory({"audio": waves, **one_rate}),
        in_memory(waves, **one_rate),
    }
    assert len(names) == 1
    assert described(open_data(in_memory(waves, **one_rate))) == described(open_data(rows()))


def test_the_name_depends_on_every_value_and_sample():
    changed: list[Any] = [rows() for _ in range(4)]
    changed[0][5]["audio"][-1] += 1e-6
    changed[1][5]["label"] = "other"
    changed[2][5]["sampling_rate"] = 16_000
    changed[3] = {"train": rows()}
    assert len({in_memory(one) for one in [rows(), rows(), *changed]}) == 5


def test_options_choose_columns_and_fractions_as_in_any_data_string():
    table = [{**row, "mood": f"m{n % 3}", "text": "x"} for n, row in enumerate(rows(30))]
    dataset = open_data(in_memory(table) + "?label=mood&speaker=no&valid=0.3&test=0.1")
    assert dataset.labels == ("m0", "m1", "m2")
    assert all(one.speaker is None for one in dataset.utterances)
    assert [len(part) for part in dataset.sides.values()] == [18, 9, 3]
    assert any("not used: label, speaker, text" in notice for notice in dataset.notices)


def test_splits_by_name_are_kept_and_a_recording_in_two_is_refused():
    sides = {"train": rows()[:6], "validation": rows()[6:9], "test": rows()[9:]}
    sides = {name: [{**row, "speaker": None} for row in part] for name, part in sides.items()}
    dataset = open_data(sides)
    assert [len(part) for part in dataset.sides.values()] == [6, 3, 3]
    assert {one.key.partition("/")[0] for one in dataset.valid} == {"valid"}
    twice = {**sides, "test": sides["train"][:2]}
    with pytest.raises(SplitError, match=r"train/0 \(train\) and test/0 \(test\)"):
        open_data(twice)


def test_integers_bytes_and_paths_give_the_samples_of_their_files(tmp_path: Path):
    whole = (tone(1) * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "one.flac", whole, RATE)
    content = (tmp_path / "one.flac").read_bytes()
    given = [
        {"audio": {"array": whole, "sampling_rate": RATE}},
        {"audio": {"bytes": content, "path": "elsewhere.flac"}},
        {"audio": {"bytes": None, "path": str(tmp_path / "one.flac")}},
        {"audio": tmp_path / "one.flac"},
    ]
    for audio in given:
        (one,) = read_data([{**audio, "label": "x"}]).test
        np.testing.assert_array_equal(load_utterance(one, RATE), whole / np.float32(2**15))
        (scanned,) = scan([one], RATE, 1)
        assert scanned.num_samples == RATE
        (bare,) = utterances_in([audio])
        np.testing.assert_array_equal(load_utterance(bare, RATE), whole / np.float32(2**15))


REFUSED: dict[str, tuple[Any, str]] = {
    "numbers": ([1, 2], "a list of int has no labels"),
    "bare arrays": ([tone(1)], r"no labels. Give in_memory\(WAVES"),
    "lengths": ({"audio": [tone(1)], "label": ["a", "b"]}, "the columns have 1, 2 values"),
    "no rate": ({"audio": [tone(1)], "label": ["a"]}, "sample rate of its array is None"),
    "channels": (
        {"audio": [np.zeros((2, 9))], "label": ["a"], "sampling_rate": RATE},
        r"of shape \(2, 9\); expected samples of one channel",
    ),
    "no audio": ([{"sound": "a.wav", "label": "a"}], "no column has recordings. The data have: so"),
    "two audios": ([{"a": b"x", "b": b"y", "label": "c"}], "a, b can have the recordings"),
    "empty": ({"audio": [], "label": []}, "has no rows"),
    "hole": (
        [{"audio": tone(1), "sampling_rate": RATE, "label": "a"}, {"label": "b"}],
        "row 1 has no audio",
    ),
    "missing file": ([{"audio": "nowhere.wav", "label": "a"}], "1 of 1 recordings are missing"),
    "splits": ({"eval": rows(), "train": rows()}, "expected train, valid .* leave out eval"),
    "list of tags": ([{**rows()[0], "label": ["a", "b"]}], "Write tags as dog|rain"),
    "number": (5, "data is a int; expected a data string"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_labelled_recordings_is_refused_with_what_to_do(name: str):
    data, message = REFUSED[name]
    with pytest.raises((DataError, ManifestError), match=message):
        open_data(data)


def test_silence_and_damage_are_reported_by_row():
    data = [{"audio": np.zeros(900), "sampling_rate": RATE, "label": "a"}, {**rows()[0]}]
    with pytest.raises(AudioError, match=r"memory:\w+/0 is silent"):
        scan(read_data(data).test, RATE, 1)
    with pytest.raises(AudioError, match=r"memory:\w+/0 cannot be decoded"):
        scan(read_data([{"audio": b"no sound", "label": "a"}]).test, RATE, 1)


def test_another_process_is_told_to_pass_the_object():
    name = in_memory(rows())
    held = _HELD.pop(name)
    with pytest.raises(DataError, match="was an object in Python, and this process does not have"):
        open_data(name)
    _HELD[name] = held


@pytest.mark.thorough
def test_data_sets_of_hugging_face_are_read_without_their_decoder(tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    for number, row in enumerate(rows()):
        soundfile.write(tmp_path / f"{number}.wav", row["audio"], RATE, subtype="FLOAT")
    audio = datasets.Audio(sampling_rate=16_000)  # would need torchcodec to decode
    labels = datasets.ClassLabel(names=["even", "odd"])
    numbers = [number % 2 for number in range(12)]
    other = {"label": numbers, "speaker": [row["speaker"] for row in rows()]}
    paths = [str(tmp_path / f"{number}.wav") for number in range(12)]
    inside = [{"bytes": Path(path).read_bytes(), "path": "x.wav"} for path in paths]
    for sounds in (paths, inside):
        table = datasets.Dataset.from_dict({"audio": sounds, **other})
        table = table.cast_column("audio", audio).cast_column("label", labels)
        for made in (table, table.with_format("numpy")):
            dataset = open_data(made)
            assert described(dataset) == described(open_data(rows()))
            for one in dataset.utterances:
                np.testing.assert_array_equal(load_utterance(one, RATE), tone(int(one.key)))
    split = datasets.DatasetDict(
        {"train": table.select(range(8)), "test": table.select(range(8, 12))}
    )
    dataset = open_data(in_memory(split) + "?speaker=no")
    assert (len(dataset.test), {one.label for one in dataset.test}) == (4, {"even", "odd"})
    with pytest.raises(DataError, match="is read once from its start; make a Dataset of it"):
        open_data(table.to_iterable_dataset())
    with pytest.raises(DataError, match="has a transform"):
        open_data(table.with_transform(lambda batch: batch))
    unlabelled = datasets.Dataset.from_dict({"audio": paths, **other, "label": [-1] * 12})
    unlabelled = unlabelled.cast_column("audio", audio).cast_column("label", labels)
    with pytest.raises(ManifestError, match="row 0 has no label"):
        open_data(unlabelled)


@pytest.mark.thorough
def test_frames_of_pandas_are_read_as_rows():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows())
    assert in_memory(frame) == in_memory(rows())
    frame["label"] = frame["label"].astype("category")
    frame["score"] = np.float32(1.5)
    dataset = open_data(frame)
    assert described(dataset) == described(open_data(rows()))
    assert read_data(in_memory(frame) + "?label=score").test[0].label == "1.5"
    frame.loc[2, "label"] = None
    with pytest.raises(ManifestError, match="row 2 has no label"):
        open_data(frame)
