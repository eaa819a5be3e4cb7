"""Weighted gate: a learned gain on every channel of every layer's output.

    y  <-  scale * sigmoid(gate) * y

Lashkarashvili et al. multiply the hidden states of each layer by sigmoid(g). They state neither the
initial g, nor a factor, nor whether the gated states also are the input of the next layer or only
of the weighted sum. By default they are, with factor 2 and g = 0, which starts as the identity;
`scale=1` starts by halving every layer, and `weighted-sum(gated=true)` gates the states of the sum
only.

Parameters at one site: D.

Source: Lashkarashvili et al. 2024, https://arxiv.org/abs/2402.11747.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class Gate(Method):
    """Settings of the weighted gate.

    Attributes:
        scale: Factor on the sigmoid.
    """

    name: ClassVar[str] = "gate"
    default_at: ClassVar[tuple[str, ...]] = ("layer",)

    scale: float = 2.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"scale is {self.scale}; it must be positive")

    @property
    def starts_as_identity(self) -> bool:
        """True if `scale` is 2, because sigmoid(0) is 0.5."""
        return self.scale == 2

    def build(self, site: Site) -> "GateAdapter":
        """Return a gate as wide as the site's output."""
        return GateAdapter(site.width_out, self.scale)


class GateAdapter(Adapter):
    """`gate` (D,), initialised to zero."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.gate = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return scale * sigmoid(gate) * y."""
        return y * (self.scale * self.gate.sigmoid())
