"""Folders of recordings are predicted, and predictions are written as a table."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile


@pytest.fixture
def folder(corpus: Path, tmp_path: Path) -> Path:
    """Write two recordings in two folders, next to a text and a hidden file."""
    (tmp_path / "in" / "b").mkdir(parents=True)
    shutil.copy(corpus / "cleo-high-0.wav", tmp_path / "in" / "b" / "x.wav")
    shutil.copy(corpus / "cleo-low-0.wav", tmp_path / "in" / "a.WAV")
    shutil.copy(corpus / "cleo-low-0.wav", tmp_path / "in" / ".hidden.wav")
    (tmp_path / "in" / "notes.txt").write_text("mine")
    return tmp_path / "in"


def test_a_folder_gives_its_recordings(
    ossicle: Callable[..., Any], run: Path, folder: Path, tmp_path: Path
) -> None:
    files = [folder / "a.WAV", folder / "b" / "x.wav"]
    named = [
        json.loads(line) for line in ossicle("predict", run, *files, "--json").out.splitlines()
    ]
    done = ossicle("predict", run, folder, "--json")
    assert [json.loads(line) for line in done.out.splitlines()] == named
    assert done.err == f"{folder}: 1 files that are not recordings are skipped.\n"

    done = ossicle("predict", run, folder, f"--out={tmp_path / 'out.jsonl'}")
    assert (done.status, done.out) == (0, "")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == named

    gone = tmp_path / "gone.wav"
    done = ossicle("predict", run, folder, gone, f"--out={tmp_path / 'out.csv'}")
    assert done.status == 1
    assert "1 of 3 files could not be read." in done.err
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*map(str, files), str(gone)]
    assert [row["label"] for row in rows] == [*(one["label"] for one in named), ""]
    assert float(rows[0]["prob:high"]) == named[0]["probs"]["high"]
    assert "does not exist" in rows[2]["error"]


def test_an_output_that_cannot_be_written_is_refused_first(
    ossicle: Callable[..., Any], run: Path, folder: Path, tmp_path: Path
) -> None:
    done = ossicle("predict", run, folder, f"--out={tmp_path / 'out.txt'}")
    assert (done.status, done.out) == (2, "")
    assert "expected a name that ends in .csv or .jsonl" in done.err
    done = ossicle("predict", run, folder, f"--out={tmp_path / 'none' / 'out.csv'}")
    assert done.status == 2
    assert "cannot be written: there is no folder" in done.err
    (tmp_path / "empty").mkdir()
    done = ossicle("predict", run, tmp_path / "empty")
    assert done.status == 2
    assert "contains no recordings" in done.err


def test_a_table_gives_its_rows_and_their_parts(
    ossicle: Callable[..., Any], run: Path, folder: Path, tmp_path: Path
) -> None:
    sound, rate = soundfile.read(folder / "a.WAV", dtype="float32")
    soundfile.write(tmp_path / "part.wav", sound[rate // 10 : rate // 4], rate, subtype="FLOAT")
    soundfile.write(folder / "whole.wav", sound, rate, subtype="FLOAT")
    (folder / "list.csv").write_text(
        "file_name,start_s,end_s\nwhole.wav,0.1,0.25\nb/x.wav,,\ngone.wav,,\n"
    )
    files = [tmp_path / "part.wav", folder / "b" / "x.wav"]
    done = ossicle("predict", run, *files, "--json")
    part, whole = [json.loads(line) for line in done.out.splitlines()]
    done = ossicle("predict", run, folder / "list.csv", "--json")
    assert done.status == 1
    found = [json.loads(line) for line in done.out.splitlines()]
    assert found[0]["start_s"] == 0.1
    assert found[0]["duration_s"] == pytest.approx(0.15)
    assert found[0]["probs"]["high"] == pytest.approx(part["probs"]["high"], abs=1e-4)
    assert found[1] == whole
    assert "does not exist" in found[2]["error"]
    text = ossicle("predict", run, folder / "list.csv").out
    assert text.startswith(f"{folder / 'whole.wav'}#0.1-0.25\t")
