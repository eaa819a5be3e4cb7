"""Deep prompts: at every further layer new ones take the place of what became of the first.

    x <- [CLS, D_i, rest of x]        at layer i, over the P tokens that `prompt` put there

Parameters at one site: P * D.

Paper D's DPT-25 is `prompt(length=25, ...)@encoder + deep-prompt(length=25)@layer[1:]`.

Sources: Jia et al. 2022, https://arxiv.org/abs/2203.12119; paper D,
https://arxiv.org/abs/2312.03694.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import MAX_TOKENS, Adapter, Method, check_choice, check_positive
from ossicle.methods.prompt import Prompt
from ossicle.methods.tokens import uniform_tokens


@dataclass(frozen=True)
class DeepPrompt(Method):
    """Settings of deep prompts.

    Attributes:
        length: P; the length of the prompts at the encoder.
        init: `vpt` or `xavier`.
    """

    name: ClassVar[str] = "deep-prompt"
    default_at: ClassVar[tuple[str, ...]] = ("layer",)
    example: ClassVar[str | None] = "prompt + deep-prompt[1:]"

    length: int = 10
    init: str = "vpt"

    def __post_init__(self) -> None:
        check_positive(length=self.length, most=MAX_TOKENS)
        check_choice("init", self.init, ("vpt", "xavier"))

    @property
    def starts_as_identity(self) -> bool:
        """False: every frame attends to the prompts."""
        return False

    @property
    def changes_input(self) -> bool:
        """True."""
        return True

    @property
    def changes_length(self) -> bool:
        """True; of equal length among those of one recipe alone."""
        return True

    def check(self, others: Sequence[tuple[Method, tuple[str, ...]]]) -> None:
        """Raise unless there are prompts of the same length at the encoder."""
        lengths = [o.length for o, at in others if isinstance(o, Prompt) and "encoder" in at]
        if lengths != [self.length]:
            has = f"has {lengths[0]} there" if lengths else "has none there"
            raise RecipeMismatch(
                f"deep-prompt(length={self.length}) takes the place of prompts at encoder, and the "
                f"recipe {has}; add prompt(length={self.length})@encoder, and give deep-prompt "
                "the layers [1:]"
            )

    def build(self, site: Site) -> "DeepPromptAdapter":
        """Return the prompts of one layer."""
        if site.name != "layer":
            raise RecipeMismatch(f"deep prompts enter a layer and '{site.name}' is none")
        return DeepPromptAdapter(self, site)


class DeepPromptAdapter(Adapter):
    """`prompts` (P, D)."""

    def __init__(self, method: DeepPrompt, site: Site) -> None:
        super().__init__()
        self.first = min(site.num_special, 1)
        self.prompts = uniform_tokens(method.length, site.width_in, method.init)

    def before(self, x: Float[Tensor, "B T D"], *_: Tensor | None) -> Float[Tensor, "B T D"]:
        """Return x with its prompts replaced."""
        new = self.prompts.to(x.dtype).expand(len(x), -1, -1)
        last = self.first + new.shape[1]
        return torch.cat((x[:, : self.first], new, x[:, last:]), dim=1)

    def forward(
        self,
        x: Float[Tensor, "B T D"],  # noqa: ARG002 - every adapter is given x and y
        y: Float[Tensor, "B T D"],
    ) -> Float[Tensor, "B T D"]:
        """Return y."""
        return y
