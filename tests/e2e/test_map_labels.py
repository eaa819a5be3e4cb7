"""Renamed labels from the command line to the run, and from there to evaluation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tones import write_tone


def test_renamed_labels_are_those_of_the_run_and_of_other_data(
    ossicle: Callable[..., Any], backbone: str, corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for seed, (name, label) in enumerate((("tief", "low"), ("hoch", "high")), start=100):
        (other / name).mkdir(parents=True)
        write_tone(other / name / "a.wav", label, seconds=0.5, seed=seed)
    out = tmp_path / "out"
    given = [f"--backbone={backbone}", "--recipe=linear", "--epochs=1", f"--out={out}"]
    done = ossicle("train", *given, f"--data={corpus}", "--map-labels=low=deep", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["test"]["labels"] == ["deep", "high"]
    data = json.loads((out / "config.json").read_text())["data"]
    assert data == f"{corpus}?map=low=deep"
    own = ossicle("evaluate", out, f"--data={corpus}", "--map-labels=low=deep", "--json")
    assert json.loads(own.out)["data"] == data  # its test recordings: the others were learnt
    names = tmp_path / "names.csv"
    names.write_text("old,new\ntief,deep\nhoch,high\n")
    more = ossicle("evaluate", out, f"--data={other}", f"--map-labels={names}", "--json")
    assert more.status == 0, more.err
    assert json.loads(more.out)["count"] == 2
