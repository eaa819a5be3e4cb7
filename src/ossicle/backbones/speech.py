"""Base of wav2vec 2.0 and similar models: a CNN over the waveform, then a transformer.

    wave (B, N) -> features (B, C, T) -> projection (B, T, D) -> encoder (B, T, D)

HuBERT, WavLM, data2vec and UniSpeech-SAT have the layers of wav2vec 2.0, in two variants that
differ in the place of the norms:

    post-norm   h = norm.attn(x + attn(x));    out = norm.ffn(h + ffn(h))
    pre-norm    h = x + attn(norm.attn(x));    out = h + ffn(norm.ffn(h))
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ossicle.anatomy import (
    END,
    FEATURES,
    VALUES,
    Anatomy,
    Convolution,
    Port,
    Site,
    layer_sites,
    module_site,
    region,
    whole_sites,
)
from ossicle.backbones import fast
from ossicle.backbones.attention import ForwardState
from ossicle.backbones.counterpart import Counterpart, counterpart_of
from ossicle.backbones.family import Family
from ossicle.backbones.frames import num_frames, receptive_field
from ossicle.backbones.front_ends import WaveFrontEnd
from ossicle.backbones.graph import cnn_together
from ossicle.errors import BackboneError
from ossicle.head_form import HeadForm, OutputKind

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
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 96,
        "conv_dim": [32, 32],
        "conv_kernel": [40, 8],
        "conv_stride": [20, 4],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "initializer_range": 0.1,
    }
)
TOP_MODULES: Final = (
    "feature_extractor",
    "feature_projection",
    "masked_spec_embed",
    "encoder",
    "adapter",
    "intermediate_ffn",
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
    """A CNN over the waveform and a transformer; subclasses add names and deviations."""

    extractor: ClassVar[Mapping[str, Any]] = EXTRACTOR
    layers_path: ClassVar[str] = "encoder.layers"
    top_modules: ClassVar[tuple[str, ...]] = TOP_MODULES

    def must_agree(self, config: Any, extractor: Any) -> list[tuple[str, object, str, object]]:  # noqa: ARG002 - see Family
        """Return the number of channels of the waveform, which must be 1."""
        return [("feature_size", extractor.feature_size, "the channels of a waveform", 1)]

    def describe(self, config: Any) -> Anatomy:
        """Return the sites, which differ only in the place of the norms."""
        return describe(self.name, config)

    def front_end(self, extractor: Any) -> nn.Module:
        """Return the normalisation of waves."""
        return WaveFrontEnd(normalise=extractor.do_normalize)

    def features(
        self,
        model: Any,
        values: Float[Tensor, "B N"],
        lengths: Int[Tensor, " B"],
        state: ForwardState,
    ) -> Float[Tensor, "B T C"]:
        """Run the CNN so that padding does not change a row.

        transformers runs it over the padded batch. If the first layer normalises over time (wav2vec
        2.0 and HuBERT base), padding then changes every frame: by 22 % for a 3 s wave padded to
        3.7 s, by 12 % with an attention mask. Here rows of unequal length run one by one, which is
        exact and, on a CPU, also faster.
        """
        cnn, config = model.feature_extractor, model.config
        if state.together:
            steps = config.conv_kernel, config.conv_stride
            return cnn_together(cnn, *steps, values, lengths, state)
        is_fast = state.fast and fast.can_run_cnn(cnn, values)
        is_ragged = not bool((lengths == values.shape[1]).all())
        if not is_ragged and not is_fast:
            whole: Tensor = cnn(values).transpose(1, 2)
            return whole
        sizes = [int(size) for size in lengths]
        rows = [
            fast.run_cnn(cnn, row[:size]) if is_fast else cnn(row[None, :size])[0].T
            for row, size in zip(values, sizes, strict=True)
        ]
        features = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (B, T, C)
        if not is_ragged:
            return features
        counts = [num_frames(size, config.conv_kernel, config.conv_stride) for size in sizes]
        frames = torch.arange(features.shape[1], device=values.device)
        state.frame_mask = frames < torch.tensor(counts, device=values.device)[:, None]  # (B, T)
        return features

    def embed(
        self, model: Any, features: Float[Tensor, "B T C"], state: ForwardState
    ) -> Float[Tensor, "B S D"]:
        """Run the projection and add positions."""
        encoder, hidden = model.encoder, project(model, features, state)
        hidden = hidden + _positions(encoder.pos_conv_embed, hidden, state)
        if not _is_pre_norm(model.config):
            hidden = encoder.layer_norm(hidden)
        embedded: Tensor = encoder.dropout(hidden)
        return embedded

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm of pre-norm models."""
        return model.encoder.layer_norm(hidden) if _is_pre_norm(model.config) else hidden

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return the receptive field of the CNN: 400 samples in every released model."""
        return receptive_field(config.conv_kernel, config.conv_stride)

    def num_frames(
        self,
        config: Any,
        extractor: Any,  # noqa: ARG002 - see Family
        num_samples: int,
    ) -> int:
        """Return the number of CNN frames."""
        return num_frames(num_samples, config.conv_kernel, config.conv_stride)

    def counterpart(self, config: Any, form: HeadForm, outputs: OutputKind) -> Counterpart:
        """Return the class of transformers with this head."""
        return counterpart_of(self.name, config, form, outputs)

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests."""
        return dict(TINY)


