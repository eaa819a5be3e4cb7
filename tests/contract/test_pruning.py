"""Every method with a size: without some of its channels, it computes what it does with zeros."""

import pytest
import torch

from kinds import ALONE, SETTINGS, attached, pairs, shake
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import put_tensors
from ossicle.methods import METHODS
from ossicle.pruning import Pruned, Unpruned, pruned
from ossicle.recipes.recipe import Recipe

SIZED = [
    one
    for one in SETTINGS
    if any(part.method.size_setting for part in Recipe.parse(one).placements)
]


@pytest.fixture(params=pairs(SIZED), ids="-".join)
def pair(request):
    return request.param


def unpruned_of(model: AdaptedModel) -> Unpruned:
    tensors = {key: value.detach().clone() for key, value in model.tensors().items()}
    head = {"name": "mean", "outputs": 3}
    return Unpruned(model.backbone, model.recipe, tensors, head)


def some_channels(unpruned: Unpruned) -> dict[str, list[int] | None]:
    """Return channels to keep: at each site others in each layer, but as many tokens in all."""
    kept: dict[str, list[int] | None] = {}
    for key, slot in unpruned.slots.items():
        kept[key] = None
        if key in unpruned.sizes:
            size, layer = unpruned.sizes[key], slot.site.layer or 0
            many = 1 if slot.placement.method.name in ("prompt", "deep-prompt") else 1 + layer % 2
            kept[key] = sorted({(layer + 2 * n) % size for n in range(min(many, size))})
    return kept


def built(model: AdaptedModel, found: Pruned) -> AdaptedModel:
    """Return the backbone of a model with a pruned adapter in place of the model's."""
    backbone = model.backbone
    model.remove("default")
    smaller = attached(backbone, found.recipe)
    put_tensors(smaller.tensors(), found.tensors, "here")
    return smaller.eval()


@torch.no_grad()
def test_without_channels_it_computes_what_it_does_with_zeros_there(build, noise, pair):
    kind, expression = pair
    model = attached(build(kind), Recipe.parse(expression))
    shake(model)
    unpruned = unpruned_of(model)
    kept = some_channels(unpruned)
    found = pruned(unpruned, kept)
    for slot in model.eval().active_slots:
        if kept[slot.key] is None:
            continue
        left = torch.zeros(unpruned.sizes[slot.key], dtype=torch.bool)
        left[kept[slot.key]] = True
        for name, axes in unpruned.axes[slot.key].items():
            tensor = slot.adapter.get_parameter(name)
            for axis, _ in axes:  # one block in every adapter
                tensor.movedim(axis, 0)[~left] = 0.0
    inputs = model.backbone.batch(noise(4000, 3000))
    zeroed = model(*inputs)
    output = built(model, found)(*inputs)
    methods = [part.method for part in Recipe.parse(expression).placements]
    exact = all(method.zeroing_removes for method in methods)
    assert torch.allclose(output, zeroed, rtol=1e-4, atol=1e-5) == exact


@torch.no_grad()
def test_what_is_left_has_the_tensors_of_its_channels_and_an_ordinary_recipe(build, pair):
    kind, expression = pair
    model = attached(build(kind), Recipe.parse(expression))
    shake(model)
    unpruned = unpruned_of(model)
    kept = some_channels(unpruned)
    found = pruned(unpruned, kept)
    assert Recipe.parse(str(found.recipe)) == Recipe.from_dict(found.recipe.to_dict())
    sizes = {key: None if some is None else len(some) for key, some in kept.items()}
    assert found.parameters == sum(unpruned.cost(key, sizes[key]) for key in kept)
    smaller = built(model, found)
    assert smaller.tensors().keys() == found.tensors.keys()


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if one.size_setting])
def test_every_method_with_a_size_is_pruned_on_some_family(name):
    assert pairs([ALONE[name]])
