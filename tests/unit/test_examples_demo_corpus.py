import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

PATH = Path(__file__).parents[2] / "examples/demo_corpus.py"


@pytest.fixture(scope="module")
def demo_corpus():
    spec = importlib.util.spec_from_file_location("demo_corpus", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(demo_corpus, tmp_path_factory):
    """Return the folder and the rows of a default corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    demo_corpus.write_corpus(folder)
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return folder, list(csv.DictReader(file))


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_one_seed_gives_the_same_bytes_and_two_seeds_differ(demo_corpus, tmp_path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        demo_corpus.write_corpus(tmp_path / name, speakers=3, takes=1, seed=seed)
    first, again, other = (contents(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    audio = [path for path in first if path.suffix == ".wav"]
    assert len(audio) == 18
    assert all(first[path] != other[path] for path in audio)


def test_more_speakers_and_takes_leave_a_recording_as_it_is(demo_corpus, tmp_path):
    demo_corpus.write_corpus(tmp_path / "small", speakers=3, takes=1)
    demo_corpus.write_corpus(tmp_path / "large", speakers=4, takes=2)
    small, large = contents(tmp_path / "small"), contents(tmp_path / "large")
    assert all(large[path] == small[path] for path in small if path.suffix == ".wav")


def test_no_two_recordings_are_equal(corpus):
    folder, rows = corpus
    assert len({(folder / row["file_name"]).read_bytes() for row in rows}) == len(rows) == 192


@pytest.mark.parametrize("speakers", [3, 5, 8, 13])
def test_splits_share_no_speaker_and_hold_every_label(demo_corpus, tmp_path, speakers):
    rows = demo_corpus.write_corpus(tmp_path, speakers=speakers, takes=1)
    split_of, labels_of = {}, {}
    for _, label, speaker, split in rows:
        split_of.setdefault(speaker, set()).add(split)
        labels_of.setdefault(split, set()).add(label)
    assert len(split_of) == speakers
    assert all(len(splits) == 1 for splits in split_of.values())
    assert labels_of == {split: set(demo_corpus.LABELS) for split in ("train", "valid", "test")}


def test_every_recording_is_readable_sound_of_the_length_it_should_have(corpus):
    folder, rows = corpus
    for row in rows:
        wave, sample_rate = soundfile.read(folder / row["file_name"])
        assert sample_rate == 16_000
        assert wave.ndim == 1
        assert 0.8 <= len(wave) / sample_rate <= 1.5
        assert np.sqrt(np.mean(wave**2)) > 0.005
        assert np.abs(wave).max() < 1
        assert Path(row["file_name"]).name.split("_")[:2] == [row["label"], row["speaker"]]


def test_the_table_names_each_file_once(corpus):
    folder, rows = corpus
    assert list(rows[0]) == ["file_name", "label", "speaker", "split"]
    assert sorted(row["file_name"] for row in rows) == sorted(
        path.relative_to(folder).as_posix() for path in (folder / "audio").iterdir()
    )


def test_two_speakers_are_too_few_for_three_splits(demo_corpus, tmp_path):
    with pytest.raises(ValueError, match="2 speakers: expected at least 3"):
        demo_corpus.write_corpus(tmp_path, speakers=2)
