"""Whisper with its decoder against transformers: bare, with peft's LoRA, and merged.

OSSICLE_WHISPER may name a folder with real weights of a Whisper, for the tests that need them.
"""

import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperForConditionalGeneration, pipeline

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.convert.checkpoint import write_checkpoint
from ossicle.errors import BackboneError, MergeError, RunError
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import SpeechRecognition
from ossicle.training.trained import Trained

FOUR = "q_proj k_proj v_proj out_proj"
MODULES = {
    f"{site}.{short}": f"{path}.{name}"
    for site, path, names in (
        ("attn", "encoder.layers.{}.self_attn", FOUR),
        ("dec.attn", "decoder.layers.{}.self_attn", FOUR),
        ("dec.cross", "decoder.layers.{}.encoder_attn", FOUR),
        ("ffn", "encoder.layers.{}", "fc1 fc2"),
        ("dec.ffn", "decoder.layers.{}", "fc1 fc2"),
    )
    for short, name in zip(("in", "out") if "ffn" in site else "qkvo", names.split(), strict=True)
}
TASK = {"name": "seq2seq", "language": "de", "task": "transcribe", "max_seconds": 30.0}
EVERYWHERE = f"lora(rank=3, alpha=6)@{','.join(MODULES)} + norm@dec.norm.ffn,norm.final"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A tiny Whisper of random weights, with its decoder and tokenizer, in the hub's layout."""
    family = WITH_DECODER["whisper"]
    folder = tmp_path_factory.mktemp("whole") / "tiny-whisper"
    random_backbone(family, family.tiny(), "tiny").save(folder)
    return folder


@pytest.fixture(params=["tiny", "real"])
def folder(request: pytest.FixtureRequest) -> Path:
    if request.param == "tiny":
        return request.getfixturevalue("tiny")
    if "OSSICLE_WHISPER" not in os.environ:
        pytest.skip("OSSICLE_WHISPER names no folder of a pretrained Whisper")
    return Path(os.environ["OSSICLE_WHISPER"])


def whole(folder: Path, recipe: str) -> AdaptedModel:
    """Return a recipe on a Whisper, with random weights."""
    backbone = load_backbone(str(folder), decoder=True)
    model = attach(backbone, Recipe.parse(recipe), build_head("decoder", backbone.anatomy, 0))
    torch.manual_seed(1)
    with torch.no_grad():
        for tensor in model.trainable().values():
            tensor += torch.randn_like(tensor) * 0.02
    return model.eval()


def stock(folder: Path) -> WhisperForConditionalGeneration:
    with quiet_transformers():
        return WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()


def close(made, expected) -> None:
    """Compare within 1e-5 of the largest logit; real ones reach 60."""
    off = (made - expected).abs().max() / max(1.0, expected.abs().max())
    assert off < 1e-5, off


def inputs_of(backbone, noise):
    values, lengths = backbone.batch(noise(9000, 16_000))
    ids = torch.tensor([[backbone.tokens.start, 5, 90, 33], [backbone.tokens.start, 7, 7, 100]])
    return values, lengths, ids


@torch.no_grad()
def test_logits_are_those_of_transformers(folder, noise):
    backbone = load_backbone(str(folder), decoder=True)
    values, lengths, ids = inputs_of(backbone, noise)
    encoded = backbone(values, lengths)
    made = backbone.decoder.logits(encoded.hidden, encoded.frame_mask, ids)
    given = {"input_features": values.transpose(1, 2), "decoder_input_ids": ids}
    close(made, stock(folder)(**given).logits)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # PEFT calls it
