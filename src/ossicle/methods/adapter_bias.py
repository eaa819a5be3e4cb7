"""AdapterBias: one vector added to every frame, with a weight computed from the frame.

    y  <-  y + v * (w . a + b)

a is the input of the second linear of the feed-forward block, y the output of the block.

Parameters at one site: D_in + 1 + D_out.

v is initialised to one and w by torch's default, as in the code of Chen et al., so a new adapter
changes the output.

Sources: Fu et al. 2022, https://arxiv.org/abs/2205.00305; Chen et al. 2023,
https://arxiv.org/abs/2210.06175, whose code reads a at that place.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class AdapterBias(Method):
    """AdapterBias has no settings."""

    name: ClassVar[str] = "adapterbias"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)
    default_reads: ClassVar[str | None] = "ffn.out"

    @property
    def starts_as_identity(self) -> bool:
        """False: neither v nor w starts at zero."""
        return False

    def build(self, site: Site) -> "AdapterBiasModule":
        """Return the adapter: a vector as wide as y, and a linear on x."""
        return AdapterBiasModule(site.width_in, site.width_out)


class AdapterBiasModule(Adapter):
    """`vector` (D_out,), `alpha` (1, D_in) with bias."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.ones(width_out))
        self.alpha = nn.Linear(width_in, 1)

    def forward(
        self, x: Float[Tensor, "B T D_in"], y: Float[Tensor, "B T D_out"]
    ) -> Float[Tensor, "B T D_out"]:
        """Return y + v * alpha(x)."""
        weight: Tensor = self.alpha(x)  # (B, T, 1)
        return y + self.vector * weight
