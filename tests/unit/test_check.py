"""The check before training: it finds adapters that would not train, and changes nothing."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from ossicle.adapters.check import attach, check
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.errors import AttachError, NoGradient, RecipeMismatch, SiteNeverCalled, SiteNotFound
from ossicle.heads import build_head
from ossicle.methods import Adapter, Method
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


def unprepared(build, kind: str, **changed: int) -> Backbone:
    """transformers' WavLM, whose attention reads the weights of its projections."""
    made: Backbone = build(kind, **changed)
    for layer in made.model.encoder.layers:
        del layer.attention.forward  # the class has its own
    return made


@pytest.mark.parametrize("kind", ["wavlm", "wavlm-pre-norm"])
def test_a_projection_that_is_never_called_is_found(build, kind):
    with pytest.raises(SiteNeverCalled) as caught:
        attach(unprepared(build, kind), Recipe.parse("lora"))
    assert str(caught.value) == (
        "4 of 4 sites on wavlm were not called once each by a forward pass: attn.q in layer 0, "
        "attn.q in layer 1, attn.v in layer 0, attn.v in layer 1. Adapters there would train to "
        "nothing. Some attention code reads a projection's weight without calling it: load the "
        "model through ossicle.load_backbone, which prepares it"
    )


def test_the_sites_that_are_called_are_not_blamed(build):
    with pytest.raises(SiteNeverCalled, match=r"6 of 12 sites .* attn.o in layer 0, attn.o in lay"):
        attach(
            unprepared(build, "wavlm"),
            Recipe.parse("lora@attn.q,attn.v,attn.o,ffn.in,ffn.out + norm@norm.ffn"),
        )


def test_where_the_feed_forward_block_is_called_adapters_attach_to_a_stock_wavlm(build):
    assert attach(unprepared(build, "wavlm"), Recipe.parse("bottleneck + lora@ffn.in,ffn.out"))


def test_a_site_that_is_called_twice_is_found(build):
    backbone = build("hubert")
    layers = backbone.model.encoder.layers
    layers[1] = layers[0]  # weight sharing: one adapter would act twice, the other never
    with pytest.raises(SiteNeverCalled, match="on hubert were not called once each"):
        attach(backbone, Recipe.parse("bias@ffn"))


@dataclass(frozen=True)
class Deaf(Method):
    """A method with a tensor that does not affect the output."""

    name: ClassVar[str] = "deaf"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)

    def build(self, site):
        return DeafAdapter(site.width_out)


class DeafAdapter(Adapter):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heard = nn.Parameter(torch.zeros(width))
        self.unheard = nn.Parameter(torch.zeros(width))

    def forward(self, x, y):  # noqa: ARG002 - every adapter receives x and y
        return y + self.heard


@dataclass(frozen=True)
class Zeroed(Method):
    """A method with two factors of zero, neither of which gets a gradient."""

    name: ClassVar[str] = "zeroed"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)
    factor: float = 0.0

    def build(self, site):
        return ZeroedAdapter(site.width_out, self.factor)


class ZeroedAdapter(Adapter):
    def __init__(self, width: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x, y):  # noqa: ARG002 - every adapter receives x and y
        return y + self.shift * self.factor


def test_a_tensor_without_a_gradient_is_found(build, kind):
    backbone = build(kind)
    with pytest.raises(NoGradient) as caught:
        attach(backbone, Recipe(Placement(Deaf())))
    assert str(caught.value) == (
        f"2 of 4 tensors on {backbone.anatomy.family} would not train, because no gradient "
        "reaches them: 0/0/ffn/unheard, 0/1/ffn/unheard. The model's code does not use them; "
        "choose other sites, or load the model with ossicle.load_backbone"
    )


@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_a_gradient_of_zero_or_none_that_is_finite_is_no_gradient(build, factor):
    with pytest.raises(NoGradient, match="2 of 2 tensors on hubert would not train"):
        attach(build("hubert"), Recipe(Placement(Zeroed(factor))))


def test_a_method_of_ones_own_needs_no_registration(build):
    model = attach(build("hubert"), Recipe(Placement(Zeroed(1.0))))
    assert list(model.trainable()) == ["0/0/ffn/shift", "0/1/ffn/shift"]


def test_a_head_that_reads_nothing_of_the_adapters_is_found(build):
    backbone = build("ast")

    class Blind(type(build_head("mean", backbone.anatomy, 2))):
        def forward(self, hidden, frame_mask):
            return super().forward(hidden.detach(), frame_mask)

    with pytest.raises(NoGradient, match=r"4 of 6 tensors on ast .*: 0/0/attn.q/down"):
        attach(backbone, Recipe.parse("lora@attn.q"), Blind(backbone.anatomy, 2))


