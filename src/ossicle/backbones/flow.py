"""What travels beside the frames through one forward pass, and the attention that reads it.

A backbone has one `Flow`. It says which frames of the batch are real, at the place that is running
now: between the two ports of a site that grows, the mask is as long as the sequence there. So an
attention needs no mask handed down by the model's code, and prefixes, prompts and pseudo features
need no change in that code.
"""

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

ATTENTION: Final = "ossicle"


class Flow:
    """The state of a forward pass. Empty between two passes.

    Attributes:
        frame_mask: True is real; None: every frame of the batch is real.
        held: What a tap keeps between two ports.
        below: What entered the first layers, where the batch was set in above them.
        fast: Whether what `ossicle.backbones.fast` knows may stand in for a frozen module.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self.fast = fast
        self.frame_mask: Bool[Tensor, "B T"] | None = None
        self.below: tuple[Float[Tensor, "B T D"], ...] = ()
        self.held: dict[Hashable, Any] = {}

    def clear(self) -> None:
        """Forget the pass, also one that an error has ended."""
        self.frame_mask = None
        self.below = ()
        self.held.clear()

    def contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Return the two contexts that checkpointing wants: of the forward pass and of its repeat.

        The repeat, which may come after other passes, sees the state of the first time.
        """
        return nullcontext(), self._again(self.frame_mask, dict(self.held))

    @contextmanager
    def _again(self, frame_mask: Tensor | None, held: dict[Hashable, Any]) -> Iterator[None]:
        now = self.frame_mask, self.held
        self.frame_mask, self.held = frame_mask, held
        try:
            yield
        finally:
            self.frame_mask, self.held = now


class Junction(nn.Module):
    """Gives back what it is given: a place in ossicle's own code where a tap can stand."""

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return hidden."""
        return hidden

    @property
    def is_tapped(self) -> bool:
        """Whether a tap stands here, so that the way through it has to be gone."""
        return bool(self._forward_hooks)


def attend(
    attention: nn.Module,
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B H T E"],
    value: Float[Tensor, "B H T E"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: Float[Tensor, "B H T T"] | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "B T H E"], None]:
    """Return softmax(q k + bias) v, with keys and values that went through the site `attn.kv`.

    Called by transformers' models in place of their own attention. Outside a backbone's forward
    pass the mask is the one that the model made.
    """
    flow, junction = attention.flow, attention.kv
    assert isinstance(flow, Flow), "a backbone gives every attention its flow"
    assert isinstance(junction, Junction), "a backbone gives every attention a junction"
    frames = key.shape[2]
    if junction.is_tapped:
        key, value = _through(junction, key, value)
    mask = attention_mask if flow.frame_mask is None else flow.frame_mask[:, None, None, :]
    added = key.shape[2] - frames
    if added and mask is not None:
        mask = F.pad(mask, (added, 0), value=True)
    if position_bias is not None:
        if added:  # pseudo keys have no position
            position_bias = F.pad(position_bias, (added, 0))
        position_bias = position_bias.to(query.dtype)
        mask = position_bias if mask is None else position_bias.masked_fill(~mask, float("-inf"))
    if mask is not None and mask.requires_grad and mask.device.type == "cpu":
        mixed = _by_products(query, key, value, mask, dropout, scaling)
    else:
        mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout, scale=scaling)
    return mixed.transpose(1, 2).contiguous(), None


def _by_products(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B H S E"],
    value: Float[Tensor, "B H S E"],
    bias: Float[Tensor, "B H T S"],
    dropout: float,
    scaling: float | None,
) -> Float[Tensor, "B H T E"]:
    """Return softmax(q k + bias) v by plain products.

    No fused kernel of the CPU gives a bias its gradient, and what torch then does instead writes
    the scores more often.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    turned = key.flatten(0, 1).transpose(1, 2)
    scores = torch.baddbmm(bias.flatten(0, 1), query.flatten(0, 1) * scaling, turned)
    weights = F.dropout(scores.softmax(dim=-1), dropout)
    return (weights @ value.flatten(0, 1)).view(value.shape[:2] + query.shape[2:])


def _through(junction: Junction, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Send keys and values side by side, (B, T, 2 D), through the junction."""
    heads, size = key.shape[1], key.shape[3]
    both = torch.cat([part.transpose(1, 2).flatten(2) for part in (key, value)], dim=-1)
    out = junction(both).unflatten(-1, (2, heads, size))  # (B, T + P, 2, H, E)
    return out[:, :, 0].transpose(1, 2), out[:, :, 1].transpose(1, 2)


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
