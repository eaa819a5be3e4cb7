"""Mixtures of candidates: equations, gradients, and errors."""

import pytest
import torch
from torch import nn

from kinds import shake
from ossicle.adapters.check import attach, check
from ossicle.adapters.count import count, tally
from ossicle.adapters.merge import merge
from ossicle.adapters.saving import load, save
from ossicle.anatomy import VALUES
from ossicle.backbones import PartialForward
from ossicle.errors import AttachError, MergeError, NoGradient, RecipeError, RecipeMismatch
from ossicle.heads import build_head
from ossicle.inference import AdapterBank
from ossicle.recipes.recipe import Recipe

CANDIDATES = ("lora(rank=2)@attn.q,attn.v", "bottleneck(width=4)@ffn", "scale@layer")
LOGITS = torch.tensor([0.3, -1.2, 0.8])


def mixture(gate: str, candidates=CANDIDATES) -> Recipe:
    joined = [
        one.replace("(", f"(gate={gate}, ") if "(" in one else one.replace("@", f"(gate={gate})@")
        for one in candidates
    ]
    return Recipe.parse(" + ".join(joined))


def mixed(backbone, gate: str, candidates=CANDIDATES):
    """Return the model with given logits in layer 0 and others in layer 1."""
    recipe = mixture(gate, candidates)
    model = attach(backbone, recipe, build_head("mean", backbone.anatomy, 3)).eval()
    shake(model)
    with torch.no_grad():
        for layer, logits in enumerate((LOGITS, -LOGITS)):
            model.tensors()[f"gates/{gate}.{layer}"].copy_(logits[: len(candidates)])
    return model


class Beside(nn.Module):
    """A module whose output is changed by a candidate's share, written out."""

    def __init__(self, module: nn.Module, adapter: nn.Module, gate: float) -> None:
        super().__init__()
        self.module, self.adapter, self.gate = module, adapter, gate

    def forward(self, x, *args, **kwargs):
        y = self.module(x, *args, **kwargs)
        return y + self.gate * (self.adapter(x, y) - y)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("kind", ["hubert", "hubert-pre-norm", "ast"])
@torch.no_grad()
def test_candidates_in_one_run_of_a_layer_follow_the_equation(build, noise, kind, gate):
    model = mixed(build(kind), gate, CANDIDATES[:2])
    inputs = model.backbone.batch(noise(4000, 4000))
    found = model.encode(*inputs).hidden
    by_hand = build(kind)
    site = {name: by_hand.anatomy.find(name) for name in ("attn.q", "attn.v", "ffn")}
    for layer, logits in enumerate((LOGITS[:2], -LOGITS[:2])):
        weights = logits.softmax(0) if gate == "softmax" else 1 / (1 + (-logits).exp())
        for slot in model.active_slots:
            if slot.site.layer != layer:
                continue
            place = site[slot.site.name][layer]
            wrapped = replace_module(
                by_hand.model, place, slot.adapter, weights[slot.number].item()
            )
            assert wrapped
    torch.testing.assert_close(found, by_hand(*inputs).hidden, rtol=1e-5, atol=1e-5)


def replace_module(model: nn.Module, site, adapter: nn.Module, gate: float) -> bool:
    """Put `Beside` in the place of a module; where a site spans two, around its last one."""
    path = site.exit.module
    above, _, name = path.rpartition(".")
    parent, module = model.get_submodule(above), model.get_submodule(path)
    if site.entry.module == path:
        setattr(parent, name, Beside(module, adapter, gate))
        return True
    entered: list[torch.Tensor] = []
    model.get_submodule(site.entry.module).register_forward_pre_hook(
        lambda _, args: entered.append(args[0])
    )
    module.register_forward_hook(lambda _, __, y: y + gate * (adapter(entered.pop(), y) - y))
    return True