def test_the_same_failure_of_a_large_model_is_listed_in_part(build):
    with pytest.raises(SiteNeverCalled, match=r"attn\.k in layer 3, \.\.\. and 14 more\. Adapters"):
        attach(
            unprepared(build, "wavlm", num_hidden_layers=6),
            Recipe.parse("lora@attn.q,attn.k,attn.v,attn.o"),
        )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("expression", ["lora(dropout=0.5) + bottleneck(dropout=0.5)", "full"])
def test_a_check_leaves_no_trace(build, kind, expression, training):
    backbone = build(kind, stochastic=True)
    model = AdaptedModel(backbone)
    model.add("a", Recipe.parse(expression), build_head("mean", backbone.anatomy, 2))
    model.use("a")
    model.train(training)
    for parameter in model.trainable().values():
        parameter.grad = torch.full_like(parameter, 2.0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    check(model)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all((p.grad == 2.0).all() for p in model.trainable().values())
    assert all(tap.calls is None for tap in model.taps)
    assert torch.is_grad_enabled()


def test_a_check_that_fails_leaves_no_trace_either(build):
    model = AdaptedModel(unprepared(build, "wavlm"))
    model.add("a", Recipe.parse("lora"))
    model.use("a")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    with pytest.raises(SiteNeverCalled):
        check(model)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training
    assert all(tap.calls is None for tap in model.taps)


def test_the_check_works_where_gradients_are_off(build):
    with torch.no_grad():
        assert attach(build("hubert"), Recipe.parse("lora")).active == ("default",)
        assert not torch.is_grad_enabled()


def test_a_linear_probe_needs_no_adapter(build):
    backbone = build("hubert")
    assert attach(backbone, Recipe.parse("linear")).trainable is not None
    head = build_head("mean", backbone.anatomy, 2)
    model = attach(build("hubert"), Recipe.parse("linear"), head)
    assert sorted(model.trainable()) == ["head/linear.bias", "head/linear.weight"]


@pytest.mark.parametrize("head", ["mean", "cls", "meanstd", "superb"])
def test_every_head_lets_every_adapter_of_ast_train(build, head):
    backbone = build("ast")
    assert attach(backbone, Recipe.parse("ast/bitfit"), build_head(head, backbone.anatomy, 2))


def test_an_unknown_site_of_this_family_is_named(build):
    with pytest.raises(
        SiteNotFound, match=r"hubert has no site 'norm.final', LayerN.* It has: attn, att"
    ):
        attach(build("hubert"), Recipe.parse("norm@norm.final"))
    with pytest.raises(SiteNotFound, match=r"Did you mean 'norm.final'\?"):
        attach(build("hubert-pre-norm"), Recipe.parse("norm@norm.input"))


def test_nothing_is_inserted_into_a_region(build, kind):
    backbone = build(kind)
    regions = {site.name for site in backbone.anatomy.sites if site.entry is None}
    assert "backbone" in regions
    for region in regions:
        message = f"nothing can be inserted at '{region}'; it can only be trained in place, with fu"
        with pytest.raises(RecipeMismatch, match=message):
            attach(backbone, Recipe.parse(f"bias@attn.q,{region}"))


def test_a_layer_that_is_not_there_is_named(build):
    with pytest.raises(RecipeMismatch, match="names layer 2; this backbone has 2 layers"):
        attach(build("hubert"), Recipe.parse("lora[2]"))


def test_a_recipe_that_failed_can_be_followed_by_one_that_fits(build, noise):
    backbone = build("hubert")
    for wrong in ("bias@attn.q,backbone", "lora[7]", "norm@norm.final", "lora@attn"):
        with pytest.raises((RecipeMismatch, SiteNotFound)):
            attach(backbone, Recipe.parse(wrong))
    model = AdaptedModel(backbone)
    with pytest.raises(RecipeMismatch):
        model.add("a", Recipe.parse("bottleneck(residual=false)@ffn,backbone"))
    assert not model.taps
    model.add("a", Recipe.parse("lora@ffn.in"))
    model.use("a")
    inputs = backbone.batch(noise(4000))
    with torch.no_grad():
        assert torch.equal(model.encode(*inputs).hidden, build("hubert")(*inputs).hidden)


def test_two_models_do_not_share_a_backbone_unnoticed(build):
    backbone = build("hubert")
    attach(backbone, Recipe.parse("bias"))
    with pytest.raises(AttachError, match=r"which would act here too; add\(\) to that one, or loa"):
        attach(backbone, Recipe.parse("lora"))
