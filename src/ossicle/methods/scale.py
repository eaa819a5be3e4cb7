"""(IA)^3 and scale-and-shift (SSF): a learnt gain on every channel, and a shift.

    y  <-  gain * y            (IA)^3, at keys, values and the feed-forward block's inside
    y  <-  gain * y + shift    SSF, after every linear and norm

Parameters at one site: D * (1 + shift).

Gains start at one and shifts at zero, so that a new adapter changes nothing.

Sources: Liu et al. 2022, https://arxiv.org/abs/2205.05638, section 3.3; Lian et al. 2022,
https://arxiv.org/abs/2210.08823, which starts both near these values at random.
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
class Scale(Method):
    """Settings of (IA)^3 and SSF.

    Attributes:
        shift: Learn a shift as well: SSF.
    """

    name: ClassVar[str] = "scale"
    default_at: ClassVar[tuple[str, ...]] = ("attn.k", "attn.v", "ffn.act")

    shift: bool = False

    def build(self, site: Site) -> "ScaleAdapter":
        """Return gains, and shifts where wanted, as wide as the site's output."""
        return ScaleAdapter(site.width_out, shift=self.shift)


class ScaleAdapter(Adapter):
    """`gain` (D,), one at the start; `shift` (D,), zero at the start, where wanted."""

    def __init__(self, width: int, *, shift: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width)) if shift else None

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter is given x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return gain * y, and the shift where there is one."""
        return y * self.gain if self.shift is None else y * self.gain + self.shift

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Scale the rows, and shift the bias."""
        scaled = weight * (self.gain if weight.ndim == 1 else self.gain[:, None])
        moved = None if bias is None else bias * self.gain
        if self.shift is None:
            return scaled, moved
        if moved is None:
            raise MergeError("a shift needs a bias to be added to, and this module has none")
        return scaled, moved + self.shift

    def fold_next(self, weight: Tensor) -> Tensor:
        """Scale the columns of the linear that reads y."""
        if self.shift is not None:
            raise MergeError(
                "a shift between two linears is not merged; put it at ffn.in or ffn.out"
            )
        return weight * self.gain
