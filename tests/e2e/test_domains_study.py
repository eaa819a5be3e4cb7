"""The study of domains from the command line, on two and on three domains of the demo corpus."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser import chromium

Command = Callable[..., Any]
DEMO = ("--data=demo", "--by=manner", "--backbone=tiny-hubert", "--epochs=1", "--track=none")
SMALL = ("--train-fraction=0.1", "--workers=2", "--device=cpu")


def study(ossicle: Command, out: Path, *options: str) -> Any:
    return ossicle("study", "domains", *DEMO, *SMALL, f"--out={out}", *options)


def said(done: Any) -> str:
    """Return what a command printed, without its line breaks."""
    return " ".join(done.out.split())


@pytest.mark.browser
@pytest.mark.thorough
@pytest.mark.exhaustive
def test_two_domains_are_compared_and_the_report_opens(ossicle: Command, tmp_path: Path) -> None:
    options = (
        "--domains=calm,excited",
        "--recipes=lora",
        "--seeds=0",
        "--keeps=interpolate",
    )
    done = study(ossicle, tmp_path / "two", *options, "--shard=1/2")
    assert done.status == 0, done.err
    assert "5 of 6 trials are finished" in said(done)
    done = study(ossicle, tmp_path / "two", *options)
    assert done.status == 0, done.err
    assert "Claim of Lashkarashvili et al. 2024: On the target domain, training on" in said(done)
    assert "Every model on both domains: calm → excited" in done.out
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    names = [part.get("name") for section in report["sections"] for part in section["parts"]]
    for name in ("overview-1", "target-against-source-1", "interpolation-1", "forgetting-1"):
        assert name in names
    again = study(ossicle, tmp_path / "two", *options, "--json")
    assert json.loads(again.out)["verdict"] == report["verdict"]
    with chromium() as browser:
        browser.open(tmp_path / "two" / "report.html")
        assert browser.messages() == []
        assert browser.run("return document.querySelectorAll('.plot:not(.failed)').length") == 2
        names = "document.querySelectorAll('.plot')[0].querySelectorAll('.textpoint').length"
        shown = browser.run(f"return {names}")
        assert shown == 6


@pytest.mark.exhaustive
@pytest.mark.thorough
def test_three_domains_have_a_matrix_for_each_order(ossicle: Command, tmp_path: Path) -> None:
    options = (
        "--domains=calm,excited,tired",
        "--recipes=lora",
        "--seeds=0",
        "--orders=2",
        "--freeze=none",
        "--keeps=none",
    )
    done = study(ossicle, tmp_path / "three", *options)
    assert done.status == 0, done.err
    assert "calm → excited → tired: the best average macro-F1" in said(done)
    assert "calm → tired → excited: the best average macro-F1" in said(done)
    trials = json.loads((tmp_path / "three" / "study.json").read_text())["trials"]
    assert len(trials) == 3 + 1 + 2 * 2
    chains = [one for one in trials if "after" in one]
    assert {one["after"] for one in chains} <= {one["name"] for one in trials}
    report = json.loads((tmp_path / "three" / "report.json").read_text())
    parts = [part for section in report["sections"] for part in section["parts"]]
    maps = [part for part in parts if part["kind"] == "figure"]
    assert [part["traces"][0]["x"] for part in maps] == [
        ["calm", "excited", "tired"],
        ["calm", "tired", "excited"],
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--domains=calm",), "the study domains needs two or more domains"),
        (("--domains=calm,angry",), "angry"),
        (("--domains=calm,excited", "--by=mood"), "no column 'mood'"),
        (("--domains=calm,excited", "--keeps=ecw"), "'ecw'"),
        (("--domains=calm,excited", "--orders=9"), "--orders is 9; 2 domains have from 1 to 2"),
        (("--domains=calm,excited", "--folds=3"), "leave --folds out"),
    ],
)
def test_bad_input_is_one_line(
    ossicle: Command, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = study(ossicle, tmp_path / "bad", "--recipes=lora", *options)
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert message in line
    assert not (tmp_path / "bad").exists()
