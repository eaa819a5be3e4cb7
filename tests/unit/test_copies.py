"""What candidates of whole layers have in common runs once, with the same result."""

import pytest
import torch

from kinds import KINDS, attached, fits, shake
from ossicle.adapters.check import check
from ossicle.adapters.copies import Copies
from ossicle.anatomy import VALUES
from ossicle.backbones import PartialForward
from ossicle.recipes.recipe import Recipe

DEFAULT = (
    "skip(gate=layers) + bottleneck(gate=layers, width=4)@ffn + lora(gate=layers, rank=2) + "
    "bottleneck(gate=layers, width=4, insertion=parallel, position=before, reads=layer)@ffn + "
    "bias(gate=layers)"
)
MORE = {  # inputs of other sites, changed inputs, several placements, adapters without a gate
    "reads": "bottleneck(gate=layers, width=4, insertion=parallel, position=before, "
    "reads=ffn.out)@ffn + "
    "bottleneck(gate=layers, width=4, position=before, insertion=parallel, reads=attn.o)@attn + "
    "bottleneck(width=4, position=before, insertion=parallel, reads=ffn.in)@ffn + "
    "skip(gate=layers)",
    "inputs": "bottleneck(gate=layers, width=4, insertion=sequential, position=before)@attn.k + "
    "bottleneck(gate=layers, width=4, insertion=sequential, position=before)@ffn + "
    "skip(gate=layers) + scale@ffn.act,attn.v",
    "several": "lora(gate=layers:a, rank=2)@attn.o,ffn.in + scale(gate=layers:a)@ffn.act + "
    "skip(gate=layers) + norm(gate=layers:b) + bias(gate=layers:b)@attn.v[1]",
    "conv": "bottleneck(gate=layers, width=4)@conv,ffn1 + lora(gate=layers, rank=2)@ffn1.out + "
    "bias(gate=layers)@norm.conv,ffn.out + skip(gate=layers)",
}
RECIPES = {"default": DEFAULT, **MORE}


def result(model, inputs, shares: bool):
    """Return the output at real frames, and the gradient of every tensor."""
    kept = [(tap, dict(tap.apart)) for tap in model.taps]
    for tap, _ in kept if not shares else ():
        tap.apart.clear()
    model.zero_grad()
    encoded = model.encode(*inputs)
    found = encoded.hidden[encoded.frame_mask]
    (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum().backward()
    gradients = {key: p.grad for key, p in model.trainable().items() if p.grad is not None}
    for tap, apart in kept:
        tap.apart.update(apart)
    return found.detach(), gradients


def agree(model, inputs):
    output, gradients = result(model, inputs, shares=True)
    expected, wanted = result(model, inputs, shares=False)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == wanted.keys()
    for key, gradient in wanted.items():
        largest = float(gradient.abs().max())
        error = float((gradients[key] - gradient).abs().max())
        # the bias of a key has no gradient but rounding
        assert error <= 1e-4 * largest + 1e-4, f"{key} is off by {error} of {largest}"


QUICK = {
    ("default", "hubert"),
    ("default", "wavlm-pre-norm"),
    ("default", "w2v-bert"),
    ("default", "whisper"),
    ("reads", "wavlm"),
    ("inputs", "ast"),
    ("several", "unispeech-sat"),
    ("conv", "wav2vec2-conformer"),
}
CASES = [
    pytest.param(name, kind, marks=[] if (name, kind) in QUICK else [pytest.mark.thorough])
    for name, recipe in RECIPES.items()
    for kind in KINDS
    if fits(kind, recipe)
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_shared_copies_give_the_output_and_gradients_of_separate_ones(build, noise, kind, name):
    model = attached(build(kind), Recipe.parse(RECIPES[name])).eval()
    shake(model)
    agree(model, model.backbone.batch(noise(4000, 2600)))  # with padding


def test_checkpointed_layers_share_copies_in_both_passes(build, noise):
    model = attached(build("wavlm"), Recipe.parse(DEFAULT)).eval()
    shake(model)
    inputs = model.backbone.batch(noise(4000, 2600))
    expected, wanted = result(model, inputs, shares=True)
    model.backbone.checkpoint_layers()
    output, gradients = result(model, inputs, shares=True)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(gradients, wanted, rtol=1e-4, atol=1e-4)


ROWS = {  # rows of each block in a batch of one row
    "attention.q_proj": 1,  # what all candidates receive is equal
    "attention": 3,  # LoRA and BitFit act inside
    "attention.out_proj": 3,
    "layer_norm": 5,
    "feed_forward": 3,  # the bottleneck adapters act at its exit
    "feed_forward.intermediate_dense": 3,
}


@pytest.mark.parametrize("kind", ["hubert", "hubert-pre-norm"])
@torch.no_grad()
def test_a_frozen_block_runs_on_copies_that_differ(build, noise, kind):
    # pre-norm: BitFit acts at the norm before
    model = attached(build(kind), Recipe.parse(DEFAULT)).eval()
    rows = {}
    for name in ROWS:
        module = model.backbone.model.encoder.layers[1].get_submodule(name)
        module.register_forward_pre_hook(  # after those of the taps
            lambda _, args, given, name=name: rows.update({name: len([*args, *given.values()][0])}),
            with_kwargs=True,
        )
    model.encode(*model.backbone.batch(noise(4000)))
    assert rows == ROWS | ({"attention.q_proj": 2} if kind == "hubert-pre-norm" else {})


@torch.no_grad()
def test_a_forward_pass_can_stop_and_go_on_between_mixed_layers(build, noise):
    model = attached(build("wavlm"), Recipe.parse(DEFAULT)).eval()
    shake(model)
    inputs = model.backbone.batch(noise(4000, 2600))
    here = model.backbone.advance(PartialForward(VALUES, *inputs), 1)
    whole, resumed = model.encode(*inputs), model.backbone.finish(here)
    assert torch.equal(resumed.hidden, whole.hidden)


@torch.no_grad()
def test_nothing_is_shared_by_candidates_of_a_stochastic_backbone(build):
    model = attached(build("hubert", stochastic=True), Recipe.parse(DEFAULT))
    assert not any(tap.apart for tap in model.taps)


def test_removing_the_mixture_removes_every_tap_of_it(build, noise):
    model = attached(build("hubert"), Recipe.parse("lora"))
    inputs = model.backbone.batch(noise(4000))
    with torch.no_grad():
        expected = model.encode(*inputs).hidden
    taps = len(model.taps)
    model.add("mixture", Recipe.parse(DEFAULT))
    model.use("default", "mixture")
    check(model)
    model.use("default")
    with torch.no_grad():
        assert torch.equal(model.encode(*inputs).hidden, expected)
    model.remove("mixture")
    assert len(model.taps) == taps


def test_copies_split_as_candidates_act():
    whole = Copies.for_each(4)
    attention = whole.shared(frozenset({2}))
    assert attention.groups == ((0, 1, 3), (2,))
    assert attention.shared(frozenset()).groups == ((0, 1, 2, 3),)
    after = whole.after([2])
    assert after.shared(frozenset()).groups == ((0, 1, 3), (2,))
    assert after.after([0, 1, 3]).shared(frozenset()).groups == ((0,), (1,), (2,), (3,))
    rows = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0]])  # two each
    inside = whole.convert(rows, attention)
    assert inside.flatten().tolist() == [0, 1, 4, 5]
    assert attention.convert(inside, whole).flatten().tolist() == [0, 1, 0, 1, 4, 5, 0, 1]
