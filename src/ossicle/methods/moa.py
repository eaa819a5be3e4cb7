"""Mixture of adapters: several bottlenecks in parallel with a block, with soft routing.

    dense   y <- y + sum_n p_n(x) A_n(x)        p = softmax(W x + b) for each frame
    soft    y <- y + C A(D^T x)                 adapters read slots, that is, mixtures of frames

In the soft form D is the softmax of the logits x Phi over frames, and C that over all slots. The
A_n are bottlenecks with GELU, without skip connection.

Parameters at one site: N * (2 * R * D + R + D) + (D * N + N if dense else D * N * slots) + unit.

`normalise` computes the logits of the soft form from frames and a Phi of unit length, with a
learned scale, in one of two ways:

    width     x / |x| and Phi / |Phi| over the width; slots are mixtures of the frames x themselves,
              as in soft mixtures of experts
    experts   x / |x|, and Phi / |Phi| over the experts; slots are mixtures of the frames x / |x|,
              as in the reference code of mixtures of adapters

Padding is excluded. `up` is initialised to zero, so a new adapter changes nothing. The reference
code adds the mixture at the attention a second time after the feed-forward block, which the paper
does not mention; here it is added once.

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
from ossicle.methods.insertion import init_weights

EPS = 1e-6
MAX_SLOTS: Final = 1024  # for all experts of a site together


@dataclass(frozen=True)
class MoA(Method):
    """Settings of a mixture of adapters.

    Attributes:
        routing: `dense` or `soft`.
        experts: Number of adapters N at a site.
        width: Inner size R of each; ignored if `reduction` is given.
        reduction: R = width of the backbone / reduction, rounded; 128 in the paper.
        slots: Number of slots of each adapter, in the soft form.
        normalise: `none`, `width` or `experts`, in the soft form.
    """

    name: ClassVar[str] = "moa"
    default_at: ClassVar[tuple[str, ...]] = ("attn",)
    size_setting: ClassVar[str | None] = "width"

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
            raise ValueError("slots and normalise need routing=soft")

    @property
    def mixes_frames(self) -> bool:
        """True for soft routing, whose slots are mixtures of frames."""
        return self.routing == "soft"

    def build(self, site: Site) -> "MoAAdapter":
        """Return the mixture for a block that keeps the width."""
        if site.width_in != site.width_out:
            raise RecipeMismatch(
                f"a mixture of adapters needs equal input and output widths, and {site} maps "
                f"{site.width_in} channels to {site.width_out}; attach it at attn, ffn or layer"
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
            init_weights("zero", [down, up])

    def _experts(self, parts: list[Tensor]) -> Float[Tensor, "N ..."]:
        """Return the output of each adapter for its own input."""
        return torch.stack(
            [
                up(F.gelu(down(part)))
                for down, up, part in zip(self.downs, self.ups, parts, strict=True)
            ]
        )


class DenseMoA(MoAAdapter):
    """Dense routing, with `router` (N, D) and its bias."""

    def __init__(self, method: MoA, site: Site) -> None:
        super().__init__(method, site)
        self.router = nn.Linear(site.width_in, method.experts)

    def forward(
        self, x: Float[Tensor, "B T D"], y: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        """Return y plus the mixture weighted by the router of each frame."""
        chosen = self.router(x).softmax(-1)  # (B, T, N)
        output = self._experts([x] * len(self.downs))  # (N, B, T, D)
        return y + torch.einsum("btn,nbtd->btd", chosen, output)


class SoftMoA(MoAAdapter):
    """Soft routing, with `phi` (D, N, slots) and, if normalised, the scale `unit`."""

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
        """Return y plus the outputs of the slots, combined for each frame."""
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
        output = self._experts(list(slots.unbind(0)))  # (N, B, slots, D)
        return y + torch.einsum("btns,nbsd->btd", combine, output)
