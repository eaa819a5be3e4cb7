"""Strings of words and lists of trials: exact, within a split, and fixed by the seed."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import Dataset, Utterance, load_wave, open_data
from ossicle.data.derive import connect, write_trials
from ossicle.errors import DataError
from ossicle.tasks import suggest_task

RATE = 16_000
LEVEL = {"0": 0.1, "7": 0.2, "stop": 0.4}  # a constant tone of that height for each word


@pytest.fixture
def words(tmp_path: Path) -> Dataset:
    sides: dict[str, list[Utterance]] = {"train": [], "valid": [], "test": []}
    for number, side in enumerate(sides):
        for speaker in ("ann", "ben"):
            for label, level in LEVEL.items():
                file = tmp_path / "words" / f"{side}-{speaker}-{label}.wav"
                file.parent.mkdir(exist_ok=True)
                hz = 100 + 50 * number
                wave = level * np.sign(np.sin(2 * np.pi * hz * np.arange(1600) / RATE))
                soundfile.write(file, wave, RATE)
                sides[side].append(Utterance.of(file, tmp_path, label, speaker))
    return Dataset("words", *map(tuple, sides.values()), False, given=True, note="")


def rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_transcript_and_times_are_those_of_the_sound(words: Dataset, tmp_path: Path) -> None:
    made = connect(words, tmp_path / "out", count=10, lengths=(2, 4), pauses=(0.05, 0.2))
    found = rows(made)
    assert [row["split"] for row in found] == ["train"] * 10 + ["valid"] * 2 + ["test"] * 2
    names = {"zero": "0", "seven": "7", "stop": "stop"}
    for row in found:
        spoken = row["transcript"].split()
        assert 2 <= len(spoken) <= 4
        wave = load_wave(tmp_path / "out" / row["path"], RATE)
        silent = np.ones(len(wave), dtype=bool)
        for word, event in zip(spoken, row["events"].split("|"), strict=True):
            times, _, kind = event.partition(":")
            onset, offset = (round(float(time) * RATE) for time in times.split("-"))
            assert kind == word
            assert offset - onset == pytest.approx(1600, abs=2)
            level = np.median(np.abs(wave[onset + 2 : offset - 2]))
            assert level == pytest.approx(LEVEL[names[word]], abs=1e-3)
            silent[max(0, onset - 2) : offset + 2] = False
        assert np.abs(wave[silent]).max() < 0.01
        assert 0.05 * RATE - 4 <= silent.sum() / (len(spoken) + 1) <= 0.2 * RATE


def test_the_seed_decides_and_a_string_is_of_one_side(words: Dataset, tmp_path: Path) -> None:
    texts = [
        [row["transcript"] for row in rows(connect(words, tmp_path / name, count=9, seed=seed))]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert texts[0] == texts[1] != texts[2]
    dataset = open_data(f"{tmp_path}/a/manifest.csv?label=transcript&speaker_independent=no")
    assert (suggest_task(dataset.label_name).name, len(dataset.train)) == ("asr", 9)
    test = load_wave(dataset.test[0].path, RATE)
    spectrum = np.abs(np.fft.rfft(test))
    assert np.fft.rfftfreq(len(test), 1 / RATE)[spectrum.argmax()] == pytest.approx(200, abs=5)


def test_unusable_settings_of_derived_data_are_reported(words: Dataset, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(DataError, match="full is not empty"):
        connect(words, tmp_path / "full", count=1)
    with pytest.raises(DataError, match="1 strings of 4 to 2 words"):
        connect(words, tmp_path / "new", count=1, lengths=(4, 2))
    nobody = Utterance("x", tmp_path / "x", "0")
    with pytest.raises(DataError, match="x has no speaker"):
        connect(
            Dataset("d", (nobody,), (nobody,), (nobody,), False, given=True, note=""),
            tmp_path / "new",
            count=1,
        )


def test_trials_are_half_of_one_speaker(words: Dataset, tmp_path: Path) -> None:
    # Two speakers with three recordings: 3 + 3 pairs of one, 9 of two.
    assert write_trials(words, tmp_path / "t.txt") == 12
    lines = [line.split() for line in (tmp_path / "t.txt").read_text().splitlines()]
    for same, one, other in lines:
        assert (one.split("-")[1] == other.split("-")[1]) == (same == "1")
    assert sum(same == "1" for same, *_ in lines) == 6
    assert write_trials(words, tmp_path / "t.txt", most=2) == 4
    alone = Dataset("d", words.train, words.valid, words.test[:3], False, given=True, note="")
    with pytest.raises(DataError, match="lack pairs of the same speaker, or of two"):
        write_trials(alone, tmp_path / "t.txt")
