"""What every method must do on every family; new files in either folder are included."""

import copy
import re
import sys
from typing import Any

import pytest
import torch

from kinds import (
    ALONE,
    SETTINGS,
    attached,
    pairs,
    parameters,
    shake,
)
from ossicle.adapters.check import attach
from ossicle.adapters.count import count
from ossicle.adapters.merge import merge
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load, save
from ossicle.adapters.slots import Slot
from ossicle.anatomy import Site
from ossicle.backbones import Backbone
from ossicle.errors import AttachError, MergeError
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

every_setting = pytest.mark.parametrize("pair", pairs(SETTINGS), indirect=True, ids="-".join)


@pytest.fixture(params=pairs(ALONE.values()), ids="-".join)
def pair(request) -> tuple[str, str]:
    return request.param


@pytest.fixture
def kind(pair) -> str:
    return pair[0]


@pytest.fixture
def recipe(pair) -> Recipe:
    return Recipe.parse(pair[1])


@pytest.fixture
def backbone(build, kind):
    return build(kind)


@pytest.fixture
def inputs(backbone, noise):
    return backbone.batch(noise(4000, 4000))


@pytest.fixture
def model(backbone, recipe) -> AdaptedModel:
    return attached(backbone, recipe).eval()


def step(model: AdaptedModel, inputs) -> None:
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.01, weight_decay=0.1)
    model(*inputs).square().sum().backward()
    optimizer.step()


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before: dict[str, torch.Tensor], module: torch.nn.Module) -> set[str]:
    return {name for name, now in module.state_dict().items() if not torch.equal(now, before[name])}


@every_setting
@torch.no_grad()  # attention picks its kernel by requires_grad: equal bits need one kernel
def test_a_new_adapter_changes_nothing_if_it_starts_as_identity(build, kind, recipe, inputs):
    plain = build(kind)(*inputs).hidden
    adapted = attach(build(kind), recipe).eval().encode(*inputs).hidden
    says_so = all(placement.method.starts_as_identity for placement in recipe.placements)
    assert torch.equal(adapted, plain) == says_so


@pytest.mark.every_pair
@every_setting
def test_every_tensor_is_reached_and_receives_a_gradient(model, inputs):
    shake(model)
    output = model(*inputs)
    output.backward(torch.randn_like(output))
    # The key's bias adds the same to all scores of a query: its gradient is only rounding, not
    # zero.
    dead = [key for key, p in parameters(model).items() if p.grad is None or not p.grad.any()]
    assert not dead


def test_a_step_moves_every_tensor_that_trains_and_nothing_that_is_frozen(model, inputs):
    shake(model)
    before = state(model.backbone.model)
    adapters = {key: tensor.detach().clone() for key, tensor in parameters(model).items()}
    model.train()
    step(model, inputs)
    model.eval()
    trained = {id(parameter) for parameter in parameters(model).values()}
    frozen = {n: p for n, p in model.backbone.model.named_parameters() if id(p) not in trained}
    assert all(p.grad is None and not p.requires_grad for p in frozen.values())
    still = {*frozen, *(name for name, _ in model.backbone.model.named_buffers())}
    assert not moved(before, model.backbone.model) & still
    assert not [key for key, p in parameters(model).items() if torch.equal(p, adapters[key])]


def test_the_backbone_keeps_the_keys_of_its_checkpoint(build, kind, model):
    assert list(model.backbone.model.state_dict()) == list(build(kind).model.state_dict())


@torch.no_grad()
def test_save_then_load_gives_equal_bits(build, kind, model, inputs, tmp_path):
    shake(model)
    save(model, tmp_path)
    loaded = load(tmp_path, build(kind))
    assert torch.equal(loaded(*inputs), model(*inputs))
    assert str(loaded.recipe) == str(model.recipe)
    assert all(
        torch.equal(parameter, parameters(model)[key])
        for key, parameter in parameters(loaded).items()
    )


