"""The mixed operation of a differentiable search against its published equation, in float64.

    out = sum_k g_k layer_k(x)      layer_k: the whole layer, with candidate k alone

The candidates are those of the code of Lin et al. 2024 (https://arxiv.org/abs/2401.02122): skip,
sequential and parallel adapters, LoRA and BitFit. g = softmax(logits), or sigmoid(logits) in
Fair-DARTS (https://arxiv.org/abs/1911.12126). Each layer_k is the layer in plain operations of
`test_equations`. Compared are the output and the gradients of logits, adapters and input.
"""

from dataclasses import replace

import pytest
import torch
from test_equations import (
    KINDS,
    PAR,
    Places,
    Plain,
    agree,
    bottleneck,
    double,
    first,
    lora,
    prepared,
)

from ossicle.recipes.recipe import Recipe

CANDIDATES = {
    "skip": "skip",
    "sequential": "bottleneck(width=4)@ffn",
    "parallel": f"bottleneck(width=4, {PAR}, reads=layer)@ffn",  # reads the input of the layer
    "lora": "lora(rank=8, alpha=1)@attn.q,attn.v",
    "bitfit": "bias",
}


def mixture(gate: str = "layers") -> str:
    parts = [
        replace(placement, gate=f"{gate}:{name}")
        for name, text in CANDIDATES.items()
        for placement in Recipe.parse(text).placements
    ]
    return " + ".join(map(str, parts))


def places(w: dict, pre_norm: bool) -> list[Places]:
    """Return what each candidate changes in a layer."""
    bias = {
        site.partition("/")[2]: tensors["bias"] for site, tensors in w.items() if site[0] == "4"
    }
    add = {name: lambda _, y, b=b: y + b for name, b in bias.items()}
    bitfit = Places(
        **{letter: add[f"attn.{letter}"] for letter in "qkvo"},
        norm_attn=add["norm.attn"],
        ffn_in=add["ffn.in"],
        ffn_out=add["ffn.out"],
    )
    if pre_norm:
        bitfit.into_ffn = lambda z: z + bias["norm.ffn"]
    else:
        bitfit.out = add["norm.ffn"]
    return [
        Places(),
        Places(ffn=lambda _, y: y + bottleneck(y, w["1/ffn"])),
        Places(ffn=lambda seen, y: y + bottleneck(seen.x, w["2/ffn"])),
        Places(q=lora(1 / 8)(w["3/attn.q"]), v=lora(1 / 8)(w["3/attn.v"])),
        bitfit,
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("relaxed", [False, True], ids=["softmax", "sigmoid"])
def test_a_mixed_layer_is_the_equation(build, kind, relaxed):
    backbone = build(kind)
    plain = Plain(double(build(kind)), 1)
    model = prepared(backbone, mixture())
    logits = model.tensors()["gates/layers.1"]
    if relaxed:
        model.current.gates.relaxation = lambda given, _: torch.sigmoid(given)
        weights = 1 / (1 + torch.exp(-logits))
    else:
        weights = logits.exp() / logits.exp().sum()
    w: dict[str, dict] = {}
    for key, tensor in model.tensors().items():
        number, layer, site, name = (*key.split("/"), "", "")[:4]
        if layer == "1":
            w.setdefault(f"{number}/{site}", {})[name] = tensor
    x = torch.randn(2, 34 if kind == "ast" else 9, 64, dtype=torch.float64, requires_grad=True)
    alone = [plain(x, at) for at in places(w, plain.pre_norm)]
    expected = sum(weight * one for weight, one in zip(weights, alone, strict=True))
    assert all((one - alone[0]).abs().max() > 0.01 for one in alone[1:])
    layer = backbone.model.get_submodule(backbone.anatomy.find("layer")[1].owned_modules[0])
    leaves = [x, logits, *(tensor for tensors in w.values() for tensor in tensors.values())]
    agree(first(layer(x)), expected, leaves)
