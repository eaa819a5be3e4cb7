"""Number of frames that a stack of strided convolutions computes from samples.

    samples  |---------kernel---------|
             |--stride--|---------kernel---------|
    frames   0          1                            floor((N - kernel) / stride) + 1

The convolutions do not pad, so a frame depends on real samples only, and a wave shorter than the
receptive field of the stack gives no frame.
"""

from collections.abc import Sequence


def num_frames(num_samples: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the number of frames of a wave; 0 if it is too short."""
    for kernel, stride in zip(kernels, strides, strict=True):
        num_samples = max(0, (num_samples - kernel) // stride + 1)
    return num_samples


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the samples that one frame depends on: the shortest wave that gives a frame."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