def test_a_deep_copy_has_adapters_of_its_own(model, inputs):
    shake(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        before = model(*inputs)
        assert torch.equal(twin(*inputs), before)
    step(twin, inputs)
    with torch.no_grad():
        assert torch.equal(model(*inputs), before)
        assert not torch.equal(twin(*inputs), before)
    assert all(parameter.grad is None for parameter in model.parameters())


@torch.no_grad()
def test_using_no_set_restores_the_bare_backbone_or_is_refused(build, kind, model, inputs):
    shake(model)
    if model.current.in_place:
        with pytest.raises(AttachError, match="was fine-tuned in place and cannot be taken off"):
            model.use()
        return
    assert not torch.equal(model.encode(*inputs).hidden, build(kind)(*inputs).hidden)
    model.use()
    assert torch.equal(model.encode(*inputs).hidden, build(kind)(*inputs).hidden)


@torch.no_grad()
def test_two_sets_switch_exactly_or_are_refused(model, inputs):
    other = Recipe.parse("lora(rank=2)@attn.q + bottleneck(width=3)@ffn")
    if model.current.in_place:
        with pytest.raises(AttachError, match="cannot share it with other adapter sets"):
            model.add("other", other)
        return
    shake(model)
    first = model.encode(*inputs).hidden
    model.add("other", other)
    assert torch.equal(model.encode(*inputs).hidden, first)
    model.use("other")
    shake(model)
    second = model.encode(*inputs).hidden
    model.use("default", "other")
    both = model.encode(*inputs).hidden
    assert not torch.equal(first, second)
    assert not torch.equal(both, first)
    assert not torch.equal(both, second)
    model.use("default")
    assert torch.equal(model.encode(*inputs).hidden, first)
    model.use("other")
    assert torch.equal(model.encode(*inputs).hidden, second)


def test_only_active_sets_require_grad(model):
    if model.current.in_place:
        return
    head = build_head("mean", model.backbone.anatomy, 2)
    other = model.add("other", Recipe.parse("lora"), head)
    first = model.sets["default"]
    assert not any(p.requires_grad for p in other.parameters())
    assert all(p.requires_grad for p in first.parameters())
    model.use("other")
    assert all(p.requires_grad for p in other.parameters())
    assert not any(p.requires_grad for p in first.parameters())
    model.use()
    assert not any(p.requires_grad for p in model.parameters())


@torch.no_grad()
def test_padding_a_batch_does_not_change_a_row(model, noise):
    shake(model)
    waves = noise(2500, 4000, 3101)
    together = model.encode(*model.backbone.batch(waves))
    for row, wave in enumerate(waves):
        alone = model.encode(*model.backbone.batch([wave]))
        real = together.hidden[row][together.frame_mask[row]]
        torch.testing.assert_close(real, alone.hidden[alone.frame_mask], rtol=1e-5, atol=1e-5)


@every_setting
@torch.no_grad()
def test_output_frames_are_those_of_the_recording(build, kind, recipe, noise):
    waves = build(kind).batch(noise(2500, 4000))
    plain, encoded = build(kind)(*waves), attach(build(kind), recipe).eval().encode(*waves)
    kept = sum(
        placement.method.length - placement.method.drop_distillation
        for placement in recipe.placements
        if getattr(placement.method, "keep", False)
    )
    assert encoded.hidden.shape[1] == plain.hidden.shape[1] + kept
    assert torch.equal(encoded.frame_mask[:, kept:], plain.frame_mask)
    assert encoded.frame_mask[:, :kept].all()


@every_setting
def test_the_count_is_the_formula_of_the_docstring(build, kind, recipe):
    backbone = build(kind)
    slots = AdaptedModel(build(kind)).add("a", recipe).slots
    counted = count(backbone, recipe)
    rows = [row.count for row in counted.rows if row.method != "gates"]
    assert rows == [expected(slot, backbone) for slot in slots]
    assert counted.trainable == sum(row.count for row in counted.rows)
    assert counted.total == counted.trainable + counted.frozen


def expected(slot: Slot, backbone) -> int:
    method, site = slot.placement.method, slot.site
    text = sys.modules[type(method).__module__].__doc__ or ""
    formula = re.search(r"Parameters at one site: (.+?)\.\n", text)
    if formula is None:  # no formula: the site's own parameters
        owned = [(path, backbone.model.get_submodule(path)) for path in site.owned_modules]
        names = {
            f"{path}.{name}".lstrip("."): parameter.numel()
            for path, module in owned
            for name, parameter in module.named_parameters()
        }
        return sum(size for name, size in names.items() if name not in backbone.anatomy.unused)
    return eval(formula[1], {}, symbols(method, site if slot.reads is None else slot.reads, site))


def symbols(method, reads: Site, site: Site) -> dict[str, Any]:
    """Return the values of the names in parameter formulas, including settings."""
    known = {**vars(method), "D_in": reads.width_in, "D_out": site.width_out, "D": site.width_out}
    inner = known.get("rank", known.get("width"))
    if known.get("reduction") is not None and (inner is None or "scale" in known):
        inner = round(site.width_out / known["reduction"])
    known |= {"R": inner, "W": inner, "N": known.get("experts"), "H": known.get("hidden")}
    known |= {"P": known.get("length"), "K": known.get("kernel")}
    known |= {"dense": known.get("routing") == "dense"}
    known |= {"unit": known.get("normalise") not in ("none", None)}
    if isinstance(site.entry, tuple):
        known["L"] = len(site.entry)
    if site.convolution is not None:
        shape = site.convolution
        known |= {"K": shape.kernel, "bias": shape.bias, "norm": shape.norm is not None}
        known |= {"C_in": site.width_in, "C_out": site.width_out}
    return known


def test_gradient_checkpointing_gives_the_same_output_and_gradients(build, kind, recipe, noise):
    outputs, gradients = [], []
    for checkpointed in (False, True):
        torch.manual_seed(1)
        model = attached(build(kind), recipe).eval()
        shake(model)
        if checkpointed:
            model.backbone.checkpoint_layers()
            model = copy.deepcopy(model)
        first, second = (  # the second pass has other masks, and both are still to be undone
            model(*model.backbone.batch(noise(*sizes))) for sizes in ((4000, 3000), (2000, 4000))
        )
        (first.sum() + second.square().sum()).backward()
        outputs.append(first)
        gradients.append({key: p.grad for key, p in parameters(model).items()})
    torch.testing.assert_close(outputs[0], outputs[1])
    plain, again = gradients
    largest = max(float(gradient.abs().max()) for gradient in plain.values())
    for key, gradient in plain.items():
        torch.testing.assert_close(again[key], gradient, rtol=1e-4, atol=1e-6 * largest, msg=key)


def test_half_precision_gives_nearly_the_same_output_and_every_gradient(model, inputs):
    shake(model)
    with torch.no_grad():
        expected = model.encode(*inputs).hidden
    with torch.autocast("cpu", torch.bfloat16):
        found = model.encode(*inputs).hidden
    error = (found.float() - expected).norm() / expected.norm()
    assert error < 0.1, f"bfloat16 is off by {error:.3f}"
    found.float().backward(torch.randn_like(expected))
    encoder = {key: p for key, p in parameters(model).items() if not key.startswith("head/")}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.values())


