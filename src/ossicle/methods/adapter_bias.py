"""AdapterBias: one vector added to every frame, by a weight that the frame itself decides.

    y  <-  y + v * (w . a + b)

a is what enters the second linear of the feed-forward block, and y what leaves the block.

Parameters at one site: D_in + 1 + D_out.

v starts at one and w as torch's linear does, as in paper A's reference code: a new adapter changes
something.

Sources: Fu et al. 2022, https://arxiv.org/abs/2205.00305; paper A's predecessor (Chen et al. 2023,
https://arxiv.org/abs/2210.06175), whose code takes a there.
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
        """Return a vector as wide as y, and a linear on x."""
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
