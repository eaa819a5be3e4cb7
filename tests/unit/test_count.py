"""Counting: by part, placement, site and layer, without touching the backbone."""

import pytest
import torch

from ossicle.adapters.check import attach
from ossicle.adapters.count import count, tally
from ossicle.backbones import load_backbone
from ossicle.errors import RecipeMismatch, SiteNotFound
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


def test_rows_name_the_part_the_method_the_site_and_the_layer(build):
    recipe = Recipe.parse("lora(rank=2)@attn.q[-1:] + norm@norm.input")
    found = count(build("hubert"), recipe)
    rows = [(row.part, row.method, row.site, row.layer, row.count) for row in found.rows]
    assert rows == [
        ("adapter", "lora", "attn.q", 1, 2 * (64 + 64)),
        ("norm", "norm", "norm.input", None, 2 * 64),
    ]


def test_the_sums_are_those_of_a_hand_count(build):
    backbone = build("hubert")
    everything = sum(parameter.numel() for parameter in backbone.parameters())
    head = build_head("mean", backbone.anatomy, 3)
    found = count(backbone, Recipe.parse("lora(rank=2)@attn.q + norm@norm.input"), head)
    adapter, norm, top = 2 * 2 * (64 + 64), 2 * 64, 65 * 3
    trainable = adapter + norm + top
    assert found.to_dict() == {
        "total": everything + trainable,
        "trainable": trainable,
        "adapter": adapter,
        "norm": norm,
        "backbone": 0,
        "head": top,
        "percent": 100 * trainable / (everything + trainable),
    }


def test_what_trains_in_place_is_not_counted_twice(build):
    backbone = build("wav2vec2")
    unused = backbone.model.masked_spec_embed.numel()
    everything = sum(parameter.numel() for parameter in backbone.parameters())
    found = count(backbone, Recipe.parse("full@backbone + full@layer"))
    assert found.total == everything
    assert found.trainable == found.of("backbone") == everything - unused
    assert [row.count for row in found.rows] == [everything - unused, 0, 0]


def test_the_meta_device_gives_the_same_count_as_real_weights():
    recipe = Recipe.parse("lora + norm")
    counted = count(load_backbone("config:tiny-ast", weights=False), recipe)
    assert counted == count(load_backbone("config:tiny-ast"), recipe)


def test_an_attached_model_has_the_count_computed_before(build):
    recipe = Recipe.parse("houlsby")
    model = attach(build("ast"), recipe)
    found = tally(model)
    assert found == count(build("ast"), recipe)
    assert found.trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("expression", ["full", "lora", "full@layer[0] + bias"])
def test_counting_leaves_the_backbone_as_it_was(build, expression, noise):
    backbone = build("hubert")
    count(backbone, Recipe.parse(expression))
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module._forward_hooks for module in backbone.modules())
    model = attach(backbone, Recipe.parse("bottleneck"))
    with torch.no_grad():
        assert torch.equal(
            model.eval().encode(*backbone.batch(noise(4000))).hidden,
            build("hubert")(*backbone.batch(noise(4000))).hidden,
        )


def test_a_recipe_that_does_not_fit_cannot_be_counted(build):
    with pytest.raises(SiteNotFound, match=r"hubert has no site 'norm.final'"):
        count(build("hubert"), Recipe.parse("norm@norm.final"))
    with pytest.raises(RecipeMismatch, match="nothing can be inserted at 'backbone'"):
        count(build("hubert"), Recipe.parse("bias@backbone"))
