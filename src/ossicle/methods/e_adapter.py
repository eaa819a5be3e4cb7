"""E-adapter: a bottleneck with a LayerNorm and a skip connection, after the feed-forward block.

    y  <-  y + LN(up(act(down(y))))

Otake et al. use the same module after the attention as well in their baseline (after Houlsby). In
their code the adapter transforms the output of the block before the residual is added and
normalised.

Parameters at one site: 2 * R * D + R + 3 * D.

Both linears are initialised normal(0, 0.001) with zero biases, and the norm by torch's default. Its
epsilon of 1e-5 is then larger than the variance, so a new adapter changes little, but something.

Sources: Otake et al. 2023, https://arxiv.org/abs/2210.16032, with its reference code; Inoue et al.
2024 (ELP-adapters), https://arxiv.org/abs/2407.21066.
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
    size_setting: ClassVar[str | None] = "width"

    width: int | None = None
    reduction: float = 3.0
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_positive(width=self.width, reduction=self.reduction)
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def starts_as_identity(self) -> bool:
        """False: the norm scales up even a small output."""
        return False

    def build(self, site: Site) -> "EAdapterModule":
        """Return the adapter for the output width of the site."""
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
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y + LN(up(act(down(y))))."""
        output: Tensor = self.norm(self.up(self.activation(self.down(y))))
        return y + output
