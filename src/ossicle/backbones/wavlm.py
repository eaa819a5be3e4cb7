"""WavLM: HuBERT's layers with a gated relative position bias in the attention.

Its stock attention hands the weights of its four projections to a fused function and never calls
the projections: whatever is attached to them trains to nothing. `prepare` puts a computation in
its place that calls them.

Source: Chen et al. 2022, https://arxiv.org/abs/2110.13900, section III.
"""

from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar, final

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.backbones.speech import BASE, LARGE, SpeechFamily


@final
class WavLM(SpeechFamily):
    """WavLM: attention that calls its projections."""

    name: ClassVar[str] = "wavlm"
    model_type: ClassVar[str] = "wavlm"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wavlm-base": BASE,
        "wavlm-base-plus": BASE,
        "wavlm-large": {
            **LARGE,
            "do_stable_layer_norm": True,
            "feat_extract_norm": "layer",
        },
    }

    def prepare(self, model: nn.Module) -> None:
        """Make every attention call its projections."""
        for module in model.modules():
            if hasattr(module, "torch_multi_head_self_attention"):
                # A bound method on the instance: a deep copy gets one bound to the copied module.
                setattr(module, "torch_multi_head_self_attention", MethodType(attend, module))  # noqa: B010 - mypy takes a plain assignment for a submodule


def attend(
    attention: Any,
    hidden: Float[Tensor, "B T D"],
    frame_mask: Bool[Tensor, "B T"] | None,
    position_bias: Float[Tensor, "BH T T"],
) -> tuple[Float[Tensor, "B T D"], None]:
    """Return the output of WavLM's attention, made by calling q, k, v and o; no weights."""
    batch, frames, _ = hidden.shape
    heads = (batch, frames, attention.num_heads, attention.head_dim)
    query = attention.q_proj(hidden).view(heads).transpose(1, 2)  # (B, H, T, D/H)
    key = attention.k_proj(hidden).view(heads).transpose(1, 2)
    value = attention.v_proj(hidden).view(heads).transpose(1, 2)
    bias = position_bias.view(batch, attention.num_heads, frames, frames)
    if frame_mask is not None:
        bias = bias.masked_fill(~frame_mask.bool()[:, None, None, :], float("-inf"))
    dropout = attention.dropout if attention.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, bias, dropout)  # (B, H, T, D/H)
    return attention.out_proj(mixed.transpose(1, 2).reshape(hidden.shape)), None
