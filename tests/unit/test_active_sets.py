"""Which sets are active, train and are saved; a removed set leaves nothing behind."""

import pytest
import torch
from torch import nn

from kinds import shake
from ossicle.adapters.check import attach, check
from ossicle.adapters.count import tally
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load, save
from ossicle.backbones import Backbone
from ossicle.errors import AttachError, RecipeMismatch
from ossicle.frozen.cut import Cut, find_cut, frozen_below, run_from_cut, run_to_cut
from ossicle.frozen.part import adapters_digest
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

FIRST = Recipe.parse("lora(rank=2)@attn.q[0] + bias@ffn.out[0]")
SECOND = Recipe.parse("scale@ffn[1]")


def chain(backbone: Backbone) -> AdaptedModel:
    model = AdaptedModel(backbone)
    for name, recipe in (("first", FIRST), ("second", SECOND)):
        model.add(name, recipe, build_head("mean", backbone.anatomy, 3))
    model.use("first", "second")
    shake(model)
    return model.eval()


@pytest.fixture
def model(build) -> AdaptedModel:
    return chain(build("hubert"))


@pytest.fixture
def inputs(model, noise):
    return model.backbone.batch(noise(4000, 3000))


LORA = ["0/0/attn.q/down", "0/0/attn.q/up"]
BIAS = ["1/0/ffn.out/bias"]
SCALE = ["2/1/ffn/gain"]
HEAD = ["head/linear.bias", "head/linear.weight"]


@pytest.mark.parametrize(
    ("train", "keys"),
    [
        (None, [*LORA, *BIAS, *SCALE, *HEAD]),
        (["second"], [*SCALE, *HEAD]),
        (["first"], [*LORA, *BIAS]),
        (["first/1", "second/head"], [*BIAS, *HEAD]),
        ([], []),
    ],
)
def test_use_trains_what_it_is_asked_to_and_nothing_else(model, inputs, train, keys):
    model.use("first", "second", train=train)
    assert sorted(model.trainable()) == keys
    assert sorted(model.tensors()) == [*LORA, *BIAS, *SCALE, *HEAD]
    assert tally(model).trainable == sum(p.numel() for p in model.trainable().values())
    check(model)
    if keys:
        model.train()(*inputs).square().sum().backward()
    with_gradient = sorted(key for key, p in model.tensors().items() if p.grad is not None)
    assert with_gradient == keys
    assert [p for p in model.parameters() if p.grad is not None and not p.requires_grad] == []


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (["third"], "'third' cannot train: the active sets are first, second"),
        (["first/7"], "'first' has no trainable part '7'; available: first/0, first/1"),
        (["first/head"], "'first' has no trainable part 'head'; available: first/0, first/1"),
    ],
)
def test_a_part_that_is_not_there_is_refused(model, train, message):
    with pytest.raises(AttachError, match=message):
        model.use("first", "second", train=train)
    with pytest.raises(AttachError, match="'first' is named twice"):
        model.use("first", "first")


@torch.no_grad()
def test_the_whole_chain_is_saved_as_one_recipe(build, model, inputs, tmp_path):
    model.use("first", "second", train=["second"])
    save(model, tmp_path)
    loaded = load(tmp_path, build("hubert"))
    assert str(loaded.recipe) == f"{FIRST} + {SECOND}" == str(model.recipe)
    assert torch.equal(loaded(*inputs), model(*inputs))
    save(model, tmp_path / "second", name="second")
    model.use("second")
    alone = load(tmp_path / "second", build("hubert"))
    assert torch.equal(alone(*inputs), model(*inputs))
    assert not torch.equal(alone(*inputs), loaded(*inputs))


def test_frozen_adapters_are_below_the_cut_and_part_of_its_key(model, inputs, noise):
    assert find_cut(model).depth == 0
    model.use("first", "second", train=["second"])
    cut = find_cut(model)
    assert cut == Cut(1)
    assert find_cut(model, below_adapters=True) == Cut(0)
    rows = [model.backbone.row(wave) for wave in noise(4000, 3000)]
    states = run_to_cut(model.backbone, rows, cut)
    outputs = run_from_cut(model, states, [row[1] for row in rows], cut).values
    torch.testing.assert_close(outputs, model(*inputs), rtol=1e-5, atol=1e-6)
    before = adapters_digest(model.active_slots[:2], model.backbone)
    with torch.no_grad():
        model.tensors()["1/0/ffn.out/bias"][0] += 1e-4
    assert adapters_digest(model.active_slots[:2], model.backbone) != before


