"""Norm tuning: train the gain and shift of LayerNorms.

    y  <-  y + normalised(x) * gain + shift

where y = normalised(x) * g + s is the frozen LayerNorm. Its gain and shift become g + gain and
s + shift, and take the same steps as if they were trained themselves. Inoue et al. 2024 and
Cappellazzo et al. 2023 train the LayerNorms together with their adapters.

Parameters at one site: 2 * D.

Sources: Inoue et al. 2024, https://arxiv.org/abs/2407.21066; Cappellazzo et al. 2023,
https://arxiv.org/abs/2312.03694.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import MergeError, RecipeMismatch
from ossicle.methods.base import Adapter, Method, Part


@dataclass(frozen=True)
class Norm(Method):
    """Norm tuning has no settings."""

    name: ClassVar[str] = "norm"
    default_at: ClassVar[tuple[str, ...]] = ("norm.attn", "norm.ffn")
    part: ClassVar[Part] = "norm"

    def build(self, site: Site) -> "NormAdapter":
        """Return the adapter of a LayerNorm."""
        if site.eps is None:
            raise RecipeMismatch(
                f"'norm' trains a LayerNorm, and '{site.name}' is not one; "
                "attach it at a site whose name begins with norm."
            )
        return NormAdapter(site.width_out, site.eps)


class NormAdapter(Adapter):
    """`gain` (D,) and `shift` (D,), initialised to zero."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.zeros(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(
        self, x: Float[Tensor, "B T D_in"], y: Float[Tensor, "B T D_out"]
    ) -> Float[Tensor, "B T D_out"]:
        """Return y with the changed gain and shift."""
        return y + F.layer_norm(x, (x.shape[-1],), self.gain, self.shift, self.eps)

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Add to gain and shift."""
        if bias is None:
            raise MergeError("this norm of the backbone has no shift to add to")
        return weight + self.gain, bias + self.shift
