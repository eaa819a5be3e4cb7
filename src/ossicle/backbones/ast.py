"""Audio Spectrogram Transformer: a ViT over 16 x 16 patches of a mel spectrogram, pre-norm.

The input always has `max_length` mel frames (1024, or 10.24 s): a shorter wave is padded with zeros
before normalisation, as in the authors' code, and the model treats every token as real. A row
therefore does not depend on the batch it is in. Token 0 is CLS, token 1 the distillation token.

With `?length=own` after the name, a wave gets as many columns of patches as fit into it, with the
positions of the first columns; one second then costs a tenth of ten seconds. The model was not
pretrained on such inputs, so adapters for the two settings are not interchangeable.

Source: Gong et al. 2021, https://arxiv.org/abs/2104.01778.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
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
from ossicle.backbones.counterpart import Counterpart, counterpart_of_tokens
from ossicle.backbones.family import Family
from ossicle.backbones.filterbank import HOP, WINDOW, bank_of, log_mel, num_mel_frames
from ossicle.backbones.front_ends import PaddedMels
from ossicle.backbones.graph import first, may_be_ragged
from ossicle.errors import BackboneError
from ossicle.head_form import HeadForm, OutputKind

RENAMED: Final = {  # modules of a layer: their names in transformers 4, and in 5
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}


@final
class AST(Family):
    """AST; its patch embedding is the region `features`."""

    name: ClassVar[str] = "ast"
    model_type: ClassVar[str] = "audio-spectrogram-transformer"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ast-base": {},
        "tiny-ast": {
            "hidden_size": 192,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "intermediate_size": 768,
            "frequency_stride": 16,
            "time_stride": 16,
            "max_length": 512,
            "initializer_range": 0.06,
        },
    }
    extractor: ClassVar[Mapping[str, Any]] = {
        "feature_extractor_type": "ASTFeatureExtractor",
        "sampling_rate": 16000,
        "num_mel_bins": 128,
        "max_length": 1024,
        "do_normalize": True,
        "mean": -4.2677393,
        "std": 4.5689974,
    }
    layers_path: ClassVar[str] = "layers"
    # `encoder` is the prefix in checkpoints of transformers 4, which are renamed while loading
    top_modules: ClassVar[tuple[str, ...]] = ("embeddings", "layers", "encoder", "layernorm")

    no_counterpart: ClassVar[str] = (
        "transformers' class for AST is a classifier with a norm and a linear layer on the mean of "
        "the CLS and the distillation token of a recording padded to the whole length; train with "
        "--head ast, and without length and weighted-sum, for a checkpoint of it"
    )

    def __init__(self, *, own_length: bool = False) -> None:
        self.own_length = own_length
        self.variant = "own length" if own_length else ""

    def of_length(self, length: str, extractor: Any) -> "AST":
        """Return AST at the clip's own length."""
        if length != "own":
            padded = f"pads every recording to {extractor.max_length} mel frames"
            raise BackboneError(f"{self.name} takes length=own; without it, it {padded}")
        return AST(own_length=True)

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a ViT layer, numbered from the input."""
        width, eps = config.hidden_size, config.layer_norm_eps
        grid = _grid(config)
        facts: dict[str, Any] = {
            "num_special": 2,
            "grid": (grid[0], 0) if self.own_length else grid,
            "max_tokens": grid[0] * grid[1] + 2,
        }
        inner = config.intermediate_size
        sites = [
            site
            for layer in range(config.num_hidden_layers)
            for site in layer_sites(layer, _modules(layer), (width, inner), eps, **facts)
        ]
        count = config.num_hidden_layers
        layers = [f"layers.{layer}" for layer in range(count)]
        enter = Port("layers.0", "input", keyword="hidden_states")
        owned = ("layers", "layernorm")
        sites += [
            module_site("norm.final", None, "layernorm", (width, width), count, eps, **facts),
            *whole_sites(layers, enter, width, 0, owned, **facts),
            region("features", ("embeddings",), FEATURES),
            region("backbone", ("",), FEATURES),
        ]
        return Anatomy(self.name, count, width, tuple(sites), has_cls=True)

    def renamed(self, path: str) -> str:
        """Return the path of a module in transformers 5, which renamed those of transformers 4."""
        begun = re.sub(r"(^|\.)encoder\.layer\.(?=\d)", r"\1layers.", path)
        layer, name = re.fullmatch(r"(.*layers\.\d+\.|)(.*)", begun).groups()  # type: ignore[union-attr] # matches all
        return layer + RENAMED.get(name, name) if layer else begun

    def values(self, extractor: Any, wave: NDArray[np.float32]) -> tuple[Float[Tensor, "F M"], int]:
        """Return the mel frames of a wave, padded with zeros to `max_length` unless `own_length`.

        Normalised by the mean and twice the standard deviation of the pretraining data.
        """
        if not hasattr(extractor, "mel_filters"):  # the extractor then uses torchaudio
            row, _ = super().values(extractor, wave)
            frames = min(num_mel_frames(len(wave)), extractor.max_length)
            row = row[:frames] if self.own_length else row
            return row, len(row)
        mels = log_mel(extractor, wave)[: extractor.max_length]
        if not self.own_length:
            mels = F.pad(mels, (0, 0, 0, extractor.max_length - len(mels)))
        if extractor.do_normalize:
            mels = (mels - extractor.mean) / (2 * extractor.std)
        return mels, len(mels)

    def front_end(self, extractor: Any) -> nn.Module:
        """Return the filter bank, padding and normalisation."""
        scale = (extractor.mean, 2 * extractor.std) if extractor.do_normalize else (0.0, 1.0)
        frames = None if self.own_length else extractor.max_length
        return PaddedMels(bank_of(extractor), frames, *scale)

    def counterpart(self, config: Any, form: HeadForm, outputs: OutputKind) -> Counterpart:
        """Return AST's classifier, for a head of its form."""
        found = None if self.own_length else counterpart_of_tokens(config, form, outputs)
        return found or super().counterpart(config, form, outputs)

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
        """Return CLS, distillation token and patches; rows of unequal length run one by one."""
        if not self.own_length:
            tokens: Tensor = model.embeddings(features)
            return tokens
        if state.frame_mask is None:
            return _embed(model, features)
        if state.together:
            return _embed_together(model, features, state)
        sizes = state.frame_mask.sum(dim=1).tolist()
        rows = [
            _embed(model, row[None, :size])[0] for row, size in zip(features, sizes, strict=True)
        ]
        counts = torch.tensor([len(row) for row in rows], device=features.device)
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        state.frame_mask = torch.arange(padded.shape[1], device=features.device) < counts[:, None]
        return padded

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm."""
        normed: Tensor = model.layernorm(hidden)
        return normed

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - always 16 kHz
        """Return the samples of one mel frame, or with `own_length` of one patch."""
        return WINDOW + (config.patch_size - 1) * HOP if self.own_length else WINDOW

    def max_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - always 16 kHz
        """Return the samples of `max_length` mel frames."""
        samples: int = (config.max_length - 1) * HOP + WINDOW
        return samples

    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:  # noqa: ARG002 - see Family
        """Return the number of tokens, the same for every wave unless `own_length`."""
        rows, columns = _grid(config)
        if self.own_length:
            frames = min(num_mel_frames(num_samples), config.max_length)
            columns = (frames - config.patch_size) // config.time_stride + 1
        return rows * columns + 2

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests: 32 patches of 64 mel frames."""
        return {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 96,
            "frequency_stride": 16,
            "time_stride": 16,
            "max_length": 64,
            "initializer_range": 0.1,
        }


