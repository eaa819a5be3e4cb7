"""From frames to one vector, over the real ones alone."""

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
    """Return the standard deviation over the real frames; it divides by their number."""
    mean = masked_mean(frames, frame_mask)
    variance = masked_mean((frames - mean[:, None]).square(), frame_mask)
    return variance.clamp(min=VARIANCE_FLOOR).sqrt()
