"""The outputs of a head for a batch, as one padded tensor."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a head for a batch of B rows.

    Attributes:
        values: (B, C), or (B, T, C) of a head with an output for each frame.
        frame_mask: Real frames, which come first in every row; None: one output for each row.
    """

    values: Float[Tensor, "B ..."]
    frame_mask: Bool[Tensor, "B T"] | None = None

    @classmethod
    def of(cls, rows: Sequence[Float[Tensor, "..."]]) -> "Outputs":
        """Return the outputs of several rows, (C,) or (T, C) each, padded with zeros."""
        if rows[0].ndim == 1:
            return cls(torch.stack(list(rows)))
        values = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)  # (B, T, C)
        num_frames = torch.tensor([len(row) for row in rows], device=values.device)
        frames = torch.arange(values.shape[1], device=values.device)
        return cls(values, frames < num_frames[:, None])

    @classmethod
    def empty(cls, shape: Sequence[int], device: torch.device) -> "Outputs":
        """Return no rows, of shape (C,) or (T, C)."""
        mask = torch.zeros((0, shape[0]), dtype=torch.bool, device=device)
        return cls(torch.zeros((0, *shape), device=device), mask if len(shape) == 2 else None)

    @classmethod
    def interleaved(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Return the first row of every part, then the second, ...; all have one shape."""
        values = torch.stack([part.values for part in parts], dim=1).flatten(0, 1)
        masks = [part.frame_mask for part in parts if part.frame_mask is not None]
        return cls(values, torch.stack(masks, dim=1).flatten(0, 1) if masks else None)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def num_frames(self) -> Int[Tensor, " B"]:
        """The number of real frames of each row, of a head with an output for each frame."""
        assert self.frame_mask is not None, "these outputs have no frames"
        return self.frame_mask.sum(dim=1)

    def rows(self) -> list[Float[Tensor, "..."]]:
        """Return the output of each row: (C,), or (T, C) of its real frames."""
        if self.frame_mask is None:
            return list(self.values)
        sizes = self.num_frames.tolist()
        return [row[:size] for row, size in zip(self.values, sizes, strict=True)]

    def first(self, count: int) -> "Outputs":
        """Return the first rows."""
        mask = None if self.frame_mask is None else self.frame_mask[:count]
        return Outputs(self.values[:count], mask)

    def padded(self, num_rows: int, num_frames: int = 0) -> "Outputs":
        """Return the outputs with rows and frames of zeros up to so many, none of them real."""
        rows = num_rows - len(self)
        if self.frame_mask is None:
            return Outputs(F.pad(self.values, (0, 0, 0, rows)))
        frames = num_frames - self.values.shape[1]
        values = F.pad(self.values, (0, 0, 0, frames, 0, rows))
        return Outputs(values, F.pad(self.frame_mask, (0, frames, 0, rows)))

    def float(self) -> "Outputs":
        """Return the outputs in float32."""
        return Outputs(self.values.float(), self.frame_mask)

    def cpu(self) -> "Outputs":
        """Return the outputs in the memory of the CPU."""
        mask = None if self.frame_mask is None else self.frame_mask.cpu()
        return Outputs(self.values.cpu(), mask)
