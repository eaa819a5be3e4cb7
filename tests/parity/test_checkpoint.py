"""Checkpoints of runs in transformers' own classes and pipelines against the answers of ossicle."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoFeatureExtractor, AutoTokenizer, pipeline

from kinds import KINDS, shake
from ossicle.adapters.check import attach
from ossicle.adapters.merge import LAYERS, layer_logits, merge
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone, load_backbone
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.errors import MergeError
from ossicle.frozen.part import BatchRow
from ossicle.head_form import HeadForm, OutputKind
from ossicle.heads import build_head
from ossicle.inference import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import (
    Classification,
    Events,
    Intent,
    PhoneRecognition,
    Regression,
    SpeechRecognition,
    Tagging,
    Task,
    Verification,
    WordRecognition,
)

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's
WAVES = (kind for kind in KINDS if not kind.startswith(("ast", "whisper")))
OVER_WAVES = [kind for kind in WAVES if kind != "w2v-bert"]
WITH_FRAMES = [kind for kind in [*OVER_WAVES, "w2v-bert"] if not kind.startswith("hubert")]
SIZES = (9_600, 9_871, 5_003)  # w2v-BERT pads the mel frames of the second to pairs
LABELS = ("no", "stop", "yes")


def adapted(backbone: Backbone, task: Task, head: str, recipe: str) -> AdaptedModel:
    """Return a recipe with a head on a backbone, with random weights."""
    parsed = Recipe.parse(recipe)
    made = build_head(head, parsed.seen_by_head(backbone.anatomy), task.num_outputs)
    model = attach(backbone, parsed, made)
    torch.manual_seed(1)
    shake(model, by=0.2)
    return model.eval()


def saved(model: AdaptedModel, task: Task, folder: Path) -> str:
    """Save as `ossicle merge` does; return the class."""
    assert model.head is not None
    form = replace(model.head.form(), layer_logits=layer_logits(model))
    kind = task.output_kind()
    return merge(model, without=(LAYERS,)).save_with_head(folder, form, kind)


def answers(model: AdaptedModel, task: Task, waves: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the answers of ossicle, one recording at a time."""
    run = SingleModel(model)
    rows = [BatchRow.of(model.backbone.row(wave)) for wave in waves]
    return [task.decode(run.outputs([row])[0].rows()[0]) for row in rows]


def piped(name: str, folder: Path, waves: Sequence[Any], **given: Any) -> list[Any]:
    """Return the answers of a pipeline of transformers."""
    with quiet_transformers():
        run = pipeline(name, str(folder), device="cpu", **given)
        return [run(wave.copy()) for wave in waves]


def output(auto: str, folder: Path, wave: Any) -> Any:
    """Return the output of a class of transformers for a wave."""
    with quiet_transformers(), torch.no_grad():
        model = getattr(transformers, auto).from_pretrained(folder)
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        return model(**extractor(wave, sampling_rate=16_000, return_tensors="pt"))


