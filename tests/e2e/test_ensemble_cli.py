"""Ensembles from the command line: made, trained, used as runs are, refused with one message."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ossicle.training.config import TrainConfig
from ossicle.training.run import train

Command = Callable[..., Any]


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, backbone: str, corpus: Path) -> Path:
    """Folder of a finished run of another recipe."""
    folder = tmp_path_factory.mktemp("runs") / "other"
    config = TrainConfig(
        backbone=backbone, recipe="bias", data=str(corpus), epochs=1, batch_size=4, device="cpu"
    )
    train(config, folder)
    return folder


@pytest.fixture
def both(ossicle: Command, run: Path, other: Path, tmp_path: Path) -> Path:
    """An ensemble folder that the command has written."""
    done = ossicle("ensemble", run, other, "--vote=majority", "--out", tmp_path / "both")
    assert done.status == 0, done.err
    assert "vote: majority" in done.out
    assert done.out.endswith(f"ensemble: {tmp_path / 'both'}\n")
    return tmp_path / "both"


def test_an_ensemble_is_used_as_a_run_is(
    ossicle: Command, both: Path, corpus: Path, tmp_path: Path
) -> None:
    found = json.loads(ossicle("evaluate", both, f"--data={corpus}", "--json").out)
    assert found["count"] == 6
    shown = json.loads(ossicle("inspect", both, "--json").out)
    assert [one["name"] for one in shown["members"]] == ["run", "other"]
    assert shown["valid"]["members"].keys() == shown["facts"].keys() == {"run", "other"}
    assert "vote: majority" in ossicle("inspect", both).out
    files = [corpus / "cleo-high-0.wav", corpus / "cleo-low-0.wav"]
    lines = ossicle("predict", both, *files, "--abstain=1").out.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["-", "-"]
    assert all(0.5 <= float(line.split("\t")[2]) < 1 for line in lines)
    one = json.loads(ossicle("predict", both, files[0], "--abstain=1", "--json").out)
    assert one["label"] is None
    assert one["confidence"] == max(one["probs"].values())
    table = tmp_path / "answers.csv"
    assert ossicle("predict", both, *files, "--abstain=0", "--out", table).status == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} <= {"high", "low"}
    assert all(float(row["confidence"]) >= 0.5 for row in rows)


def message_of(done: Any) -> str:
    assert (done.status, done.out) == (2, ""), done.err
    assert done.err.count("Error:") == 1
    assert "Traceback" not in done.err
    return str(done.err)


def test_an_ensemble_that_cannot_be_made_is_one_message(
    ossicle: Command, run: Path, other: Path, both: Path, tmp_path: Path
) -> None:
    out, table = f"--out={tmp_path / 'new'}", tmp_path / "table.csv"
    table.touch()
    for arguments, match in (
        ([run, other, out, "--vote=softt"], "the vote 'softt' does not exist. Those of the task"),
        ([run, other, out, "--vote=rover"], "the vote 'rover' is not possible for the task class"),
        ([run, other, out, "--backbone=./gone"], "there is no folder './gone'"),
        ([run, other, f"--out={both}"], "has an ensemble in it; choose another folder"),
        ([run, other, f"--out={run}"], "is not empty; choose another folder"),
        ([run, other, f"--out={table / 'x'}"], "Not a directory"),
    ):
        assert match in message_of(ossicle("ensemble", *arguments)).replace("\n", " ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--ensemble=lora"], "an ensemble needs two or more members"),
        (["--ensemble=lora,lroa"], "Did you mean 'lora'?"),
        (["--ensemble=lora,bias", "--vote=softt"], "no vote 'softt'; available: "),
        (["--ensemble=lora,bias", "--vote=rover"], "'rover' is not possible for the task"),
        (["--ensemble=lora,lora", "--budget=10"], "cannot train as few as 5 parameters"),
        (["--ensemble=lora,bias", "--recipe=lora"], "leave --recipe out"),
        (["--recipe=lora", "--vote=soft"], "--vote is an option of an ensemble; add --ensemble"),
        (["--recipe=lora", "--budget=9k"], "--budget is an option of an ensemble; add --ensemble"),
        (["--ensemble=lora,bias", "--task=asrr"], "no task 'asrr'"),
    ],
)
def test_an_ensemble_that_cannot_be_trained_is_one_message(
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
    arguments: list[str],
    match: str,
) -> None:
    out = tmp_path / "new"
    new = ("train", f"--backbone={backbone}", f"--data={corpus}", f"--out={out}")
    assert match in message_of(ossicle(*new, *arguments))
    assert not out.exists()


def test_members_are_trained_combined_and_tested_in_one_go(
    ossicle: Command, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    done = ossicle(
        *("train", f"--backbone={backbone}", f"--data={corpus}", f"--out={out}", "--epochs=1"),
        *("--ensemble=lora,lora", "--budget=4k", "--vote=weighted", "--json", "--track=none"),
    )
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert [one["name"] for one in found["members"]] == ["lora", "lora-2"]
    assert [one["seed"] for one in found["results"].values()] == [0, 1]
    assert len(found["vote"]["weights"]) == 2
    assert found["test"]["count"] == 6
    again = ossicle("train", f"--out={out}", "--resume")
    assert again.status == 0, again.err
    assert "vote: weighted" in again.out
    said = message_of(ossicle("train", f"--out={out}", "--resume", "--lr=0.5"))
    assert "has other settings (see plan.json)" in said
    shutil.rmtree(out / "members" / "lora")
    said = message_of(ossicle("evaluate", out, f"--data={corpus}"))
    assert "member 'lora' of" in said
    assert "is missing" in said
