"""Where an adapter A stands beside, after or before a block: paper D's six places and their skips.

    insertion    position   residual off            residual on
    sequential   after      y <- A(y)               y <- y + A(y)
    parallel     after      y <- y + A(y)           y <- y + A(y) + y
    parallel     before     y <- y + A(x)           y <- y + A(x) + x
    sequential   before     x <- A(x); y <- y + x   x <- x + A(x)

"Before" reads what enters the site, "after" what leaves it. The residual is the adapter's own
skip; unless stated it is on for sequential and off for parallel, which is the rule of paper D
(its table VII takes each away). Sequential-before without the residual is what paper D's table III
measured: the adapter's output replaces the input of the block and is added again to its output.

Sources: Houlsby et al. 2019, https://arxiv.org/abs/1902.00751 (after both blocks); Pfeiffer et al.
2021, https://arxiv.org/abs/2005.00247 (after the feed-forward block); He et al. 2022,
https://arxiv.org/abs/2110.04366 (parallel); paper D, https://arxiv.org/abs/2312.03694, tables III
and VII.
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
    """Settings of an adapter that stands at a block.

    Attributes:
        insertion: `sequential` or `parallel`.
        position: `before` or `after` the site.
        residual: The adapter's own skip; None: on if sequential, off if parallel.
        init: `zero`: the last linear starts at zero, the others as torch's do; `normal`: all
            weights normal(0, 0.02) and biases zero, which is what paper D's reference code ends up
            with, whatever it writes; `torch`: all as torch's do, as in paper A's code.
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
        """Whether the adapter has its own skip, with the default resolved."""
        return self.insertion == "sequential" if self.residual is None else self.residual

    @property
    def starts_as_identity(self) -> bool:
        """True where A starts at zero and the table of the module keeps y (or x) as it is."""
        return self.init == "zero" and self.has_residual == (self.insertion == "sequential")

    @property
    def changes_input(self) -> bool:
        """True for sequential-before."""
        return self.insertion == "sequential" and self.position == "before"

    def widths(self, site: Site) -> tuple[int, int]:
        """Return how wide what A reads is, and what A makes.

        Raises:
            RecipeMismatch: a skip, or the block's input, would have to change its width.
        """
        if self.position == "after":
            return site.width_out, site.width_out
        if site.width_in != site.width_out and (self.has_residual or self.changes_input):
            raise RecipeMismatch(
                f"'{self.name}' with these settings passes on what it reads, and {site} gives it "
                f"{site.width_in} channels where {site.width_out} are due; put it at attn, ffn or "
                "layer, read elsewhere, or choose position=after"
            )
        return site.width_in, site.width_out


class InsertedAdapter(Adapter):
    """The table above, for any A."""

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
        """Return A(t), without a skip."""

    def _with_skip(
        self, t: Float[Tensor, "B T D_in"], *frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D_out"]:
        made = self.adapt(t, *frame_mask)
        return made + t if self.residual else made

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
        """Return the line of the module's table that the settings choose."""
        if self.replaces_input:
            return y if self.residual else y + x
        made = self._with_skip(x if self.reads_input else y, *frame_mask)
        return y + made if self.parallel else made


def start(init: str, modules: list[nn.Linear | nn.Conv1d | nn.Conv2d]) -> None:
    """Give the layers of a new adapter their first values; the last of them is the one up."""
    if init == "normal":
        for module in modules:
            nn.init.trunc_normal_(module.weight, std=NORMAL_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    elif init == "zero":
        nn.init.zeros_(modules[-1].weight)
        if modules[-1].bias is not None:
            nn.init.zeros_(modules[-1].bias)
