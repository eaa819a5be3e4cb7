"""Ways to insert an adapter A at a site: sequential or parallel, before or after, with a residual.

    insertion    position   residual off            residual on
    sequential   after      y <- A(y)               y <- y + A(y)
    parallel     after      y <- y + A(y)           y <- y + A(y) + y
    parallel     before     y <- y + A(x)           y <- y + A(x) + x
    sequential   before     x <- A(x); y <- y + x   x <- x + A(x)

"Before" reads the input of the site, "after" its output. The residual is the adapter's own skip
connection; by default it is on for sequential and off for parallel, as in Cappellazzo et al., whose
table VII removes each. Sequential-before without residual is the variant measured in their table
III: the adapter's output replaces the input of the site and is also added to its output.

Sources: Houlsby et al. 2019, https://arxiv.org/abs/1902.00751 (after both blocks); Pfeiffer et al.
2021, https://arxiv.org/abs/2005.00247 (after the feed-forward block); He et al. 2022,
https://arxiv.org/abs/2110.04366 (parallel); Cappellazzo et al. 2023,
https://arxiv.org/abs/2312.03694, tables III and VII (six placements).
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Final

from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method, check_choice

INITS: Final = ("zero", "normal", "torch")
NORMAL_STD: Final = 0.02


@dataclass(frozen=True)
class Inserted(Method):
    """Settings of an adapter that is inserted at a site.

    Attributes:
        insertion: `sequential` or `parallel`.
        position: `before` or `after` the site.
        residual: Whether the adapter has its own skip connection; None: if sequential.
        init: Initialisation. `zero`: last linear zero, the others by torch's default; `normal`:
            weights normal(0, 0.02) and biases zero, as results from the code of Cappellazzo et
            al.; `torch`: torch's default, as in the code of Chen et al. 2023 (SUPERB adapters).
    """

    insertion: str = "sequential"
    position: str = "after"
    residual: bool | None = None
    init: str = "zero"

    def __post_init__(self) -> None:
        check_choice("insertion", self.insertion, ("sequential", "parallel"))
        check_choice("position", self.position, ("before", "after"))
        check_choice("init", self.init, INITS)

    @property
    def has_residual(self) -> bool:
        """Whether the adapter has its own skip connection, with the default resolved."""
        return self.insertion == "sequential" if self.residual is None else self.residual

    @property
    def starts_as_identity(self) -> bool:
        """True if A is initialised to zero and the table above keeps y (or x)."""
        return self.init == "zero" and self.has_residual == (self.insertion == "sequential")

    @property
    def changes_input(self) -> bool:
        """True for sequential-before."""
        return self.insertion == "sequential" and self.position == "before"

    def widths(self, site: Site) -> tuple[int, int]:
        """Return the input and output width of A.

        Raises:
            RecipeMismatch: a skip connection, or the input of the site, would change its width.
        """
        if self.position == "after":
            return site.width_out, site.width_out
        if site.width_in != site.width_out and (self.has_residual or self.changes_input):
            raise RecipeMismatch(
                f"'{self.name}' with these settings adds or replaces its input, which has "
                f"{site.width_in} channels at {site} instead of {site.width_out}; attach it at "
                "attn, ffn or layer, read elsewhere, or choose position=after"
            )
        return site.width_in, site.width_out


class InsertedAdapter(Adapter):
    """An adapter A inserted as in the table above."""

    def __init__(self, method: Inserted) -> None:
        super().__init__()
        self.parallel = method.insertion == "parallel"
        self.replaces_input = method.changes_input
        self.reads_input = method.position == "before"
        self.residual = method.has_residual

    @abstractmethod
    def adapt(
        self, t: Float[Tensor, "B T D_in"], *frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D_out"]:
        """Return A(t), without the skip connection."""

    def _with_skip(
        self, t: Float[Tensor, "B T D_in"], *frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D_out"]:
        output = self.adapt(t, *frame_mask)
        return output + t if self.residual else output

    def before(
        self, x: Float[Tensor, "B T D"], *frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        """Return the adapted x for sequential-before, x itself otherwise."""
        return self._with_skip(x, *frame_mask) if self.replaces_input else x

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],
        y: Float[Tensor, "B T D_out"],
        *frame_mask: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B T D_out"]:
        """Return the y of the table above for these settings."""
        if self.replaces_input:
            return y if self.residual else y + x
        output = self._with_skip(x if self.reads_input else y, *frame_mask)
        return y + output if self.parallel else output


def init_weights(init: str, modules: list[nn.Linear | nn.Conv1d | nn.Conv2d]) -> None:
    """Initialise the layers of a new adapter; the last of them is the up-projection."""
    if init == "normal":
        for module in modules:
            nn.init.trunc_normal_(module.weight, std=NORMAL_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    elif init == "zero":
        nn.init.zeros_(modules[-1].weight)
        if modules[-1].bias is not None:
            nn.init.zeros_(modules[-1].bias)
