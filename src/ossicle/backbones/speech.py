"""What wav2vec 2.0, HuBERT and WavLM share: a CNN over the waveform, then a transformer.

    wave (B, N) -> features (B, C, T) -> projection (B, T, D) -> encoder (B, T, D)

The layers of the three are alike, in two kinds that differ in where the norms stand:

    post-norm   h = norm.attn(x + attn(x));    out = norm.ffn(h + ffn(h))
    pre-norm    h = x + attn(norm.attn(x));    out = h + ffn(norm.ffn(h))
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ossicle.anatomy import Anatomy, Site, layer_sites, module_site, region
from ossicle.backbones.family import Encoded, Family
from ossicle.backbones.frames import num_frames, receptive_field
from ossicle.errors import BackboneError

BASE: Final[Mapping[str, Any]] = MappingProxyType({})  # transformers' defaults are the base size
LARGE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    }
)
PRE_NORM: Final[Mapping[str, Any]] = MappingProxyType(
    {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
)
TINY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 40,
        "conv_dim": [12, 12],
        "conv_kernel": [40, 8],
        "conv_stride": [20, 4],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "initializer_range": 0.1,
    }
)
EXTRACTOR: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": 16000,
        "padding_value": 0.0,
        "do_normalize": True,
        "return_attention_mask": True,
    }
)


class SpeechFamily(Family):
    """What the three have in common; each adds its names, and what is its own."""

    extractor: ClassVar[Mapping[str, Any]] = EXTRACTOR

    def describe(self, config: Any) -> Anatomy:
        """Return the sites, the same for the three but for where the norms stand."""
        return describe(self.name, config)

    def encode(
        self, model: Any, values: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> Encoded:
        """Run CNN, projection and encoder so that no row sees its padding; see `encode`."""
        return encode(model, values, lengths)

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the receptive field of the CNN: 400 samples for every released model."""
        return receptive_field(config.conv_kernel, config.conv_stride)

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests."""
        return dict(TINY)


def describe(family: str, config: Any) -> Anatomy:
    """Return the sites of a wav2vec 2.0, HuBERT or WavLM configuration."""
    for switch in ("add_adapter", "adapter_attn_dim"):
        if getattr(config, switch, None):
            raise BackboneError(
                f"this {family} has {switch}={getattr(config, switch)!r}: layers of another "
                "adapter inside the checkpoint. Load a checkpoint without them"
            )
    width, eps = config.hidden_size, config.layer_norm_eps
    sites = [s for layer in range(config.num_hidden_layers) for s in _layer_sites(config, layer)]
    end = "norm.final" if config.do_stable_layer_norm else "norm.input"
    sites += [
        module_site(end, None, "encoder.layer_norm", (width, width), eps),
        module_site("projection", None, "feature_projection", (config.conv_dim[-1], width)),
        region("features", ("feature_extractor",)),
        region("encoder", ("encoder",)),
        region("backbone", ("",)),
    ]
    masks = config.mask_time_prob > 0 or config.mask_feature_prob > 0
    unused = ("masked_spec_embed",) if masks else ()
    return Anatomy(family, config.num_hidden_layers, width, tuple(sites), unused=unused)


def _layer_sites(config: Any, layer: int) -> list[Site]:
    top = f"encoder.layers.{layer}"
    modules = {
        **{f"attn.{short}": f"{top}.attention.{short}_proj" for short in "qkv"},
        "attn.o": f"{top}.attention.out_proj",
        "attn": f"{top}.attention",
        "ffn.in": f"{top}.feed_forward.intermediate_dense",
        "ffn.out": f"{top}.feed_forward.output_dense",
        "ffn": f"{top}.feed_forward",
        "norm.attn": f"{top}.layer_norm",
        "norm.ffn": f"{top}.final_layer_norm",
        "layer": top,
    }
    widths = config.hidden_size, config.intermediate_size
    return layer_sites(layer, modules, widths, config.layer_norm_eps)


def encode(model: Any, wave: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]) -> Encoded:
    """Run CNN, projection and encoder so that no row sees its padding.

    The stock forward runs the CNN over the padded batch. Where the first CNN layer normalises over
    time (wav2vec 2.0 and HuBERT base) the padding then changes every frame: by 22 % for a 3 s wave
    padded to 3.7 s, by 12 % with an attention mask. Here rows of unequal length pass the CNN one
    by one, which is exact and, on a CPU, also faster.
    """
    config, cnn = model.config, model.feature_extractor
    if bool((num_samples == wave.shape[1]).all()):
        features = cnn(wave).transpose(1, 2)  # (B, T, C)
        frame_mask = features.new_ones(features.shape[:2], dtype=torch.bool)
    else:
        sizes = [int(size) for size in num_samples]
        rows = [cnn(row[None, :size])[0].T for row, size in zip(wave, sizes, strict=True)]
        features = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (B, T, C)
        counts = [num_frames(size, config.conv_kernel, config.conv_stride) for size in sizes]
        frames = torch.arange(features.shape[1], device=wave.device)
        frame_mask = frames < torch.tensor(counts, device=wave.device)[:, None]  # (B, T)
    projected = model.feature_projection(features)
    hidden = projected[0] if isinstance(projected, tuple) else projected
    return Encoded(run_encoder(model, hidden, frame_mask), frame_mask)


def run_encoder(
    model: Any, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T D"]:
    """Run the transformer; a mask that hides nothing is left out, which is faster."""
    mask = None if bool(frame_mask.all()) else frame_mask
    # SpecAugment, where the backbone was loaded with it; a clip too short for one mask stays whole
    if model.training and hidden.shape[1] >= model.config.mask_time_length:
        hidden = model._mask_hidden_states(hidden, attention_mask=mask)
    encoded: Tensor = model.encoder(hidden, attention_mask=mask).last_hidden_state
    return encoded
