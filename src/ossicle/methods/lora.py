"""LoRA: a low-rank path in parallel with a frozen linear layer.

    y  <-  y + scale * up(down(dropout(x)))

with R = rank, or width / reduction rounded, and scale one of

    alpha / rank         as in Hu et al.
    alpha / reduction    as in the code of Cappellazzo et al.; with `rank`, it is width / rank
    a number             as given

Parameters at one site: R * (D_in + D_out).

Initialised as in the authors' code: `down` Kaiming-uniform, `up` zero, so a new adapter changes
nothing. In the code of Cappellazzo et al. both end up normal(0, 0.02), which changes the output
from the first step: `init=normal`.

Sources: Hu et al. 2021, https://arxiv.org/abs/2106.09685, section 4.1; Cappellazzo et al. 2023,
https://arxiv.org/abs/2312.03694.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import (
    Adapter,
    Method,
    check_choice,
    check_dropout,
    check_positive,
    inner_width,
)
from ossicle.methods.insertion import NORMAL_STD

LINEAR_SITES = (
    "attn.q", "attn.k", "attn.v", "attn.o", "ffn.in", "ffn.out", "ffn1.in", "ffn1.out"
)  # fmt: skip
OUTER_LINEAR = "projection.linear"
SCALES = ("alpha/rank", "alpha/reduction")


@dataclass(frozen=True)
class LoRA(Method):
    """Settings of LoRA.

    Attributes:
        rank: Inner size R; ignored if `reduction` is given.
        reduction: R = width / reduction, rounded to the nearest whole number.
        alpha: Numerator of the scale.
        scale: `alpha/rank`, `alpha/reduction`, or a number.
        dropout: Dropout probability of the input of the low-rank path.
        init: Initialisation. `zero`: `up` is zero; `normal`: both are normal(0, 0.02).
    """

    name: ClassVar[str] = "lora"
    default_at: ClassVar[tuple[str, ...]] = ("attn.q", "attn.v")
    size_setting: ClassVar[str | None] = "rank"

    rank: int = 8
    reduction: float | None = None
    alpha: float = 8.0
    scale: str | float = "alpha/rank"
    dropout: float = 0.0
    init: str = "zero"

    def __post_init__(self) -> None:
        check_positive(rank=self.rank, reduction=self.reduction)
        if isinstance(self.scale, str) and self.scale not in SCALES:
            raise ValueError(f"scale is '{self.scale}'; use {', '.join(SCALES)} or a number")
        check_dropout(self.dropout)
        check_choice("init", self.init, ("zero", "normal"))

    @property
    def starts_as_identity(self) -> bool:
        """True if `up` is initialised to zero."""
        return self.init == "zero"

    def build(self, site: Site) -> "LoRAAdapter":
        """Return the low-rank path for a linear site."""
        if site.role not in (*LINEAR_SITES, OUTER_LINEAR):
            raise RecipeMismatch(
                f"LoRA needs a linear layer, and '{site.name}' is not one; "
                f"attach it at {', '.join(site.beside(LINEAR_SITES))}"
            )
        rank, scale = inner_width(site, self.rank, self.reduction), self.factor(site)
        adapter = LoRAAdapter(site.width_in, site.width_out, rank, scale, self.dropout)
        if self.init == "normal":
            for matrix in (adapter.down, adapter.up):
                nn.init.trunc_normal_(matrix, std=NORMAL_STD)
        return adapter

    def factor(self, site: Site) -> float:
        """Return the scale at a site, as a number."""
        if not isinstance(self.scale, str):
            return float(self.scale)
        rank = inner_width(site, self.rank, self.reduction)
        reduction = self.reduction or min(site.width_in, site.width_out) / rank
        return self.alpha / (rank if self.scale == "alpha/rank" else reduction)

    def narrowed(self, site: Site, size: int) -> "LoRA":
        """Return LoRA of a smaller rank with the same scale, which is then a number."""
        scale = self.factor(site)
        return replace(self, rank=size, reduction=None, alpha=type(self).alpha, scale=scale)


class LoRAAdapter(Adapter):
    """A low-rank path; `down` (R, D_in), `up` (D_out, R)."""

    def __init__(
        self, width_in: int, width_out: int, rank: int, scale: float, dropout: float
    ) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = dropout
        self.down = nn.Parameter(torch.empty(rank, width_in))
        self.up = nn.Parameter(torch.zeros(width_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(
        self, x: Float[Tensor, "B T D_in"], y: Float[Tensor, "B T D_out"]
    ) -> Float[Tensor, "B T D_out"]:
        """Return y plus the scaled low-rank path of x."""
        low = F.linear(F.dropout(x, self.dropout, self.training), self.down)  # (B, T, R)
        return y + F.linear(low, self.up) * self.scale

    def forward_sets(self, tensors: Mapping[str, Tensor], x: Tensor, y: Tensor, *_: Any) -> Tensor:
        """Return y plus the low-rank path of x, of each set for its own rows."""
        low = x.flatten(1, -2) @ tensors["down"].mT  # (K, B T, R)
        before, up = y.flatten(1, -2), tensors["up"].mT
        return torch.baddbmm(before, low, up, alpha=self.scale).view_as(y)

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Add the product of the two matrices."""
        return weight + self.scale * self.up @ self.down, bias