MERGED = "lora(rank=4)@attn.q,ffn.in + bias@attn.q,norm.ffn + norm@norm.attn + scale@attn.v,ffn.act"


def has_weights_for(slot: Slot, backbone: Backbone) -> bool:
    """Return whether an adapter of that method can be merged at a site, by its equation."""
    if slot.placement.method.name not in ("bias", "full", "lora", "norm", "scale"):
        return False
    if slot.placement.method.name != "bias":
        return True
    return backbone.model.get_submodule(slot.site.owned_modules[0]).bias is not None


@torch.no_grad()
def test_a_merged_model_equals_the_adapted_one_or_is_refused(model, inputs):
    shake(model)
    before = state(model)
    if not all(has_weights_for(slot, model.backbone) for slot in model.current.slots):
        with pytest.raises(MergeError, match="adapters cannot be merged: "):
            merge(model)
    else:
        merged = merge(model)
        expected = model.encode(*inputs).hidden
        torch.testing.assert_close(merged(*inputs).hidden, expected, rtol=1e-5, atol=1e-5)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in merged.modules())
        assert not any(p.requires_grad for p in merged.parameters())
    assert not moved(before, model)


BLOCKS = (
    "bias@ffn + scale@ffn.out + lora(rank=4)@ffn.out + scale(shift=true)@attn + lora(rank=2)@attn.o"
)


@pytest.mark.every_pair
@torch.no_grad()
@pytest.mark.parametrize("pair", pairs([MERGED, BLOCKS]), indirect=True, ids="-".join)
def test_several_methods_are_merged_in_the_order_in_which_they_act(model, inputs, build, kind):
    shake(model)
    expected = model.encode(*inputs).hidden
    assert (expected - build(kind)(*inputs).hidden).abs().max() > 0.01
    torch.testing.assert_close(merge(model)(*inputs).hidden, expected, rtol=1e-5, atol=1e-5)


def random_in_training(backbone) -> dict[str, float]:
    config = backbone.model.config.to_dict()
    return {
        key: 0.3 for key, value in config.items() if "dropout" in key and isinstance(value, float)
    }


@torch.no_grad()
def test_nothing_frozen_is_random_in_training_unless_stochastic(build, kind, recipe, inputs):
    dropout = random_in_training(build(kind))
    assert len(dropout) >= 2
    for stochastic in (False, True):
        model = attach(build(kind, stochastic=stochastic, **dropout), recipe).train()
        is_random = stochastic or model.current.in_place
        equal = torch.equal(model.encode(*inputs).hidden, model.encode(*inputs).hidden)
        assert equal is not is_random
        assert torch.equal(model.eval().encode(*inputs).hidden, model.encode(*inputs).hidden)


@torch.no_grad()
@pytest.mark.parametrize(
    "pair",
    pairs(["lora(dropout=0.5)", "bottleneck(dropout=0.5)", "prefix(dropout=0.5)"]),
    indirect=True,
    ids="-".join,
)
def test_the_dropout_of_an_adapter_acts_in_training_alone(model, inputs):
    shake(model, by=0.5)
    model.train()
    assert not torch.equal(model(*inputs), model(*inputs))
    model.eval()
    assert torch.equal(model(*inputs), model(*inputs))
