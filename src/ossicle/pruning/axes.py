"""Which dimensions of the tensors of an adapter are its size, such as the rank of LoRA.

An adapter is built with size 1 and with size 2, on the meta device: a dimension whose length goes
from k to 2 k is the size, k blocks one after another (the mean and the deviation of a pooling
head). The same holds for a head and the width of the frames that it reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ossicle.anatomy import Anatomy, Site
from ossicle.heads import build_head
from ossicle.methods import Adapter, Method

Axes: TypeAlias = dict[str, tuple[tuple[int, int], ...]]  # dimension and number of blocks, by name


def adapter_axes(method: Method, site: Site) -> Axes:
    """Return the dimensions of each tensor of an adapter that are its size.

    Args:
        method: A method with a size.
        site: The site, as the adapter sees it: with the input width of the site that it reads.
    """

    def built(size: int) -> nn.Module:
        adapter = method.with_size(size).build(site)
        assert isinstance(adapter, Adapter), "what has a size is built"
        return adapter

    return _compared(built)


def head_axes(name: str, anatomy: Anatomy, num_outputs: int) -> Axes:
    """Return the dimensions of each tensor of a head that are the width of the frames it reads."""
    return _compared(lambda width: build_head(name, replace(anatomy, width=width), num_outputs))


def cut(tensor: Tensor, axes: Sequence[tuple[int, int]], kept: Sequence[int]) -> Tensor:
    """Return a tensor with the kept channels alone, in all of its dimensions of the size."""
    for axis, blocks in axes:
        size = tensor.shape[axis] // blocks
        rows = [block * size + channel for block in range(blocks) for channel in kept]
        tensor = tensor.index_select(axis, torch.tensor(rows, device=tensor.device))
    return tensor.contiguous()


def by_channel(tensors: Mapping[str, Tensor], axes: Axes, size: int) -> Tensor:  # (size,)
    """Return the sum over all numbers that belong to each channel; others are left out.

    A number that belongs to two channels, as those of a convolution between them do, counts in
    both.
    """
    total = torch.zeros(size, dtype=torch.float64)
    for name, own in axes.items():
        tensor = tensors[name].detach().double().cpu()
        for number, (axis, blocks) in enumerate(own):
            part = tensor.movedim(axis, 0).reshape(blocks, size, -1).sum(dim=(0, 2))
            total += part
            for other, _ in own[:number]:  # the diagonal belongs to one channel, not to two
                total -= tensor.diagonal(dim1=other, dim2=axis).reshape(-1, size).sum(dim=0)
    return total


def numel(shape: Sequence[int], axes: Sequence[tuple[int, int]], size: int) -> int:
    """Return the numbers of a tensor with another size."""
    blocks = dict(axes)
    return prod(blocks[n] * size if n in blocks else length for n, length in enumerate(shape))


def _compared(built: Callable[[int], nn.Module]) -> Axes:
    with torch.device("meta"):
        one, two = (dict(built(size).named_parameters()) for size in (1, 2))
    found = {}
    for name, tensor in one.items():
        pairs = enumerate(zip(tensor.shape, two[name].shape, strict=True))
        axes = tuple((axis, length) for axis, (length, other) in pairs if other == 2 * length)
        if axes:
            found[name] = axes
    return found
