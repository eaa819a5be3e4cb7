"""Merging, pruning, searching and counting adapters in a text decoder."""

import json

import pytest
import torch

from decoders import WHOLE, attached
from kinds import shake
from ossicle.adapters.budget import fit_budget
from ossicle.adapters.merge import merge
from ossicle.adapters.saving import put_tensors
from ossicle.cli.params import params
from ossicle.errors import MergeError, SearchError
from ossicle.pruning import Unpruned, parse_prune, pruned
from ossicle.recipes.recipe import Recipe
from ossicle.search.candidates import read_candidates

FRAMES = torch.randn(2, 50, 64, generator=torch.Generator().manual_seed(0))
IDS = torch.arange(6).repeat(2, 1)


@pytest.fixture
def backbone():
    return WHOLE["whisper"]()


def logits(backbone) -> torch.Tensor:
    return backbone.decoder.logits(FRAMES, None, IDS)


@pytest.mark.parametrize(
    "text",
    [
        "lora(rank=4)@dec.attn.q,dec.cross.v,dec.ffn.in + bias@dec.cross.o,dec.norm.cross"
        " + norm@dec.norm.attn,dec.norm.final + scale@dec.attn.v,dec.ffn.act,dec.cross.k",
        "bias@dec.ffn + scale@dec.ffn.out + lora(rank=4)@dec.ffn.out + scale(shift=true)@dec.cross"
        " + lora(rank=2)@dec.cross.o",
    ],
)
@torch.no_grad()
def test_merged_weights_give_the_logits_of_the_adapters(backbone, text):
    model = attached(backbone, Recipe.parse(text))
    shake(model)
    expected = logits(model.backbone)
    merged = merge(model)
    torch.testing.assert_close(logits(merged), expected, rtol=1e-5, atol=1e-5)
    model.use()
    assert (logits(model.backbone) - expected).abs().max() > 0.01
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in merged.modules())


def test_what_cannot_be_merged_is_named_with_its_site(backbone):
    with pytest.raises(MergeError, match=r"cannot be merged: dec.cross.kv in layer 0, dec.cross"):
        merge(attached(backbone, Recipe.parse("prefix@dec.cross.kv")))


@torch.no_grad()
def test_ranks_that_do_nothing_are_pruned_in_both_parts(backbone):
    model = attached(backbone, Recipe.parse("lora(rank=4)@attn.q,dec.attn.q,dec.cross.v"))
    shake(model)
    for key, tensor in model.tensors().items():  # the first two of four
        (tensor[:2] if key.endswith("down") else tensor[:, :2]).zero_()
    expected = logits(model.backbone)
    tensors = {key: value.detach().clone() for key, value in model.tensors().items()}
    unpruned = Unpruned(backbone, model.recipe, tensors, {"name": "decoder", "outputs": 0})
    choice = parse_prune("magnitude(keep=0.5)").choose(unpruned, lambda: iter(()), 0)
    found = pruned(unpruned, choice.kept, keeps_gates=choice.keeps_gates)
    model.remove("default")
    smaller = attached(backbone, found.recipe)
    put_tensors(smaller.tensors(), found.tensors, "here")
    assert 2 * sum(p.numel() for p in smaller.tensors().values()) == sum(
        value.numel() for value in tensors.values()
    )
    torch.testing.assert_close(logits(smaller.backbone), expected, rtol=1e-5, atol=1e-6)


def test_a_budget_is_met_where_the_parts_have_different_numbers_of_layers(backbone):
    # one layer of the encoder and two of the decoder: 3 * 2 * 64 parameters for each rank
    fitted = fit_budget(backbone, Recipe.parse("lora@attn.q,dec.attn.q"), 5 * 3 * 128, None)
    assert str(fitted.recipe) == "lora(rank=5)@attn.q,dec.attn.q"
    two = fit_budget(backbone, Recipe.parse("lora@dec.cross.q + bottleneck@ffn"), 6000, "layers")
    assert two.count <= 6000


def test_a_search_chooses_for_the_layers_of_the_encoder(backbone):
    with pytest.raises(SearchError, match=r"acts at 'dec.ffn', which is not in a layer of the enc"):
        read_candidates(backbone, ["skip", "bottleneck@dec.ffn"], 10_000)


def test_params_counts_a_recipe_in_a_decoder(capsys):
    params("config:whisper-tiny", "lora@dec.attn.q,dec.cross.v", json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["adapter"], found["head"]) == (4 * 2 * 8 * 2 * 384, 0)
    assert found["total"] - found["trainable"] == 37_760_640  # as the released model
