"""From samples to frames through a stack of strides.

    samples  |---------kernel---------|
             |--stride--|---------kernel---------|
    frames   0          1                            floor((N - kernel) / stride) + 1

No convolution here pads, so a frame sees real samples only, and a wave shorter than the receptive
field of the stack makes no frame at all.
"""

from collections.abc import Sequence


def num_frames(num_samples: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many frames the stack makes of a wave; 0 if it is too short."""
    for kernel, stride in zip(kernels, strides, strict=True):
        num_samples = max(0, (num_samples - kernel) // stride + 1)
    return num_samples


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the samples that one frame sees, which is the shortest wave that makes a frame."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
