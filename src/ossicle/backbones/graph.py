"""What a model needs so that its forward pass can be exported as one graph.

An exported graph cannot look at a batch: every row passes the same operations, whatever the
lengths. So rows of unequal length run together, with a mask of real frames, where they otherwise
run one by one. The model input is computed by a module of `ossicle.backbones.front_ends`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ossicle.backbones.attention import ForwardState


class NormOverRealFrames(nn.Module):
    """Replacement of a norm of each channel over time, which leaves padding out.

    Attributes:
        norm: The norm, whose gain, bias and epsilon are used.
    """

    def __init__(self, norm: nn.GroupNorm, state: ForwardState) -> None:
        super().__init__()
        assert norm.num_groups == norm.num_channels, "only norms of single channels are over time"
        self.norm = norm
        self._state = state

    def forward(self, hidden: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Return the frames with mean 0 and variance 1 over the real ones of each row."""
        counts = self._state.counts
        assert counts is not None, "the CNN says how many of its frames are real"
        real = first(hidden.shape[2], counts)[:, None].to(hidden.dtype)  # (B, 1, T)
        size = counts[:, None, None].to(hidden.dtype)
        mean = (hidden * real).sum(dim=2, keepdim=True) / size
        centred = (hidden - mean) * real
        variance = centred.square().sum(dim=2, keepdim=True) / size
        scaled = centred * torch.rsqrt(variance + self.norm.eps)
        return scaled * self.norm.weight[:, None] + self.norm.bias[:, None]


def run_together(model: nn.Module, state: ForwardState) -> None:
    """Let a model run rows of unequal length together, for a graph that is exported.

    Args:
        model: The model with its adapters; it is changed for good.
        state: State of its forward passes.
    """
    state.together, state.fast = True, False
    for module in list(model.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.GroupNorm):
                setattr(module, name, NormOverRealFrames(part, state))


def may_be_ragged(
    values: Float[Tensor, "B N ..."], lengths: Int[Tensor, " B"], state: ForwardState
) -> bool:
    """Return whether a batch may have padding, without a look at it if rows run together."""
    return state.together or not bool((lengths == values.shape[1]).all())


def first(count: int, lengths: Int[Tensor, " B"]) -> Bool[Tensor, "B T"]:
    """Return a mask of the first of `count` entries of each row."""
    return torch.arange(count, device=lengths.device) < lengths[:, None]


def cnn_together(
    cnn: Any,
    kernels: Sequence[int],
    strides: Sequence[int],
    values: Float[Tensor, "B N"],
    lengths: Int[Tensor, " B"],
    state: ForwardState,
) -> Float[Tensor, "B T C"]:
    """Run a CNN over a padded batch; frames of padding are zero after every layer."""
    hidden, counts = values[:, None], lengths
    for layer, kernel, stride in zip(cnn.conv_layers, kernels, strides, strict=True):
        counts = (counts - kernel) // stride + 1
        state.counts = counts
        hidden = layer(hidden)
        state.frame_mask = first(hidden.shape[2], counts)
        hidden = hidden * state.frame_mask[:, None].to(hidden.dtype)
    return hidden.transpose(1, 2)
