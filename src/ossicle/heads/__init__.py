"""From frames to the output of a task."""

from ossicle.heads.head import HEADS, Head, build_head, masked_mean

__all__ = ["HEADS", "Head", "build_head", "masked_mean"]
