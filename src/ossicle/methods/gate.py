"""Weighted gate: a learnt gain on every channel of every layer's output.

    y  <-  scale * sigmoid(gate) * y

The emotion paper multiplies each block's hidden states by sigmoid(g). It states neither the start
of g, nor a factor, nor whether the gated states go on to the next layer or to the weighted sum
alone. The default goes on to the next layer, with the factor 2 and g = 0, which starts as the
identity; `scale=1` halves every layer at the start, and `weighted-sum(gated=true)` gates the states
alone.

Parameters at one site: D.

Source: paper C, https://arxiv.org/abs/2402.11747.
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
        """True with the factor 2, for sigmoid(0) is a half."""
        return self.scale == 2

    def build(self, site: Site) -> "GateAdapter":
        """Return a gate as wide as the site's output."""
        return GateAdapter(site.width_out, self.scale)


class GateAdapter(Adapter):
    """`gate` (D,), zero at the start."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.gate = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter is given x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y times its gain."""
        return y * (self.scale * self.gate.sigmoid())
