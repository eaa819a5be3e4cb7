"""wav2vec 2.0 with conformer layers, with relative or rotary positions.

In transformers' model the depthwise convolution reads the padding of a clip; `prepare` sets its
input to zero there.

Source: Gulati et al. 2020, https://arxiv.org/abs/2005.08100; Wang et al. 2020,
https://arxiv.org/abs/2010.05171 (fairseq S2T, whose models these are).
"""

from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar, Final, final

from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import VALUES, Anatomy, region
from ossicle.backbones.attention import ForwardState
from ossicle.backbones.conformer import conformer_sites, positions
from ossicle.backbones.speech import (
    LARGE,
    SpeechFamily,
    cnn_sites,
    mask_embedding,
    norm_site,
    outer_sites,
    project,
    refuse_adapters,
)

EPS_IN_LAYERS: Final = 1e-5  # torch's default: transformers ignores layer_norm_eps in the layers
NEVER_CALLED: Final = (
    "encoder.pos_conv_embed.conv.bias",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
)
_LARGE: Final = {**LARGE, "feat_extract_norm": "layer", "conv_bias": True, "hidden_act": "swish"}


@final
class Wav2Vec2Conformer(SpeechFamily):
    """wav2vec2-conformer, with convolutions that do not read padding."""

    name: ClassVar[str] = "wav2vec2-conformer"
    model_type: ClassVar[str] = "wav2vec2-conformer"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wav2vec2-conformer-rel-pos-large": _LARGE,
        "wav2vec2-conformer-rope-large": {**_LARGE, "position_embeddings_type": "rotary"},
    }

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of conformer layers after the CNN of wav2vec 2.0."""
        refuse_adapters(self.name, config)
        width, count = config.hidden_size, config.num_hidden_layers
        sites = [s for layer in range(count) for s in conformer_sites(config, layer, EPS_IN_LAYERS)]
        sites += [
            norm_site("norm.final", count, width, config.layer_norm_eps),
            *cnn_sites(config),
            *outer_sites(config, config.conv_dim[-1], VALUES),
            region("features", ("feature_extractor",), VALUES),
        ]
        unused = (*mask_embedding(config), *NEVER_CALLED)
        return Anatomy(self.name, count, width, tuple(sites), unused=unused)

    def prepare(self, model: Any, state: ForwardState) -> None:
        """Set padded frames to zero before every convolution module."""
        for layer in model.encoder.layers:
            convolution = layer.conv_module.pointwise_conv1
            convolution.forward_state = state
            # A bound method on the instance: a deep copy gets one bound to the copied module.
            convolution.forward = MethodType(_without_padding, convolution)

    def embed(
        self, model: Any, features: Float[Tensor, "B T C"], state: ForwardState
    ) -> Float[Tensor, "B S D"]:
        """Run the projection; the layers receive positions as a keyword argument."""
        embedded: Tensor = model.encoder.dropout(project(model, features, state))
        return embedded

    def layer_kwargs(
        self,
        model: Any,
        hidden: Float[Tensor, "B T D"],
        state: ForwardState,  # noqa: ARG002 - see Family
    ) -> dict[str, Any]:
        """Return the relative positions."""
        return positions(model, hidden)

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm."""
        normed: Tensor = model.encoder.layer_norm(hidden)
        return normed

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests."""
        return {**super().tiny(), "conv_depthwise_kernel_size": 5}


def _without_padding(convolution: Any, hidden: Float[Tensor, "B D T"]) -> Float[Tensor, "B C T"]:
    """Set padded frames to zero; they stay zero up to the GLU, because there is no bias."""
    mask = convolution.forward_state.frame_mask
    if mask is not None:
        hidden = hidden * mask[:, None].to(hidden.dtype)
    output: Tensor = type(convolution).forward(convolution, hidden)
    return output
