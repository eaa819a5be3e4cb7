"""The encoder of Whisper: two convolutions over mel bands, then pre-norm layers.

The input always has `chunk_length` seconds (30): a shorter wave is padded with silence before the
mel spectrogram, and the model treats padded frames as real, as in its training. A row therefore
does not depend on the batch it is in. Heads pool over the frames of the wave only. The decoder is
not loaded: `ossicle.backbones.whole_whisper` is Whisper with its decoder.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.anatomy import (
    FEATURES,
    Anatomy,
    Port,
    layer_sites,
    module_site,
    region,
    whole_sites,
)
from ossicle.backbones.attention import ForwardState
from ossicle.backbones.family import Family

EPS: Final = 1e-5  # torch's default: Whisper's configuration has no such setting
TINY_VOCABULARY: Final = 256 + 11 + 51  # bytes, special tokens, times of a second
STRIDE: Final = 2  # mel frames per frame, from the second convolution


def _size(width: int, layers: int, heads: int, **more: Any) -> dict[str, Any]:
    """Return settings of an encoder and of a decoder of the same size."""
    sides = ("encoder", "decoder")
    return {
        "d_model": width,
        **{f"{side}_layers": layers for side in sides},
        **{f"{side}_attention_heads": heads for side in sides},
        **{f"{side}_ffn_dim": 4 * width for side in sides},
        **more,
    }


class Whisper(Family):
    """Whisper's encoder; its two convolutions are the region `features`."""

    name: ClassVar[str] = "whisper"
    model_type: ClassVar[str] = "whisper"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "whisper-tiny": _size(384, 4, 6),
        "whisper-base": _size(512, 6, 8),
        "whisper-small": _size(768, 12, 12),
        "whisper-medium": _size(1024, 24, 16),
        "whisper-large-v3": _size(1280, 32, 20, num_mel_bins=128, feature_size=128),
    }
    extractor: ClassVar[Mapping[str, Any]] = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": 80,
        "sampling_rate": 16000,
        "chunk_length": 30,
    }
    weights_prefix: ClassVar[str] = "encoder."
    layers_path: ClassVar[str] = "layers"
    top_modules: ClassVar[tuple[str, ...]] = (
        "conv1",
        "conv2",
        "embed_positions",
        "layers",
        "layer_norm",
    )

    def model_class(self, config: Any) -> Any:  # noqa: ARG002 - see Family
        """Return the class of the encoder, so that no decoder is built or loaded."""
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return WhisperEncoder

    def own_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with a minimal decoder, which is built and left out."""
        return {**settings, "decoder_layers": 1, "decoder_ffn_dim": 1}

    def must_agree(self, config: Any, extractor: Any) -> list[tuple[str, object, str, object]]:
        """Return the number of mel bands, and that of frames and positions."""
        frames = extractor.n_samples // extractor.hop_length // STRIDE
        return [
            ("feature_size", extractor.feature_size, "num_mel_bins", config.num_mel_bins),
            (
                f"chunk_length={extractor.chunk_length}, that is frames",
                frames,
                "max_source_positions",
                config.max_source_positions,
            ),
        ]

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of the encoder; its feed-forward blocks are not modules."""
        width, count = config.d_model, config.encoder_layers
        facts = {"max_tokens": config.max_source_positions}
        sites = [
            site
            for layer in range(count)
            for site in layer_sites(
                layer, _modules(layer), (width, config.encoder_ffn_dim), EPS, **facts
            )
        ]
        layers = [f"layers.{layer}" for layer in range(count)]
        enter = Port("layers.0", "input", keyword="hidden_states")
        owned = ("layers", "layer_norm")
        sites += [
            module_site("norm.final", None, "layer_norm", (width, width), count, EPS, **facts),
            *whole_sites(layers, enter, width, 0, owned, **facts),
            region("features", ("conv1", "conv2"), FEATURES),
            region("backbone", ("",), FEATURES),
        ]
        # transformers marks this table of sines as fixed
        return Anatomy(self.name, count, width, tuple(sites), unused=("embed_positions.weight",))

    def prepare(self, model: Any, state: ForwardState) -> None:  # noqa: ARG002 - see Family
        """Turn LayerDrop off; this model reads an attribute instead of its configuration."""
        model.layerdrop = 0.0

    def values(self, extractor: Any, wave: NDArray[np.float32]) -> tuple[Float[Tensor, "T M"], int]:
        """Return the mel frames of a whole chunk, and how many of them the wave fills."""
        output = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="np")
        row = torch.as_tensor(np.asarray(output["input_features"][0], dtype=np.float32)).T
        return row.contiguous(), min(-(-len(wave) // extractor.hop_length), len(row))

    def embed(
        self,
        model: Any,
        features: Float[Tensor, "B F M"],
        state: ForwardState,  # noqa: ARG002 - nothing is padding while a Whisper runs
    ) -> Float[Tensor, "B T D"]:
        """Run the two convolutions on whole chunks and add positions."""
        hidden = F.gelu(model.conv1(features.transpose(1, 2)))
        hidden = F.gelu(model.conv2(hidden)).transpose(1, 2)
        hidden = hidden + model.embed_positions.weight
        return F.dropout(hidden, model.dropout, model.training)

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm."""
        normed: Tensor = model.layer_norm(hidden)
        return normed

    def head_mask(
        self, model: Any, hidden: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]
    ) -> Bool[Tensor, "B T"]:
        """Return the mask of frames of the wave, without those of the silence after it."""
        added = hidden.shape[1] - model.config.max_source_positions  # prompts kept for the head
        frames = torch.arange(hidden.shape[1] - added, device=hidden.device)
        real = frames < -(-lengths // STRIDE)[:, None]
        return F.pad(real, (added, 0), value=True)

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the samples of one frame."""
        samples: int = extractor.hop_length * STRIDE
        return samples

    def max_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the samples of a chunk."""
        samples: int = extractor.n_samples
        return samples

    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:
        """Return the number of frames of the wave, without those of the silence after it."""
        mel_frames = -(-num_samples // extractor.hop_length)
        frames: int = min(-(-mel_frames // STRIDE), config.max_source_positions)
        return frames

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests: chunks of one second."""
        return _size(
            64,
            2,
            2,
            encoder_ffn_dim=96,
            decoder_ffn_dim=96,
            max_source_positions=50,
            max_target_positions=48,
            vocab_size=TINY_VOCABULARY,
            pad_token_id=256,
            bos_token_id=256,
            eos_token_id=256,
            decoder_start_token_id=257,
            chunk_length=1,
            init_std=0.1,
        )


def _modules(layer: int) -> dict[str, str | tuple[str, str]]:
    top = f"layers.{layer}"
    return {
        **{f"attn.{short}": f"{top}.self_attn.{short}_proj" for short in "qkv"},
        "attn.o": f"{top}.self_attn.out_proj",
        "attn": f"{top}.self_attn",
        "ffn.in": f"{top}.fc1",
        "ffn.out": f"{top}.fc2",
        "ffn": (f"{top}.fc1", f"{top}.fc2"),
        "norm.attn": f"{top}.self_attn_layer_norm",
        "norm.ffn": f"{top}.final_layer_norm",
        "layer": top,
    }
