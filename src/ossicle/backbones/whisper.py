"""The encoder of Whisper: two convolutions over mel bands, then pre-norm layers.

The input always has `chunk_length` seconds (30): a shorter wave is padded with silence before the
mel spectrogram, and the model treats padded frames as real, as in its training. A row therefore
does not depend on the batch it is in. Heads pool over the frames of the wave only. The decoder is
not loaded: `ossicle.backbones.whole_whisper` is Whisper with its decoder.

    ?length=5      the same with a window of 5 seconds: less padding, and positions of the first 250
                   frames only; a longer wave has several windows
    ?length=own    no silence: mel frames, their normalisation, convolutions and positions are those
                   of the wave; padding of a batch is masked

The model was pretrained on chunks of 30 seconds, so adapters for two lengths are not
interchangeable.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
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
from ossicle.backbones.front_ends import WhisperMels
from ossicle.backbones.graph import first, may_be_ragged
from ossicle.errors import BackboneError
from ossicle.settings import Limits, typed

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
    """Whisper's encoder; its two convolutions are the region `features`.

    Attributes:
        own_length: Whether a wave is processed at its own length, without silence.
        window: Mel frames that every wave is padded to; None: those of a chunk.
    """

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

    no_counterpart: ClassVar[str] = (
        "transformers' classifier for Whisper averages all frames of a chunk, and ossicle those of "
        "the recording alone, without the silence after it; there is no class for frames or CTC"
    )

    def __init__(self, *, own_length: bool = False, window: int | None = None) -> None:
        self.own_length = own_length
        self.window = window
        self.variant = "own length" if own_length else f"{window} frames" if window else ""

    def of_length(self, length: str, extractor: Any) -> Self:
        """Return Whisper at the clip's own length, or with a window of that many seconds."""
        if length == "own":
            return type(self)(own_length=True)
        seconds, rate = typed(length, (float,)), extractor.sampling_rate
        limits = Limits(self.min_samples(None, extractor) / rate, extractor.n_samples / rate)
        if not isinstance(seconds, int | float) or not limits.hold(seconds):
            raise BackboneError(
                f"{self.name} takes length=own, or a number of seconds {limits} that every "
                "recording is padded to"
            )
        frames = round(seconds * rate / (extractor.hop_length * STRIDE))
        whole = frames * STRIDE == extractor.nb_max_frames
        return type(self)(window=None if whole else frames * STRIDE)

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
        facts: dict[str, Any] = {"max_tokens": self._window_frames(config)}
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
        """Return the mel frames of the window or the wave, and how many of them the wave fills."""
        output = extractor(
            wave,
            sampling_rate=extractor.sampling_rate,
            padding="do_not_pad" if self.own_length else "max_length",
            max_length=self.max_samples(None, extractor),
            return_tensors="np",
        )
        row = torch.as_tensor(np.asarray(output["input_features"][0], dtype=np.float32)).T
        return row.contiguous(), min(-(-len(wave) // extractor.hop_length), len(row))

    def front_end(self, extractor: Any) -> nn.Module:
        """Return the mel spectrogram of the window or the wave."""
        samples = None if self.own_length else self.max_samples(None, extractor)
        return WhisperMels(extractor, samples)

    def features(
        self,
        model: Any,  # noqa: ARG002 - mel frames are computed before the model runs
        values: Float[Tensor, "B F M"],
        lengths: Int[Tensor, " B"],
        state: ForwardState,
    ) -> Float[Tensor, "B F M"]:
        """Return the mel frames."""
        if self.own_length and may_be_ragged(values, lengths, state):
            state.frame_mask = first(values.shape[1], lengths)
        return values

    def embed(
        self, model: Any, features: Float[Tensor, "B F M"], state: ForwardState
    ) -> Float[Tensor, "B T D"]:
        """Run the two convolutions and add positions, those of the first frames."""
        mask = state.frame_mask
        hidden = F.gelu(model.conv1(features.transpose(1, 2)))
        if mask is not None:  # the second convolution then pads the end of each row with zeros
            hidden = hidden * mask[:, None]
            state.frame_mask = mask[:, ::STRIDE]
        hidden = F.gelu(model.conv2(hidden)).transpose(1, 2)
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        return F.dropout(hidden, model.dropout, model.training)

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm."""
        normed: Tensor = model.layer_norm(hidden)
        return normed

    def head_mask(
        self, model: Any, hidden: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]
    ) -> Bool[Tensor, "B T"]:
        """Return the mask of frames of the wave, without those of the silence after it."""
        if self.own_length:
            return super().head_mask(model, hidden, lengths)
        frames = self._window_frames(model.config)
        added = hidden.shape[1] - frames  # prompts kept for the head
        return F.pad(first(frames, -(-lengths // STRIDE)), (added, 0), value=True)

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the samples of one frame; the spectrogram mirrors half a window at each end."""
        samples: int = max(extractor.hop_length * STRIDE, extractor.n_fft // 2 + 1)
        return samples

    def max_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the samples of a window."""
        samples: int = self.window * extractor.hop_length if self.window else extractor.n_samples
        return samples

    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:
        """Return the number of frames of the wave, without those of the silence after it."""
        whole, rest = divmod(num_samples, extractor.hop_length)
        mel_frames = whole + bool(rest and not self.own_length)  # the end of a wave fills no frame
        frames: int = min(-(-mel_frames // STRIDE), self._window_frames(config))
        return frames

    def frame_rate(self, config: Any, extractor: Any) -> float:  # noqa: ARG002 - see Family
        """Return the frames per second, whatever the window."""
        rate: float = extractor.sampling_rate / (extractor.hop_length * STRIDE)
        return rate

    def _window_frames(self, config: Any) -> int:
        """Return the frames of a window, the most that the encoder computes."""
        frames: int = self.window // STRIDE if self.window else config.max_source_positions
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
