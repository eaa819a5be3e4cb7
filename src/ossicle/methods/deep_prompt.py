"""Deep prompts: new prompts at every further layer replace the output of the previous ones.

    x <- [CLS, D_i, rest of x]        at layer i, in place of the P tokens inserted by `prompt`

At `layer` they replace those at `encoder`, at `dec.layer` those at `decoder`.

Parameters at one site: P * D.

The DPT-25 of Cappellazzo et al. is
`prompt(length=25, ...)@encoder + deep-prompt(length=25)@layer[1:]`.

Sources: Jia et al. 2022, https://arxiv.org/abs/2203.12119; Cappellazzo et al. 2023,
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
        length: Number of prompts P; must equal that of the prompts that they replace.
        init: `vpt` or `xavier`.
    """

    name: ClassVar[str] = "deep-prompt"
    default_at: ClassVar[tuple[str, ...]] = ("layer",)
    example: ClassVar[str | None] = "prompt + deep-prompt[1:]"
    size_setting: ClassVar[str | None] = "length"
    sized_with: ClassVar[str | None] = "prompt"
    zeroing_removes: ClassVar[bool] = False

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
        """True: it needs prompts, which lengthen the sequence."""
        return True

    def check(self, at: tuple[str, ...], others: Sequence[tuple[Method, tuple[str, ...]]]) -> None:
        """Raise RecipeMismatch unless there are prompts of the same length to replace."""
        for name in at:
            above = "decoder" if name == "dec.layer" else "encoder"
            prompts = [
                o.length for o, places in others if isinstance(o, Prompt) and above in places
            ]
            if prompts != [self.length]:
                has = f"of length {prompts[0]}" if prompts else "missing"
                raise RecipeMismatch(
                    f"deep-prompt(length={self.length}) replaces the prompts at {above}, which are "
                    f"{has} in this recipe; use prompt(length={self.length})@{above} together with "
                    f"deep-prompt(length={self.length})@{name}[1:]"
                )

    def build(self, site: Site) -> "DeepPromptAdapter":
        """Return the prompts of one layer."""
        if site.role != "layer":
            raise RecipeMismatch(
                f"deep prompts are inserted in layers, and '{site.name}' is not one; attach them "
                f"at {site.beside(['layer'])[0]}[1:]"
            )
        return DeepPromptAdapter(self, site)


class DeepPromptAdapter(Adapter):
    """`prompts` (P, D)."""

    only_first: ClassVar[bool] = True

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
        x: Float[Tensor, "B T D"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D"],
    ) -> Float[Tensor, "B T D"]:
        """Return y."""
        return y