def _embed(model: Any, features: Float[Tensor, "B F M"]) -> Float[Tensor, "B T D"]:
    """Return the tokens of clips of equal length, with the positions of the first columns."""
    embeddings = model.embeddings
    patches = _patches(model, features)
    rows, columns = _grid(model.config)
    special, grid = embeddings.position_embeddings.split((2, rows * columns), dim=1)
    first = grid.unflatten(1, (rows, columns))[:, :, : patches.shape[1] // rows].flatten(1, 2)
    two = torch.cat((embeddings.cls_token, embeddings.distillation_token), dim=1) + special
    tokens = torch.cat((two.expand(len(features), -1, -1), patches + first), dim=1)
    output: Tensor = embeddings.dropout(tokens)
    return output


def _patches(model: Any, features: Float[Tensor, "B F M"]) -> Float[Tensor, "B P D"]:
    """Return the patches of clips of equal length, row by row."""
    config, project = model.config, model.embeddings.patch_embeddings
    if features.shape[1] >= config.patch_size + config.time_stride:
        patches: Tensor = project(features)
        return patches
    # On a CPU with AMX, torch's bfloat16 convolution is wrong where its output has one column
    # (pytorch/pytorch issue 163347), so a second column is computed and left out.
    two_columns: Tensor = project(F.pad(features, (0, 0, 0, config.time_stride)))
    return two_columns[:, ::2]


def _embed_together(
    model: Any, features: Float[Tensor, "B F M"], state: ForwardState
) -> Float[Tensor, "B T D"]:
    """Return the tokens of clips of any length, those of each row in its own order, and the mask.

    A row with c columns of patches has its patch in row r, column t at 2 + r * c + t.
    """
    assert state.frame_mask is not None, "rows that run together have a mask"
    config = model.config
    tokens = _embed(model, features)  # (B, 2 + rows * columns, D)
    rows, _ = _grid(config)
    columns = (tokens.shape[1] - 2) // rows
    mel_frames = state.frame_mask.sum(dim=1, keepdim=True)
    own = (mel_frames - config.patch_size) // config.time_stride + 1  # (B, 1)
    place = torch.arange(rows * columns, device=tokens.device)
    source = (place // own).clamp(max=rows - 1) * columns + place % own
    gathered = tokens[:, 2:].gather(1, source[..., None].expand(-1, -1, tokens.shape[2]))
    state.frame_mask = first(2 + rows * columns, 2 + rows * own[:, 0])
    return torch.cat((tokens[:, :2], gathered), dim=1)


def _grid(config: Any) -> tuple[int, int]:
    """Return the numbers of rows (frequency) and columns (time) of the patches, in row order."""
    rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    columns = (config.max_length - config.patch_size) // config.time_stride + 1
    return rows, columns


def _modules(layer: int) -> dict[str, str]:
    top = f"layers.{layer}"
    return {
        **{f"attn.{short}": f"{top}.attention.{short}_proj" for short in "qkvo"},
        "attn": f"{top}.attention",
        "ffn.in": f"{top}.mlp.fc1",
        "ffn.out": f"{top}.mlp.fc2",
        "ffn": f"{top}.mlp",
        "norm.attn": f"{top}.layernorm_before",
        "norm.ffn": f"{top}.layernorm_after",
        "layer": top,
    }
