"""Copies of a batch in a layer with a mixture of whole layers: one for each candidate, or shared.

As long as candidates have changed nothing, their copies are equal. Around the residual stream the
batch has a copy for each candidate; inside a frozen block, equal copies are one:

    candidates   skip  sequential  parallel  LoRA  BitFit     (post-norm)
    layer          0       1          2       3      4
    attn         [     0  1  2             ]  3      4        LoRA and BitFit act inside
    attn.q       [              0  1  2  3  4          ]      both act at its exit
    attn.o       [     0  1  2             ]  3      4        both have acted
    ffn          [     0  1  2             ]  3      4        the first two act at its exit
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Shaped
from torch import Tensor

from ossicle.anatomy import Site

BLOCKS = ("attn", "conv", "ffn1", "ffn")  # sub-modules with parts, which do most of the work
LINEARS = (
    *(f"attn.{name}" for name in "qkvo"),
    *(f"{block}.{end}" for block in ("ffn1", "ffn") for end in ("in", "out")),
)


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies that a batch consists of, one after another.

    Attributes:
        groups: The candidates of each copy.
        acted: The candidates that have changed something in this layer.
    """

    groups: tuple[tuple[int, ...], ...]
    acted: frozenset[int] = frozenset()

    @classmethod
    def for_each(cls, count: int) -> Self:
        """Return a copy for each of `count` candidates, none of which has acted."""
        return cls(tuple((candidate,) for candidate in range(count)))

    def after(self, candidates: Iterable[int]) -> "Copies":
        """Return the same copies after these candidates have acted."""
        return Copies(self.groups, self.acted.union(candidates))

    def shared(self, apart: frozenset[int]) -> "Copies":
        """Return the copies inside of a block in which the candidates `apart` act."""
        every = {candidate for group in self.groups for candidate in group}
        equal = tuple(sorted(every - self.acted - apart))
        groups = [equal] if equal else []
        groups += [(candidate,) for candidate in every.difference(equal)]
        return Copies(tuple(sorted(groups)), self.acted)

    def position(self, candidate: int) -> int:
        """Return the number of the copy that is of this candidate alone."""
        return self.groups.index((candidate,))

    def split(self, tensor: Shaped[Tensor, "KB ..."]) -> list[Tensor]:
        """Return the copies of a tensor."""
        return list(tensor.split(len(tensor) // len(self.groups)))

    def convert(self, tensor: Shaped[Tensor, "KB ..."], to: "Copies") -> Shaped[Tensor, "JB ..."]:
        """Return a tensor with these copies as one with the copies of `to`."""
        return tensor if self.groups == to.groups else torch.cat(self.parts(tensor, to))

    def parts(self, tensor: Shaped[Tensor, "KB ..."], to: "Copies") -> list[Tensor]:
        """Return the copies of `to`, from a tensor with these."""
        parts = self.split(tensor)
        place = {one: number for number, group in enumerate(self.groups) for one in group}
        return [parts[place[group[0]]] for group in to.groups]


def is_inside(site: Site, block: Site) -> bool:
    """Return whether a site is a part of another site of the same layer."""
    if site.name.startswith(f"{block.name}."):
        return True
    paths = tuple(f"{path}." for path in block.owned_modules)
    return any(path.startswith(paths) for path in site.owned_modules)
