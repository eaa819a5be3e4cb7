"""`ossicle merge`: a checkpoint of transformers from a run that writes texts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


def test_a_run_becomes_a_checkpoint_and_a_run_of_another_task_is_refused(
    ossicle: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    family = WITH_DECODER["whisper"]
    random_backbone(family, family.tiny(), "tiny").save(tmp_path / "tiny-whisper")
    backbone = load_backbone(str(tmp_path / "tiny-whisper"), decoder=True)
    recipe, head = Recipe.parse("lora@dec.attn.q"), build_head("decoder", backbone.anatomy, 0)
    task = {"name": "seq2seq", "language": "de", "task": "transcribe", "max_seconds": 30.0}
    save(attach(backbone, recipe, head), tmp_path / "run", task=task)
    done = ossicle("merge", tmp_path / "run", "--out", tmp_path / "whole")
    assert done.status == 0, done.err
    assert "automatic-speech-recognition" in done.out
    names = {file.name for file in (tmp_path / "whole").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    settings = json.loads((tmp_path / "whole" / "generation_config.json").read_text())
    assert (settings["language"], settings["task"]) == ("de", "transcribe")
    again = ossicle("merge", tmp_path / "run", "--out", tmp_path / "whole")
    assert (again.status, "is not empty" in again.err) == (2, True)
    other = ossicle("merge", run, "--out", tmp_path / "other")
    assert (other.status, "was trained for the task" in other.err) == (2, True)
    assert not (tmp_path / "other").exists()
