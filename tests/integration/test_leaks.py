"""Training audio is never evaluated on, whatever its file, format and part."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from ossicle.checksums import seal, unseal
from ossicle.errors import AdapterFileError, SplitError
from ossicle.training.config import TrainConfig
from ossicle.training.folder import SPLIT
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import write_corpus, write_metadata

Configure = Callable[..., TrainConfig]


def test_a_run_refuses_a_training_recording_as_flac_in_its_test(
    settings: Configure, tmp_path: Path
) -> None:
    rows = write_corpus(tmp_path / "data")
    wave, rate = soundfile.read(tmp_path / "data" / rows[0][0], dtype="int16")
    soundfile.write(tmp_path / "data" / "copy.flac", wave, rate)
    write_metadata(tmp_path / "data", [*rows, ("copy.flac", rows[0][1], "cleo", "test")])
    with pytest.raises(SplitError, match=rf"{rows[0][0]} \(train\) and copy\.flac \(test\)"):
        train(settings(data=f"audiofolder:{tmp_path / 'data'}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def write_table(folder: Path, *rows: tuple[object, ...]) -> str:
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "start_s", "duration_s"), *rows])
    return str(folder / "table.csv")


@pytest.fixture(scope="module")
def run_on_parts(
    tmp_path_factory: pytest.TempPathFactory, settings: Configure
) -> tuple[Path, Path, list[str]]:
    """A run on the first 200 ms of each recording, and their folder."""
    folder = tmp_path_factory.mktemp("parts")
    rows = write_corpus(folder / "data")
    with (folder / "data" / "train.csv").open("w", newline="") as file:
        header = ("path", "label", "speaker", "split", "start_s", "duration_s")
        csv.writer(file).writerows([header, *((*row, 0.0, 0.2) for row in rows)])
    data = str(folder / "data" / "train.csv")
    train(settings(data=data, epochs=1), folder / "run")
    trained_on = [name for name, _, _, side in rows if side != "test"]
    return folder / "run", folder / "data", trained_on


PARTS = {
    "the same part": (0.0, 0.2),
    "a millisecond later": (0.001, 0.2),
    "the whole": ("", ""),
    "a part that overlaps": (0.15, 0.1),
}


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("kind", PARTS)
def test_recordings_that_overlap_training_are_not_evaluated_on(
    run_on_parts: tuple[Path, Path, list[str]], tmp_path: Path, kind: str, suffix: str
) -> None:
    run, data, trained_on = run_on_parts
    wave, rate = soundfile.read(data / trained_on[0], dtype="int16")
    soundfile.write(tmp_path / f"other.{suffix}", wave, rate)
    table = write_table(tmp_path, (f"other.{suffix}", "high", *PARTS[kind]))
    with pytest.raises(SplitError, match=r"1 of the 1 recordings .* trained this adapter"):
        Trained.open(run, device="cpu").evaluate(table)


def test_the_rest_of_a_recording_is_evaluated_on(
    run_on_parts: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    run, data, trained_on = run_on_parts
    shutil.copy(data / trained_on[0], tmp_path / "other.wav")
    table = write_table(tmp_path, ("other.wav", "high", 0.2, 0.1))
    assert Trained.open(run, device="cpu").evaluate(table)["count"] == 1


def test_a_split_that_is_not_one_is_refused(
    run_on_parts: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    run, data, trained_on = run_on_parts
    shutil.copytree(run, tmp_path / "run")
    split = unseal(json.loads((run / SPLIT).read_text()))
    split["train"] = dict.fromkeys(split["train"], "what is this")
    (tmp_path / "run" / SPLIT).write_text(json.dumps(seal(split)))
    shutil.copy(data / trained_on[0], tmp_path / "other.wav")
    table = write_table(tmp_path, ("other.wav", "high", 0.2, 0.1))
    with pytest.raises(AdapterFileError, match="'what is this' is not the hash of a recording"):
        Trained.open(tmp_path / "run", device="cpu").evaluate(table)
