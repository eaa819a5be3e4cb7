"""Adapters of another library, each with its site: what a recipe and its tensors are made from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.anatomy import Site
from ossicle.backbones import Backbone
from ossicle.methods import Method
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Placed:
    """One adapter.

    Attributes:
        site: Its site.
        method: Its method, with the settings of this site.
        tensors: The tensors of its module, by their names there.
    """

    site: Site
    method: Method
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from a file.

    Attributes:
        placed: The adapters.
        notices: What was left out, and why.
        unplaced: Modules whose change no site can hold.
    """

    placed: list[Placed] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)

    def add(self, other: "Read") -> None:
        """Take in what was read elsewhere."""
        self.placed.extend(other.placed)
        self.notices.extend(other.notices)
        self.unplaced.extend(other.unplaced)


def recipe_of(backbone: Backbone, placed: Sequence[Placed]) -> Recipe:
    """Return the recipe of these adapters: one placement for each method, settings and layers."""
    layers: dict[tuple[Method, str], list[int]] = {}
    for one in placed:
        numbers = layers.setdefault((one.method, one.site.name), [])
        numbers += [] if one.site.layer is None else [one.site.layer]
    sites: dict[tuple[Method, str | None, bool], list[str]] = {}
    for (method, name), chosen in layers.items():
        found = backbone.anatomy.find(name)
        whole = len(chosen) == len(found) or not chosen
        text = None if whole else ",".join(str(layer) for layer in sorted(chosen))
        sites.setdefault((method, text, bool(chosen)), []).append(name)
    order = {name: rank for rank, name in enumerate(backbone.anatomy.site_names)}
    return Recipe(
        *(
            Placement(method, tuple(sorted(names, key=order.__getitem__)), text)
            for (method, text, _), names in sites.items()
        )
    )


@torch.no_grad()
def fill(model: AdaptedModel, placed: Iterable[Placed]) -> None:
    """Copy the tensors of adapters into a model with their recipe."""
    slots = {
        (slot.placement.method, slot.site.name, slot.site.layer): slot.adapter
        for slot in model.active_slots
    }
    for one in placed:
        adapter = slots[one.method, one.site.name, one.site.layer]
        assert adapter is not None, "no imported method trains in place"
        parameters = dict(adapter.named_parameters())
        assert parameters.keys() == one.tensors.keys(), "a form names all tensors of its method"
        for name, tensor in one.tensors.items():
            parameters[name].copy_(tensor)
