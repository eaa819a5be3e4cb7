"""A trained adapter before it is pruned: its slots with their tensors, sizes and parameters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ossicle.adapters.adapter_set import AdapterSet
from ossicle.adapters.slots import Slot, build_slots
from ossicle.anatomy import Site
from ossicle.backbones import Backbone
from ossicle.errors import RunError
from ossicle.pruning.axes import Axes, adapter_axes, numel
from ossicle.recipes.recipe import Recipe

Kept: TypeAlias = Mapping[str, Sequence[int] | None]  # channels by slot; None: the whole adapter


class Unpruned:
    """A trained adapter before it is pruned.

    Attributes:
        backbone: The backbone that it was trained on.
        recipe: Its recipe.
        tensors: Its tensors and those of the head, by the keys of `AdapterSet.tensors`.
        head: Name and outputs of the head, as in `recipe.json`; None: there is no head.
        slots: Its slots, whose modules are on the meta device, by key.
        axes: For each slot with a size, the dimensions of its tensors that are the size.
        sizes: The size of each of these slots.
    """

    def __init__(
        self,
        backbone: Backbone,
        recipe: Recipe,
        tensors: Mapping[str, Tensor],
        head: Mapping[str, Any] | None = None,
    ) -> None:
        """Find the sizes of all adapters.

        Raises:
            RunError: it has no adapters, or is the backbone itself.
        """
        with torch.device("meta"):
            slots = AdapterSet(recipe, build_slots(backbone, recipe, "meta"), None).slots
        if any(slot.adapter is None for slot in slots):
            raise RunError(
                f"'{recipe.label}' trains the backbone's own parameters in place, which cannot be "
                "pruned; prune a run whose recipe inserts adapters"
            )
        if not slots:
            raise RunError(
                f"'{recipe.label}' has no adapters, so there is nothing to prune; prune a run "
                "whose recipe inserts some, such as lora"
            )
        self.backbone, self.recipe, self.tensors, self.head = backbone, recipe, tensors, head
        self.slots = {slot.key: slot for slot in slots}
        self._shapes: dict[str, dict[str, tuple[int, ...]]] = {key: {} for key in self.slots}
        for key, tensor in tensors.items():
            if (where := key.rpartition("/"))[0] in self.slots:
                self._shapes[where[0]][where[2]] = tuple(tensor.shape)
        self.axes: dict[str, Axes] = {
            key: adapter_axes(slot.placement.method, seen(slot))
            for key, slot in self.slots.items()
            if slot.placement.method.size_setting is not None
        }
        self.sizes = {key: self._size(key) for key in self.axes}

    def of(self, values: Mapping[str, Tensor], slot: str) -> dict[str, Tensor]:
        """Return what belongs to the tensors of a slot, by their names within the adapter."""
        return {
            name: values[f"{slot}/{name}"]
            for name in self._shapes[slot]
            if f"{slot}/{name}" in values
        }

    def cost(self, slot: str, size: int | None = None) -> int:
        """Return the parameters of a slot with some of its channels; None: as it is.

        Without a channel there is no adapter. Gates do not count.
        """
        if size == 0:
            return 0
        axes = self.axes.get(slot, {})
        shapes = self._shapes[slot].items()
        if size is None:
            return sum(prod(shape) for _, shape in shapes)
        return sum(numel(shape, axes.get(name, ()), size) for name, shape in shapes)

    def gates(self, slots: Iterable[str]) -> int:
        """Return the number of gates that weigh some slots."""
        gates = (self.slots[key].gate for key in slots)
        return len({(*gate.candidate, gate.layer) for gate in gates if gate is not None})

    @property
    def parameters(self) -> int:
        """All its parameters, without the head."""
        return sum(t.numel() for key, t in self.tensors.items() if not key.startswith("head/"))

    def _size(self, slot: str) -> int:
        name, ((axis, blocks), *_) = next(iter(self.axes[slot].items()))
        return self._shapes[slot][name][axis] // blocks


def seen(slot: Slot) -> Site:
    """Return the site of a slot as its adapter sees it: with the width of the input it reads."""
    return slot.site if slot.reads is None else replace(slot.site, width_in=slot.reads.width_in)
