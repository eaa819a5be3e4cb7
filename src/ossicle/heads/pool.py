"""Pooling over the real frames of each row."""

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
    """Return the standard deviation over the real frames of each row.

    The sum of squares is divided by the number of frames n. `torch.std`, which most published code
    uses for this pooling, divides by n - 1 and returns NaN for a single frame.
    """
    mean = masked_mean(frames, frame_mask)
    variance = masked_mean((frames - mean[:, None]).square(), frame_mask)
    return variance.clamp(min=VARIANCE_FLOOR).sqrt()


@dataclass(frozen=True, slots=True)
class Summary:
    """A shorter sequence for which some heads compute the same output as for all frames.

    Attributes:
        of: Function from states (S, T, D) without padding to states (S, T', D).
        words: Description for messages.
    """

    of: Callable[[Float[Tensor, "S T D"]], Float[Tensor, "S P D"]]
    words: str


def _mean(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    return states.mean(dim=1, keepdim=True)


def _first(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    return states[:, :1]


def _mean_and_deviation(states: Float[Tensor, "S T D"]) -> Float[Tensor, "S P D"]:
    """Return two frames, m + s and m - s, with mean m and standard deviation s."""
    real = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    mean, deviation = masked_mean(states, real), masked_deviation(states, real)
    return torch.stack((mean + deviation, mean - deviation), dim=1)


SUMMARIES: Final = {
    "mean": Summary(_mean, "averaged over its frames"),
    "first": Summary(_first, "its first frame only"),
    "meanstd": Summary(_mean_and_deviation, "mean and standard deviation over its frames"),
}
