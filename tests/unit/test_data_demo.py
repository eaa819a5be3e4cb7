"""The shipped demo corpus: splits, columns, and independence of its splits."""

import ast
import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import load_wave, open_data, read_data
from ossicle.data.corpora.demo import CORPUS
from ossicle.errors import DataError

ROOT = Path(__file__).parents[2]
COMMANDS = {"stop", "start", "left", "right", "louder", "softer", "open", "close"}
MANNERS = {"calm", "excited", "tired", "asking"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (CORPUS.home / "metadata.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_needs_no_path():
    dataset = open_data("demo")
    assert set(dataset.labels) == COMMANDS
    assert [len(part) for part in dataset.sides.values()] == [12 * 32, 4 * 32, 4 * 32]
    voices = [{one.speaker for one in part} for part in dataset.sides.values()]
    assert [len(side) for side in voices] == [12, 4, 4]
    assert len(set.union(*voices)) == 20
    assert dataset.speaker_independent
    assert [len(part) for part in read_data("demo").sides.values()] == [384, 128, 128]


@pytest.mark.parametrize(("label", "labels"), [("command", COMMANDS), ("manner", MANNERS)])
def test_every_label_is_equally_frequent_in_every_split(label, labels):
    for part in open_data(f"demo?label={label}").sides.values():
        counts = Counter(one.label for one in part)
        assert set(counts) == labels
        assert len(set(counts.values())) == 1


def test_voices_are_tested_on_commands_not_in_training():
    dataset = open_data("demo?label=voice")
    words = [{one.path.name.split("-")[0] for one in part} for part in dataset.sides.values()]
    assert words == [COMMANDS - {"left", "open", "close"}, {"left"}, {"open", "close"}]
    assert all(len({one.label for one in part}) == 20 for part in dataset.sides.values())


def test_a_folder_of_that_name_does_not_hide_it(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(open_data("demo").utterances) == 640
    with pytest.raises(DataError, match="demo"):
        open_data("./demo")


def test_an_unknown_label_is_an_error_that_lists_the_labels():
    with pytest.raises(DataError, match=r"label=emotion is not available.* command, manner, voice"):
        open_data("demo?label=emotion")


def test_it_is_small_and_every_row_has_its_file(rows):
    files = [file for file in CORPUS.home.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 5_000_000
    assert {CORPUS.home / row["file_name"] for row in rows} == set(CORPUS.home.rglob("*.ogg"))
    commands = [row for row in rows if row["command"]]
    assert len(commands) == 640
    assert {row["file_name"] for row in commands} == {
        f"audio/{row['command']}-{row['voice']}-{row['manner']}.ogg" for row in commands
    }
    assert all(row["transcript"] == row["command"] for row in commands)


def test_every_voice_says_eight_sentences_with_a_command_in_each(rows):
    sentences = [row for row in rows if not row["command"]]
    assert set(Counter(row["voice"] for row in sentences).values()) == {8}
    assert set(Counter((row["voice"], row["manner"]) for row in sentences).values()) == {2}
    for row in sentences:
        words = row["transcript"].split()
        assert len(words) >= 3
        assert COMMANDS & set(words)
    for side in ("train", "valid", "test"):
        assert len({row["transcript"] for row in sentences if row["split"] == side}) > 20


def test_a_recording_is_a_short_wave_at_16_khz(rows):
    for row in rows[::4]:
        info = soundfile.info(CORPUS.home / row["file_name"])
        assert (info.samplerate, info.channels) == (16000, 1)
        assert 0.2 < info.duration < 4  # an excited "right" is the shortest
        wave = load_wave(CORPUS.home / row["file_name"], 16000)
        assert 0.01 < np.abs(wave).max() < 1


def test_phones_have_rising_starts_within_the_recording(rows):
    for row in rows:
        phones, starts = row["phones"].split(), [float(s) for s in row["starts_s"].split()]
        assert len(phones) == len(starts) >= 3
        assert starts == sorted(starts)
        assert starts[0] >= 0
        assert starts[-1] < 4


def test_manners_move_pitch_rate_and_level_the_way_they_say(rows):
    mean = {
        (manner, column): np.mean([float(r[column]) for r in rows if r["manner"] == manner])
        for manner in MANNERS
        for column in ("pitch_hz", "rate_wpm", "energy_db")
    }
    for column in ("pitch_hz", "rate_wpm", "energy_db"):
        assert mean["excited", column] > mean["calm", column] > mean["tired", column]


def constant(file: str, name: str) -> set[str]:
    """Return the words in a constant of a script, without executing it."""
    tree = ast.parse((ROOT / "pretraining" / file).read_text(encoding="utf-8"))
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == name:
            texts = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
            return {word for text in texts for word in str(text).split()}
    raise AssertionError(f"{file} has no {name}")


def test_the_pretraining_says_none_of_its_words_and_has_none_of_its_voices(rows):
    assert constant("voices.py", "DEMO_COMMANDS") == COMMANDS
    assert not COMMANDS & constant("words.py", "ENGLISH")
    voices = {row["voice"] for row in rows}
    assert voices == {name.lower() for name in constant("voices.py", "DEMO_VARIANTS")}
    speech = (ROOT / "pretraining/speech.py").read_text(encoding="utf-8")
    assert "- set(DEMO_VARIANTS)" in speech