def test_lora_in_encoder_and_decoder_is_that_of_peft(folder, noise):
    peft = pytest.importorskip("peft", reason="PEFT belongs to the benchmark extra")
    ours = whole(folder, f"lora(rank=4, alpha=12)@{','.join(MODULES)}")
    targets = sorted({path.rpartition(".")[2] for path in MODULES.values()})
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=targets)
    theirs = peft.get_peft_model(stock(folder), config).eval()
    named = dict(theirs.named_parameters())
    pairs = []
    for key, tensor in ours.trainable().items():
        _, layer, site, end = key.split("/")
        part = {"down": "lora_A", "up": "lora_B"}[end]
        module = f"base_model.model.model.{MODULES[site].format(layer)}"
        pairs.append((tensor, named[f"{module}.{part}.default.weight"]))
    assert len(pairs) == sum(parameter.requires_grad for parameter in theirs.parameters())
    with torch.no_grad():
        for mine, other in pairs:
            other.copy_(mine)
    values, lengths, ids = inputs_of(ours.backbone, noise)
    encoded = ours.encode(values, lengths)
    made = ours.backbone.decoder.logits(encoded.hidden, encoded.frame_mask, ids)
    expected = theirs(input_features=values.transpose(1, 2), decoder_input_ids=ids).logits
    close(made, expected)
    for output in (made, expected):
        output.log_softmax(dim=-1)[:, :, 40].sum().backward()
    share = 1e-4 if folder.name == "tiny-whisper" else 1e-3  # rounding adds up over layers
    for mine, other in pairs:
        assert (mine.grad - other.grad).abs().max() < share * other.grad.abs().max()


def written(folder: Path, noise, number: int = 3) -> list[str]:
    """Return what transformers' pipeline writes about a few waves."""
    with quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers' own calls
        run = pipeline("automatic-speech-recognition", str(folder), device="cpu")
        return [run(wave.copy())["text"].strip() for wave in noise(*[9000] * number)]


@pytest.mark.thorough
def test_a_merged_run_writes_the_same_texts_without_ossicle(folder, noise, tmp_path):
    model = whole(folder, EVERYWHERE)
    task = TASK
    if not model.backbone.tokens.is_multilingual:
        task = {**TASK, "language": "auto"}
    save(model, tmp_path / "run", task=task)
    write_checkpoint(tmp_path / "run", tmp_path / "merged")
    never_silent = "greedy(no_speech=1)"  # transformers' pipeline leaves no text out
    trained = Trained.open(tmp_path / "run", device="cpu", decoder=never_silent)
    write = trained.predictor.predict_waves
    expected = [write([wave])["label"] for wave in noise(9000, 9000, 9000)]
    assert written(tmp_path / "merged", noise) == expected
    assert len(set(expected)) > 1 or folder.name != "tiny-whisper"


def test_an_output_layer_that_is_not_the_table_of_embeddings_is_refused(tiny, tmp_path):
    folder = tmp_path / "untied"
    shutil.copytree(tiny, folder)
    tensors = load_file(folder / "model.safetensors")
    table = tensors["model.decoder.embed_tokens.weight"]
    save_file({**tensors, "proj_out.weight": table.clone()}, folder / "model.safetensors")
    load_backbone(str(folder), decoder=True)
    save_file({**tensors, "proj_out.weight": table + 1}, folder / "model.safetensors")
    with pytest.raises(BackboneError, match=r"'proj_out\.weight' is not the table of token emb"):
        load_backbone(str(folder), decoder=True)


def test_what_cannot_be_merged_to_a_checkpoint_is_refused_by_name(tiny, tmp_path):
    save(whole(tiny, "bottleneck@dec.ffn"), tmp_path / "bottleneck", task=TASK)
    with pytest.raises(MergeError, match=r"2 adapters cannot be merged: dec.ffn in layer 0"):
        write_checkpoint(tmp_path / "bottleneck", tmp_path / "out")
    bare, asr = load_backbone(str(tiny)), SpeechRecognition("ab")
    model = attach(bare, Recipe.parse("lora"), build_head("frames", bare.anatomy, 3))
    save(model, tmp_path / "asr", task={**asr.to_dict(), "max_seconds": 1.0})
    with pytest.raises(MergeError, match="no class for frames or CTC"):
        write_checkpoint(tmp_path / "asr", tmp_path / "out")
    own = load_backbone(f"{tiny}?length=own", decoder=True)
    model = attach(own, Recipe.parse("lora"), build_head("decoder", own.anatomy, 0))
    save(model, tmp_path / "own", task=TASK)
    with pytest.raises(MergeError, match="trained with length=own, and transformers pads"):
        write_checkpoint(tmp_path / "own", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(RunError, match="is not empty"):
        write_checkpoint(tmp_path / "bottleneck", tmp_path / "own")
