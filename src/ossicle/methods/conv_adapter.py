"""ConvAdapter: grouped convolutions along time and squeeze-and-excitation, after a layer.

    z  =  conv(conv5(relu(conv3(LN(y)))))
    y  <-  y + z * sigmoid(W2 relu(W1 mean_t(z)))

conv3 maps D channels to D / 2 and the last one back, each in D / 2 groups with kernel 3; conv5
between them has kernel 5. None has a bias. The mean is over real frames; the reference code
includes padding, so that a clip depends on its batch.

Parameters at one site: 8 * D + 5 * (D // 2) + 2 * D * R.

R is the width of the squeeze, between W1 and W2.

All are initialised by torch's defaults, so a new adapter changes the output.

Source: Li et al. 2023 (SURE), https://arxiv.org/abs/2303.03267, with its reference code.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method, check_positive, real_only


@dataclass(frozen=True)
class ConvAdapter(Method):
    """Settings of ConvAdapter.

    Attributes:
        width: Width R of the squeeze; None: from `reduction`.
        reduction: R = D / reduction, rounded down.
    """

    name: ClassVar[str] = "conv-adapter"
    default_at: ClassVar[tuple[str, ...]] = ("layer",)
    size_setting: ClassVar[str | None] = "width"

    width: int | None = None
    reduction: int = 16

    def __post_init__(self) -> None:
        check_positive(width=self.width, reduction=self.reduction)

    @property
    def starts_as_identity(self) -> bool:
        """False: nothing in it is initialised to zero."""
        return False

    @property
    def mixes_frames(self) -> bool:
        """True."""
        return True

    def build(self, site: Site) -> "ConvAdapterModule":
        """Return the adapter; the width must be even and at least `reduction`, or R."""
        width = site.width_out
        least = self.reduction if self.width is None else self.width
        if width % 2 or width < least:
            raise RecipeMismatch(
                f"'conv-adapter' needs an even width of {least} or more and {site} is "
                f"{width} wide; choose a smaller {'width' if self.width else 'reduction'} or "
                "another site"
            )
        return ConvAdapterModule(width, self.width or width // self.reduction)


class ConvAdapterModule(Adapter):
    """`norm` (D,); `narrow` (D/2, 2, 3), `middle` (D/2, 1, 5), `widen` (D, 1, 3); two linears."""

    reads_mask: ClassVar[bool] = True

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        half = width // 2
        self.norm = nn.LayerNorm(width)
        self.narrow = nn.Conv1d(width, half, 3, padding=1, groups=half, bias=False)
        self.middle = nn.Conv1d(half, half, 5, padding=2, groups=half, bias=False)
        self.widen = nn.Conv1d(half, width, 3, padding=1, groups=half, bias=False)
        self.squeeze = nn.Linear(width, inner, bias=False)
        self.excite = nn.Linear(inner, width, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B T D"]:
        """Return y plus the gated output of the convolutions, which read padding as zero."""

        def real(channels: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
            return real_only(channels.transpose(1, 2), frame_mask).transpose(1, 2)

        output = F.relu(self.narrow(real(self.norm(y).transpose(1, 2))))  # (B, D/2, T)
        output = real(self.widen(real(self.middle(real(output)))))  # (B, D, T)
        if frame_mask is None:
            mean = output.mean(dim=2)  # (B, D)
        else:
            mean = output.sum(dim=2) / frame_mask.sum(dim=1, keepdim=True)
        excited = torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))  # (B, D)
        return y + (output * excited[..., None]).transpose(1, 2)