def describe(family: str, config: Any) -> Anatomy:
    """Return the sites of a configuration like that of wav2vec 2.0."""
    refuse_adapters(family, config)
    sites = [s for layer in range(config.num_hidden_layers) for s in _layer_sites(config, layer)]
    width, count = config.hidden_size, config.num_hidden_layers
    name, depth = ("norm.final", count) if _is_pre_norm(config) else ("norm.input", FEATURES)
    sites.append(norm_site(name, depth, width, config.layer_norm_eps))
    sites += [
        *cnn_sites(config),
        *outer_sites(config, config.conv_dim[-1], VALUES),
        region("features", ("feature_extractor",), VALUES),
    ]
    unused = mask_embedding(config)
    return Anatomy(family, config.num_hidden_layers, width, tuple(sites), unused=unused)


def _positions(
    embed: Any, hidden: Float[Tensor, "B T D"], state: ForwardState
) -> Float[Tensor, "B T D"]:
    """Return the positions of frames, in float32 on a CPU.

    In bfloat16 torch 2.13 computes wrong values for some convolutions on CPUs with AMX, among them
    the positional convolution of `tiny-hubert`: see benchmarks/half_convolutions.py.
    """
    with torch.autocast("cpu", enabled=False):
        is_half = hidden.device.type == "cpu" and hidden.dtype in (torch.bfloat16, torch.float16)
        whole = hidden.float() if is_half else hidden
        if state.fast and fast.can_run_positions(embed, whole):
            return fast.run_positions(embed, whole)
        positions: Tensor = embed(whole)
        return positions


def _is_pre_norm(config: Any) -> bool:
    return bool(getattr(config, "do_stable_layer_norm", False))


def mask_embedding(config: Any) -> tuple[str, ...]:
    """Return the name of the parameter that SpecAugment inserts, if the model has one."""
    masks = config.mask_time_prob > 0 or config.mask_feature_prob > 0
    return ("masked_spec_embed",) if masks else ()


def refuse_adapters(family: str, config: Any) -> None:
    """Raise BackboneError for a checkpoint that contains adapter layers already."""
    for switch in ("add_adapter", "adapter_attn_dim", "use_intermediate_ffn_before_adapter"):
        if getattr(config, switch, None):
            raise BackboneError(
                f"this {family} checkpoint has adapter layers of its own "
                f"({switch}={getattr(config, switch)!r}). Load a checkpoint without them"
            )


def norm_site(name: str, depth: int, width: int, eps: float) -> Site:
    """Return the norm of the encoder, which is before the first layer or after the last."""
    return module_site(name, None, "encoder.layer_norm", (width, width), depth, eps)


def outer_sites(config: Any, channels: int, depth: int) -> list[Site]:
    """Return the sites outside the layers.

    Args:
        config: Configuration of the model.
        channels: Input channels of the projection.
        depth: Last depth before any parameter.
    """
    width = config.hidden_size
    layers = [f"encoder.layers.{layer}" for layer in range(config.num_hidden_layers)]
    whole = Site(
        "transformer",
        None,
        Port("feature_projection", "input", keyword="hidden_states"),
        END,
        channels,
        width,
        FEATURES,
        ("feature_projection", "encoder"),
        can_grow=True,
    )
    return [
        *_projection_sites(config, channels),
        *whole_sites(layers, Port("feature_projection", "output"), width, FEATURES, ("encoder",)),
        whole,
        region("backbone", ("",), depth),
    ]


def _projection_sites(config: Any, channels: int) -> list[Site]:
    """Return the projection, and its norm and linear."""
    top, both = "feature_projection", (channels, config.hidden_size)
    eps = config.layer_norm_eps
    norm = module_site(
        "norm.projection", None, f"{top}.layer_norm", (channels, channels), FEATURES, eps
    )
    return [
        *([norm] if getattr(config, "feat_proj_layer_norm", True) else []),
        module_site("projection.linear", None, f"{top}.projection", both, FEATURES),
        module_site("projection", None, top, both, FEATURES),
    ]


def cnn_sites(config: Any) -> list[Site]:
    """Return a site for every CNN layer; its tensors are (B, C, T)."""
    widths = [1, *config.conv_dim]
    norm_of_first = getattr(config, "feat_extract_norm", "layer")
    norms = [norm_of_first] + [norm_of_first if norm_of_first == "layer" else None] * len(widths)
    return [
        module_site(
            "cnn",
            number,
            f"feature_extractor.conv_layers.{number}",
            (widths[number], widths[number + 1]),
            VALUES,
            convolution=Convolution(
                kernel, config.conv_stride[number], config.conv_bias, norms[number]
            ),
        )
        for number, kernel in enumerate(config.conv_kernel)
    ]


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


def project(
    model: Any, features: Float[Tensor, "B T C"], state: ForwardState
) -> Float[Tensor, "B S D"]:
    """Run the projection, and SpecAugment if the backbone is stochastic; set padding to zero.

    A batch too short for one mask is not masked.
    """
    projected = model.feature_projection(features)
    hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
    if model.training and hidden.shape[1] >= model.config.mask_time_length:
        # private: the only access to SpecAugment apart from the whole forward pass
        hidden = model._mask_hidden_states(hidden, attention_mask=state.frame_mask)
    if state.frame_mask is not None:
        hidden = hidden.masked_fill(~state.frame_mask[..., None], 0.0)
    return hidden
