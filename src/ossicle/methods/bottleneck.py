"""Bottleneck adapter: down, non-linearity, up; beside or after a block, or before it.

    A(t) = scale * up(act(down(dropout(t))))

The places and skips are those of `ossicle.methods.insertion`. The emotion paper's BA is the default
after the feed-forward block; PEFT-SER's adapter scales by 0.1.

Parameters at one site: R * (D_in + D_out) + R + D_out.

D_in is the width of what A reads, D_out of what leaves the site. `down` starts as torch's linear
does and `up` at zero, so that wherever the table of `insertion` keeps y (or x) a new adapter
changes nothing.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.methods.base import check_choice, check_dropout, check_positive, inner_width
from ossicle.methods.insertion import Inserted, InsertedAdapter, start

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


@dataclass(frozen=True)
class Bottleneck(Inserted):
    """Settings of a bottleneck adapter, beside those of its place.

    Attributes:
        width: Inner size R; ignored where `reduction` is given.
        reduction: R = width of the backbone / reduction, rounded.
        activation: `gelu`, `relu`, `silu`, `tanh` or `none`.
        scale: On what A makes.
        dropout: On the adapter's input, while training.
    """

    name: ClassVar[str] = "bottleneck"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)

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
        """Return the adapter for what it reads and makes there."""
        return BottleneckAdapter(self, site)


class BottleneckAdapter(InsertedAdapter):
    """`down` (R, D_in), `up` (D_out, R), both with bias."""

    def __init__(self, method: Bottleneck, site: Site) -> None:
        super().__init__(method)
        read, made = method.widths(site)
        inner = inner_width(site, method.width, method.reduction)
        self.scale = method.scale
        self.down = nn.Linear(read, inner)
        self.activation = ACTIVATIONS[method.activation]()
        self.dropout = nn.Dropout(method.dropout)
        self.up = nn.Linear(inner, made)
        start(method.init, [self.down, self.up])

    def adapt(self, t: Float[Tensor, "B T D_in"], *_: Tensor | None) -> Float[Tensor, "B T D_out"]:
        """Return scale * up(act(down(t)))."""
        made: Tensor = self.up(self.activation(self.down(self.dropout(t))))
        return made * self.scale if self.scale != 1 else made
