"""`ossicle study`, `compare` and `report`: what they print, what they refuse, how they end."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ossicle.studies import Grid, Methods
from ossicle.training.config import TrainConfig
from ossicle.training.run import train
from ossicle.trials.naming import Naming
from tones import write_corpus

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def given(backbone: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options of every command here: three recordings of each class for training."""
    tones = tmp_path_factory.mktemp("data") / "tones"
    write_corpus(tones)
    return (f"--backbone={backbone}", f"--data={tones}", "--epochs=1", "--track=none")


@pytest.fixture(scope="module")
def trials(given: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the finished trials of two recipes, so that no worker has to start."""
    folder = tmp_path_factory.mktemp("trials")
    options = dict(one.removeprefix("--").split("=", 1) for one in given)
    config = TrainConfig(**{**options, "epochs": 1}, recipe="")  # type: ignore[arg-type] # texts
    for trial in Methods().trials(Grid(config=config, recipes=("linear", "lora"))):
        train(trial.config, folder / Naming().name(trial))
    return folder


def message_of(done: Any) -> str:
    """Return the message of a command that was refused before anything was trained."""
    assert done.status == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    return str(done.err.strip().removeprefix("Error: "))


@pytest.mark.parametrize("command", [("compare",), ("study", "methods")])
def test_a_comparison_prints_its_verdict_and_tables_and_writes_a_report(
    ossicle: Command, given: tuple[str, ...], trials: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    done = ossicle(*command, *given, "--recipes=linear,lora", f"--trials={trials}", f"--out={out}")
    assert done.status == 0, done.err
    assert done.err == ""  # nothing had to run
    lines = done.out.splitlines()
    assert max(len(line) for line in lines[:-1]) <= 80
    assert sum(line.split()[:1] in (["linear"], ["lora"]) for line in lines) >= 4
    assert lines[-1] == f"report: {out / 'report.html'}"
    assert "<html" in (out / "report.html").read_text()
    with (out / "tables" / "summary.csv").open() as file:
        assert [row["recipe"] for row in csv.DictReader(file)] == ["linear", "lora"]
    declared = (out / "study.json").read_text()
    repeat = shlex.split(json.loads(declared)["command"])
    assert repeat[0] == "ossicle"
    done = ossicle(*repeat[1:], f"--trials={trials}")
    assert (done.status, done.err) == (0, "")
    assert (out / "study.json").read_text() == declared
    again = ossicle("report", out, "--json", "--embeddings", "--explain")
    assert again.status == 0
    assert "ossicle report DIR --explain" not in (out / "report.html").read_text()
    written = json.loads((out / "report.json").read_text())
    assert json.loads(again.out)["verdict"] == written["verdict"]
    names = {part.get("name") for one in written["sections"] for part in one["parts"]}
    assert names >= {"parameters", "confusion", "validation", "embeddings", "train-time"}
    assert names >= {"cka-last", "attribution", "attribution-agreement"}


def test_a_trial_that_cannot_run_makes_the_exit_status_1(
    ossicle: Command, given: tuple[str, ...], trials: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    recipes = "--recipes=linear,lora[5]"
    done = ossicle("study", "methods", *given, recipes, f"--trials={trials}", f"--out={out}")
    assert done.status == 1
    assert "trials that cannot run: 1" in done.err
    assert "this backbone has 2 layers" in done.err
    assert "linear" in done.out


def test_a_dry_run_lists_cells_with_parameters_and_time_and_writes_nothing(
    ossicle: Command, given: tuple[str, ...], trials: Path, tmp_path: Path
) -> None:
    dry = ("study", "methods", *given, "--recipes=linear,lora", "--dry-run", "--seeds=0,1")
    done = ossicle(*dry, f"--out={tmp_path / 'out'}")
    assert done.status == 0, done.err
    rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert rows[2] == ["linear", "0", "2", "0"]
    # LoRA of rank 8 at two matrices of each of 2 layers of width 64, down and up.
    assert rows[3] == ["lora", f"{2 * 2 * 2 * 8 * 64:,}", "2", "0"]
    assert "Time: unknown, none is measured yet." in done.out
    assert not (tmp_path / "out").exists()
    known = ossicle(
        *dry, f"--out={tmp_path / 'out'}", f"--trials={trials}", "--json", "--workers=2"
    )
    found = json.loads(known.out)
    assert (found["trials"], found["finished"]) == (4, 2)
    times = [
        run["train_seconds"] + run["test_seconds"]
        for run in (json.loads(file.read_text()) for file in trials.glob("*/metrics.json"))
    ]
    assert found["estimate_s"] == pytest.approx(
        sum(times) / 2
    )  # a second seed of each, side by side
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_is_said_before_anything_is_trained(
    ossicle: Command, given: tuple[str, ...], tmp_path: Path
) -> None:
    def message(*options: str, study: str = "methods") -> str:
        done = ossicle("study", study, *given, *options, f"--out={tmp_path / 'out'}")
        assert not (tmp_path / "out").exists()
        return message_of(done)

    assert "Did you mean 'bitfit'?" in message("--recipes=linear,bitfti")
    assert message("--recipes=lora", "--seeds=0,x").startswith("--seeds is '0,x'; expected whole")
    assert message("--recipes=lora,linear,lora").endswith("recipes; lora is given twice")
    assert message("--recipes=lora", "--seeds=1,1").endswith("seeds; 1 is given twice")
    assert "the study methods needs --recipes" in message()
    assert "this backbone has 2 layers" in message("--recipes=lora[5]")
    assert "the shard is '17/16'" in message("--recipes=lora", "--shard=17/16")
    assert "give --engine ray as well" in message("--recipes=lora", "--address=auto")
    assert "shots is 0" in message("--shots=0,1", study="few-shot")
    assert "100 recordings of each class are more than" in message("--shots=100", study="few-shot")
    assert "no task 'clasification'" in message("--recipes=lora", "--task=clasification")


def test_a_folder_of_another_study_or_of_none_is_refused(
    ossicle: Command, given: tuple[str, ...], trials: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("study", "methods", *given, "--recipes=linear", f"--trials={trials}", f"--out={out}")
    assert ossicle(*run).status == 0
    other = ossicle("study", "placement", *given, f"--out={out}")
    assert "has a study of another kind: methods, not placement" in message_of(other)
    assert "is not a study folder: it has no study.json" in message_of(ossicle("report", trials))
    shutil.copytree(out, tmp_path / "moved")
    assert ossicle("report", tmp_path / "moved").status == 0


def test_help_shows_the_options_in_groups(ossicle: Command) -> None:
    text = ossicle("study", "few-shot", "--help").out
    headings = re.findall(r"╭─ ([\w ]+) ─", text)
    assert headings[:4] == ["Options", "Study", "Grid", "Trials"]
    assert "Cappellazzo et al. 2023" in text


def test_help_of_claims_leaves_out_what_the_study_refuses(ossicle: Command) -> None:
    text = ossicle("study", "claims", "--help").out
    assert "Test what four publications claim of adapters" in text
    assert "--only" in text
    for name in ("recipes", "budget", "baseline", "settings", "shots"):
        assert f"--{name} " not in text


def test_a_dry_run_of_claims_says_which_cannot_be_asked(ossicle: Command, tmp_path: Path) -> None:
    dry = ("study", "claims", "--dry-run", f"--out={tmp_path / 'out'}")
    done = ossicle(*dry, "--only=d5b,B2a", "--seeds=0,1", "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["notes"][0].startswith("Cannot be asked: B2a: it is about asr or words or phones")
    assert found["notes"][1].startswith("No claim can be decided with 2 seeds")
    assert found["notes"][2] == "4 further trials follow with the settings that these choose."
    # four rates and two numbers of epochs, in one row
    assert [(one["cell"], one["trials"]) for one in found["cells"]] == [
        ("ast/lora-qkvo, settings choice", 8),
        ("ast/lora-qv, settings choice", 8),
        ("ast/lora-qkvo, settings published", 2),
        ("ast/lora-qv, settings published", 2),
    ]
    part = json.loads(ossicle(*dry, "--only=D5b", "--shard=1/2", "--json").out)["notes"]
    assert part[0] == "These are all trials, of which --shard 1/2 runs a part."
    alone = json.loads(ossicle(*dry, "--only=D1,A1", "--backbone=tiny-ast", "--json").out)
    assert any(one.startswith("Cannot be asked: D1a: ast/spt-300: 300") for one in alone["notes"])
    assert alone["refused"] == []  # which is said with the claims
    refused = message_of(ossicle(*dry, "--only=C4"))
    assert refused.startswith("no claim can be asked. C4a, C4b, C4c: it needs two domains")
    assert message_of(ossicle(*dry, "--only=,")).startswith("--only is ','; expected names")


def test_labels_of_domains_are_renamed_as_those_of_data(ossicle: Command, tmp_path: Path) -> None:
    domains = "demo?where=manner=calm; demo?where=manner=excited&map=open=OPEN,close=CLOSE"
    dry = ("study", "claims", "--only=C4", "--dry-run", f"--out={tmp_path / 'out'}")
    left = ossicle(*dry, f"--domains={domains}")
    assert "labels that not all domains have are left out" in left.err
    done = ossicle(*dry, f"--domains={domains}", "--map-labels=open=OPEN,close=CLOSE")
    assert (done.status, done.err) == (0, "")
    assert "35 further trials follow" in done.out
