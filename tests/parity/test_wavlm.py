"""WavLM with projections that are called, against transformers' model, which calls none."""

import copy

import pytest
import torch
from torch import nn
from transformers import WavLMConfig, WavLMModel

from ossicle.adapters.check import attach
from ossicle.backbones import FAMILIES, Backbone, load_backbone
from ossicle.recipes.recipe import Recipe

FORMS = ["wavlm", "wavlm-pre-norm"]


@pytest.fixture(params=FORMS)
def pair(request, build) -> tuple[WavLMModel, Backbone]:
    """Transformers' model and ours with the same weights."""
    ours = build(request.param, num_hidden_layers=3, layer_norm_eps=1e-5)
    stock = WavLMModel(WavLMConfig(**ours.model.config.to_dict())).eval()
    stock.load_state_dict(ours.model.state_dict())
    assert "forward" in vars(ours.model.encoder.layers[0].attention)
    assert "forward" not in vars(stock.encoder.layers[0].attention)
    return stock, ours


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # transformers'
@torch.no_grad()
@pytest.mark.parametrize("real_frames", [(30, 30), (30, 17), (1, 30)])
def test_every_hidden_state_is_that_of_transformers(pair, real_frames):
    stock, ours = pair
    hidden = torch.randn(2, 30, ours.anatomy.width)
    mask = torch.arange(30) < torch.tensor(real_frames)[:, None]
    for given in (mask, None):
        ours.forward_state.frame_mask = given
        outputs = [layers_of(model, hidden.clone(), given) for model in (stock, ours.model)]
        for ours_made, stock_made in zip(outputs[1], outputs[0], strict=True):
            scale = stock_made[mask].abs().max()
            assert (ours_made - stock_made)[mask].abs().max() < 1e-6 * scale


def layers_of(model, hidden, mask) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, output: seen.append(output[0]))
        for layer in model.encoder.layers
    ]
    seen.append(model.encoder(hidden, attention_mask=mask).last_hidden_state)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 4
    return seen


@torch.no_grad()
def test_unpadded_waves_give_the_output_of_transformers(pair, noise):
    stock, ours = pair
    values, lengths = ours.batch(noise(4000, 4000))
    expected = stock(values).last_hidden_state
    made = ours(values, lengths).hidden
    assert (made - expected).abs().max() < 1e-6 * expected.abs().max()


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # transformers'
@pytest.mark.parametrize("real_frames", [None, (20, 13)])
def test_the_gradient_of_the_input_is_that_of_transformers(pair, real_frames):
    stock, ours = pair
    hidden = torch.randn(2, 20, ours.anatomy.width)
    direction = torch.randn(2, 20, ours.anatomy.width)
    mask = None
    if real_frames is not None:
        mask = torch.arange(20) < torch.tensor(real_frames)[:, None]
        direction[~mask] = 0
    ours.forward_state.frame_mask = mask
    found = []
    for model in (stock, ours.model):
        leaf = hidden.clone().requires_grad_()
        output = model.encoder(leaf * 1.0, attention_mask=mask).last_hidden_state
        found.append(torch.autograd.grad((output * direction).sum(), leaf)[0])
    assert (found[0] - found[1]).abs().max() < 1e-5 * found[0].abs().max()


class Wrapped(nn.Module):
    """A LoRA wrapper as in PEFT, with the `.weight` of the wrapped module."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(2, base.in_features))
        self.up = nn.Parameter(torch.randn(base.out_features, 2))
        self.weight, self.bias = base.weight, base.bias

    def forward(self, x):
        return self.base(x) + x @ self.down.T @ self.up.T


def test_a_wrapper_on_transformers_wavlm_does_not_train_but_a_tap_does(pair, noise):
    stock, ours = pair
    values, lengths = ours.batch(noise(4000, 4000))
    stock.requires_grad_(False)
    stock.encoder.layers[0].layer_norm.requires_grad_(True)  # needed for a backward pass
    with torch.no_grad():
        before = stock(values).last_hidden_state
    wrappers = []
    for layer in stock.encoder.layers:
        layer.attention.q_proj = Wrapped(layer.attention.q_proj)
        wrappers.append(layer.attention.q_proj)
    with torch.no_grad():
        assert torch.equal(stock(values).last_hidden_state, before)
    stock(values).last_hidden_state.square().sum().backward()
    assert all(w.down.grad is None and w.up.grad is None for w in wrappers)

    model = attach(ours, Recipe.parse("lora(rank=2)@attn.q"))
    tensors = list(model.trainable().values())
    with torch.no_grad():
        for tensor in tensors:
            tensor += torch.randn_like(tensor)
    made = model.encode(values, lengths).hidden
    assert not torch.equal(made, before)
    made.square().sum().backward()
    assert len(tensors) == 6
    assert all(tensor.grad.abs().max() > 1e-6 for tensor in tensors)


def test_every_adapter_tensor_of_all_six_linears_gets_a_gradient(pair, noise):
    _, ours = pair
    inputs = ours.batch(noise(4000, 2500))
    model = attach(ours, Recipe.parse("lora-all"))
    tensors = model.trainable()
    with torch.no_grad():
        for tensor in tensors.values():
            tensor += torch.randn_like(tensor) * 0.1
    model.encode(*inputs).hidden.square().sum().backward()
    assert len(tensors) == 3 * 6 * 2
    assert not [key for key, tensor in tensors.items() if not tensor.grad.abs().max() > 1e-6]


def test_a_deep_copy_computes_with_its_own_projections(pair, noise):
    _, ours = pair
    inputs = ours.batch(noise(4000))
    with torch.no_grad():
        before = ours(*inputs).hidden
        twin = copy.deepcopy(ours)
        twin.model.encoder.layers[0].attention.v_proj.weight += 1.0
        assert torch.equal(ours(*inputs).hidden, before)
        assert not torch.equal(twin(*inputs).hidden, before)


@pytest.mark.slow
def test_48_of_48_lora_tensors_of_wavlm_base_get_a_gradient(noise):
    backbone = load_backbone("config:wavlm-base")
    assert backbone.family is FAMILIES["wavlm"]
    inputs = backbone.batch(noise(8000))
    model = attach(backbone, Recipe.parse("lora"))
    tensors = model.trainable()
    with torch.no_grad():
        for tensor in tensors.values():
            tensor += torch.randn_like(tensor) * 0.02
    model.encode(*inputs).hidden.square().sum().backward()
    assert len(tensors) == 12 * 2 * 2 == 48
    assert sum(bool(tensor.grad.any()) for tensor in tensors.values()) == 48
