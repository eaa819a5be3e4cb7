"""`ossicle search`: what it writes, how it goes on, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ossicle.cli.main import app
from ossicle.cli.search import DEFAULT_CANDIDATES, DEFAULT_STRATEGY
from ossicle.errors import SearchError
from ossicle.recipes.recipe import Recipe
from ossicle.search import CONTROLS, STRATEGIES, candidates
from ossicle.studies.search_record import SearchRecord
from ossicle.studies.search_run import SearchOutcome, run_search
from ossicle.training.config import TrainConfig
from ossicle.training.result import read_result
from ossicle.trials.in_process_engine import InProcessEngine
from ossicle.trials.kept import Kept
from tones import write_corpus

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tones"
    write_corpus(folder, takes=4)
    return folder


@pytest.fixture
def asked(backbone: str, tones: Path) -> SearchRecord:
    """A search with two candidates and one training for each strategy."""
    config = TrainConfig(
        backbone=backbone, data=str(tones), epochs=1, batch_size=4, device="cpu", track="none"
    )
    return SearchRecord(
        config=config, strategy="tpe", budget=1200, candidates="lora,bias", trials=1
    )


def searched(asked: SearchRecord, folder: Path, **how: Any) -> SearchOutcome:
    return run_search(asked, folder, engine=InProcessEngine(Kept()), **how)


@pytest.mark.thorough
def test_a_search_writes_its_recipe_run_and_report_and_goes_on_from_what_there_is(
    asked: SearchRecord, tmp_path: Path, ossicle: Command
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SearchError, match=r"the 1e-05 minutes were over .*; none has begun"):
        searched(asked, out, minutes=1e-5)
    found = searched(asked, out)
    assert {one.name for one in found.searched} == {"tpe", *CONTROLS}
    best = max(found.searched, key=lambda one: one.facts["score"])
    assert found.best.facts["score"] == best.facts["score"]
    result = read_result(out / "run")
    assert str(Recipe.read(out / "recipe.toml")) == result.expression
    assert result.expression in found.report.verdict[0]
    assert result.test is not None
    table = found.report.sections[0].parts[0]
    assert [row[0].text.removesuffix(" (control)") for row in table.rows] == ["tpe", *CONTROLS]
    assert (out / "report.html").is_file()
    before = {one: one.stat().st_mtime_ns for one in (out / "trials").rglob("metrics.json")}
    assert searched(asked, out).record.found == found.record.found
    assert {one: one.stat().st_mtime_ns for one in before} == before  # nothing was trained again
    data = ("--backbone", asked.config.backbone, "--data", asked.config.data, "--epochs=1")
    again = ("search", *data, "--batch-size=4", "--device=cpu", "--candidates=lora,bias")
    done = ossicle(*again, "--budget=1300", "--trials=1", "--out", out)
    assert done.status == 2
    assert "was started with --budget 1200. Continue it with its own settings" in done.err
    wav = next(Path(asked.config.data).glob("*.wav"))
    assert ossicle("predict", out / "run", wav).status == 0


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", ["nsga2", "gdas"])
def test_a_control_that_is_better_on_validation_is_recommended(
    asked: SearchRecord, tmp_path: Path, strategy: str
) -> None:
    found = searched(replace(asked, strategy=strategy), tmp_path / "out")
    runs = {
        one.name: (one.facts, one.facts.get("continued") or one.facts) for one in found.searched
    }
    scores = {name: max(run["score"] for run in both) for name, both in runs.items()}
    assert found.best.name == max(scores, key=lambda name: scores[name])  # the first of equal ones
    said = any("is better on the validation recordings" in one for one in found.report.verdict)
    assert said == (scores[strategy] < max(scores.values()))


@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_killed_search_is_continued_by_the_same_command(
    asked: SearchRecord, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "ossicle", "search", "--json", "--workers=1", "--device=cpu"]
    command += [f"--backbone={asked.config.backbone}", f"--data={asked.config.data}"]
    command += ["--epochs=1", "--batch-size=4", "--budget=1200", "--candidates=lora,bias"]
    command += ["--trials=1", f"--out={tmp_path / 'out'}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        assert one.stderr is not None
        for line in one.stderr:
            if line.startswith("[1/2]"):
                os.kill(one.pid, signal.SIGKILL)
                break
        one.communicate()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("metrics.json")}
    assert kept
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(file.stat().st_mtime_ns == changed for file, changed in kept.items())
    found = json.loads(done.stdout)["found"]
    assert found == searched(asked, tmp_path / "whole").record.summary()["found"]


def refused(done: Any) -> str:
    assert done.status == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    return " ".join(done.err.split("Error: ")[-1].split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strategy=tpee"], "no strategy 'tpee'; available: tpe,"),
        (["--strategy=tpe(size=3)"], "strategy 'tpe' has no setting 'size'"),
        (["--budget=100"], "no candidate fits a budget of 100 parameters"),
        (["--budget=lots"], "'lots' is not a number of parameters"),
        (["--candidates=lora"], "'lora' is the only candidate"),
        (["--candidates=lora,bis"], "no recipe or method 'bis'"),
        (["--address=auto"], "--address is that of a Ray cluster"),
        ([], "the data have 6 training recordings, and a search needs 8 or more"),
    ],
)
def test_what_cannot_be_searched_is_refused_and_leaves_nothing(
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
) -> None:
    out = tmp_path / "out"
    given = {"--budget": "2000", "--backbone": backbone, "--data": str(corpus), "--out": str(out)}
    given |= dict(one.split("=", 1) for one in options)
    done = ossicle("search", *(f"{name}={value}" for name, value in given.items()))
    assert message in refused(done)
    assert not out.exists()


def test_a_folder_with_something_else_is_refused(
    ossicle: Command, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "study.json").write_text("{}")
    given = ("--budget=2k", f"--backbone={backbone}", f"--data={corpus}", f"--out={tmp_path}")
    assert "is not empty, and has no search in it" in refused(ossicle("search", *given))


def test_the_help_names_every_strategy_and_the_defaults_exist() -> None:
    (command,) = (one for one in app.registered_commands if one.callback.__name__ == "search")
    options = command.callback.__wrapped__.__annotations__
    (about,) = (one.help for one in options["strategy"].__metadata__)
    assert all(name in about for name in STRATEGIES)
    assert DEFAULT_STRATEGY in STRATEGIES
    assert tuple(DEFAULT_CANDIDATES.split(",")) == candidates.DEFAULT_CANDIDATES
