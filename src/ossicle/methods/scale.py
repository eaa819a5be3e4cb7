"""(IA)^3 and scale-and-shift (SSF): a learned gain on every channel, optionally with a shift.

    y  <-  gain * y            (IA)^3, at keys, values and the activation of the feed-forward block
    y  <-  gain * y + shift    SSF, after every linear and norm

Parameters at one site: D * (1 + shift).

Gains are initialised to one and shifts to zero, so a new adapter changes nothing.

Sources: Liu et al. 2022, https://arxiv.org/abs/2205.05638, section 3.3; Lian et al. 2022,
https://arxiv.org/abs/2210.08823, where both are initialised at random near these values.
"""

from collections.abc import Mapping
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
        shift: Whether to learn a shift as well (SSF).
    """

    name: ClassVar[str] = "scale"
    default_at: ClassVar[tuple[str, ...]] = ("attn.k", "attn.v", "ffn.act")
    neutral: ClassVar[Mapping[str, float]] = {"gain": 1.0}

    shift: bool = False

    def build(self, site: Site) -> "ScaleAdapter":
        """Return an adapter as wide as the site's output."""
        return ScaleAdapter(site.width_out, shift=self.shift)


class ScaleAdapter(Adapter):
    """`gain` (D,), initialised to one, and optionally `shift` (D,), initialised to zero."""

    def __init__(self, width: int, *, shift: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width)) if shift else None

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return gain * y, plus the shift if there is one."""
        return y * self.gain if self.shift is None else y * self.gain + self.shift

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Scale the rows, and shift the bias."""
        scaled = weight * (self.gain if weight.ndim == 1 else self.gain[:, None])
        moved = None if bias is None else bias * self.gain
        if self.shift is None:
            return scaled, moved
        if moved is None:
            raise MergeError("this module of the backbone has no bias to add a shift to")
        return scaled, moved + self.shift

    def fold_next(self, weight: Tensor) -> Tensor:
        """Scale the columns of the linear that reads y."""
        if self.shift is not None:
            raise MergeError(
                "a shift between two linears cannot be merged; attach it at ffn.in or ffn.out"
            )
        return weight * self.gain
