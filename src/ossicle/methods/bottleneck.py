"""Bottleneck adapter: down-projection, activation, up-projection.

    A(t) = scale * up(act(down(dropout(t))))

It is inserted in one of the ways of `ossicle.methods.insertion`. The default is the BA of
Lashkarashvili et al. 2024, after the feed-forward block; PEFT-SER's adapter has scale 0.1.

Parameters at one site: R * (D_in + D_out) + R + D_out.

D_in is the width of t, D_out that of the site's output. `down` is initialised by torch's default
and `up` to zero, so a new adapter changes nothing wherever `insertion` keeps y (or x).

Sources: Houlsby et al. 2019, https://arxiv.org/abs/1902.00751; Lashkarashvili et al. 2024,
https://arxiv.org/abs/2402.11747; Feng & Narayanan 2023 (PEFT-SER),
https://arxiv.org/abs/2306.05350.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.methods.base import check_choice, check_dropout, check_positive, inner_width
from ossicle.methods.insertion import Inserted, InsertedAdapter, init_weights

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


@dataclass(frozen=True)
class Bottleneck(Inserted):
    """Settings of a bottleneck adapter, in addition to those of its insertion.

    Attributes:
        width: Inner size R; ignored if `reduction` is given.
        reduction: R = width of the backbone / reduction, rounded.
        activation: `gelu`, `relu`, `silu`, `tanh` or `none`.
        scale: Factor on the output of A.
        dropout: Dropout probability of the adapter's input.
    """

    name: ClassVar[str] = "bottleneck"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)
    size_setting: ClassVar[str | None] = "width"

    width: int = 64
    reduction: float | None = None
    activation: str = "gelu"
    scale: float = 1.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(width=self.width, reduction=self.reduction)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_dropout(self.dropout)

    def build(self, site: Site) -> "BottleneckAdapter":
        """Return the adapter for the widths of the site."""
        return BottleneckAdapter(self, site)


class BottleneckAdapter(InsertedAdapter):
    """`down` (R, D_in), `up` (D_out, R), both with bias."""

    def __init__(self, method: Bottleneck, site: Site) -> None:
        super().__init__(method)
        width_in, width_out = method.widths(site)
        inner = inner_width(site, method.width, method.reduction)
        self.scale = method.scale
        self.down = nn.Linear(width_in, inner)
        self.activation = ACTIVATIONS[method.activation]()
        self.dropout = nn.Dropout(method.dropout)
        self.up = nn.Linear(inner, width_out)
        init_weights(method.init, [self.down, self.up])

    def adapt(self, t: Float[Tensor, "B T D_in"], *_: Tensor | None) -> Float[Tensor, "B T D_out"]:
        """Return scale * up(act(down(t)))."""
        output: Tensor = self.up(self.activation(self.down(self.dropout(t))))
        return output * self.scale if self.scale != 1 else output
