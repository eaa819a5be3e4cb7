"""BitFit: train the biases alone.

    y  <-  y + bias

at every linear and every LayerNorm. A bias added to a module's output equals a change of the
module's own bias, step for step, and leaves the backbone untouched, so that many adapters can
share it. The `attn.k` bias is part of the method and of its count, but a constant added to every
key raises all scores of a query alike, and the softmax does not see it.

Parameters at one site: D_out.

Source: Ben Zaken et al. 2022, https://arxiv.org/abs/2106.10199.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import MergeError
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class Bias(Method):
    """BitFit has no settings."""

    name: ClassVar[str] = "bias"
    default_at: ClassVar[tuple[str, ...]] = (
        "attn.q",
        "attn.k",
        "attn.v",
        "attn.o",
        "ffn.in",
        "ffn.out",
        "norm.attn",
        "norm.ffn",
    )

    def build(self, site: Site) -> "BiasAdapter":
        """Return a zero bias as wide as the site's output."""
        return BiasAdapter(site.width_out)


class BiasAdapter(Adapter):
    """`bias` (D_out,), zero at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter is given x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y + bias."""
        return y + self.bias

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Add to the bias."""
        if bias is None:
            raise MergeError("there is no bias to add to: this module of the backbone has none")
        return weight, bias + self.bias
