"""Bottleneck adapter: down, non-linearity, up; beside or after a block, or before it.

    A(t) = up(act(down(dropout(t))))

    insertion    position   residual off            residual on
    sequential   after      y <- A(y)               y <- y + A(y)
    parallel     after      y <- y + A(y)           y <- y + A(y) + y
    parallel     before     y <- y + A(x)           y <- y + A(x) + x
    sequential   before     x <- A(x); y <- y + x   x <- x + A(x)

"Before" reads what enters the site, "after" what leaves it. The residual is the adapter's own
skip; unless stated it is on for sequential and off for parallel, which is the rule of paper D
(its table VII takes each away). Sequential-before without the residual is what paper D's table III
measured: the adapter's output replaces the input of the block and is added again to its output.

Parameters at one site: R * (D_in + D_out) + R + D_out.

Sources: Houlsby et al. 2019, https://arxiv.org/abs/1902.00751 (after both blocks); Pfeiffer et al.
2021, https://arxiv.org/abs/2005.00247 (after the feed-forward block); He et al. 2022,
https://arxiv.org/abs/2110.04366 (parallel); paper D, https://arxiv.org/abs/2312.03694, tables III
and VII. `down` starts as torch's linear does and `up` at zero, so that wherever the table above
keeps y (or x) a new adapter changes nothing. Paper D's reference code ends up with normal(0, 0.02)
in both.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method, inner_width

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


@dataclass(frozen=True)
class Bottleneck(Method):
    """Settings of a bottleneck adapter.

    Attributes:
        width: Inner size R; ignored where `reduction` is given.
        reduction: R = width of the backbone / reduction, rounded.
        insertion: `sequential` or `parallel`.
        position: `before` or `after` the site.
        residual: The adapter's own skip; None: on if sequential, off if parallel.
        activation: `gelu`, `relu`, `silu`, `tanh` or `none`.
        dropout: On the adapter's input, while training.
    """

    name: ClassVar[str] = "bottleneck"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)

    width: int = 64
    reduction: float | None = None
    insertion: str = "sequential"
    position: str = "after"
    residual: bool | None = None
    activation: str = "gelu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}; it must be 1 or more")
        if self.reduction is not None and not self.reduction >= 1:
            raise ValueError(f"reduction is {self.reduction}; it must be 1 or more")
        if self.insertion not in ("sequential", "parallel"):
            raise ValueError(f"insertion is '{self.insertion}'; use sequential or parallel")
        if self.position not in ("before", "after"):
            raise ValueError(f"position is '{self.position}'; use before or after")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is '{self.activation}'; use one of {', '.join(ACTIVATIONS)}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must lie in [0, 1)")

    @property
    def has_residual(self) -> bool:
        """Whether the adapter has its own skip, with the default resolved."""
        return self.insertion == "sequential" if self.residual is None else self.residual

    @property
    def starts_as_identity(self) -> bool:
        """True where the table of the module keeps y (or x) as it is and adds only A."""
        return self.has_residual == (self.insertion == "sequential")

    def build(self, site: Site) -> "BottleneckAdapter":
        """Return the adapter; one that stands before needs a block that keeps the width."""
        if self.position == "before" and site.width_in != site.width_out:
            raise RecipeMismatch(
                f"a bottleneck before {site} would have to map {site.width_in} channels to "
                f"{site.width_out}; put it at attn, ffn or layer, or choose position=after"
            )
        inner = inner_width(site, self.width, self.reduction)
        return BottleneckAdapter(self, site.width_out, inner)


class BottleneckAdapter(Adapter):
    """`down` (R, D), `up` (D, R), both with bias."""

    def __init__(self, method: Bottleneck, width: int, inner: int) -> None:
        super().__init__()
        self.parallel = method.insertion == "parallel"
        self.replaces_input = method.position == "before" and not self.parallel
        self.reads_input = method.position == "before"
        self.residual = method.has_residual
        self.down = nn.Linear(width, inner)
        self.activation = ACTIVATIONS[method.activation]()
        self.dropout = nn.Dropout(method.dropout)
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def _adapt(self, t: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        made: Tensor = self.up(self.activation(self.down(self.dropout(t))))  # (B, T, D)
        return made + t if self.residual else made

    def before(self, x: Float[Tensor, "B T D_in"]) -> Float[Tensor, "B T D_in"]:
        """Return the adapted x for sequential-before, x itself otherwise."""
        return self._adapt(x) if self.replaces_input else x

    def forward(
        self, x: Float[Tensor, "B T D_in"], y: Float[Tensor, "B T D_out"]
    ) -> Float[Tensor, "B T D_out"]:
        """Return the line of the module's table that the settings choose."""
        if self.replaces_input:
            return y if self.residual else y + x
        made = self._adapt(x if self.reads_input else y)
        return y + made if self.parallel else made
