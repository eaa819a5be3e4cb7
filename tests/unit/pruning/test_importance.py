"""Importance of units, by hand and by a second implementation, and what is kept of them."""

import pytest
import torch

from kinds import attached, shake
from ossicle.errors import RunError
from ossicle.pruning import Unpruned, parse_prune, pruned
from ossicle.pruning.units import units_of
from ossicle.recipes.recipe import Recipe


def unpruned_of(model) -> Unpruned:
    tensors = {key: value.detach().clone() for key, value in model.tensors().items()}
    return Unpruned(model.backbone, model.recipe, tensors, {"name": "mean", "outputs": 3})


@pytest.fixture
def lora(build) -> Unpruned:
    """LoRA of rank 3 at one site of each of two layers, with weights that are easy to add up."""
    model = attached(build("hubert"), Recipe.parse("lora(rank=3)@attn.q"))
    unpruned = unpruned_of(model)
    for layer in (0, 1):
        for number in range(3):
            unpruned.tensors[f"0/{layer}/attn.q/down"][number] = 0.5 * (1 + number + 3 * layer)
            unpruned.tensors[f"0/{layer}/attn.q/up"][:, number] = 0.25
    return unpruned


def batches(unpruned: Unpruned, *signs: float):
    """Return gradients: of `down` 1 for even columns, -0.5 for odd ones; of `up` as `signs`."""

    def made():
        for sign in signs:
            found = {}
            for key, value in unpruned.tensors.items():
                found[key] = torch.full_like(value, sign)
                if key.endswith("down"):
                    found[key][:, 0::2], found[key][:, 1::2] = 1.0, -0.5
            yield found

    return made


def importance(unpruned: Unpruned, expression: str, gradients) -> list[float]:
    choice = parse_prune(expression).choose(unpruned, gradients, 0)
    return [unit.importance for unit in choice.units]


def test_the_importance_of_a_rank_is_that_of_its_row_and_its_column(lora):
    width = lora.tensors["0/0/attn.q/down"].shape[1]
    found = batches(lora, 2.0, -1.0)
    # a row of `down` is w = 0.5 n in every column, a column of `up` is 0.25 in every row
    rows = [0.5 * n for n in range(1, 7)]
    sums = [w * width * (1 - 0.5) / 2 for w in rows]  # of g w over a row
    columns = [0.25 * width * sign for sign in (2.0, -1.0)]
    taylor = [((s + columns[0]) ** 2 + (s + columns[1]) ** 2) / 2 for s in sums]
    assert importance(lora, "taylor(keep=0.5)", found) == pytest.approx(taylor)
    sensitivity = [w * width * (1 + 0.5) / 2 + 0.25 * width * 1.5 for w in rows]
    assert importance(lora, "sensitivity(keep=0.5)", found) == pytest.approx(sensitivity)
    magnitude = [w * width + 0.25 * width for w in rows]
    assert importance(lora, "magnitude(keep=0.5)", found) == pytest.approx(magnitude)
    whole = [sum(magnitude[:3]), sum(magnitude[3:])]
    found = importance(lora, "magnitude(keep=0.5, unit=adapters)", found)
    assert found == pytest.approx(whole)


def test_the_most_important_ranks_are_kept_whatever_their_layer(lora):
    choice = parse_prune("magnitude(keep=0.51)").choose(lora, lambda: iter(()), 0)
    assert choice.kept == {"0/1/attn.q": [0, 1, 2]}
    found = pruned(lora, choice.kept)
    assert str(found.recipe) == "lora(rank=3)@attn.q[1]"
    lora.tensors["0/0/attn.q/down"][1] = 9.0
    choice = parse_prune("magnitude(keep=0.51)").choose(lora, lambda: iter(()), 0)
    assert choice.kept == {"0/0/attn.q": [1], "0/1/attn.q": [1, 2]}
    found = pruned(lora, choice.kept)
    assert str(found.recipe) == (
        "lora(rank=1, scale=2.6666666666666665)@attn.q[0] + "
        "lora(rank=2, scale=2.6666666666666665)@attn.q[1]"
    )
    assert torch.equal(found.tensors["0/0/attn.q/down"], lora.tensors["0/0/attn.q/down"][1:2])
    assert torch.equal(found.tensors["1/1/attn.q/up"], lora.tensors["0/1/attn.q/up"][:, 1:])


