"""`ossicle prune`: a smaller run, a curve of sizes, and one clear line for what cannot be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser import chromium
from ossicle.adapters.folder import read_folder
from ossicle.training.config import TrainConfig
from ossicle.training.run import train

Command = Callable[..., Any]


def count(folder: Path) -> int:
    shapes = read_folder(folder).shapes
    total = 0
    for key, shape in shapes.items():
        size = 1
        for length in shape:
            size *= length
        total += 0 if key.startswith("head/") else size
    return total


def test_a_pruned_run_is_used_as_any_run_is(
    ossicle: Command, run: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    whole = count(run)
    done = ossicle("prune", run, "--to=1000", "--epochs=1", "--out", tmp_path / "small")
    assert done.status == 0, done.err
    assert f"pruned by taylor(to=1000): {whole:,} -> " in done.out
    assert " before, " in done.out
    assert " after training" in done.out
    assert 0 < count(tmp_path / "small") <= 1000
    facts = json.loads(ossicle("inspect", tmp_path / "small", "--json").out)
    assert "gate" not in facts["expression"]
    found = json.loads(ossicle("evaluate", tmp_path / "small", f"--data={corpus}", "--json").out)
    assert found["count"] == 6
    said = ossicle("predict", tmp_path / "small", corpus / "cleo-high-0.wav")
    assert said.out.split("\t")[1].strip() in ("high", "low")
    again = ossicle("prune", run, "--to=1000", "--epochs=1", "--out", tmp_path / "small", "--json")
    assert json.loads(again.out)["stage"]["pruned"]["parameters"]["before"] == whole
    other = ossicle("prune", run, "--to=900", "--epochs=1", "--out", tmp_path / "small")
    assert other.status == 2
    assert "has other values of prune" in other.err


@pytest.mark.browser
@pytest.mark.thorough
def test_a_curve_has_a_run_for_each_size_and_a_report(
    ossicle: Command, run: Path, tmp_path: Path
) -> None:
    options = ("--curve=0.25,0.5", "--by=magnitude", "--unit=adapters", "--epochs=1")
    done = ossicle("prune", run, *options, "--out", tmp_path / "curve")
    assert done.status == 0, done.err
    assert done.out.endswith(f"report: {tmp_path / 'curve' / 'report.html'}\n")
    sizes = [count(tmp_path / "curve" / name) for name in ("keep-0.5", "keep-0.25")]
    assert count(run) >= 2 * sizes[0]
    assert sizes[0] > sizes[1]
    again = json.loads(ossicle("prune", run, *options, "--out", tmp_path / "curve", "--json").out)
    assert [one["parameters"] for one in again["points"]] == [count(run), *sizes]
    report = json.loads((tmp_path / "curve" / "report.json").read_text())
    assert "--unit=adapters" in report["command"]
    with chromium() as browser:
        browser.open(tmp_path / "curve" / "report.html")
        assert browser.messages() == []
        assert browser.run("return document.querySelectorAll('.plot:not(.failed)').length") == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "no size given; give one of --to N, --keep X and --curve X,X"),
        (("--to=10", "--keep=0.5"), "--to and --keep given; give one of"),
        (("--keep=0.5", "--curve=0.5,0.1"), "--keep and --curve given; give one of"),
        (("--keep=1",), "--keep is 1; expected a number above 0"),
        (("--keep=0",), "--keep is 0; expected a number above 0"),
        (("--to=many",), "'many' is not a number of parameters"),
        (("--curve=0.5,0.5",), "expected different shares, such as 0.75,0.5,0.25,0.1"),
        (("--curve=0.5,2",), "a share of --curve is 2; expected a number above 0"),
        (("--to=1M",), "so there is nothing to remove to get to 1,000,000; choose a smaller"),
        (("--to=10",), "cannot be pruned to 10 of its"),
        (("--keep=0.5", "--by=tailor"), "no way to prune 'tailor'; available: sensitivity, taylor"),
        (("--keep=0.5", "--by=gates"), "has no sigmoid gates. Train a run with some"),
        (("--keep=0.5", "--unit=ranks"), "expected widths or adapters"),
        (("--keep=0.5", "--data=gone:x"), "is neither a reader nor an existing folder"),
        (("--keep=0.5", "--by=argmax"), "no setting"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    ossicle: Command, run: Path, tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    done = ossicle("prune", run, *options, "--out", tmp_path / "small")
    assert done.status == 2
    assert done.err.strip().splitlines()[-1].startswith("Error: ")
    assert why in done.err
    assert not (tmp_path / "small").exists()


@pytest.fixture(scope="module")
def others(
    tmp_path_factory: pytest.TempPathFactory, backbone: str, corpus: Path
) -> dict[str, Path]:
    """Folders of runs that cannot be pruned in every way."""
    folder = tmp_path_factory.mktemp("runs")
    for recipe in ("linear", "bias", "full@layer[-1:]"):
        config = TrainConfig(
            backbone=backbone,
            recipe=recipe,
            data=str(corpus),
            epochs=1,
            batch_size=4,
            device="cpu",
        )
        train(config, folder / recipe.partition("@")[0])
    return {name: folder / name for name in ("linear", "bias", "full")}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("linear", "has no adapters (its recipe is linear), so there is nothing to prune"),
        ("full", "trains the backbone's own parameters in place (its recipe is full@layer"),
        ("bias", "no method of 'bias' has a rank, width or length that could be smaller. Use"),
    ],
)
@pytest.mark.thorough
def test_runs_that_cannot_be_pruned_are_refused(
    ossicle: Command, others: dict[str, Path], tmp_path: Path, name: str, why: str
) -> None:
    done = ossicle("prune", others[name], "--keep=0.5", "--out", tmp_path / "small")
    assert done.status == 2
    assert why in done.err
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize("case", ["unfinished", "itself", "taken", "no run"])
def test_folders_that_do_not_suit_are_refused(
    ossicle: Command, run: Path, tmp_path: Path, case: str
) -> None:
    out, given = tmp_path / "small", tmp_path / "run"
    shutil.copytree(run, given)
    if case == "unfinished":
        (given / "metrics.json").unlink()
        why = "is not finished: it has no metrics.json. Finish it with"
    elif case == "itself":
        out, why = given, "the folder of the run that it starts from; write to another folder"
    elif case == "taken":
        out.mkdir()
        (out / "notes.txt").touch()
        why = "is not empty; choose another folder"
    else:
        given, why = tmp_path / "gone", "cannot be read: it does not exist"
    done = ossicle("prune", given, "--keep=0.5", "--out", out)
    assert done.status == 2
    assert why in done.err


@pytest.mark.thorough
def test_a_member_of_an_ensemble_is_pruned_by_itself(
    ossicle: Command, run: Path, others: dict[str, Path], tmp_path: Path
) -> None:
    members = (run, others["bias"])
    made = ossicle("ensemble", *members, "--vote=majority", "--out", tmp_path / "both")
    assert made.status == 0, made.err
    done = ossicle("prune", tmp_path / "both", "--keep=0.5", "--out", tmp_path / "small")
    assert done.status == 2
    assert "is an ensemble, and a stage starts from a single run; name one of" in done.err


@pytest.mark.browser
@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_study_prunes_what_it_has_trained_and_its_report_opens(
    ossicle: Command, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    options = (f"--data={corpus}", f"--backbone={backbone}", "--recipes=lora + bias", "--seeds=0")
    own = ("--ways=taylor,random", "--shares=0.5", "--train-on=1", "--epochs=1", "--workers=2")
    out = tmp_path / "study"
    done = ossicle("study", "prune", *options, *own, "--track=none", "--out", out, "--json")
    assert done.status == 0, done.err
    report = json.loads((out / "report.json").read_text())
    names = [part.get("name") for section in report["sections"] for part in section["parts"]]
    for name in ("curve-1", "sizes-1", "against-random-1", "kept-taylor-1", "kept-random-1"):
        assert name in names
    (sizes,) = [
        part
        for section in report["sections"]
        for part in section["parts"]
        if part.get("name") == "sizes-1"
    ]
    assert [row[0]["text"] for row in sizes["rows"]] == [
        "unpruned",
        "trained on",
        "taylor",
        "random",
        "from scratch",
    ]
    before = [row[3]["value"] for row in sizes["rows"]]
    assert [value is None for value in before] == [True, True, False, False, True]
    with chromium() as browser:
        browser.open(out / "report.html")
        assert browser.messages() == []
        assert browser.run("return document.querySelectorAll('.plot:not(.failed)').length") == 3