def test_what_was_trained_in_place_and_is_frozen_is_part_of_the_key_of_the_cut(build):
    model = AdaptedModel(build("hubert"))
    recipe = Recipe.parse("full@ffn.in[0] + lora[1]")
    model.add("a", recipe, build_head("mean", model.backbone.anatomy, 3))
    model.use("a", train=["a/1", "a/head"])
    below = frozen_below(model, find_cut(model))
    assert [slot.key for slot in below] == ["0/0/ffn.in"]
    before = adapters_digest(below, model.backbone)
    with torch.no_grad():
        model.tensors()["0/0/ffn.in/bias"][0] += 1e-4
    assert adapters_digest(below, model.backbone) != before


def test_a_part_of_a_placement_trains_alone(build):
    model = AdaptedModel(build("hubert"))
    model.add("a/b", Recipe.parse("lora(rank=2) + scale@ffn"), None)
    model.use("a/b", train=["a/b/0/1/attn.q", "a/b/0/0", "a/b/1/0/ffn/gain"])
    slots = {key.rpartition("/")[0] for key in model.trainable()}
    assert slots == {"0/1/attn.q", "0/0/attn.q", "0/0/attn.v", "1/0/ffn"}
    for part in ("a/b/0/0/attn", "a/b/0/2", "a/b/gates"):
        with pytest.raises(AttachError, match=f"no trainable part '{part[4:]}'; available: a/b/0,"):
            model.use("a/b", train=[part])


def test_a_frozen_adapter_that_spans_layers_keeps_the_cut_below_it(build):
    backbone = build("hubert")
    model = AdaptedModel(backbone)
    model.add("prompts", Recipe.parse("prompt(length=2)"))
    model.add("second", SECOND)
    model.use("prompts", "second", train=["second"])
    (site,) = backbone.anatomy.find("encoder")
    assert find_cut(model).depth == site.depth < 1


def test_dropout_of_a_frozen_adapter_is_off(build, inputs):
    model = AdaptedModel(build("hubert"))
    model.add("first", Recipe.parse("lora(rank=2, dropout=0.5)"))
    model.add("second", SECOND)
    model.use("first", "second")
    shake(model)
    model.train()
    assert not torch.equal(model.encode(*inputs).hidden, model.encode(*inputs).hidden)
    model.use("first", "second", train=["second"])
    assert torch.equal(model.encode(*inputs).hidden, model.encode(*inputs).hidden)


def test_the_width_of_the_head_is_that_of_the_whole_chain(build):
    backbone = build("hubert")
    wide = Recipe.parse("l-adapter")
    width = wide.seen_by_head(backbone.anatomy).width
    assert width != backbone.anatomy.width
    model = AdaptedModel(backbone)
    model.add("wide", wide)
    model.add("narrow", SECOND, build_head("mean", backbone.anatomy, 3))
    model.use("narrow")
    with pytest.raises(RecipeMismatch, match=rf"'l-adapter \+ scale@ffn\[1\]' gives width {width}"):
        model.use("wide", "narrow")
    assert model.active == ("narrow",)
    model.add("fits", SECOND, build_head("mean", (wide + SECOND).seen_by_head(backbone.anatomy), 3))
    model.use("wide", "fits")


def num_hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@torch.no_grad()
def test_a_set_that_is_removed_leaves_the_backbone_as_it_was(build, noise):
    backbone = build("hubert")
    inputs = backbone.batch(noise(4000, 3000))
    expected, state = backbone(*inputs).hidden, list(backbone.state_dict())
    model = AdaptedModel(backbone)
    for expression in ("lora", "prompt + bottleneck@attn,ffn", "weighted-sum", "lora"):
        model.add("trial", Recipe.parse(expression), None)
        model.use("trial")
        shake(model)
        assert not torch.equal(model.encode(*inputs).hidden, expected)
        model.remove("trial")
        assert (num_hooks(backbone), model.active, backbone.adapted) == (0, (), False)
        assert torch.equal(backbone(*inputs).hidden, expected)
        assert list(backbone.state_dict()) == state
    attach(backbone, Recipe.parse("lora"))  # another model may now use the backbone


@torch.no_grad()
def test_removing_a_set_leaves_the_others(model, inputs):
    model.use("second")
    expected = model(*inputs)
    model.remove("first")
    assert (model.active, list(model.sets)) == (("second",), ["second"])
    assert torch.equal(model(*inputs), expected)
    assert "first" not in {name for tap in model.taps for name in tap.names}


@pytest.mark.filterwarnings("ignore:`torch.jit")  # torch.compile itself uses it
def test_what_cannot_be_removed_says_why(build, model):
    with pytest.raises(AttachError, match=r"no adapter set 'frist'; .* Did you mean 'first'"):
        model.remove("frist")
    tuned = attach(build("hubert"), Recipe.parse("full@layer"))
    with pytest.raises(AttachError, match="fine-tuned in place and cannot be removed"):
        tuned.remove("default")
    model.compiled_finish()
    with pytest.raises(AttachError, match="compiled code does not see new hooks"):
        model.remove("first")
