"""`ossicle export onnx`: what is refused, and a file that answers as `ossicle predict` does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    ossicle: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    for out, why in (("there.onnx", "exists; remove it"), ("model", "does not end with .onnx")):
        done = ossicle("export", "onnx", run, "--out", tmp_path / out)
        assert (done.status, why in done.err) == (2, True), done.err
    assert [file.name for file in tmp_path.iterdir()] == ["there.onnx"]
    assert (tmp_path / "there.onnx").read_text() == "mine"
    done = ossicle("export", "onnx", tmp_path, "--out", tmp_path / "model.onnx")
    assert (done.status, "Error" in done.err) == (2, True)


def test_a_run_that_writes_text_is_refused_with_what_to_do(
    ossicle: Callable[..., Any], tmp_path: Path
) -> None:
    family = WITH_DECODER["whisper"]
    random_backbone(family, family.tiny(), "tiny").save(tmp_path / "tiny-whisper")
    backbone = load_backbone(str(tmp_path / "tiny-whisper"), decoder=True)
    recipe, head = Recipe.parse("lora@dec.attn.q"), build_head("decoder", backbone.anatomy, 0)
    task = {"name": "seq2seq", "language": "de", "task": "transcribe", "max_seconds": 30.0}
    save(attach(backbone, recipe, head), tmp_path / "run", task=task)
    done = ossicle("export", "onnx", tmp_path / "run", "--out", tmp_path / "model.onnx")
    assert (done.status, "ossicle merge" in done.err, "optimum" in done.err) == (2, True, True)


def exported(*arguments: object) -> str:
    """Run the command in a process without the checks of tensor shapes, and return its output."""
    command = [sys.executable, "-m", "ossicle", "export", "onnx", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_file_answers_as_the_run_does_and_says_what_8_bits_cost(
    ossicle: Callable[..., Any], run: Path, corpus: Path, tmp_path: Path
) -> None:
    import onnxruntime

    file = tmp_path / "new" / "model.onnx"
    told = json.loads(exported(run, "--out", file, "--int8", "--json"))
    assert told["difference"]["onnx"] < 1e-4 < told["difference"]["onnx int8"] < 0.5
    assert told["bytes"]["onnx int8"] == file.stat().st_size < told["bytes"]["onnx"]
    assert (told["metric"]["name"], told["metric_recordings"]) == ("macro-F1", 6)
    assert 0 <= told["metric"]["onnx int8"] <= 1
    assert list(file.parent.iterdir()) == [file]

    whole = tmp_path / "whole.onnx"
    assert "waveform (batch, samples) at 16000 Hz" in exported(run, "--out", whole)
    session = onnxruntime.InferenceSession(str(whole))
    about = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert about["labels"] == ["high", "low"]
    assert (about["sample_rate"], about["recipe"]) == (16000, "lora")
    recordings = sorted(corpus.glob("cleo*.wav"))
    waves = [soundfile.read(one, dtype="float32")[0] for one in recordings]
    rows = np.full((len(waves), max(map(len, waves))), 0.5, dtype=np.float32)
    for row, wave in zip(rows, waves, strict=True):
        row[: len(wave)] = wave
    lengths = np.array([len(wave) for wave in waves])
    (logits,) = session.run(None, {"waveform": rows, "lengths": lengths})
    probs = torch.from_numpy(logits).softmax(dim=1).tolist()
    predicted = ossicle("predict", run, *recordings, "--json")
    for one, of_graph in zip(predicted.out.splitlines(), probs, strict=True):
        assert list(json.loads(one)["probs"].values()) == pytest.approx(of_graph, abs=1e-4)