def test_what_has_no_effect_goes_first(build, noise):
    model = attached(build("hubert"), Recipe.parse("lora(rank=4)@attn.q + bottleneck(width=4)"))
    shake(model)
    useless = {"0/1/attn.q": 2, "1/0/ffn": 3}
    tensors = model.tensors()
    with torch.no_grad():  # what is read by nothing has no gradient, what is zero no weight
        tensors["0/1/attn.q/up"][:, 2] = 0.0
        tensors["0/1/attn.q/down"][2] = 0.0
        tensors["1/0/ffn/up.weight"][:, 3] = 0.0
        tensors["1/0/ffn/down.weight"][3] = 0.0
        tensors["1/0/ffn/down.bias"][3] = -9.0
    unpruned = unpruned_of(model)

    def gradients():
        for seed in (0, 1):
            loss = model(*model.backbone.batch(noise(4000, 3000, seed=seed))).square().mean()
            yield dict(zip(tensors, torch.autograd.grad(loss, list(tensors.values())), strict=True))

    for way in ("taylor", "sensitivity"):
        choice = parse_prune(f"{way}(keep=0.5)").choose(unpruned, gradients, 0)
        order = sorted(choice.units, key=lambda unit: unit.importance / unit.parameters)
        assert {unit.slots[0]: unit.channel for unit in order[:2]} == useless


def test_the_first_order_term_is_the_derivative_of_a_gate_on_the_unit(build, noise):
    model = attached(build("hubert"), Recipe.parse("convpass(width=3)"))
    shake(model)
    tensors, unpruned = model.tensors(), unpruned_of(model)
    inputs = model.backbone.batch(noise(4000, 3000))

    def gradients():
        loss = model(*inputs).square().mean()
        yield dict(zip(tensors, torch.autograd.grad(loss, list(tensors.values())), strict=True))

    found = importance(unpruned, "taylor(keep=0.5)", gradients)
    with torch.no_grad():
        for layer in (0, 1):
            for channel in range(3):
                losses = []
                for gate in (1.001, 0.999):
                    own = {k: v.clone() for k, v in unpruned.tensors.items()}
                    for name, whole in own.items():
                        if not name.startswith(f"0/{layer}/"):
                            continue
                        mask = torch.ones_like(whole)
                        if name.endswith(("down.weight", "down.bias", "conv.bias")):
                            mask[channel] = gate
                        elif name.endswith("up.weight"):
                            mask[:, channel] = gate
                        elif name.endswith("conv.weight"):
                            mask[channel] = gate
                            mask[:, channel] = gate
                        own[name] = whole * mask
                    for name, value in own.items():
                        tensors[name].copy_(value)
                    losses.append(model(*inputs).square().mean().double().item())
                slope = (losses[0] - losses[1]) / 0.002
                assert found[3 * layer + channel] == pytest.approx(slope**2, rel=0.05, abs=1e-9)


def test_a_gain_matters_by_its_distance_from_one(build):
    unpruned = unpruned_of(attached(build("hubert"), Recipe.parse("scale@attn.k,attn.v")))
    unpruned.tensors["0/1/attn.v/gain"][:2] = torch.tensor([1.5, 0.75])
    found = importance(unpruned, "magnitude(keep=0.5, unit=adapters)", lambda: iter(()))
    assert found == [0.0, 0.0, 0.0, 0.75]
    choice = parse_prune("magnitude(keep=0.25, unit=adapters)").choose(unpruned, iter, 0)
    assert str(pruned(unpruned, choice.kept).recipe) == "scale@attn.v[1]"


def test_importance_counts_for_each_parameter(build):
    unpruned = unpruned_of(
        attached(build("hubert"), Recipe.parse("bias@ffn + lora(rank=8)@ffn.in"))
    )
    for value in unpruned.tensors.values():
        value.fill_(0.1)
    unpruned.tensors["0/0/ffn/bias"].fill_(0.2)  # few parameters, but twice as large
    keep = unpruned.cost("0/0/ffn") + unpruned.cost("1/0/ffn.in")
    way = parse_prune(f"magnitude(to={keep}, unit=adapters)")
    choice = way.choose(unpruned, lambda: iter(()), 0)
    assert list(choice.kept) == ["0/0/ffn", "0/1/ffn", "1/0/ffn.in"][: len(choice.kept)]
    assert "0/0/ffn" in choice.kept


