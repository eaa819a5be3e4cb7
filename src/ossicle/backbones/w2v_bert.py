"""w2v-BERT 2.0: conformer layers with causal convolutions over pairs of 10 ms mel frames.

Source: Barrault et al. 2023 (Seamless), https://arxiv.org/abs/2312.05187; this is its encoder.
"""

from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from ossicle.anatomy import FEATURES, Anatomy
from ossicle.backbones.attention import ForwardState
from ossicle.backbones.conformer import conformer_sites, positions
from ossicle.backbones.counterpart import Counterpart, counterpart_of
from ossicle.backbones.family import KEEP, Family
from ossicle.backbones.filterbank import HOP_MS, WINDOW_MS, bank_of, log_mel, num_mel_frames
from ossicle.backbones.front_ends import StackedMels
from ossicle.backbones.graph import first, may_be_ragged
from ossicle.backbones.speech import (
    TOP_MODULES,
    mask_embedding,
    outer_sites,
    project,
    refuse_adapters,
)
from ossicle.errors import MergeError
from ossicle.head_form import HeadForm, OutputKind

STACKED = 2  # mel frames per frame
FULL_SCALE = 2**15  # Kaldi expects 16-bit samples
EPS = np.float32(1e-7)


@final
class W2vBert(Family):
    """w2v-BERT 2.0; it has no CNN, so `projection` reads mel bands."""

    name: ClassVar[str] = "w2v-bert"
    model_type: ClassVar[str] = "wav2vec2-bert"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {"w2v-bert-2.0": {}}
    extractor: ClassVar[Mapping[str, Any]] = {
        "feature_extractor_type": "SeamlessM4TFeatureExtractor",
        "feature_size": 80,
        "num_mel_bins": 80,
        "sampling_rate": 16000,
        "padding_value": 0.0,
        "stride": STACKED,
    }
    layers_path: ClassVar[str] = "encoder.layers"
    top_modules: ClassVar[tuple[str, ...]] = TOP_MODULES

    def must_agree(self, config: Any, extractor: Any) -> list[tuple[str, object, str, object]]:
        """Return the stacking of mel frames and the input width of the projection."""
        width = extractor.num_mel_bins * extractor.stride
        return [
            ("stride", extractor.stride, "frames stacked", STACKED),
            (
                "num_mel_bins * stride",
                width,
                "feature_projection_input_dim",
                config.feature_projection_input_dim,
            ),
        ]

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of conformer layers after a projection of mel bands."""
        refuse_adapters(self.name, config)
        count, eps = config.num_hidden_layers, config.layer_norm_eps
        sites = [site for layer in range(count) for site in conformer_sites(config, layer, eps)]
        sites += outer_sites(config, config.feature_projection_input_dim, FEATURES)
        unused = mask_embedding(config)
        return Anatomy(self.name, count, config.hidden_size, tuple(sites), unused=unused)

    def values(self, extractor: Any, wave: NDArray[np.float32]) -> tuple[Float[Tensor, "T M"], int]:
        """Return the stacked mel frames, with every band normalised over the wave.

        A last mel frame without a partner is dropped.
        """
        if hasattr(extractor, "mel_filters"):
            # In float64, and in numpy with the extractor's memory order: a nearly constant band is
            # divided by about sqrt(EPS), which magnifies rounding errors.
            frames = log_mel(extractor, wave * np.float32(FULL_SCALE), torch.float64)
            mels = frames.T.contiguous().numpy().T
            mels = (mels - mels.mean(axis=0)) / np.sqrt(mels.var(axis=0, ddof=1) + EPS)
            pairs = len(mels) // STACKED
            row = torch.from_numpy(mels[: pairs * STACKED].reshape(pairs, -1))
            return row, len(row)
        given = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="np")
        real = int(given["attention_mask"][0].sum())
        row = torch.as_tensor(np.asarray(given["input_features"][0, :real], dtype=np.float32))
        return row, real

    def front_end(self, extractor: Any) -> nn.Module:
        """Return the filter bank, the normalisation of its bands and the stacking."""
        return StackedMels(bank_of(extractor), STACKED, FULL_SCALE, float(EPS))

    def features(
        self,
        model: Any,  # noqa: ARG002 - mel frames are computed before the model runs
        values: Float[Tensor, "B T M"],
        lengths: Int[Tensor, " B"],
        state: ForwardState,
    ) -> Float[Tensor, "B T M"]:
        """Return the mel frames; the convolutions are causal, so they do not reach padding."""
        if may_be_ragged(values, lengths, state):
            state.frame_mask = first(values.shape[1], lengths)
        return values

    def embed(
        self, model: Any, features: Float[Tensor, "B T M"], state: ForwardState
    ) -> Float[Tensor, "B S D"]:
        """Run the projection."""
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

    def prepare(self, model: Any, state: ForwardState) -> None:
        """Make every convolution read the mask of real frames where it runs."""
        for layer in model.encoder.layers:
            layer.conv_module.forward_state = state
            # A bound method on the instance: a deep copy gets one bound to the copied module.
            layer.conv_module.forward = MethodType(_with_mask, layer.conv_module)

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the samples of two mel frames."""
        samples: int = extractor.sampling_rate * (WINDOW_MS + HOP_MS) // 1000
        return samples

    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:  # noqa: ARG002 - see Family
        """Return the number of pairs of mel frames."""
        return num_mel_frames(num_samples) // STACKED

    def counterpart(self, config: Any, form: HeadForm, outputs: OutputKind) -> Counterpart:
        """Return the class of transformers with this head.

        Raises:
            MergeError: it is CTC. Of an odd number of mel frames, transformers pads the last one to
                a pair, which its pipeline decodes as if it were real.
        """
        if outputs.kind == "text":
            raise MergeError(
                f"of a recording with an odd number of mel frames, transformers' pipeline decodes "
                f"one more frame of {self.name}, of padding, so texts could differ in their last "
                f"unit. {KEEP}"
            )
        return counterpart_of(self.name, config, form, outputs)

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests."""
        return {
            "hidden_size": 64,
            "output_hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 96,
            "conv_depthwise_kernel_size": 5,
            "initializer_range": 0.1,
        }


def _with_mask(
    convolution: Any, hidden: Float[Tensor, "B T D"], **_: Any
) -> Float[Tensor, "B T D"]:
    """Run the module with zeros in padded frames."""
    mask = convolution.forward_state.frame_mask
    convolved: Tensor = type(convolution).forward(convolution, hidden, attention_mask=mask)
    return convolved
