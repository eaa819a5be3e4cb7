"""The shortcuts against transformers' modules: equal values, and used only where allowed."""

import pytest
import torch

from kinds import tiny_backbone
from ossicle.adapters.check import attach
from ossicle.backbones import fast, load_backbone
from ossicle.recipes.recipe import Recipe

NEARLY = {"rtol": 0.0, "atol": 5e-6}  # of numbers whose largest is 1
SIZES = (400, 401, 719, 720, 3999, 16_000, 33_333)


def relative(made: torch.Tensor, expected: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return made / expected.abs().max(), expected / expected.abs().max()


@pytest.fixture(scope="module")
def wide():
    """CNNs of full width with small layers: norm over time, norm per frame with a bias."""
    size = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 2}
    size |= {"intermediate_size": 64}
    true = {"conv_dim": [512] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2]}
    true |= {"conv_stride": [5, 2, 2, 2, 2, 2, 2], "num_feat_extract_layers": 7}
    return {
        "group": tiny_backbone("hubert", **size, **true),
        "group with a bias": tiny_backbone("wav2vec2", conv_bias=True, **size, **true),
        "layer": tiny_backbone("wavlm-pre-norm", **size, **true),
        "layer with a bias": tiny_backbone("hubert-pre-norm", conv_bias=True, **size, **true),
    }


@torch.no_grad()
@pytest.mark.parametrize("norm", ["group", "group with a bias", "layer", "layer with a bias"])
@pytest.mark.parametrize("samples", SIZES)
def test_the_cnn_of_a_wave_is_that_of_transformers(wide, norm, samples):
    cnn = wide[norm].model.feature_extractor
    for parameter in cnn.parameters():  # initial norms of 1 and 0 would hide mistakes
        parameter.uniform_(0.5, 1.5) if parameter.ndim == 1 else None
    batch = torch.randn(3, samples) * 3 + 0.7
    for row in batch:  # of a shared storage
        made, expected = relative(fast.run_cnn(cnn, row), cnn(row[None])[0].T)
        torch.testing.assert_close(made, expected, **NEARLY)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 64, 128, 129, 130, 258, 259, 700])
@pytest.mark.parametrize("kernel", [128, 127, 31])
def test_the_positions_are_those_of_transformers(frames, kernel):
    backbone = tiny_backbone("hubert", num_conv_pos_embeddings=kernel)
    embed = backbone.model.encoder.pos_conv_embed
    hidden = torch.randn(2, frames, 64)
    made, expected = relative(fast.run_positions(embed, hidden), embed(hidden))
    torch.testing.assert_close(made, expected, **NEARLY)


def test_gradients_pass_through_the_positions():
    embed = tiny_backbone("hubert", num_conv_pos_embeddings=128).model.encoder.pos_conv_embed
    hidden = torch.randn(2, 150, 64, requires_grad=True)
    direction = torch.randn(2, 150, 64)
    mine, theirs = (
        torch.autograd.grad((run(hidden) * direction).sum(), hidden)[0]
        for run in (lambda x: fast.run_positions(embed, x), embed)
    )
    torch.testing.assert_close(*relative(mine, theirs), **NEARLY)


@torch.no_grad()
def test_the_spectrum_of_changed_weights_is_recomputed():
    embed = tiny_backbone("hubert", num_conv_pos_embeddings=128).model.encoder.pos_conv_embed
    hidden = torch.randn(1, 50, 64)
    fast.run_positions(embed, hidden)
    for parameter in embed.parameters():
        parameter.mul_(1.5)
    made, expected = relative(fast.run_positions(embed, hidden), embed(hidden))
    torch.testing.assert_close(made, expected, **NEARLY)
    assert not any("spectrum" in name for name in embed.state_dict())


@torch.no_grad()
@pytest.mark.parametrize("size", ["config:hubert-base", "config:wavlm-large?num_hidden_layers=2"])
def test_a_backbone_gives_the_same_output_with_and_without_shortcuts(size, noise):
    waves = noise(16_000, 9000)
    quick, plain = (load_backbone(size, fast=is_fast) for is_fast in (True, False))
    assert fast.can_run_cnn(quick.model.feature_extractor, torch.zeros(1, 400))
    assert fast.can_run_positions(quick.model.encoder.pos_conv_embed, torch.zeros(1, 4, 8))
    made, expected = (one(*one.batch(waves)).hidden for one in (quick, plain))
    assert not torch.equal(made, expected)
    torch.testing.assert_close(*relative(made, expected), rtol=0, atol=1e-5)


def test_modules_that_train_or_have_hooks_are_not_replaced(wide):
    backbone = wide["group"]
    cnn, values = backbone.model.feature_extractor, torch.zeros(1, 4000)
    assert fast.can_run_cnn(cnn, values)
    assert not fast.can_run_cnn(cnn, values.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not fast.can_run_cnn(cnn, values)
    model = attach(backbone, Recipe.parse("chapter"))
    assert not fast.can_run_cnn(cnn, values)
    model.remove_taps()
    assert fast.can_run_cnn(cnn, values)
    cnn.conv_layers[3].conv.weight.requires_grad_(True)
    assert not fast.can_run_cnn(cnn, values)


def test_small_and_other_shapes_are_not_replaced():
    small = tiny_backbone("hubert").model
    assert not fast.can_run_cnn(small.feature_extractor, torch.zeros(1, 4000))
    assert not fast.can_run_positions(small.encoder.pos_conv_embed, torch.zeros(1, 9, 64))
    stacked = tiny_backbone("data2vec-audio").model
    assert not fast.can_run_positions(stacked.encoder.pos_conv_embed, torch.zeros(1, 9, 64))
