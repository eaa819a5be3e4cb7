"""P-adapter: learned pseudo features, appended to the CNN features.

    prefix   x <- [P, x]        suffix   x <- [x, P]
    linear   P = E              nonlinear   P = W2 tanh(W1 E + b1) + b2

The four variants of Inoue et al., who do not state the number of pseudo features, the width and
activation of the network, or whether they are inserted before or after the projection. Here it is
before (`transformer`), or after with `@encoder`. They are removed after the last layer, so that
frame masks, pooling and CTC lengths are those of the recording.

Parameters at one site: P * D_in + nonlinear * (2 * D_in * H + H + D_in).

E and the weights are initialised normal(0, 0.02), biases to zero, so a new adapter changes the
output.

Source: Inoue et al. 2024 (ELP-adapters), https://arxiv.org/abs/2407.21066, variants only.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import MAX_TOKENS, Method, check_choice, check_positive
from ossicle.methods.tokens import TokensAdapter

STD: Final = 0.02


MAX_HIDDEN: Final = 8192


@dataclass(frozen=True)
class PAdapter(Method):
    """Settings of a P-adapter.

    Attributes:
        length: Number of pseudo features P.
        where: `prefix` or `suffix`.
        nonlinear: Whether the features pass through a small network.
        hidden: Inner size H of that network.
    """

    name: ClassVar[str] = "p-adapter"
    default_at: ClassVar[tuple[str, ...]] = ("transformer",)
    size_setting: ClassVar[str | None] = "length"
    zeroing_removes: ClassVar[bool] = False

    length: int = 10
    where: str = "prefix"
    nonlinear: bool = False
    hidden: int = 64

    def __post_init__(self) -> None:
        check_positive(length=self.length, most=MAX_TOKENS)
        check_positive(hidden=self.hidden, most=MAX_HIDDEN)
        check_choice("where", self.where, ("prefix", "suffix"))

    @property
    def starts_as_identity(self) -> bool:
        """False: every frame attends to the pseudo features."""
        return False

    @property
    def changes_input(self) -> bool:
        """True."""
        return True

    @property
    def changes_length(self) -> bool:
        """True."""
        return True

    def build(self, site: Site) -> "PAdapterModule":
        """Return the pseudo features of a site inside which the sequence may be longer."""
        if site.name not in ("transformer", "encoder"):
            raise RecipeMismatch(
                f"pseudo features are inserted before the transformer, not at '{site.name}'; "
                "attach them at transformer or encoder"
            )
        if site.num_special:
            raise RecipeMismatch(
                f"pseudo features need frames, and {site} has patches; use prompt instead"
            )
        return PAdapterModule(self, site)


class PAdapterModule(TokensAdapter):
    """`features` (P, D_in); if nonlinear, also `network`: (H, D_in), tanh, (D_in, H)."""

    def __init__(self, method: PAdapter, site: Site) -> None:
        super().__init__(method.length, suffix=method.where == "suffix")
        width = site.width_in
        self.features = nn.Parameter(torch.randn(method.length, width) * STD)
        self.network: nn.Module = nn.Identity()
        if method.nonlinear:
            into, out = nn.Linear(width, method.hidden), nn.Linear(method.hidden, width)
            for linear in (into, out):
                nn.init.normal_(linear.weight, std=STD)
                nn.init.zeros_(linear.bias)
            self.network = nn.Sequential(into, nn.Tanh(), out)

    def tokens(self) -> Float[Tensor, "P D"]:
        """Return the pseudo features."""
        output: Tensor = self.network(self.features)
        return output
