"""Prompts: learned tokens inserted into the sequence.

    at encoder   x <- [CLS, P, x]    shallow prompts: in all layers, then removed or kept
    at layer     x <- [P, x]         embedding prompts: in that layer only
    at decoder   x <- [P, x]         before the tokens of a text decoder, in all of its layers

If the backbone has a CLS token, prompts follow it. The SPT of Cappellazzo et al. replaces the
distillation token by them (`drop_distillation`) and keeps them for the head (`keep`), which
averages over all tokens. Both are off by default, as in visual prompt tuning, where the head reads
the other tokens only. Prompts have no positions. Together with `deep-prompt` at the further layers
they are DPT. In a decoder every token attends to all prompts, a prompt to those before it and to
the frames, and tokens have the positions that they have without prompts (Lester et al. 2021).

Parameters at one site: P * D.

Initialised uniform within sqrt(6 / (768 + D)), as in visual prompt tuning, or with `init=xavier`
within sqrt(6 / (P + D)), as in PEFT-SER. Every frame attends to a new prompt, so it changes the
output.

Sources: Jia et al. 2022, https://arxiv.org/abs/2203.12119; Lester et al. 2021,
https://arxiv.org/abs/2104.08691; Cappellazzo et al. 2023, https://arxiv.org/abs/2312.03694; Feng &
Narayanan 2023 (PEFT-SER), https://arxiv.org/abs/2306.05350.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import MAX_TOKENS, Method, check_choice, check_positive
from ossicle.methods.tokens import TokensAdapter, uniform_tokens


@dataclass(frozen=True)
class Prompt(Method):
    """Settings of prompts.

    Attributes:
        length: Number P of prompts at a site.
        keep: Whether to keep them for the head; at `encoder` only.
        drop_distillation: Whether to remove the distillation token.
        init: Initialisation, `vpt` or `xavier`.
    """

    name: ClassVar[str] = "prompt"
    default_at: ClassVar[tuple[str, ...]] = ("encoder",)
    size_setting: ClassVar[str | None] = "length"
    zeroing_removes: ClassVar[bool] = False

    length: int = 10
    keep: bool = False
    drop_distillation: bool = False
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
        """True."""
        return True

    def check(self, at: tuple[str, ...], others: Sequence[tuple[Method, tuple[str, ...]]]) -> None:
        """Raise RecipeMismatch for a second placement of prompts at the encoder or decoder."""
        taken = {name for other, names in others if isinstance(other, Prompt) for name in names}
        for name in ("encoder", "decoder"):
            if name in taken.intersection(at):
                raise RecipeMismatch(
                    f"two placements insert prompts at {name}; replace them by one with the sum of "
                    "their lengths"
                )

    def build(self, site: Site) -> "PromptAdapter":
        """Return the prompts of a site where the sequence can get longer."""
        if site.name not in ("encoder", "layer", "decoder") or not site.can_grow:
            where = "encoder" if site.name == "layer" else "encoder, or at layer"
            where = "decoder" if site.in_decoder else where
            raise RecipeMismatch(
                f"the sequence cannot get longer at {site} of this backbone; attach prompts at "
                f"{where}"
            )
        if site.max_tokens is not None and self.length > site.max_tokens:
            raise RecipeMismatch(
                f"{self.length} prompts are more than the {site.max_tokens} tokens that this "
                "backbone has positions for; choose fewer"
            )
        if self.keep and site.name != "encoder":
            raise RecipeMismatch(
                f"prompts at {site} are removed after it; keep=true needs prompts at encoder"
            )
        if self.drop_distillation and site.num_special < 2:
            raise RecipeMismatch(
                "drop_distillation removes the distillation token, which this backbone does not "
                "have; leave it out of the recipe"
            )
        return PromptAdapter(self, site)


class PromptAdapter(TokensAdapter):
    """`prompts` (P, D)."""

    def __init__(self, method: Prompt, site: Site) -> None:
        super().__init__(method.length, first=min(site.num_special, 1), keep=method.keep)
        self.drop_distillation = method.drop_distillation
        self.prompts = uniform_tokens(method.length, site.width_in, method.init)

    def tokens(self) -> Float[Tensor, "P D"]:
        """Return the prompts."""
        return self.prompts

    def before(
        self, x: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B S D"]:
        """Return x with the prompts, and without the distillation token if it is dropped."""
        grown = super().before(x, frame_mask)
        if not self.drop_distillation:
            return grown
        token = self.first + self.length  # the distillation token follows the prompts
        return torch.cat((grown[:, :token], grown[:, token + 1 :]), dim=1)

    def mask_inside(self, frame_mask: Bool[Tensor, "B T"] | None) -> Bool[Tensor, "B S"] | None:
        """Return the mask with the prompts, and without the distillation token if it is dropped."""
        grown = super().mask_inside(frame_mask)
        return grown[:, 1:] if grown is not None and self.drop_distillation else grown
