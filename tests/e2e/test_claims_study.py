"""`ossicle study claims`: one claim from nothing to its verdict, and again from what is stored."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
GIVEN = ("study", "claims", "--only=D5b,B2a,D6", "--train-fraction=0.1", "--track=none")


def verdicts(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "tables" / "verdicts.csv").open() as file:
        return {row["claim"]: row for row in csv.DictReader(file)}


@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_claim_is_asked_of_the_demo_corpus_and_its_report_is_rebuilt(
    ossicle: Command, tmp_path: Path
) -> None:
    out, trials = tmp_path / "claims", tmp_path / "trials"
    done = ossicle(*GIVEN, f"--trials={trials}", f"--out={out}")
    assert done.status == 0, done.err
    assert "Of 3 claims: " in done.out
    assert "the rest may change this" not in done.out  # what cannot be asked is not missing
    found = verdicts(out)
    assert list(found) == ["D5b", "B2a", "D6"]
    assert found["D6"]["verdict"].startswith("cannot be asked here: ast/adapter+dpt-25: drop_dist")
    assert float(found["D5b"]["seeds"]) == 5
    assert float(found["D5b"]["recordings"]) > 20
    assert "about asr or words or phones, and the task of these data is" in found["B2a"]["verdict"]
    with (out / "trials.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] != "refused"]
    counts = {name: sum(row["settings"] == name for row in rows) for name in ("choice", "chosen")}
    assert counts == {"choice": 2 * 4 * 2, "chosen": 2 * 5}
    names = {one.name for one in trials.iterdir()}

    (out / "report.html").unlink()
    again = ossicle("report", out)
    assert again.status == 0, again.err
    assert verdicts(out) == found
    assert (out / "report.html").is_file()

    done = ossicle(*GIVEN, f"--trials={trials}", f"--out={tmp_path / 'again'}")
    assert done.status == 0
    words, prompts = done.err.splitlines()  # every trial is taken over: nothing had to run
    assert "Cannot be asked: B2a: it is about asr or words or phones" in words
    assert "Cannot be asked: D6: ast/adapter+dpt-25: drop_distillation" in prompts
    assert verdicts(tmp_path / "again") == found
    assert {one.name for one in trials.iterdir()} == names

    few = json.loads((out / "report.json").read_text())
    assert few["sections"][0]["title"] == "Verdicts"
    notes = next(one["parts"] for one in few["sections"] if one["title"] == "Notes")
    assert [one["text"].partition(": ")[0] for one in notes] == ["Cannot be asked"] * 2


@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_shard_chooses_among_the_trials_of_all_shards(ossicle: Command, tmp_path: Path) -> None:
    out = tmp_path / "claims"
    small = ("--only=D5b", "--lr=1e-2,1e-5", "--epochs=1", "--seeds=0", "--train-fraction=0.05")

    def part(number: str) -> str:
        done = ossicle("study", "claims", *small, "--track=none", f"--out={out}", "--shard", number)
        assert done.status == 0, done.err
        return str(done.err)

    def rates() -> set[float]:
        trials = json.loads((out / "study.json").read_text())["trials"]
        return {one["config"]["lr"] for one in trials if one["labels"]["settings"] == "chosen"}

    assert "of the first trials, in other shards, are not finished" in part("1/2")
    assert rates() == set()
    assert "in other shards" not in part("2/2")
    part("1/2")
    assert rates() == {0.01}
    with (out / "trials.csv").open() as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"finished"}
