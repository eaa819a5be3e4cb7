"""Slots: the places where the adapters of a recipe are attached, and their tensors by key."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn

from ossicle.adapters.gates import Gate
from ossicle.anatomy import DECODER, Site, is_in_decoder
from ossicle.backbones import Backbone
from ossicle.errors import RecipeMismatch, listing
from ossicle.methods import Adapter
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one adapter.

    Attributes:
        number: Position of its placement in the recipe.
        placement: The placement.
        site: The site.
        adapter: The module; None if the site's own parameters are trained in place.
        reads: The site whose input is the adapter's x; None: its own site.
        gate: The gate of the adapter, if it is a candidate of a mixture.
    """

    number: int
    placement: Placement
    site: Site
    adapter: Adapter | None
    reads: Site | None = None
    gate: Gate | None = None

    @property
    def key(self) -> str:
        """The name of the slot in a saved adapter, e.g. `0/7/attn.q`; `-` is outside layers."""
        layer = "-" if self.site.layer is None else self.site.layer
        return f"{self.number}/{layer}/{self.site.name}"


def build_slots(
    backbone: Backbone, recipe: Recipe, device: torch.device | str | None = None
) -> list[Slot]:
    """Return a new adapter for every site that a recipe names.

    Args:
        backbone: It has the sites.
        recipe: What to build.
        device: Where to build it; None: on the backbone's device. On `meta` no memory is used.

    Raises:
        SiteNotFound: the backbone has no such site.
        RecipeMismatch: a method does not fit its site, a layer does not exist, or two methods
            exclude each other.
    """
    recipe.check()
    device = device or next(backbone.parameters()).device
    slots = []
    for number, placement in enumerate(recipe.placements):
        for name in placement.at:
            layers = _chosen_layers(backbone, placement, name)
            for site in backbone.anatomy.find(name, layers):
                if site.entry is None and placement.method.part != "backbone":
                    raise RecipeMismatch(
                        f"nothing can be inserted at '{name}'; it can only be trained in place, "
                        f"with full@{name}"
                    )
                if placement.method.mixes_frames and site.causal:
                    raise RecipeMismatch(
                        f"'{placement.method.name}' with these settings mixes frames, and at "
                        f"{site} a token must not depend on later ones; attach it in the encoder, "
                        "or at dec.cross.k or dec.cross.v, which are over frames"
                    )
                reads = _site_read(backbone, placement, site)
                seen = site if reads is None else replace(site, width_in=reads.width_in)
                with torch.device(device):
                    built = placement.method.build(seen)
                adapter = built if isinstance(built, Adapter) else None
                slots.append(Slot(number, placement, site, adapter, reads))
    return slots


def adapter_tensors(slots: Iterable[Slot]) -> dict[str, nn.Parameter]:
    """Return the parameters of all adapters by key, e.g. `0/7/attn.q/down`."""
    return {
        f"{slot.key}/{name}": parameter
        for slot in slots
        if slot.adapter is not None
        for name, parameter in slot.adapter.named_parameters()
    }


def in_place_tensors(backbone: Backbone, slots: Iterable[Slot]) -> dict[str, nn.Parameter]:
    """Return the backbone's own parameters that slots train in place, by key."""
    found: dict[str, nn.Parameter] = {}
    taken: set[int] = set()
    for slot in slots:
        for path in slot.site.owned_modules if slot.adapter is None else ():
            for name, parameter in backbone.model.get_submodule(path).named_parameters():
                inner = f"{path}.{name}" if path else name
                if inner not in backbone.anatomy.unused and id(parameter) not in taken:
                    taken.add(id(parameter))
                    above = f"{path}." if len(slot.site.owned_modules) > 1 else ""
                    found[f"{slot.key}/{above}{name}"] = parameter
    return found


def _chosen_layers(backbone: Backbone, placement: Placement, name: str) -> list[int] | None:
    """Return the layers in which a placement uses a site; None: all, or a site outside layers."""
    sites = {one: backbone.anatomy.find(one) for one in placement.at}
    if placement.layers and all(found[0].layer is None for found in sites.values()):
        raise RecipeMismatch(
            f"'{placement}' names layers, and {listing(placement.at)} is outside the layers; leave "
            "the brackets out"
        )
    return placement.select(len(sites[name])) if sites[name][0].layer is not None else None


def _site_read(backbone: Backbone, placement: Placement, site: Site) -> Site | None:
    """Return the site of the same layer whose input the placement reads; None: its own."""
    if placement.reads is None:
        return None
    if site.layer is None or site.name == "cnn":
        raise RecipeMismatch(
            f"'{placement.method.name}' at {site} reads '{placement.reads}', but a site outside "
            "the transformer layers has no other site in its layer; leave reads out"
        )
    name = placement.reads
    if site.in_decoder and not is_in_decoder(name):
        name = DECODER + name
    (found,) = backbone.anatomy.find(name, [site.layer]) if name != site.name else (site,)
    if found.in_decoder != site.in_decoder or found.causal != site.causal or found == site:
        why = "is its own input" if found == site else "has other tokens or frames"
        raise RecipeMismatch(
            f"'{placement.method.name}' at {site} cannot read '{found.name}', which {why}; read "
            "another site of the same layer, or leave reads out"
        )
    if site.in_decoder and not site.causal:
        raise RecipeMismatch(
            f"'{placement.method.name}' at {site} cannot read '{found.name}': keys and values of "
            "frames are computed once for a text and kept; leave reads out"
        )
    return found
