"""From frames to one vector, over the real ones alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

VARIANCE_FLOOR = 1e-6


def masked_mean(
    frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B D"]:
    """Return the mean over the real frames of each row."""
    weights = frame_mask[..., None].to(frames.dtype)  # (B, T, 1)
    return (frames * weights).sum(dim=1) / weights.sum(dim=1)


def masked_deviation(
    frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B D"]:
    """Return the standard deviation over the real frames.

    The sum of squares is divided by n, their number. `torch.std`, and with it most published code
    for this pooling, divides by n - 1 and gives NaN for a single frame.
    """
    mean = masked_mean(frames, frame_mask)
    variance = masked_mean((frames - mean[:, None]).square(), frame_mask)
    return variance.clamp(min=VARIANCE_FLOOR).sqrt()


@dataclass(frozen=True, slots=True)
class Summary:
    """A shorter sequence that some heads make the same of.

    Attributes:
        of: From states (S, T, D), all of whose frames are real, to (S, T', D).
        words: What it is, for messages.
    """

    of: Callable[[Float[Tensor, "S T D"]], Float[Tensor, "S P D"]]
    words: str


def _mean(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    return states.mean(dim=1, keepdim=True)


def _first(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    return states[:, :1]


def _mean_and_deviation(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    """Return two frames, m + s and m - s, whose mean is m and whose deviation s."""
    real = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    mean, deviation = masked_mean(states, real), masked_deviation(states, real)
    return torch.stack((mean + deviation, mean - deviation), dim=1)


SUMMARIES: Final = {
    "mean": Summary(_mean, "averaged over its frames"),
    "first": Summary(_first, "the first frame of it"),
    "meanstd": Summary(_mean_and_deviation, "mean and deviation over its frames"),
}
