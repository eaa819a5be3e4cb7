"""LoRA against Hugging Face PEFT, with the same weights, in output and gradient."""

import copy

import pytest
import torch

from ossicle.adapters.check import attach
from ossicle.recipes.recipe import Recipe

peft = pytest.importorskip("peft", reason="PEFT belongs to the benchmark extra")

MODULES = {
    "attn.q": "attention.q_proj",
    "attn.k": "attention.k_proj",
    "attn.v": "attention.v_proj",
    "attn.o": "attention.out_proj",
    "ffn.in": "feed_forward.intermediate_dense",
    "ffn.out": "feed_forward.output_dense",
}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # PEFT calls it
@pytest.mark.parametrize("kind", ["hubert", "wav2vec2-pre-norm"])
def test_lora_is_that_of_peft(build, kind, noise):
    backbone = build(kind)
    inputs = backbone.batch(noise(4000, 4000))
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=[*MODULES.values()])
    theirs = peft.get_peft_model(copy.deepcopy(backbone.model), config).eval()
    recipe = Recipe.parse(f"lora(rank=4, alpha=12)@{','.join(MODULES)}")
    ours = attach(backbone, recipe).eval()

    named = dict(theirs.named_parameters())
    pairs = []
    for key, tensor in ours.trainable().items():
        _, layer, site, end = key.split("/")
        part = {"down": "lora_A", "up": "lora_B"}[end]
        path = f"base_model.model.encoder.layers.{layer}.{MODULES[site]}.{part}.default.weight"
        pairs.append((tensor, named[path]))
    assert len(pairs) == 2 * 6 * 2
    assert sum(parameter.requires_grad for parameter in theirs.parameters()) == len(pairs)
    with torch.no_grad():
        for mine, other in pairs:
            mine.copy_(torch.randn_like(mine) * 0.1)
            other.copy_(mine)

    made, expected = ours.encode(*inputs).hidden, theirs(inputs[0]).last_hidden_state
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
    for output in (made, expected):
        output.square().sum().backward()
    for mine, other in pairs:
        scale = other.grad.abs().max()
        assert (mine.grad - other.grad).abs().max() < 1e-4 * scale
