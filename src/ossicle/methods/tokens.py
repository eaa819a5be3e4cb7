"""Insertion of tokens into a sequence and their removal, for prompts and pseudo features.

    before   CLS | special, frames             frames | padding
    prefix   CLS | new | special, frames       new | frames | padding
    suffix                                     frames | new | padding

New tokens are placed where a row's real frames begin or end, so that padding does not change a row.
"""

import math
from abc import abstractmethod
from typing import ClassVar, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.methods.base import Adapter

PATCH: Final = 3 * 16 * 16  # values of an image patch, in the init of visual prompt tuning


class TokensAdapter(Adapter):
    """Inserts `length` tokens at the entry and, unless `keep`, removes them at the exit."""

    reads_mask: ClassVar[bool] = True
    only_first: ClassVar[bool] = True

    def __init__(
        self, length: int, *, first: int = 0, suffix: bool = False, keep: bool = False
    ) -> None:
        super().__init__()
        self.length = length
        self.first = first
        self.suffix = suffix
        self.removes_tokens = not keep

    @abstractmethod
    def tokens(self) -> Float[Tensor, "P D"]:
        """Return the tokens to insert."""

    def before(
        self, x: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B S D"]:
        """Return x with the tokens inserted."""
        new = self.tokens().to(x.dtype).expand(len(x), -1, -1)  # (B, P, D)
        if not self.suffix:
            return torch.cat((x[:, : self.first], new, x[:, self.first :]), dim=1)
        if frame_mask is None:
            return torch.cat((x, new), dim=1)
        counts = frame_mask.sum(dim=1, keepdim=True)  # (B, 1)
        frames = torch.arange(x.shape[1] + self.length, device=x.device)
        rank = (frames - counts).clamp(0, self.length - 1)  # index of the new token, where is_new
        is_new = (frames >= counts) & (frames < counts + self.length)
        spread = new.gather(1, rank[..., None].expand(-1, -1, x.shape[2]))
        return torch.where(is_new[..., None], spread, F.pad(x, (0, 0, 0, self.length)))

    def forward(
        self,
        x: Float[Tensor, "B S C"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B S D"],
        frame_mask: Bool[Tensor, "B S"] | None,  # noqa: ARG002 - as above
    ) -> Float[Tensor, "B T D"]:
        """Return y without the tokens; a suffix is removed by truncation, as padding follows it."""
        if not self.removes_tokens:
            return y
        if self.suffix:
            return y[:, : y.shape[1] - self.length]
        return torch.cat((y[:, : self.first], y[:, self.first + self.length :]), dim=1)

    def mask_inside(self, frame_mask: Bool[Tensor, "B T"] | None) -> Bool[Tensor, "B S"] | None:
        """Return the mask with `length` more real frames."""
        if frame_mask is None:
            return None
        return F.pad(frame_mask, (self.length, 0), value=True)


def uniform_tokens(length: int, width: int, init: str) -> nn.Parameter:
    """Return new tokens (P, D), initialised as in visual prompt tuning (`vpt`) or by `xavier`."""
    fan = PATCH if init == "vpt" else length
    bound = math.sqrt(6 / (fan + width))
    return nn.Parameter(torch.empty(length, width).uniform_(-bound, bound))
