"""BitFit: train only the biases.

    y  <-  y + bias

at every linear and every LayerNorm. Training this bias is equivalent to training the module's own,
step for step, but leaves the backbone unchanged, so that many adapters can share it. The `attn.k`
bias is part of the method and of its parameter count but has no effect: it adds the same value to
all scores of a query, which the softmax cancels.

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
    """`bias` (D_out,), initialised to zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y + bias."""
        return y + self.bias

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Add to the bias."""
        if bias is None:
            raise MergeError("this module of the backbone has no bias to add to")
        return weight, bias + self.bias
