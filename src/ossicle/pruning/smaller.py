"""A pruned adapter: an ordinary recipe, and the tensors that are left.

A recipe has one size for all sites and layers of a placement, so a placement whose adapters have
different sizes becomes several: `lora(rank=4)[0:3] + lora(rank=2)[3]`. Placements stay in their
order, in which adapters at one site act. What nothing is left of is not in the recipe.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ossicle.adapters.adapter_set import AdapterSet
from ossicle.adapters.gates import Gates
from ossicle.adapters.slots import Slot, build_slots
from ossicle.methods import Method
from ossicle.pruning.axes import cut, head_axes
from ossicle.pruning.unpruned import Kept, Unpruned, seen
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True)
class Pruned:
    """A pruned adapter.

    Attributes:
        recipe: Its recipe.
        tensors: Its tensors and those of the head, by key.
    """

    recipe: Recipe
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        """All its parameters, without the head."""
        return sum(t.numel() for key, t in self.tensors.items() if not key.startswith("head/"))

    def facts(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a `recipe.json`, given that of the adapter before."""
        shapes = {key: list(tensor.shape) for key, tensor in self.tensors.items()}
        return {**before, "recipe": self.recipe.to_dict(), "tensors": shapes}


def pruned(unpruned: Unpruned, kept: Kept, *, keeps_gates: bool = True) -> Pruned:
    """Return the adapter that is left.

    Args:
        unpruned: The adapter.
        kept: The channels that are kept of each slot, or None for all of an adapter; slots that are
            not named are removed.
        keeps_gates: Whether what is left stays weighted by its gates.

    Raises:
        RecipeError: the recipe would have too many placements.
        RecipeMismatch: what is left is not a recipe.
    """
    parts: list[tuple[Placement, list[str]]] = []
    for number, placement in enumerate(unpruned.recipe.placements):
        own = {key: slot for key, slot in unpruned.slots.items() if slot.number == number}
        gate = placement.gate if keeps_gates else None
        parts += _parts(unpruned, replace(placement, gate=gate), own, kept)
    recipe = Recipe(*(placement for placement, _ in parts))
    with torch.device("meta"):
        made = AdapterSet(recipe, build_slots(unpruned.backbone, recipe, "meta"), None)
    tensors: dict[str, Tensor] = {}
    for number, (_, keys) in enumerate(parts):
        for key in keys:
            tensors |= _renamed(unpruned, key, f"{number}{key[key.index('/') :]}", kept[key])
    tensors |= _gates(unpruned, made.gates, made.slots, parts)
    return Pruned(recipe, tensors | _head(unpruned, kept))


def _parts(
    unpruned: Unpruned, placement: Placement, own: Mapping[str, Slot], kept: Kept
) -> list[tuple[Placement, list[str]]]:
    """Return the placements that a placement becomes, each with the keys of its slots."""
    by_method: dict[Method, dict[str, list[str]]] = {}
    for key, slot in own.items():
        if key in kept:
            method = _narrowed(unpruned, slot, kept[key])
            by_method.setdefault(method, {}).setdefault(slot.site.name, []).append(key)
    found = []
    for method, by_site in by_method.items():
        by_layers: dict[str | None, list[str]] = {}
        for site, keys in by_site.items():
            every = [key for key, slot in own.items() if slot.site.name == site]
            layers = placement.layers if keys == every else _layers(own[key] for key in keys)
            by_layers.setdefault(layers, []).append(site)
        for layers, sites in by_layers.items():
            part = replace(placement, method=method, at=tuple(sites), layers=layers)
            found.append((part, [key for site in sites for key in by_site[site]]))
    return found


def _narrowed(unpruned: Unpruned, slot: Slot, channels: Sequence[int] | None) -> Method:
    method = slot.placement.method
    if channels is None or len(channels) == unpruned.sizes[slot.key]:
        return method
    return method.narrowed(seen(slot), len(channels))


def _layers(slots: Iterable[Slot]) -> str | None:
    """Return the layers of slots as a recipe writes them: `0:3,5`."""
    numbers = sorted(slot.site.layer for slot in slots if slot.site.layer is not None)
    if not numbers:
        return None
    ends = [n for n, (one, other) in enumerate(pairwise(numbers), start=1) if other > one + 1]
    runs = [numbers[a:b] for a, b in pairwise([0, *ends, len(numbers)])]
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}:{r[-1] + 1}" for r in runs)


def _renamed(
    unpruned: Unpruned, key: str, new: str, channels: Sequence[int] | None
) -> dict[str, Tensor]:
    """Return the tensors of a slot that are left, by their keys in the new recipe."""
    tensors = unpruned.of(unpruned.tensors, key)
    if channels is not None:
        axes = unpruned.axes[key]
        tensors = {
            name: cut(value, axes.get(name, ()), channels) for name, value in tensors.items()
        }
    return {f"{new}/{name}": value for name, value in tensors.items()}


def _gates(
    unpruned: Unpruned,
    gates: Gates,
    slots: Sequence[Slot],
    parts: Sequence[tuple[Placement, list[str]]],
) -> dict[str, Tensor]:
    """Return the logits of what is left; parts of one candidate have its logit each."""
    found = {
        f"gates/{key}": torch.empty(parameter.shape)
        for key, parameter in gates.mixtures.named_parameters()
    }
    for slot in slots:
        if slot.gate is None:
            continue
        _, rest = slot.key.split("/", 1)
        old = unpruned.slots[next(k for k in parts[slot.number][1] if k.split("/", 1)[1] == rest)]
        assert old.gate is not None, "a part has a gate if the placement has"
        logits = unpruned.tensors[f"gates/{old.gate.mixture}.{old.gate.layer}"]
        found[f"gates/{slot.gate.mixture}.{slot.gate.layer}"][slot.gate.index] = logits[
            old.gate.index
        ]
    return found


def _head(unpruned: Unpruned, kept: Kept) -> dict[str, Tensor]:
    """Return the tensors of the head, which reads fewer channels if what computes them is cut."""
    head = {key: value for key, value in unpruned.tensors.items() if key.startswith("head/")}
    for key, slot in unpruned.slots.items():
        channels = kept.get(key)
        if unpruned.head is None or channels is None or not feeds_head(slot):
            continue
        outputs = int(unpruned.head["outputs"])
        axes = head_axes(unpruned.head["name"], unpruned.backbone.anatomy, outputs)
        for name, own in axes.items():
            head[f"head/{name}"] = cut(head[f"head/{name}"], own, channels)
    return head


def feeds_head(slot: Slot) -> bool:
    """Return whether the size of an adapter is the width of the frames that the head reads."""
    return slot.placement.method.width_for_head(-1) != -1
