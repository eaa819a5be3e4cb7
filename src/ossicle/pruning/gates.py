"""Gates: what the run itself has learnt to turn down goes first.

    importance of a candidate in a layer  =  sigmoid(logit of its gate)

The run has to be trained with gates that do not compete: `lora(gate=sigmoid) + ...`, one gate for
each placement in each layer. What is kept stays weighted by its gate, so it computes what it did.
What has no gate stays.

Source: Liu et al. 2017 (network slimming), https://arxiv.org/abs/1708.06519, for the gains of batch
norms; sigmoid gates on adapters without a penalty are ours.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.pruning.ranking import SIZES, Ranking
from ossicle.pruning.units import Units
from ossicle.pruning.way import Gradients
from ossicle.settings import Setting


class Gates(Ranking):
    """Learnt gates."""

    name: ClassVar[str] = "gates"
    about: ClassVar[str] = "the adapters with the largest sigmoid gates"
    source: ClassVar[str] = "Liu et al. 2017"
    options: ClassVar[Mapping[str, Setting]] = SIZES
    per_parameter: ClassVar[bool] = False

    def scores(
        self,
        units: Units,
        gradients: Gradients,  # noqa: ARG002 - the gates alone decide
        seed: int,  # noqa: ARG002 - as above
    ) -> Float[Tensor, " U"]:
        """Return the gate of each unit."""
        found = []
        for group in units.groups:
            gate = units.unpruned.slots[group.slots[0]].gate
            assert gate is not None, "units of gates have one"
            logits = units.unpruned.tensors[f"gates/{gate.mixture}.{gate.layer}"]
            found.append(logits[gate.index].sigmoid())
        return torch.stack(found)
