"""Mixture of adapters: several bottlenecks beside a block, each frame choosing among them softly.

    dense   y <- y + sum_n p_n(x) A_n(x)        p = softmax(W x + b) for each frame
    soft    y <- y + C A(D^T x)                 each adapter sees a mixture of frames, a slot

In the soft form the logits x Phi give D by a softmax over the frames and C by one over all slots.
The A_n are bottlenecks with GELU, without a skip.

Parameters at one site: N * (2 * R * D + R + D) + (D * N + N if dense else D * N * slots) + unit.

`normalise` computes the logits of the soft form from frames and a Phi of length 1, with a learnt
scale. There are two ways to do so:

    width     x / |x| and Phi / |Phi| over the width; slots are mixtures of the frames x themselves,
              as in soft mixtures of experts
    experts   x / |x|, and Phi / |Phi| over the experts; slots are mixtures of the frames x / |x|,
              as in the reference code of mixtures of adapters

Padded frames take no part. `up` starts at zero: a new adapter changes nothing. In the reference
code the mixture at attention is added a second time after the feed-forward block, which its paper
does not say; here it is added once.

Sources: Cappellazzo et al. 2024, https://arxiv.org/abs/2402.00828, with its reference code;
Puigcerver et al. 2023, https://arxiv.org/abs/2308.00951, with its reference code.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method, check_choice, check_positive, inner_width
from ossicle.methods.insertion import start

EPS = 1e-6
MAX_SLOTS: Final = 1024  # of all experts at a site


@dataclass(frozen=True)
class MoA(Method):
    """Settings of a mixture of adapters.

    Attributes:
        routing: `dense` or `soft`.
        experts: N, adapters at a site.
        width: Inner size R of each; ignored where `reduction` is given.
        reduction: R = width of the backbone / reduction, rounded; 128 in the paper.
        slots: Mixtures that each adapter sees, in the soft form.
        normalise: `none`, `width` or `experts`, in the soft form.
    """

    name: ClassVar[str] = "moa"
    default_at: ClassVar[tuple[str, ...]] = ("attn",)

    routing: str = "dense"
    experts: int = 7
    width: int = 6
    reduction: float | None = None
    slots: int = 1
    normalise: str = "none"

    def __post_init__(self) -> None:
        check_choice("routing", self.routing, ("dense", "soft"))
        check_choice("normalise", self.normalise, ("none", "width", "experts"))
        check_positive(
            experts=self.experts, width=self.width, reduction=self.reduction, slots=self.slots
        )
        if self.experts * self.slots > MAX_SLOTS:
            raise ValueError(f"experts times slots is more than {MAX_SLOTS}; choose fewer")
        if self.routing == "dense" and (self.slots != 1 or self.normalise != "none"):
            raise ValueError("slots and normalise are for routing=soft")

    def build(self, site: Site) -> "MoAAdapter":
        """Return the mixture for a block that keeps the width."""
        if site.width_in != site.width_out:
            raise RecipeMismatch(
                f"a mixture of adapters stands beside a block and {site} maps {site.width_in} "
                f"channels to {site.width_out}; put it at attn, ffn or layer"
            )
        return (DenseMoA if self.routing == "dense" else SoftMoA)(self, site)


class MoAAdapter(Adapter):
    """`downs` (R, D) and `ups` (D, R), N of each."""

    def __init__(self, method: MoA, site: Site) -> None:
        super().__init__()
        width, inner = site.width_in, inner_width(site, method.width, method.reduction)
        self.downs = nn.ModuleList(nn.Linear(width, inner) for _ in range(method.experts))
        self.ups = nn.ModuleList(nn.Linear(inner, width) for _ in range(method.experts))
        for down, up in zip(self.downs, self.ups, strict=True):
            assert isinstance(down, nn.Linear)
            assert isinstance(up, nn.Linear)
            start("zero", [down, up])

    def _experts(self, parts: list[Tensor]) -> Float[Tensor, "N ..."]:
        """Return what each adapter makes of its part."""
        return torch.stack(
            [
                up(F.gelu(down(part)))
                for down, up, part in zip(self.downs, self.ups, parts, strict=True)
            ]
        )


class DenseMoA(MoAAdapter):
    """And `router` (N, D) with bias."""

    def __init__(self, method: MoA, site: Site) -> None:
        super().__init__(method, site)
        self.router = nn.Linear(site.width_in, method.experts)

    def forward(
        self, x: Float[Tensor, "B T D"], y: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        """Return y plus the mixture that each frame chooses."""
        chosen = self.router(x).softmax(-1)  # (B, T, N)
        made = self._experts([x] * len(self.downs))  # (N, B, T, D)
        return y + torch.einsum("btn,nbtd->btd", chosen, made)


class SoftMoA(MoAAdapter):
    """And `phi` (D, N, slots); `unit`, the scale, where normalised."""

    reads_mask: ClassVar[bool] = True

    def __init__(self, method: MoA, site: Site) -> None:
        super().__init__(method, site)
        self.normalise = method.normalise
        self.phi = nn.Parameter(torch.empty(site.width_in, method.experts, method.slots))
        nn.init.xavier_normal_(self.phi)
        self.unit = nn.Parameter(torch.ones(())) if method.normalise != "none" else None

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        y: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B T D"]:
        """Return y plus the slots' outputs, given back to the frames."""
        keys: Tensor = x
        mixed: Tensor = x
        phi: Tensor = self.phi
        if self.unit is not None:
            keys = F.normalize(x, dim=-1, eps=EPS)
            axis = 0 if self.normalise == "width" else 1
            phi = self.unit * F.normalize(phi, dim=axis, eps=EPS)
            mixed = x if self.normalise == "width" else keys
        logits = torch.einsum("btd,dns->btns", keys, phi)
        combine = logits.flatten(2).softmax(-1).view_as(logits)  # over all slots
        if frame_mask is not None:
            logits = logits.masked_fill(~frame_mask[..., None, None], float("-inf"))
        slots = torch.einsum("btns,btd->nbsd", logits.softmax(1), mixed)  # over the frames
        made = self._experts(list(slots.unbind(0)))  # (N, B, slots, D)
        return y + torch.einsum("btns,nbsd->btd", combine, made)
