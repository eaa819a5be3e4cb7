"""Taps and sets: inputs of adapters, the order in which they act, and invariants."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import in_place_tensors
from ossicle.anatomy import LAYER_SITES, OUTER_SITES, SITE_NAMES
from ossicle.errors import AttachError
from ossicle.methods import Adapter, Method
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True)
class Spy(Method):
    """Records its arguments; adds `more` to input and output."""

    name: ClassVar[str] = "spy"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)
    before: float = 0.0
    times: float = 1.0
    after: float = 0.0

    def build(self, site):  # noqa: ARG002 - it fits any site
        return SpyAdapter(self)


class SpyAdapter(Adapter):
    def __init__(self, method: Spy) -> None:
        super().__init__()
        self.method = method
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def before(self, x):
        return x + self.method.before

    def forward(self, x, y):
        self.seen.append((x, y))
        return y * self.method.times + self.method.after


def spied(backbone, *placements: Placement) -> AdaptedModel:
    model = AdaptedModel(backbone)
    model.add("a", Recipe(*placements))
    model.use("a")
    return model.eval()


@torch.no_grad()
def test_every_site_has_the_widths_it_says_and_is_called_once(build, kind, noise):
    backbone = build(kind)
    names = [
        name
        for name in backbone.anatomy.site_names
        if backbone.anatomy.find(name)[0].entry is not None
    ]
    assert {"attn.q", "attn.kv", "ffn.act", "norm.ffn", "layer", "layers", "encoder"} <= set(names)
    assert len(set(names) & {"norm.input", "norm.final"}) <= 1
    model = spied(backbone, Placement(Spy(), tuple(names)))
    frames = model.encode(*backbone.batch(noise(4000, 4000))).hidden.shape[1]
    slots = model.current.slots
    assert len(slots) == sum(len(backbone.anatomy.find(name)) for name in names)
    for slot in slots:
        assert len(slot.adapter.seen) == 1, slot.site
        x, y = slot.adapter.seen[0]
        if slot.site.name == "layers":
            x = x[:, -1]
            assert slot.adapter.seen[0][0].shape[1] == backbone.anatomy.num_layers
        if slot.site.name == "cnn":  # (B, C, T)
            assert (x.shape[:2], y.shape[:2]) == ((2, slot.site.width_in), (2, slot.site.width_out))
            continue
        assert x.shape == (2, frames, slot.site.width_in), slot.site
        assert y.shape == (2, frames, slot.site.width_out), slot.site


def activation(config):
    name = getattr(config, "hidden_act", None) or config.activation_function
    return {"gelu": torch.nn.functional.gelu, "swish": torch.nn.functional.silu}[name]


@torch.no_grad()
def test_a_site_is_the_module_it_owns(build, kind, noise):
    backbone = build(kind)
    names = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.in", "ffn.out", "ffn", "norm.attn")
    model = spied(backbone, Placement(Spy(), names), Placement(Spy(), ("norm.ffn", "ffn.act")))
    model.encode(*backbone.batch(noise(4000)))
    made = {(s.site.name, s.site.layer): s.adapter.seen[0] for s in model.current.slots}
    for slot in model.current.slots:
        if len(slot.site.owned_modules) == 1:
            x, y = made[slot.site.name, slot.site.layer]
            module = copy.deepcopy(backbone.model.get_submodule(slot.site.owned_modules[0]))
            for inner in module.modules():
                inner._forward_hooks.clear()
                inner._forward_pre_hooks.clear()
            torch.testing.assert_close(module(x), y)
    for layer in range(backbone.anatomy.num_layers):
        x, y = made["ffn.act", layer]
        assert torch.equal(x, made["ffn.in", layer][1])
        assert torch.equal(y, made["ffn.out", layer][0])
        torch.testing.assert_close(activation(backbone.model.config)(x), y)
        assert torch.equal(made["attn.q", layer][0], made["attn.k", layer][0])
        assert torch.equal(made["ffn.in", layer][0], made["ffn", layer][0])
        assert torch.equal(made["ffn.out", layer][1], made["ffn", layer][1])


@torch.no_grad()
def test_norms_are_before_blocks_in_pre_norm_and_after_them_in_post_norm(build, kind, noise):
    backbone = build(kind)
    if "conv" in backbone.anatomy.site_names:
        return  # see the next test
    names = ("attn", "ffn", "norm.attn", "norm.ffn", "layer")
    model = spied(backbone, Placement(Spy(), names))
    model.encode(*backbone.batch(noise(4000)))
    made = {(s.site.name, s.site.layer): s.adapter.seen[0] for s in model.current.slots}
    pre_norm = "norm.final" in backbone.anatomy.site_names
    for layer in range(backbone.anatomy.num_layers):
        (x_attn, a), (x_ffn, y) = made["attn", layer], made["ffn", layer]
        (into_first, first), (into_second, second) = (
            made[f"norm.{block}", layer] for block in ("attn", "ffn")
        )
        x, out = made["layer", layer]
        if pre_norm:
            assert torch.equal(into_first, x)
            assert torch.equal(x_attn, first)
            torch.testing.assert_close(into_second, x + a)
            assert torch.equal(x_ffn, second)
            torch.testing.assert_close(out, x + a + y)
        else:
            assert torch.equal(x_attn, x)
            torch.testing.assert_close(into_first, x + a)
            assert torch.equal(x_ffn, first)
            torch.testing.assert_close(into_second, first + y)
            assert torch.equal(out, second)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["wav2vec2-conformer", "w2v-bert"])
def test_a_conformer_halves_its_feed_forward_blocks_and_ends_in_a_norm(build, kind, noise):
    backbone = build(kind)
    names = ("ffn1", "attn", "conv", "ffn", "norm.ffn1", "norm.attn", "norm.conv", "norm.ffn")
    model = spied(backbone, Placement(Spy(), (*names, "norm.layer", "layer")))
    model.encode(*backbone.batch(noise(4000)))
    made = {(s.site.name, s.site.layer): s.adapter.seen[0] for s in model.current.slots}
    for layer in range(backbone.anatomy.num_layers):
        x, out = made["layer", layer]
        for name, weight in (("ffn1", 0.5), ("attn", 1.0), ("conv", 1.0), ("ffn", 0.5)):
            into_norm, normed = made[f"norm.{name}", layer]
            entered, left = made[name, layer]
            torch.testing.assert_close(into_norm, x)
            assert name == "conv" or torch.equal(entered, normed)  # its norm is inside it
            x = x + weight * left
        torch.testing.assert_close(made["norm.layer", layer][0], x)
        assert torch.equal(made["norm.layer", layer][1], out)


@torch.no_grad()
def test_adapters_at_one_site_act_in_the_order_of_the_recipe(build, noise):
    backbone = build("hubert")
    plain = spied(build("hubert"), Placement(Spy(), layers="0"))
    inputs = backbone.batch(noise(4000))
    plain.encode(*inputs)
    x, y = plain.current.slots[0].adapter.seen[0]
    model = spied(
        backbone,
        Placement(Spy(after=1.0), layers="0"),
        Placement(Spy(times=2.0), layers="0"),
    )
    model.encode(*inputs)
    first, second = (slot.adapter.seen[0] for slot in model.current.slots)
    assert torch.equal(first[0], x)
    assert torch.equal(first[1], y)
    assert torch.equal(second[0], x)
    assert torch.equal(second[1], y + 1.0)


@torch.no_grad()
def test_sets_act_in_the_order_in_which_they_are_used(build, noise):
    model = AdaptedModel(build("hubert"))
    model.add("one", Recipe(Placement(Spy(after=1.0), layers="1")))
    model.add("two", Recipe(Placement(Spy(times=2.0), layers="1")))
    inputs = model.backbone.batch(noise(4000))
    for order in (("one", "two"), ("two", "one")):
        model.use(*order)
        model.eval().encode(*inputs)
        assert model.current is model.sets[order[-1]]
    (_, y), (_, doubled) = model.sets["one"].slots[0].adapter.seen
    (_, added), (_, y_again) = model.sets["two"].slots[0].adapter.seen
    assert torch.equal(y, y_again)
    assert torch.equal(added, y + 1.0)
    assert torch.equal(doubled, y * 2.0)


@torch.no_grad()
def test_an_adapter_before_a_site_changes_its_input(build, noise):
    backbone = build("hubert")
    inputs = backbone.batch(noise(4000))
    plain = spied(build("hubert"), Placement(Spy(), ("ffn",), "0"))
    plain.encode(*inputs)
    x, _ = plain.current.slots[0].adapter.seen[0]
    model = spied(
        backbone,
        Placement(Spy(before=1.0), ("ffn",), "0"),
        Placement(Spy(before=2.0), ("ffn",), "0"),
    )
    model.encode(*inputs)
    for slot in model.current.slots:  # every adapter receives the actual input of the site
        assert torch.equal(slot.adapter.seen[0][0], x + 1.0 + 2.0)
    block = copy.deepcopy(backbone.model.encoder.layers[0].feed_forward)
    block._forward_hooks.clear()
    block._forward_pre_hooks.clear()
    torch.testing.assert_close(model.current.slots[0].adapter.seen[0][1], block(x + 3.0))


def test_a_tap_is_installed_once_for_all_sets(build):
    model = AdaptedModel(build("hubert"))
    for name in "abc":
        model.add(name, Recipe.parse("lora@attn.q"))
    assert len(model.taps) == 2
    query = model.backbone.model.encoder.layers[0].attention.q_proj
    assert len(query._forward_hooks) == len(query._forward_pre_hooks) == 1


def test_a_tap_holds_no_tensor_between_two_passes(build, noise):
    model = attach(build("hubert"), Recipe.parse("lora + bottleneck"))
    model.encode(*model.backbone.batch(noise(4000)))
    assert not model.backbone.forward_state.tap_values
    assert model.backbone.forward_state.frame_mask is None


def test_names_are_checked(build):
    model = attach(build("hubert"), Recipe.parse("lora"), name="first")
    with pytest.raises(AttachError, match="there is an adapter set 'first' already; choose anothe"):
        model.add("first", Recipe.parse("bias"))
    with pytest.raises(AttachError, match="no adapter set 'second'; available: first"):
        model.use("second")
    assert model.active == ("first",)
    with pytest.raises(AttachError, match="no adapter set 'x'; available: none"):
        AdaptedModel(build("hubert")).use("x")


def test_a_model_without_an_active_set_has_no_head(build, noise):
    model = attach(build("hubert"), Recipe.parse("lora"))
    inputs = model.backbone.batch(noise(4000))
    with pytest.raises(AttachError, match=r"'default' has no head; give add\(\) one"):
        model(*inputs)
    model.use()
    with pytest.raises(AttachError, match=r"no adapter set is active; call use\(name\)"):
        model(*inputs)


def test_a_set_is_in_training_mode_when_it_trains_and_the_model_does(build):
    model = attach(build("hubert"), Recipe.parse("lora")).eval()
    adapter = model.add("b", Recipe.parse("lora(dropout=0.5)")).adapters[0]
    model.use("b")
    assert not adapter.training
    model.train()
    assert adapter.training
    model.use("default")
    assert not adapter.training


def test_keys_name_sites_and_never_modules(build):
    model = attach(
        build("hubert"), Recipe.parse("lora@attn.q[1] + norm@norm.input + bottleneck[0]")
    )
    assert list(model.trainable()) == [
        "0/1/attn.q/down",
        "0/1/attn.q/up",
        "1/-/norm.input/gain",
        "1/-/norm.input/shift",
        "2/0/ffn/down.weight",
        "2/0/ffn/down.bias",
        "2/0/ffn/up.weight",
        "2/0/ffn/up.bias",
    ]


def test_training_in_place_names_each_tensor_once(build, kind):
    model = attach(build(kind), Recipe.parse("full@layer + full@backbone + lora@attn.q"))
    thawed = in_place_tensors(model.backbone, model.active_slots)
    assert len({id(parameter) for parameter in thawed.values()}) == len(thawed)
    everything = dict(model.backbone.model.named_parameters())
    assert len(thawed) == len(everything) - len(model.backbone.anatomy.unused)
    assert all(parameter.requires_grad for parameter in thawed.values())


def test_what_trains_in_place_is_in_training_and_nothing_else_is(build):
    model = attach(build("hubert"), Recipe.parse("full@layer[-1:]")).train()
    layers = model.backbone.model.encoder.layers
    assert all(module.training for module in layers[1].modules())
    assert not any(module.training for module in layers[0].modules())
    assert not model.backbone.model.encoder.training
    model.eval()
    assert not any(module.training for module in model.modules())


def test_a_frozen_batch_norm_does_not_drift(build, noise):
    model = attach(build("hubert", conv_pos_batch_norm=True), Recipe.parse("lora"))
    before = {name: buffer.clone() for name, buffer in model.backbone.named_buffers()}
    assert any(name.endswith("running_mean") for name in before)
    model.train().encode(*model.backbone.batch(noise(4000))).hidden.sum().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.backbone.named_buffers())


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
def test_a_clip_shorter_than_one_mask_of_specaugment_stays_whole(build, kind, noise):
    off = {"layerdrop": 0.0, "hidden_dropout": 0.0, "attention_dropout": 0.0}
    off |= {"feat_proj_dropout": 0.0, "activation_dropout": 0.0, "mask_time_prob": 0.5}
    model = attach(build(kind, stochastic=True, **off), Recipe.parse("lora"))
    for samples, is_random in ((800, False), (8000, True)):  # 8 frames and 98; a mask has 10
        inputs = model.backbone.batch(noise(samples, samples))
        trained = model.train().encode(*inputs).hidden
        judged = model.eval().encode(*inputs).hidden
        assert torch.allclose(trained, judged, atol=1e-5) is not is_random


def test_every_name_a_family_uses_is_in_the_vocabulary(build, kind):
    assert set(build(kind).anatomy.site_names) <= set(SITE_NAMES)
    assert not set(LAYER_SITES) & set(OUTER_SITES)


def test_every_parameter_belongs_to_the_backbone_and_most_to_a_layer(build, kind):
    backbone = build(kind)
    (whole,) = backbone.anatomy.find("backbone")
    assert whole.owned_modules == ("",)
    layers = [
        backbone.model.get_submodule(s.owned_modules[0]) for s in backbone.anatomy.find("layer")
    ]
    assert len(layers) == backbone.anatomy.num_layers == 2
    for layer, module in enumerate(layers):
        for name in ("attn", "ffn", "norm.attn", "norm.ffn"):
            (site,) = backbone.anatomy.find(name, [layer])
            assert backbone.model.get_submodule(site.owned_modules[0]) in list(module.modules())