@torch.no_grad()
def test_candidates_at_one_site_all_change_the_same_tensor(build, noise):
    model = mixed(build("hubert"), "softmax", ("bottleneck(width=4)@ffn", "scale@ffn"))
    inputs = model.backbone.batch(noise(4000, 4000))
    by_hand = build("hubert")
    for layer, logits in enumerate((LOGITS[:2], -LOGITS[:2])):
        adapters = [slot.adapter for slot in model.active_slots if slot.site.layer == layer]
        weights = logits.softmax(0)

        def summed(_, args, y, adapters=adapters, weights=weights):
            changes = [one(args[0], y) - y for one in adapters]
            return y + weights[0] * changes[0] + weights[1] * changes[1]

        by_hand.model.encoder.layers[layer].feed_forward.register_forward_hook(summed)
    expected = by_hand(*inputs).hidden
    torch.testing.assert_close(model.encode(*inputs).hidden, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("candidates", [CANDIDATES, CANDIDATES[:2]], ids=len)
@torch.no_grad()
def test_a_mixture_of_whole_layers_is_the_sum_of_layers_with_one_candidate(
    build, noise, kind, candidates
):
    model = mixed(build(kind), "layers", candidates)
    inputs = model.backbone.batch(noise(4000, 2600))  # with padding
    found = model.encode(*inputs)
    # by hand: each layer with each candidate alone, from the same input
    alone = [attach(build(kind), Recipe.parse(one)).eval() for one in candidates]
    for number, single in enumerate(alone):
        for slot in single.active_slots:
            (own,) = (
                s
                for s in model.active_slots
                if (s.number, s.site.name, s.site.layer)
                == (number, slot.site.name, slot.site.layer)
            )
            slot.adapter.load_state_dict(own.adapter.state_dict())
    here = alone[0].backbone.advance(PartialForward(VALUES, *inputs), 0)
    for layer, logits in enumerate((LOGITS, -LOGITS)):
        weights = logits[: len(candidates)].softmax(0)
        parts = [single.backbone.advance(here, layer + 1) for single in alone]
        hidden = sum(w * part.hidden for w, part in zip(weights, parts, strict=True))
        here = PartialForward(layer + 1, hidden, parts[0].lengths, parts[0].frame_mask)
    expected = alone[0].backbone.finish(here)
    assert torch.equal(found.frame_mask, expected.frame_mask)
    real = expected.frame_mask
    torch.testing.assert_close(found.hidden[real], expected.hidden[real], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid", "layers"])
def test_the_gradient_of_a_gate_is_that_of_its_equation(build, noise, gate):
    model = mixed(build("hubert"), gate)
    inputs = model.backbone.batch(noise(4000, 4000))
    name = f"gates/{gate}.1"  # the last layer: the output is linear in its gates
    direction = torch.randn_like(model(*inputs))
    (model(*inputs) * direction).sum().backward()
    found = model.tensors()[name].grad.clone()
    step = 1e-2
    for k in range(3):
        with torch.no_grad():
            values = []
            for sign in (1, -1):
                model.tensors()[name][k] += sign * step
                values.append((model(*inputs) * direction).sum().item())
                model.tensors()[name][k] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        assert found[k].item() == pytest.approx(slope, rel=2e-2, abs=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("gate", ["softmax", "sigmoid", "layers"])
def test_gates_are_counted_saved_and_loaded(build, noise, tmp_path, gate):
    model = mixed(build("hubert"), gate)
    inputs = model.backbone.batch(noise(4000, 3000))
    rows = [row for row in tally(model).rows if row.method == "gates"]
    assert [(row.site, row.layer, row.count) for row in rows] == [(gate, 0, 3), (gate, 1, 3)]
    assert count(build("hubert"), mixture(gate)).trainable + 3 * 65 == tally(model).trainable
    save(model, tmp_path)
    loaded = load(tmp_path, build("hubert"))
    assert torch.equal(loaded(*inputs), model(*inputs))
    assert torch.equal(loaded.tensors()[f"gates/{gate}.0"], LOGITS)


def test_gates_train_alone_or_stay_frozen(build):
    backbone = build("hubert")
    model = attach(backbone, mixture("softmax"), build_head("mean", backbone.anatomy, 3))
    model.use("default", train=["default/gates"])
    check(model)  # although new candidates change nothing yet
    assert sorted(model.trainable()) == ["gates/softmax.0", "gates/softmax.1"]
    model.use("default", train=["default/0", "default/1", "default/2", "default/head"])
    assert not [key for key in model.trainable() if key.startswith("gates/")]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("prefix(gate=softmax) + lora(gate=softmax)", "it changes the number of tokens"),
        (
            "prompt + deep-prompt(gate=layers)[1:] + lora(gate=layers)",
            "it changes the number of tokens",
        ),
        ("full(gate=softmax)@ffn + lora(gate=softmax)", "trains the backbone's own parameters"),
        ("weighted-sum(gate=softmax) + lora(gate=softmax)", "belongs to a transformer layer"),
        ("lora(gate=softmax)", "one candidate in layer 0, whose weight would always be 1"),
        ("lora(gate=layers) + bias(gate=layers)@ffn.out[1]", "one candidate in layer 0"),
    ],
)
def test_what_cannot_be_mixed_is_refused(build, expression, message):
    with pytest.raises(RecipeMismatch, match=message):
        attach(build("hubert"), Recipe.parse(expression))


@pytest.mark.parametrize("gate", ["softmix", "softmax:", "layers:a b", "layers:" + "a" * 41])
def test_an_unknown_gate_is_refused(gate):
    with pytest.raises(RecipeError, match=f"'{gate}'; expected softmax, sigmoid or layers"):
        Recipe.parse(f"lora(gate={gate})")


def test_a_mixture_cannot_be_merged_or_served_by_a_bank(build, tmp_path):
    model = mixed(build("hubert"), "sigmoid", CANDIDATES[:1])
    with pytest.raises(MergeError, match="candidate of a mixture"):
        merge(model)
    save(model, tmp_path)
    with pytest.raises(AttachError, match="a bank cannot serve"):
        AdapterBank(build("hubert")).load("a", tmp_path)


def test_a_candidate_that_is_not_reached_is_found_when_attached(build, monkeypatch):
    from ossicle.adapters.gates import Gate

    monkeypatch.setattr(Gate, "weight", property(lambda self: self.logits.detach().sigmoid()[0]))
    with pytest.raises(NoGradient, match=r"gates/softmax\.0"):
        attach(build("hubert"), mixture("softmax"))