def test_random_units_are_drawn_by_the_seed(lora):
    drawn = [
        parse_prune("random(keep=0.5)").choose(lora, lambda: iter(()), s).kept for s in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_smallest_gates_go_and_what_is_left_is_weighted_as_before(build):
    text = "lora(rank=2, gate=sigmoid) + bottleneck(width=3, gate=sigmoid) + norm"
    model = attached(build("hubert"), Recipe.parse(text)).eval()
    shake(model)
    with torch.no_grad():
        model.tensors()["gates/sigmoid.0"].copy_(torch.tensor([-9.0, 1.0]))
        model.tensors()["gates/sigmoid.1"].copy_(torch.tensor([2.0, 0.5]))
    unpruned = unpruned_of(model)
    rest = unpruned.parameters - 2 * unpruned.cost("0/0/attn.q") - 1  # two adapters and their gate
    choice = parse_prune(f"gates(to={rest})").choose(unpruned, lambda: iter(()), 0)
    found = pruned(unpruned, choice.kept)
    assert found.parameters == rest
    assert str(found.recipe) == (
        "lora(rank=2, gate=sigmoid)[1] + bottleneck(width=3, gate=sigmoid) + norm"
    )
    assert found.tensors["gates/sigmoid.0"].tolist() == [1.0]
    assert found.tensors["gates/sigmoid.1"].tolist() == [2.0, 0.5]


@pytest.mark.parametrize(
    ("recipe", "way", "why"),
    [
        ("bias", "taylor(keep=0.5)", "no method of 'bias' has a rank, width or length"),
        ("weighted-sum", "random(keep=0.5, unit=adapters)", "Use unit=widths"),
        ("lora(rank=2)", "gates(keep=0.5)", "has no sigmoid gates. Train a run with some"),
        ("lora(rank=2)@attn.q", "random(to=1k)", "has 512 parameters without the head, so there"),
        ("lora(rank=2)@attn.q", "random(to=512)", "nothing to remove to get to 512"),
        ("lora(rank=2)@attn.q", "random(to=127)", "the least that is left has 128. Choose a"),
        ("lora(rank=2)@attn.q", "random(keep=0.1)", "cannot be pruned to 51 of its 512"),
        ("bias + lora", "random(to=10)", "the least that is left has"),
        ("l-adapter(width=4)", "random(to=100)", "the least that is left has"),
        (
            "lora(gate=softmax) + bias(gate=softmax)@ffn.out",
            "taylor(keep=0.5)",
            "compete .gate=softmax., of which taylor cannot remove one by itself. Keep the best",
        ),
    ],
)
def test_what_cannot_be_pruned_says_why(build, recipe, way, why):
    unpruned = unpruned_of(attached(build("hubert"), Recipe.parse(recipe)))
    with pytest.raises(RunError, match=why):
        parse_prune(way).choose(unpruned, lambda: iter(()), 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("taylor", "needs the size of what is kept: to=N"),
        ("taylor(to=100k, keep=0.5)", "; give one of them"),
        ("taylor(to=many)", "'many' is not a number of parameters"),
        ("taylor(keep=1)", "removes nothing"),
        ("taylor(keep=1.5)", "keep of taylor is 1.5; expected a number from 0 to 1"),
        ("taylor(keep=0.5, unit=layers)", "expected widths or adapters"),
        ("gates(keep=0.5, unit=widths)", "no setting 'unit'"),
        ("argmax(keep=0.5)", "no setting 'keep'"),
        ("tailor(keep=0.5)", "Did you mean 'taylor'"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(text, why):
    with pytest.raises(Exception, match=why):
        parse_prune(text)


def test_prompts_and_deep_prompts_lose_the_same_tokens(build):
    recipe = Recipe.parse("prompt(length=3) + deep-prompt(length=3)[1:]")
    unpruned = unpruned_of(attached(build("hubert"), recipe))
    unpruned.tensors["1/1/layer/prompts"][1] = 50.0
    choice = parse_prune("magnitude(keep=0.4)").choose(unpruned, lambda: iter(()), 0)
    assert choice.kept == {"0/-/encoder": [1], "1/1/layer": [1]}
    found = pruned(unpruned, choice.kept)
    assert str(found.recipe) == "prompt(length=1) + deep-prompt(length=1)[1:]"
    groups = units_of(unpruned, "adapters").groups
    assert [group.slots for group in groups] == [("1/1/layer",)]  # it needs the prompts


def test_the_head_reads_the_channels_that_are_left(build):
    recipe = Recipe.parse("l-adapter(width=4)")
    model = attached(build("hubert"), recipe)
    unpruned = unpruned_of(model)
    found = pruned(unpruned, {"0/-/layers": [0, 3]})
    assert torch.equal(
        found.tensors["head/linear.weight"], unpruned.tensors["head/linear.weight"][:, [0, 3]]
    )
    assert torch.equal(found.tensors["head/linear.bias"], unpruned.tensors["head/linear.bias"])
    assert str(found.recipe) == "l-adapter(width=2)"
