"""Merge adapters into the weights of a copy of the backbone.

Possible for adapters that are linear in the input of their site (LoRA) or in its output (BitFit,
norm tuning, (IA)^3, scale-and-shift). The merged backbone is as fast as the original and does not
need ossicle, but has one adapter set only.
"""

import copy
from collections.abc import Collection
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import Slot
from ossicle.adapters.tap import RANK
from ossicle.backbones import Backbone
from ossicle.errors import MergeError, listing

LAYERS: Final = "layers"  # the site that reads all layers


def merge(model: AdaptedModel, *, without: Collection[str] = ()) -> Backbone:
    """Return a copy of the backbone with the active sets in its weights, and no adapters.

    Its output equals that of the adapted model up to rounding. The head is not included; it is
    `model.head`.

    Args:
        model: The model; dropout inside adapters is ignored.
        without: Names of sites whose adapters are left out.

    Raises:
        MergeError: some adapters are not linear; all of them are named. The model is unchanged.
    """
    twin = copy.deepcopy(model)
    problems: list[tuple[Slot, str]] = []
    chosen = [slot for slot in twin.active_slots if slot.site.name not in without]
    for slot in sorted(chosen, key=lambda slot: RANK[slot.site.name]):  # inner first
        try:
            _fold(twin.backbone, slot)
        except MergeError as error:
            problems.append((slot, str(error)))
    if problems:
        first, reason = problems[0]
        raise MergeError(
            f"{len(problems)} adapters cannot be merged: "
            f"{listing(str(slot.site) for slot, _ in problems)}. {first.placement.method.name} at "
            f"{first.site}: {reason}"
        )
    twin.remove_taps()
    twin.backbone.adapted = False
    twin.backbone.weight_files = ()
    return twin.backbone.requires_grad_(requires_grad=False).eval()


def layer_logits(model: AdaptedModel) -> Float[Tensor, " L"] | None:
    """Return the logits by which the head's input is a weighted sum of all layers, if it is one.

    Raises:
        MergeError: an adapter reads all layers in another way.
    """
    found = [slot for slot in model.active_slots if slot.site.name == LAYERS]
    if len(found) > 1 or any(slot.gate is not None for slot in found):
        raise MergeError("several adapters read all layers; keep the best of them alone first")
    (adapter,) = [slot.adapter for slot in found] or [None]
    return None if adapter is None else adapter.layer_logits().detach()


@torch.no_grad()
def _fold(backbone: Backbone, slot: Slot) -> None:
    """Fold one adapter into its site's own module, or into the linear that reads its output."""
    adapter, site = slot.adapter, slot.site
    if adapter is None:
        return
    if slot.gate is not None:
        raise MergeError("it is a candidate of a mixture; keep the best candidate alone first")
    if slot.reads is not None:
        raise MergeError(f"it reads the input of {slot.reads}, which no weight here multiplies")
    if site.next_linear is not None:
        reader = backbone.model.get_submodule(site.next_linear)
        reader.weight.copy_(adapter.fold_next(reader.weight))
        return
    path = site.last_linear or (site.owned_modules[0] if len(site.owned_modules) == 1 else "")
    module = backbone.model.get_submodule(path)
    if not isinstance(module, nn.Linear | nn.LayerNorm):
        adapter.fold(torch.zeros(0), torch.zeros(0))  # raises if not linear at all
        raise MergeError(f"the output of {site} does not come from a single linear layer or norm")
    weight, bias = adapter.fold(module.weight, module.bias)
    module.weight.copy_(weight)
    if bias is not None:
        module.bias.copy_(bias)
