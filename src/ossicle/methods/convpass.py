"""Convpass: a bottleneck with a convolution between its two linears.

    A(t) = up(act(conv(act(down(t)))))        act(z) = z * sigmoid(1.702 z)

With `grid` off the convolution runs along the sequence of frames or tokens; the table of
Cappellazzo et al. counts the parameters of this form. With `grid` on it runs over frequency and
time, as their text describes, and treats every token before the patches (CLS, distillation token,
prompts) as an image of one pixel. Their code discards the output of the convolution, whose weights
never train; here it is used. The adapter is inserted in one of the ways of
`ossicle.methods.insertion`.

Parameters at one site: R * (D_in + D_out) + R + D_out + R * R * K ** (1 + grid) + R.

Sources: Jie & Deng 2022, https://arxiv.org/abs/2207.07039; Cappellazzo et al. 2023,
https://arxiv.org/abs/2312.03694, section III.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import check_positive, inner_width, real_only
from ossicle.methods.insertion import Inserted, InsertedAdapter, init_weights

MAX_KERNEL: Final = 255  # a convolution over the grid stores its square


@dataclass(frozen=True)
class Convpass(Inserted):
    """Settings of Convpass, in addition to those of its insertion.

    Attributes:
        width: Inner size R; None: from `reduction`.
        reduction: R = width of the backbone / reduction, rounded.
        kernel: Kernel size in frames, or in patches per side; odd.
        grid: Whether to convolve over the patch grid instead of along time.
    """

    name: ClassVar[str] = "convpass"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)
    size_setting: ClassVar[str | None] = "width"

    width: int | None = None
    reduction: float = 64.0
    kernel: int = 3
    grid: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(width=self.width, reduction=self.reduction)
        check_positive(kernel=self.kernel, most=MAX_KERNEL)
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be odd")

    @property
    def mixes_frames(self) -> bool:
        """True."""
        return True

    def build(self, site: Site) -> "ConvpassAdapter":
        """Return the adapter; one over the grid needs patches."""
        if self.grid and site.grid is not None and not site.grid[1]:
            raise RecipeMismatch(
                "convpass(grid=true) needs a fixed grid of patches, and with ?length=own every "
                "clip has another; leave grid out, or load the backbone without ?length=own"
            )
        if self.grid and site.grid is None:
            raise RecipeMismatch(
                f"convpass(grid=true) needs patches, and {site} has frames; leave grid out"
            )
        return ConvpassAdapter(self, site)


class ConvpassAdapter(InsertedAdapter):
    """`down` (R, D_in), `conv` (R, R, K) or (R, R, K, K), `up` (D_out, R), all with bias."""

    reads_mask: ClassVar[bool] = True

    def __init__(self, method: Convpass, site: Site) -> None:
        super().__init__(method)
        width_in, width_out = method.widths(site)
        inner = inner_width(site, method.width, None if method.width else method.reduction)
        self.grid = site.grid if method.grid else None
        kind: Any = nn.Conv2d if method.grid else nn.Conv1d
        self.down = nn.Linear(width_in, inner)
        self.conv = kind(inner, inner, method.kernel, padding="same")
        self.up = nn.Linear(inner, width_out)
        init_weights(method.init, [self.down, self.conv, self.up])

    def adapt(
        self, t: Float[Tensor, "B T D_in"], *frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D_out"]:
        """Return A(t); the convolution reads padding as zero."""
        low = quick_gelu(self.down(t))  # (B, T, R)
        mixed = self._along_time(low, *frame_mask) if self.grid is None else self._over_grid(low)
        output: Tensor = self.up(quick_gelu(mixed))
        return output

    def _along_time(
        self, low: Float[Tensor, "B T R"], frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T R"]:
        mixed: Tensor = self.conv(real_only(low, frame_mask).transpose(1, 2))
        return mixed.transpose(1, 2)

    def _over_grid(self, low: Float[Tensor, "B T R"]) -> Float[Tensor, "B T R"]:
        assert self.grid is not None
        batch, tokens, inner = low.shape
        num_patches = self.grid[0] * self.grid[1]
        before, patches = low.split((tokens - num_patches, num_patches), dim=1)
        picture = self.conv(patches.transpose(1, 2).unflatten(2, self.grid))  # (B, R, F, T)
        pixels = self.conv(before.reshape(-1, inner, 1, 1)).view(batch, -1, inner)
        return torch.cat((pixels, picture.flatten(2).transpose(1, 2)), dim=1)


def quick_gelu(z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return z * sigmoid(1.702 z)."""
    return z * torch.sigmoid(1.702 * z)
