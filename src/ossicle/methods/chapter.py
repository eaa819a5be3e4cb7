"""CHAPTER: a copy of each CNN layer in parallel with it, added with a small weight.

    y  <-  y + scale * gelu(norm(conv(x)))

The convolution has the layer's kernel and stride, the norm the layer's type. CHAPTER uses this in
the CNN and bottleneck adapters in the transformer.

Parameters at one site: C_in * C_out * K + bias * C_out + norm * 2 * C_out.

The weight and all biases are initialised to zero, so a new adapter changes nothing.

Source: Chen et al. 2023, https://arxiv.org/abs/2212.01282, with its reference code.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class Chapter(Method):
    """Settings of CHAPTER's CNN adapters.

    Attributes:
        scale: Factor on the output of the copy.
    """

    name: ClassVar[str] = "chapter"
    default_at: ClassVar[tuple[str, ...]] = ("cnn",)

    scale: float = 0.01

    def build(self, site: Site) -> "ChapterAdapter":
        """Return the copy of a CNN layer."""
        if site.convolution is None:
            raise RecipeMismatch(
                f"'chapter' copies a CNN layer, and '{site.name}' is not one; attach it at cnn"
            )
        return ChapterAdapter(site, self.scale)


class ChapterAdapter(Adapter):
    """`conv` (C_out, C_in, K), and `norm` (C_out,) if the layer has one."""

    def __init__(self, site: Site, scale: float) -> None:
        super().__init__()
        shape = site.convolution
        assert shape is not None
        self.scale = scale
        self.conv = nn.Conv1d(
            site.width_in, site.width_out, shape.kernel, shape.stride, bias=shape.bias
        )
        nn.init.zeros_(self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        norms: dict[str | None, Any] = {
            "group": lambda: nn.GroupNorm(site.width_out, site.width_out, shape.eps),
            "layer": lambda: nn.LayerNorm(site.width_out, shape.eps),
            None: lambda: None,
        }
        self.norm = norms[shape.norm]()

    def forward(
        self, x: Float[Tensor, "B C_in N"], y: Float[Tensor, "B C_out T"]
    ) -> Float[Tensor, "B C_out T"]:
        """Return y plus the scaled output of the copy."""
        output = self.conv(x)
        if isinstance(self.norm, nn.LayerNorm):
            output = self.norm(output.transpose(1, 2)).transpose(1, 2)
        elif self.norm is not None:
            output = self.norm(output)
        return y + self.scale * F.gelu(output)
