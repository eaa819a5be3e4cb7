"""Prefix tuning: learned keys and values in each layer, which every frame attends to.

    k <- [K, k]        v <- [V, v]

They are inserted after the key and value projections. There are no additional queries, and no
network computes the prefixes. Their place in the sequence does not matter to attention; the code of
Cappellazzo et al. puts them after CLS. In a text decoder every token attends to them, at
`dec.attn.kv` beside the tokens before it and at `dec.cross.kv` beside the frames; they are added to
the keys and values that are kept while a text is generated, and not kept with them.

Parameters at one site: P * D_out.

D_out is 2 D, keys and values concatenated. Cappellazzo et al. count keys and values separately, so
their prefix-24 is `length=12`. Initialised uniform within sqrt(6 / (768 + D)), as in their code, so
a new prefix changes the output.

Sources: Li & Liang 2021, https://arxiv.org/abs/2101.00190; Cappellazzo et al. 2023,
https://arxiv.org/abs/2312.03694.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import MAX_TOKENS, Adapter, Method, check_dropout, check_positive
from ossicle.methods.tokens import uniform_tokens


@dataclass(frozen=True)
class Prefix(Method):
    """Settings of prefix tuning.

    Attributes:
        length: Number P of keys, and of values, in each layer.
        dropout: Dropout probability of both; 0.1 in SURE.
    """

    name: ClassVar[str] = "prefix"
    default_at: ClassVar[tuple[str, ...]] = ("attn.kv",)
    size_setting: ClassVar[str | None] = "length"
    zeroing_removes: ClassVar[bool] = False

    length: int = 12
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_positive(length=self.length, most=MAX_TOKENS)
        check_dropout(self.dropout)

    @property
    def starts_as_identity(self) -> bool:
        """False: every frame attends to the prefix."""
        return False

    @property
    def changes_length(self) -> bool:
        """True."""
        return True

    def build(self, site: Site) -> "PrefixAdapter":
        """Return the keys and values of one layer."""
        if site.role != "attn.kv":
            raise RecipeMismatch(
                f"a prefix adds keys and values, which '{site.name}' does not have; attach it at "
                f"{' or '.join(site.beside(['attn.kv']))}"
            )
        if site.max_tokens is not None and self.length > site.max_tokens:
            raise RecipeMismatch(
                f"{self.length} keys are more than the {site.max_tokens} tokens that this backbone "
                "has positions for; choose fewer"
            )
        return PrefixAdapter(self, site)


class PrefixAdapter(Adapter):
    """`keys` and `values` (P, D)."""

    def __init__(self, method: Prefix, site: Site) -> None:
        super().__init__()
        width = site.width_out // 2
        self.dropout = torch.nn.Dropout(method.dropout)
        self.keys = uniform_tokens(method.length, width, "vpt")
        self.values = uniform_tokens(method.length, width, "vpt")

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B S D_out"]:
        """Return keys and values with the prefix in front."""
        both = self.dropout(torch.cat((self.keys, self.values), dim=1)).to(y.dtype)  # (P, 2 D)
        return torch.cat((both.expand(len(y), -1, -1), y), dim=1)
