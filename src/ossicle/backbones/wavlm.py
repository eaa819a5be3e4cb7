"""WavLM: HuBERT's layers with a gated relative position bias in the attention.

In transformers' model the attention passes the weights of its four projections to a fused function
and never calls the projections, so adapters attached to them would not train. `prepare` replaces it
by a forward that calls them and uses the attention function of the other families.

Source: Chen et al. 2022, https://arxiv.org/abs/2110.13900, section III.
"""

from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor

from ossicle.backbones.attention import ForwardState, attend
from ossicle.backbones.speech import BASE, LARGE, SpeechFamily


@final
class WavLM(SpeechFamily):
    """WavLM, with attention that calls its projections."""

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

    uncalled: ClassVar[tuple[str, ...]] = ("attn.q", "attn.k", "attn.v", "attn.o")

    def prepare(self, model: Any, state: ForwardState) -> None:  # noqa: ARG002 - see Family
        """Make every attention call its projections."""
        attentions = [module for module in model.modules() if hasattr(module, "compute_bias")]
        for attention in attentions:
            # In a list, because as an attribute it would become a submodule of this attention.
            attention.holder_of_positions = attentions[:1]
            # A bound method on the instance: a deep copy gets one bound to the copied module.
            attention.forward = MethodType(forward, attention)

    def run_layer(
        self, layer: Any, hidden: Float[Tensor, "B T D"], layer_kwargs: dict[str, Any]
    ) -> Float[Tensor, "B S D"]:
        """Run a layer and pass its position bias on to the next."""
        output: Tensor
        output, layer_kwargs["position_bias"] = layer(hidden, **layer_kwargs)
        return output


def forward(
    attention: Any,
    hidden_states: Float[Tensor, "B T D"],
    attention_mask: Tensor | None = None,  # noqa: ARG001 - the forward state has the mask
    position_bias: Float[Tensor, "H T T"] | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "B T D"], None, Float[Tensor, "H T T"]]:
    """Return the attention output, None for the attention weights, and the position bias.

    The first layer that runs computes the position bias for all; a layer with another sequence
    length computes it again.
    """
    batch, frames, _width = hidden_states.shape
    if position_bias is None or position_bias.shape[-1] != frames:
        (holder,) = attention.holder_of_positions
        # (H, T, T), contiguous because every layer reads it in this order
        position_bias = holder.compute_bias(frames, frames).contiguous()
    heads = (batch, frames, attention.num_heads, attention.head_dim)
    split = hidden_states.view(heads).transpose(1, 2)  # (B, H, T, E)
    gates = attention.gru_rel_pos_linear(split).unflatten(-1, (2, 4)).sum(-1).sigmoid()
    constant = attention.gru_rel_pos_const  # (1, H, 1, 1)
    gate = gates[..., :1] * (gates[..., 1:] * constant - 1) + 2  # (B, H, T, 1)
    query = attention.q_proj(hidden_states).view(heads).transpose(1, 2)
    key = attention.k_proj(hidden_states).view(heads).transpose(1, 2)
    value = attention.v_proj(hidden_states).view(heads).transpose(1, 2)
    dropout = attention.dropout if attention.training else 0.0
    mixed, _none = attend(
        attention, query, key, value, None, dropout, position_bias=gate * position_bias
    )
    return attention.out_proj(mixed.flatten(2)), None, position_bias