POOLED = {
    "classes": (Classification(LABELS), "mean", "lora + norm + bias@ffn.in", "probs"),
    "projected": (
        Classification(LABELS),
        "superb",
        "lora@ffn.in + norm@norm.ffn + weighted-sum",
        "probs",
    ),
    "tags": (Tagging(LABELS), "mean", "lora + weighted-sum", "probs"),
    "numbers": (
        Regression({"arousal": 2.0, "valence": -1.0}, {"arousal": 0.5, "valence": 3.0}),
        *("superb", "scale", "values"),
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [*OVER_WAVES, "w2v-bert"])
@pytest.mark.parametrize("name", POOLED)
def test_a_pipeline_gives_the_scores_of_predict(build, noise, tmp_path, kind, name):
    task, head, recipe, key = POOLED[name]
    model = adapted(build(kind), task, head, recipe)
    assert saved(model, task, tmp_path) == "AutoModelForAudioClassification"
    waves = noise(*SIZES)
    expected = [one[key] for one in answers(model, task, waves)]
    made = piped("audio-classification", tmp_path, waves, top_k=None)
    for scores, theirs in zip(expected, made, strict=True):
        found = {one["label"]: one["score"] for one in theirs}
        assert found == pytest.approx(scores, abs=1e-4, rel=1e-5)
    assert max(expected[0].values()) != pytest.approx(max(expected[1].values()), abs=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["classes", "tags", "numbers"])
def test_a_pipeline_gives_the_scores_of_ast_with_its_own_classifier(build, noise, tmp_path, name):
    task, _, _, key = POOLED[name]
    model = adapted(build("ast"), task, "ast", "lora + norm")
    assert saved(model, task, tmp_path) == "AutoModelForAudioClassification"
    waves = noise(*SIZES)
    expected = [one[key] for one in answers(model, task, waves)]
    made = piped("audio-classification", tmp_path, waves, top_k=None)
    for scores, theirs in zip(expected, made, strict=True):
        found = {one["label"]: one["score"] for one in theirs}
        assert found == pytest.approx(scores, abs=1e-4, rel=1e-5)


def test_ast_at_another_length_has_no_class_of_transformers():
    task = Classification(LABELS)
    model = adapted(load_backbone("config:tiny-ast?length=own"), task, "ast", "lora")
    with pytest.raises(MergeError, match="padded to the whole length"):
        saved(model, task, Path("unused"))


TEXTS = {
    "characters": (SpeechRecognition(tuple(" '-abc.")), "frames"),
    "words": (WordRecognition(("<pad>", "no", "stop", "yes")), "superb-frames"),
    "phones": (PhoneRecognition(("n", "oʊ", "ɒ")), "frames"),
}

SPELT = {  # of another unit, the blank
    "characters": ("ab xca", [4, 5, 1, 0, 6, 4]),
    "words": ("stop it yes", [3, 0, 4]),
    "phones": ("ɒ n", [3, 1]),
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", OVER_WAVES)
@pytest.mark.parametrize("name", TEXTS)
def test_a_pipeline_writes_the_texts_of_predict(build, noise, tmp_path, kind, name):
    task, head = TEXTS[name]
    model = adapted(build(kind), task, head, "lora + norm")
    assert saved(model, task, tmp_path) == "AutoModelForCTC"
    waves = noise(*SIZES)
    expected = [one["label"] for one in answers(model, task, waves)]
    made = [one["text"] for one in piped("automatic-speech-recognition", tmp_path, waves)]
    assert [" ".join(text.split()) for text in made] == expected  # they keep runs of spaces
    assert all(expected)
    if kind == OVER_WAVES[0]:
        spelt = AutoTokenizer.from_pretrained(tmp_path)(SPELT[name][0]).input_ids
        assert spelt == SPELT[name][1]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", WITH_FRAMES)
@pytest.mark.parametrize("head", ["frames", "superb-frames"])
def test_logits_of_frames_are_those_of_ossicle(build, noise, tmp_path, kind, head):
    task = Events(LABELS, 50.0)
    model = adapted(build(kind), task, head, "lora + weighted-sum")
    auto = saved(model, task, tmp_path)
    assert auto == "AutoModelForAudioFrameClassification"
    for wave in noise(*SIZES):
        ours = model.outputs(*model.backbone.batch([wave])).rows()[0]
        theirs = output(auto, tmp_path, wave).logits[0]
        torch.testing.assert_close(theirs[: len(ours)], ours, atol=1e-4, rtol=1e-4)
        assert len(theirs) - len(ours) <= (kind == "w2v-bert")  # the frame half of padding


@pytest.mark.thorough
@pytest.mark.parametrize("kind", WITH_FRAMES)
def test_embeddings_and_their_classifier_are_those_of_ossicle(build, noise, tmp_path, kind):
    task = Verification(LABELS)
    model = adapted(build(kind), task, "speaker-mean", "lora + norm")
    auto = saved(model, task, tmp_path)
    assert auto == "AutoModelForAudioXVector"
    waves = noise(*SIZES)
    for wave, ours in zip(waves, answers(model, task, waves), strict=True):
        theirs = output(auto, tmp_path, wave)
        for made in (theirs.embeddings, theirs.logits):
            assert made[0].tolist() == pytest.approx(ours["embedding"], abs=1e-4)
    with quiet_transformers():
        whole = transformers.AutoModelForAudioXVector.from_pretrained(tmp_path)
    assert torch.equal(whole.objective.weight.T, model.head.speakers.weight)


REFUSED = {
    "no class": ("hubert", Verification(LABELS), "speaker-mean", "lora", "no AutoModelForAudioXV"),
    "deviation": ("hubert", Classification(LABELS), "meanstd", "lora", "head 'meanstd' is not a"),
    "attention": ("wavlm", Verification(LABELS), "speaker-attentive", "lora", "is not a linear"),
    "second norm": ("ast", Classification(LABELS), "cls", "lora", "train with --head ast"),
    "silence": ("whisper", Classification(LABELS), "mean", "lora", "averages all frames of a ch"),
    "half frames": ("w2v-bert", SpeechRecognition("ab"), "frames", "lora", "odd number of mel"),
    "a bar": ("wavlm", SpeechRecognition("a|"), "frames", "lora", r"character '\|', which"),
    "summed text": (
        *("wavlm", SpeechRecognition("ab"), "frames", "weighted-sum"),
        "AutoModelForCTC has no weighted sum",
    ),
    "gated sum": (
        *("wavlm", Classification(LABELS), "mean", "weighted-sum(gated=true)"),
        "normalise=true or gated=true changes",
    ),
    "all layers": ("wavlm", Classification(LABELS), "mean", "l-adapter", "another way than a wei"),
    "bottleneck": ("wavlm", Classification(LABELS), "mean", "bottleneck", "cannot be merged"),
    "intent": ("wavlm", Intent({"a": "xy", "b": "uv"}), "mean", "lora", "no class of transformers"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", REFUSED)
def test_what_transformers_cannot_compute_is_refused_with_the_reason(build, tmp_path, name):
    kind, task, head, recipe, message = REFUSED[name]
    model = adapted(build(kind), task, head, recipe)
    with pytest.raises(MergeError, match=message):
        saved(model, task, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_projections_become_one_and_numbers_are_scaled_back(build):
    backbone = build("wav2vec2")
    config = backbone.model.config
    first, last = torch.nn.Linear(64, 5), torch.nn.Linear(5, 2)
    form, x = HeadForm("frames", first, last), torch.randn(7, 64)
    found = backbone.family.counterpart(config, form, OutputKind("text", ("a",)))
    weight, bias = found.tensors["lm_head.weight"], found.tensors["lm_head.bias"]
    torch.testing.assert_close(x @ weight.T + bias, last(first(x)))
    form = HeadForm("mean", first, last)
    numbers = OutputKind("numbers", ("a", "b"), means=(1.0, -2.0), deviations=(3.0, 0.5))
    found = backbone.family.counterpart(config, form, numbers)
    weight, bias = found.tensors["classifier.weight"], found.tensors["classifier.bias"]
    expected = last(first(x)) * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -2.0])
    torch.testing.assert_close(first(x) @ weight.T + bias, expected)
