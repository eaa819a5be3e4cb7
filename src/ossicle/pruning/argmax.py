"""Arg max: the best candidate of each mixture in each layer, with its weights unchanged.

What is left has no gates: a mixture of gates that are almost 0 or 1 computes almost the same, any
other does not, which is what training on is for. A layer whose best candidate is `skip` has no
adapter. Placements that are not candidates stay as they are.

Source: Liu et al. 2019 (DARTS), https://arxiv.org/abs/1806.09055, section 2.4, with one candidate
for a layer.
"""

from typing import ClassVar

from ossicle.adapters.slots import Slot
from ossicle.errors import RunError
from ossicle.pruning.unpruned import Unpruned
from ossicle.pruning.way import Choice, Gradients, Way


class ArgMax(Way):
    """The best candidate of each mixture in each layer."""

    name: ClassVar[str] = "argmax"
    about: ClassVar[str] = "the best candidate of each mixture in each layer, without gates"
    source: ClassVar[str] = "Liu et al. 2019"

    def choose(
        self,
        unpruned: Unpruned,
        gradients: Gradients,  # noqa: ARG002 - the gates alone decide
        seed: int,  # noqa: ARG002 - as above
    ) -> Choice:
        """Return the best candidates; of equal ones the first."""
        if all(slot.gate is None for slot in unpruned.slots.values()):
            raise RunError(
                f"argmax keeps the best candidate of a mixture, and '{unpruned.recipe.label}' has "
                "none; prune it by taylor or another way, or train a mixture such as "
                "'lora(gate=softmax) + bias(gate=softmax)'"
            )
        kept = {key: None for key, slot in unpruned.slots.items() if _is_best(unpruned, slot)}
        return Choice(kept=kept, keeps_gates=False)


def _is_best(unpruned: Unpruned, slot: Slot) -> bool:
    """Return whether a slot is of the best candidate of its layer, or of none, and not `skip`."""
    if slot.gate is None:
        return True
    logits = unpruned.tensors[f"gates/{slot.gate.mixture}.{slot.gate.layer}"]
    return int(logits.argmax()) == slot.gate.index and not slot.placement.method.needs_gate
