"""The filter bank against transformers' feature extractors, and AST at a clip's own length."""

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor, SeamlessM4TFeatureExtractor

from kinds import tiny_backbone
from ossicle.adapters.check import attach
from ossicle.backbones import FAMILIES, load_backbone
from ossicle.backbones.ast import AST
from ossicle.backbones.filterbank import log_mel
from ossicle.backbones.load import random_backbone
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.errors import BackboneError, RecipeMismatch
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

SIZES = (400, 559, 560, 4000, 16_123, 170_000)


@pytest.fixture(params=["noise", "loud", "tone on an offset", "silence"])
def wave(request):
    rng = np.random.default_rng(0)
    times = np.arange(SIZES[-1]) / 16_000
    return {
        "noise": rng.normal(0, 0.1, SIZES[-1]),
        "loud": rng.uniform(-1, 1, SIZES[-1]),
        "tone on an offset": 0.2 * np.sin(2 * np.pi * 440 * times) + 0.5,
        "silence": np.zeros(SIZES[-1]),
    }[request.param].astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_ast_computes_the_mel_frames_of_its_extractor(wave, size):
    with quiet_transformers():
        extractor = ASTFeatureExtractor()
    expected = extractor(wave[:size], sampling_rate=16_000, return_tensors="pt")["input_values"][0]
    made, length = FAMILIES["ast"].values(extractor, wave[:size])
    assert length == len(made) == 1024
    off = (made - expected).abs() * 2 * extractor.std  # in the unit of the filter bank
    assert (off.max() < 2e-3, off.mean() < 1e-4) == (True, True), (off.max(), off.mean())
    mels = log_mel(extractor, wave[:size], torch.float64)[:1024]
    exact = expected[: len(mels)] * 2 * extractor.std + extractor.mean
    torch.testing.assert_close(mels, exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [560, *SIZES[3:]])
def test_w2v_bert_computes_the_mel_frames_of_its_extractor(wave, size):
    extractor = SeamlessM4TFeatureExtractor()
    expected = extractor(wave[:size], sampling_rate=16_000, return_tensors="pt")
    real = expected["attention_mask"][0].bool()
    made, length = FAMILIES["w2v-bert"].values(extractor, wave[:size])
    assert length == len(made) == int(real.sum())
    torch.testing.assert_close(made, expected["input_features"][0][real], rtol=0, atol=1e-4)


def own(**changed):
    family = AST(own_length=True)
    return random_backbone(family, {**family.tiny(), **changed}, "tiny?length=own")


@torch.no_grad()
def test_a_clip_of_full_length_is_the_same_at_its_own_length(noise):
    backbone, whole = own(), tiny_backbone("ast")
    waves = noise(backbone.max_samples, backbone.max_samples)
    made, expected = backbone(*backbone.batch(waves)), whole(*whole.batch(waves))
    torch.testing.assert_close(made.hidden, expected.hidden, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_shorter_clip_has_the_first_columns_and_their_positions(noise):
    backbone = own()
    (wave,) = noise(400 + 36 * 160)  # 37 mel frames: two columns of sixteen
    embeddings = backbone.model.embeddings
    tokens = backbone.family.embed(
        backbone.model, backbone.row(wave)[0][None], backbone.forward_state
    )
    assert tokens.shape[1] == backbone.num_frames(len(wave)) == 2 + 8 * 2
    mels, _ = tiny_backbone("ast").row(wave)
    patches = embeddings.patch_embeddings(mels[None])[0].reshape(8, 4, 64)
    positions = embeddings.position_embeddings[0]
    for row in range(8):
        for column in range(2):
            expected = patches[row, column] + positions[2 + 4 * row + column]
            found = tokens[0, 2 + 2 * row + column]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(tokens[0, 1], embeddings.distillation_token[0, 0] + positions[1])


@torch.no_grad()
def test_a_row_at_its_own_length_does_not_depend_on_its_batch(noise):
    backbone = own()
    recipe = Recipe.parse("lora + bottleneck(width=4)@attn,ffn + prompt(length=2)")
    model = attach(backbone, recipe, build_head("meanstd", backbone.anatomy, 3)).eval()
    waves = noise(backbone.min_samples, 5000, 9000, 12_000)
    together = model.outputs(*backbone.batch(waves)).values
    for wave, output in zip(waves, together, strict=True):
        (alone,) = model.outputs(*backbone.batch([wave])).values
        torch.testing.assert_close(output, alone, rtol=1e-4, atol=1e-5)


def test_the_shortest_clip_gives_one_column():
    backbone = own()
    assert backbone.min_samples == 400 + 15 * 160
    assert backbone.num_frames(backbone.min_samples) == 2 + 8
    assert backbone.num_frames(10**6) == 2 + 8 * 4


def test_own_length_is_an_option_of_the_name_and_changes_the_fingerprint():
    backbone, whole = load_backbone("tiny-ast?length=own"), load_backbone("tiny-ast")
    assert backbone.family.own_length
    assert not whole.family.own_length
    assert backbone.fingerprint != whole.fingerprint
    assert load_backbone("config:tiny-ast?length=own").family.own_length
    with pytest.raises(
        BackboneError, match=r"length is .half. in .tiny-ast.*: ast takes length=own"
    ):
        load_backbone("tiny-ast?length=half")
    with pytest.raises(BackboneError, match="hubert processes every recording at its own length"):
        load_backbone("tiny-hubert?length=own")
    with pytest.raises(RecipeMismatch, match="load the backbone without"):
        attach(own(), Recipe.parse("convpass(grid=true)"))
    with pytest.raises(RecipeMismatch, match="are patches of time and frequency"):
        build_head("frames", own().anatomy, 3)
