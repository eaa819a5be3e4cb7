"""The relaxation of Fair-DARTS: candidates do not compete.

    g        = sigmoid(a)
    penalty  = -strength * mean((sigmoid(a) - 0.5)^2)

The penalty moves gates to 0 or 1. With `threshold`, a layer whose gates are all below it has no
adapter. Source: Chu et al. 2020, https://arxiv.org/abs/1911.12126.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.errors import SearchError
from ossicle.search.bilevel.options import OPTIONS
from ossicle.search.bilevel.relaxations.relaxation import Choices, Moment, Relaxation
from ossicle.settings import Setting


class Sigmoid(Relaxation):
    """Gates from 0 to 1 of any sum."""

    name: ClassVar[str] = "fair-darts"
    options: ClassVar[Mapping[str, Setting]] = OPTIONS | {
        "strength": Setting("factor on the loss that moves gates to 0 or 1", 10.0, low=0),
        "threshold": Setting(
            "smallest gate that is chosen; below it a layer is skipped", 0.0, low=0, high=1
        ),
    }

    def __init__(self, layers: Mapping[int, Choices], values: Mapping[str, Any]) -> None:
        """Keep the candidates and the settings.

        Raises:
            SearchError: there is a threshold, and a layer cannot be skipped.
        """
        super().__init__(layers, values)
        if values["threshold"] and (no := [n for n, one in layers.items() if one.skip is None]):
            raise SearchError(
                f"threshold={values['threshold']:g} needs the candidate skip for layers whose "
                f"gates are all smaller, and layer {no[0]} does not have it; add skip to the "
                "candidates, or leave threshold out"
            )

    def gates(
        self,
        logits: Float[Tensor, " K"],
        layer: int,  # noqa: ARG002 - the same in all layers
        moment: Moment,  # noqa: ARG002 - the same in all steps
    ) -> Float[Tensor, " K"]:
        """Return sigmoid(a)."""
        return logits.sigmoid()

    def strengths(self, logits: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return sigmoid(a)."""
        return {layer: one.sigmoid() for layer, one in logits.items()}

    def penalty(self, logits: Mapping[int, Tensor]) -> Tensor:
        """Return the loss that moves gates to 0 or 1."""
        gates = torch.cat([one.sigmoid() for one in logits.values()])
        return -float(self.values["strength"]) * (gates - 0.5).square().mean()

    def chosen(self, logits: Mapping[int, Tensor]) -> dict[int, int]:
        """Return the largest gate of each layer, or `skip` where all are below the threshold."""
        found = {}
        for layer, gates in self.strengths(logits).items():
            skip = self.layers[layer].skip
            above = gates.max().item() >= self.values["threshold"]
            found[layer] = int(gates.argmax()) if above or skip is None else skip
        return found
