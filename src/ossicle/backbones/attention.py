"""The attention function of every backbone, and the per-forward state it reads.

A backbone has one `ForwardState`, which holds the mask of real frames for the part of the model
that is running: inside a site where the sequence is longer, the mask is longer as well. Attention
reads the mask there, so the model's code does not have to pass it down, and prefixes, prompts and
pseudo features need no change in that code.
"""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

ATTENTION: Final = "ossicle"
Context: TypeAlias = AbstractContextManager[None]


class ForwardState:
    """State of the running forward pass; empty between two passes.

    Attributes:
        frame_mask: Mask, True for real frames; None: every frame of the batch is real.
        tap_values: Values that taps keep between the two ports of a site.
        layer_inputs: Inputs of the first layers, if the forward pass was resumed above them.
        fast: Whether the shortcuts of `ossicle.backbones.fast` may replace frozen modules.
        together: Whether rows of unequal length run together: see `ossicle.backbones.graph`.
        counts: Real frames of each row after the layer of a CNN that runs now, if they do.
        goes_on: Whether the tokens of the pass come after others, whose keys and values are kept:
            what belongs before the first token is there already.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self.fast = fast
        self.together = False
        self.counts: Int[Tensor, " B"] | None = None
        self.goes_on = False
        self.frame_mask: Bool[Tensor, "B T"] | None = None
        self.layer_inputs: tuple[Float[Tensor, "B T D"], ...] = ()
        self.tap_values: dict[Hashable, Any] = {}

    def clear(self) -> None:
        """Reset the state, also after a forward pass that raised."""
        self.frame_mask = self.counts = None
        self.goes_on = False
        self.layer_inputs = ()
        self.tap_values.clear()

    @contextmanager
    def again(self, frame_mask: Tensor | None, values: dict[Hashable, Any]) -> Iterator[None]:
        """Have this mask and these values of taps for a while."""
        now = self.frame_mask, self.tap_values
        self.frame_mask, self.tap_values = frame_mask, values
        try:
            yield
        finally:
            self.frame_mask, self.tap_values = now


def checkpoint_contexts(states: Iterable[ForwardState]) -> tuple[Context, Context]:
    """Return the contexts that `torch.utils.checkpoint` wants: forward pass and recomputation.

    The recomputation may run after other forward passes; it sees the states of its own.
    """
    return nullcontext(), _again([(one, one.frame_mask, dict(one.tap_values)) for one in states])


@contextmanager
def _again(then: list[tuple[ForwardState, Tensor | None, dict[Hashable, Any]]]) -> Iterator[None]:
    with ExitStack() as stack:
        for state, frame_mask, values in then:
            stack.enter_context(state.again(frame_mask, values))
        yield


class HookPoint(nn.Module):
    """Identity module at a place in ossicle's own code where a tap can register its hooks."""

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return hidden."""
        return hidden

    @property
    def has_hooks(self) -> bool:
        """Whether hooks are registered, so that this module has to be called."""
        return bool(self._forward_hooks)


def attend(
    attention: nn.Module,
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B H S E"],
    value: Float[Tensor, "B H S E"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: Float[Tensor, "B H T S"] | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "B T H E"], None]:
    """Return softmax(q k + bias) v, with keys and values taken from the site `attn.kv`.

    transformers' models call it through their attention interface. Outside a backbone's forward
    pass the mask is the model's own.
    """
    state, hook_point = attention.forward_state, attention.kv
    assert isinstance(state, ForwardState), "a backbone gives every attention its state"
    assert isinstance(hook_point, HookPoint), "a backbone gives every attention a hook point"
    frames = key.shape[2]
    if attention_mask is None and getattr(attention, "is_causal", False) and query.shape[2] > 1:
        attention_mask = _causal(query, key)
    if hook_point.has_hooks:
        key, value = _through(hook_point, key, value)
    mask = attention_mask if state.frame_mask is None else state.frame_mask[:, None, None, :]
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


def _causal(
    query: Float[Tensor, "B H T E"], key: Float[Tensor, "B H S E"]
) -> Bool[Tensor, "1 1 T S"]:
    """Return the mask of what each of the last T of S tokens sees: itself and those before it."""
    there, asked = key.shape[2], query.shape[2]
    every = torch.ones((1, 1, asked, there), dtype=torch.bool, device=query.device)
    return every.tril(there - asked)


def _by_products(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B H S E"],
    value: Float[Tensor, "B H S E"],
    bias: Float[Tensor, "B H T S"],
    dropout: float,
    scaling: float | None,
) -> Float[Tensor, "B H T E"]:
    """Return softmax(q k + bias) v by plain products.

    No fused CPU kernel computes the gradient of a bias, and torch's fallback writes the scores to
    memory more often than this.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    turned = key.flatten(0, 1).transpose(1, 2)
    scores = torch.baddbmm(bias.flatten(0, 1), query.flatten(0, 1) * scaling, turned)
    weights = F.dropout(scores.softmax(dim=-1), dropout)
    return (weights @ value.flatten(0, 1)).view(value.shape[:2] + query.shape[2:])


def _through(hook_point: HookPoint, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Pass keys and values, concatenated to (B, T, 2 D), through the hook point."""
    heads, size = key.shape[1], key.shape[3]
    both = torch.cat([part.transpose(1, 2).flatten(2) for part in (key, value)], dim=-1)
    out = hook_point(both).unflatten(-1, (2, heads, size))  # (B, T + P, 2, H, E)
    return out[:, :, 0].transpose(1, 2), out[:, :, 1].transpose(1, 2)


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
