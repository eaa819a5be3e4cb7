"""data2vec for audio: wav2vec 2.0's layers, post-norm in every size, and a deeper positional CNN.

Positions come from five convolutions. In transformers' model only the input of the first is zero in
padded frames, so a clip's frames depend on its padding; `prepare` sets the input of each to zero
there.

Source: Baevski et al. 2022, https://arxiv.org/abs/2202.03555.
"""

from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor

from ossicle.backbones.attention import ForwardState
from ossicle.backbones.speech import LARGE, SpeechFamily


@final
class Data2VecAudio(SpeechFamily):
    """data2vec-audio, with positions that do not depend on padding."""

    name: ClassVar[str] = "data2vec-audio"
    model_type: ClassVar[str] = "data2vec-audio"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data2vec-audio-base": {},
        "data2vec-audio-large": LARGE,
    }

    def prepare(self, model: Any, state: ForwardState) -> None:
        """Set padded frames to zero before every positional convolution."""
        for layer in model.encoder.pos_conv_embed.layers:
            layer.forward_state = state
            # A bound method on the instance: a deep copy gets one bound to the copied module.
            layer.forward = MethodType(_without_padding, layer)

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests, with two positional convolutions."""
        return {**super().tiny(), "num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5}


def _without_padding(layer: Any, hidden: Float[Tensor, "B D T"]) -> Float[Tensor, "B D T"]:
    mask = layer.forward_state.frame_mask
    if mask is not None:
        hidden = hidden * mask[:, None].to(hidden.dtype)
    output: Tensor = type(layer).forward(layer, hidden)
    return output
