"""E-adapter: a bottleneck with a norm of its own and a skip inside, after the feed-forward block.

    y  <-  y + LN(up(act(down(y))))

The predecessor of paper B, and its baseline after Houlsby, have the same module after the attention
as well. In its code the output of the block goes through the adapter before the residual is added
and normalised; a summary of it says that the adapter takes the place of the non-linearity, which
the code does not do.

Parameters at one site: 2 * R * D + R + 3 * D.

Both linears start normal(0, 0.001) with zero biases, and the norm as torch's does. Its epsilon of
1e-5 outweighs the variance then, so that a new adapter changes little; but it is not the identity.

Sources: Otake et al. 2023, https://arxiv.org/abs/2210.16032, with its reference code; paper B,
https://arxiv.org/abs/2407.21066.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.methods.base import Adapter, Method, check_choice, check_positive, inner_width
from ossicle.methods.bottleneck import ACTIVATIONS

STD: Final = 1e-3


@dataclass(frozen=True)
class EAdapter(Method):
    """Settings of an E-adapter.

    Attributes:
        width: Inner size R; None: from `reduction`. At base size it is 256.
        reduction: R = width of the backbone / reduction, rounded.
        activation: `gelu` (for ASR and intent), `relu` (for verification and emotion), `silu`,
            `tanh` or `none`.
    """

    name: ClassVar[str] = "e-adapter"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)

    width: int | None = None
    reduction: float = 3.0
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_positive(width=self.width, reduction=self.reduction)
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def starts_as_identity(self) -> bool:
        """False: the norm makes something even of very little."""
        return False

    def build(self, site: Site) -> "EAdapterModule":
        """Return the adapter, as wide as what leaves the site."""
        return EAdapterModule(self, site)


class EAdapterModule(Adapter):
    """`down` (R, D), `up` (D, R), `norm` (D,)."""

    def __init__(self, method: EAdapter, site: Site) -> None:
        super().__init__()
        width = site.width_out
        inner = inner_width(site, method.width, None if method.width else method.reduction)
        self.down = nn.Linear(width, inner)
        self.activation = ACTIVATIONS[method.activation]()
        self.up = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)
        for linear in (self.down, self.up):
            nn.init.normal_(linear.weight, std=STD)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter is given x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y + LN(up(act(down(y))))."""
        made: Tensor = self.norm(self.up(self.activation(self.down(y))))
        return y + made
