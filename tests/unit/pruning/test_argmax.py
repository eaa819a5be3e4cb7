"""Arg max: the best candidate of each layer, and the recipe and tensors that are left."""

import pytest
import torch

from kinds import attached, shake
from ossicle.adapters.saving import put_tensors
from ossicle.errors import RunError
from ossicle.pruning import Unpruned, parse_prune, pruned
from ossicle.recipes.recipe import Recipe

MIXTURE = "lora(rank=2, gate={0})@attn.q,attn.v + bottleneck(width=4, gate={0})@ffn + norm"
SURE = 200.0  # a logit whose gate is 1 in float32


def mixed(backbone, gate: str, best: tuple[int, int]):
    """Return a model whose gates are 1 for the best candidate of each of its two layers."""
    model = attached(backbone, Recipe.parse(MIXTURE.format(gate))).eval()
    shake(model)
    with torch.no_grad():
        for layer, index in enumerate(best):
            logits = model.tensors()[f"gates/{gate}.{layer}"]
            logits.copy_(torch.full((2,), -SURE))
            logits[index] = SURE
    return model


def unpruned_of(model) -> Unpruned:
    tensors = {key: value.detach().clone() for key, value in model.tensors().items()}
    return Unpruned(model.backbone, model.recipe, tensors, {"name": "mean", "outputs": 3})


def argmax(unpruned: Unpruned):
    choice = parse_prune("argmax").choose(unpruned, lambda: iter(()), 0)
    return pruned(unpruned, choice.kept, keeps_gates=choice.keeps_gates)


@pytest.mark.parametrize("gate", ["softmax", "layers"])
@torch.no_grad()
def test_the_best_candidates_compute_what_a_mixture_that_is_sure_of_them_does(build, noise, gate):
    model = mixed(build("hubert"), gate, (1, 0))
    inputs = model.backbone.batch(noise(4000, 3000))
    sure = model(*inputs)
    found = argmax(unpruned_of(model))
    assert str(found.recipe) == "lora(rank=2)[1] + bottleneck(width=4)[0] + norm"
    model.remove("default")
    alone = attached(model.backbone, found.recipe).eval()
    put_tensors(alone.tensors(), found.tensors, "here")
    torch.testing.assert_close(alone(*inputs), sure, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gate", ["softmax", "layers"])
def test_a_candidate_of_several_placements_is_kept_as_a_whole_and_skip_leaves_nothing(build, gate):
    text = (
        f"skip(gate={gate}:none) + lora(rank=2, gate={gate}:both) + bias(gate={gate}:both)@ffn.out"
    )
    model = attached(build("hubert"), Recipe.parse(text))
    with torch.no_grad():
        model.tensors()[f"gates/{gate}.1"][1] = 0.1
    assert str(argmax(unpruned_of(model)).recipe) == "lora(rank=2)[1] + bias@ffn.out[1]"


def test_of_candidates_that_are_equally_good_the_first_is_kept(build):
    model = attached(build("hubert"), Recipe.parse(MIXTURE.format("softmax")))
    assert str(argmax(unpruned_of(model)).recipe) == "lora(rank=2) + norm"


def test_a_run_without_a_mixture_has_no_best_candidate(build):
    model = attached(build("hubert"), Recipe.parse("lora(rank=2)"))
    with pytest.raises(RunError, match=r"'lora\(rank=2\)' has none; prune it by taylor"):
        argmax(unpruned_of(model))


@pytest.mark.parametrize(
    ("recipe", "why"),
    [("linear", "has no adapters, so there is nothing to prune"), ("full@layer", "in place")],
)
def test_what_has_no_adapters_of_its_own_is_not_pruned(build, recipe, why):
    with pytest.raises(RunError, match=why):
        Unpruned(build("hubert"), Recipe.parse(recipe), {})
