"""`ossicle merge`: a checkpoint of transformers from a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from transformers import pipeline

from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Tagging


def test_a_run_that_writes_text_becomes_a_checkpoint(
    ossicle: Callable[..., Any], tmp_path: Path
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


@pytest.mark.thorough
def test_a_pipeline_of_a_merged_run_prints_what_predict_prints(
    ossicle: Callable[..., Any], run: Path, corpus: Path, tmp_path: Path
) -> None:
    done = ossicle("merge", run, "--out", tmp_path / "whole", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["class"] == "AutoModelForAudioClassification"
    card = (tmp_path / "whole" / "README.md").read_text()
    assert 'pipeline("audio-classification"' in card
    assert str(tmp_path) not in card
    file = str(next(corpus.rglob("*.wav")))
    predicted = json.loads(ossicle("predict", run, file, "--json").out)
    wave, rate = soundfile.read(file, dtype="float32")
    assert rate == 16_000
    with quiet_transformers():
        scores = pipeline("audio-classification", str(tmp_path / "whole"), device="cpu")(wave)
    found = {one["label"]: one["score"] for one in scores}
    (answer,) = predicted if isinstance(predicted, list) else [predicted]
    assert found == pytest.approx(answer["probs"], abs=1e-4)


@pytest.mark.thorough
def test_a_merge_that_is_refused_leaves_nothing_behind(
    ossicle: Callable[..., Any], backbone: str, corpus: Path, tmp_path: Path
) -> None:
    given = ("--backbone", backbone, "--data", corpus, "--epochs", "1", "--head", "meanstd")
    assert ossicle("train", *given, "--recipe", "lora", "--out", tmp_path / "run").status == 0
    done = ossicle("merge", tmp_path / "run", "--out", tmp_path / "whole")
    assert (done.status, "head 'meanstd' is not a linear layer" in done.err) == (2, True)
    assert not [*tmp_path.glob("whole*")]


@pytest.mark.thorough
def test_a_checkpoint_of_tags_says_that_older_pipelines_need_a_sigmoid(
    ossicle: Callable[..., Any], backbone: str, tmp_path: Path
) -> None:
    loaded, task = load_backbone(backbone), Tagging(("dog", "rain"))
    model = attach(loaded, Recipe.parse("lora"), build_head("mean", loaded.anatomy, 2))
    save(model, tmp_path / "run", task={**task.to_dict(), "max_seconds": 2.0})
    done = ossicle("merge", tmp_path / "run", "--out", tmp_path / "whole")
    use = 'pipeline("audio-classification", "FOLDER", function_to_apply="sigmoid", top_k=None)'
    assert use.replace("FOLDER", str(tmp_path / "whole")) in done.out
    assert "longer than 2 s" in done.out
    assert use in (tmp_path / "whole" / "README.md").read_text()
