"""Prompts: learnt tokens in the sequence, through the whole transformer or through each layer.

    at encoder   x <- [CLS, P, x]    shallow prompts: through all layers, then out, or kept
    at layer     x <- [P, x]         embedding prompts: through that layer alone

Where the backbone has a CLS token the prompts stand after it. Paper D's SPT puts them in the place
of the distillation token (`drop_distillation`) and keeps them for the head (`keep`), which averages
over all tokens; both are off by default, as in visual prompt tuning, where the head reads what is
not a prompt. Prompts have no positions. With `deep-prompt` at the further layers they are DPT's.

Parameters at one site: P * D.

They start uniform within sqrt(6 / (768 + D)), as visual prompt tuning's do, or (`init=xavier`)
within sqrt(6 / (P + D)), as PEFT-SER's. A new prompt is read by every frame: it changes something.

Sources: Jia et al. 2022, https://arxiv.org/abs/2203.12119; paper D,
https://arxiv.org/abs/2312.03694; Feng & Narayanan 2023 (PEFT-SER),
https://arxiv.org/abs/2306.05350.
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
        length: P, prompts at a site.
        keep: Leave them in for the head; at `encoder` alone.
        drop_distillation: Take the distillation token out.
        init: `vpt` or `xavier`.
    """

    name: ClassVar[str] = "prompt"
    default_at: ClassVar[tuple[str, ...]] = ("encoder",)

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

    def check(self, others: Sequence[tuple[Method, tuple[str, ...]]]) -> None:
        """Raise for two sets of prompts at the encoder."""
        if any(isinstance(other, Prompt) and "encoder" in at for other, at in others):
            raise RecipeMismatch(
                "two placements put prompts at encoder and exclude each other; give one the sum of "
                "their lengths"
            )

    def build(self, site: Site) -> "PromptAdapter":
        """Return the prompts of a site inside which the sequence may be longer."""
        if site.name not in ("encoder", "layer") or not site.can_grow:
            where = "encoder" if site.name == "layer" else "encoder, or at layer"
            raise RecipeMismatch(
                f"the sequence cannot grow at {site} of this backbone; put prompts at {where}"
            )
        if site.max_tokens is not None and self.length > site.max_tokens:
            raise RecipeMismatch(
                f"{self.length} prompts are more than the {site.max_tokens} tokens that this "
                "backbone has positions for; choose fewer"
            )
        if self.keep and site.name != "encoder":
            raise RecipeMismatch(
                f"prompts at {site} leave with it; keep=true is for those at encoder"
            )
        if self.drop_distillation and site.num_special < 2:
            raise RecipeMismatch(
                f"drop_distillation takes the distillation token out and {site} has none; leave "
                "it out of the recipe"
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
        """Return x with the prompts in it, and without the distillation token if that goes."""
        grown = super().before(x, frame_mask)
        if not self.drop_distillation:
            return grown
        token = self.first + self.length  # the distillation token follows the prompts
        return torch.cat((grown[:, :token], grown[:, token + 1 :]), dim=1)
