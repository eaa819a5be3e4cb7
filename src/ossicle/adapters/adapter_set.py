"""An adapter set: all modules that one recipe adds to a backbone."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from ossicle.adapters.gates import Gates
from ossicle.adapters.slots import Slot, adapter_tensors, in_place_tensors
from ossicle.backbones import Backbone
from ossicle.errors import RecipeMismatch
from ossicle.heads import Head
from ossicle.recipes.mixtures import Candidates, candidate_name
from ossicle.recipes.recipe import Recipe


class AdapterSet(nn.Module):
    """The adapters of one recipe, their gates, and the head that was trained with them.

    Attributes:
        recipe: The recipe.
        slots: The place of each adapter.
        head: The head, which maps frames to the output of the task; None: no head.
        gates: The gates of the candidates of mixtures.
    """

    def __init__(self, recipe: Recipe, slots: Sequence[Slot], head: Head | None) -> None:
        """Collect the adapters and create the gates of its mixtures.

        Raises:
            RecipeMismatch: a placement cannot be part of a mixture, or competes with no other.
        """
        super().__init__()
        self.recipe = recipe
        self.head = head
        self.gates = Gates(_candidates(slots))
        self.slots = [_with_gate(slot, self.gates) for slot in slots]
        self.adapters = nn.ModuleList(s.adapter for s in slots if s.adapter is not None)

    @property
    def in_place(self) -> bool:
        """Whether the set changes the backbone itself."""
        return any(slot.adapter is None for slot in self.slots)

    def tensors(self, backbone: Backbone) -> dict[str, nn.Parameter]:
        """Return every parameter of the set by its key when saved.

        Keys name sites, not modules: `0/7/attn.q/down`, `0/7/ffn/up.weight`, `gates/softmax.7`,
        `head/linear.bias`. Up to any `/` they name what `AdaptedModel.use` can train by itself.
        """
        found = adapter_tensors(self.slots) | in_place_tensors(backbone, self.slots)
        found |= {f"gates/{key}": p for key, p in self.gates.mixtures.named_parameters()}
        if self.head is not None:
            found |= {f"head/{key}": p for key, p in self.head.named_parameters()}
        return found


def _candidates(slots: Sequence[Slot]) -> dict[tuple[str, int], Candidates]:
    """Return the candidates that compete in each layer of each mixture."""
    found: dict[tuple[str, int], Candidates] = {}
    for slot in slots:
        mixture, layer = slot.placement.mixture, slot.site.layer
        if mixture is None:
            continue
        if (reason := _reason_against(slot)) or layer is None:
            raise RecipeMismatch(
                f"'{slot.placement}' at {slot.site} cannot be a candidate of a mixture: "
                f"{reason}; leave gate out"
            )
        name = candidate_name(slot.number, slot.placement)
        numbers = found.setdefault((mixture, layer), {}).setdefault(name, [])
        if slot.number not in numbers:
            numbers.append(slot.number)
    for (mixture, layer), candidates in found.items():
        if len(candidates) == 1 and mixture != "sigmoid":
            raise RecipeMismatch(
                f"the mixture '{mixture}' has one candidate in layer {layer}, whose weight would "
                "always be 1; add another there, or use gate=sigmoid"
            )
    return found


def _reason_against(slot: Slot) -> str:
    """Return why a slot cannot be gated; empty if it can."""
    if slot.adapter is None:
        return "it trains the backbone's own parameters in place"
    if slot.placement.method.changes_length or slot.adapter.removes_tokens:
        return "it changes the number of tokens, so its output cannot be added to another"
    if slot.site.in_decoder:
        return "gates belong to the layers of an encoder, and this site is in the decoder"
    if slot.site.layer is None or slot.site.name == "cnn":
        return "a gate belongs to a transformer layer, and this site is outside of them"
    return ""


def _with_gate(slot: Slot, gates: Gates) -> Slot:
    mixture, layer = slot.placement.mixture, slot.site.layer
    if mixture is None or layer is None:
        return slot
    return replace(slot, gate=gates.of(mixture, layer, slot.number))
