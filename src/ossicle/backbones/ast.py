"""Audio Spectrogram Transformer: a ViT over 16 x 16 patches of a mel spectrogram, pre-norm.

Its input always has `max_length` mel frames (1024: 10.24 s): a shorter wave is padded with zeros
before the normalisation, as the authors do, and every token, padded or not, is a real one to the
model. A row therefore never depends on the batch it is in. Token 0 is CLS, token 1 the distillation
token.

Source: Gong et al. 2021, https://arxiv.org/abs/2104.01778.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import (
    FEATURES,
    Anatomy,
    Port,
    layer_sites,
    module_site,
    region,
    whole_sites,
)
from ossicle.backbones.family import Family
from ossicle.backbones.flow import Flow

WINDOW_MS = 25
HOP_MS = 10


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
    stack: ClassVar[str] = "layers"

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a ViT layer, numbered from the input."""
        width, eps = config.hidden_size, config.layer_norm_eps
        grid = _grid(config)
        facts: dict[str, Any] = {
            "num_special": 2,
            "grid": grid,
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
        enter, owns = Port("layers.0", "input", keyword="hidden_states"), ("layers", "layernorm")
        sites += [
            module_site("norm.final", None, "layernorm", (width, width), count, eps, **facts),
            *whole_sites(layers, enter, width, 0, owns, **facts),
            region("features", ("embeddings",), FEATURES),
            region("backbone", ("",), FEATURES),
        ]
        return Anatomy(self.name, count, width, tuple(sites), has_cls=True)

    def embed(
        self,
        model: Any,
        features: Float[Tensor, "B F M"],
        flow: Flow,  # noqa: ARG002 - every token is real
    ) -> Float[Tensor, "B T D"]:
        """Return CLS, the distillation token and the patches."""
        tokens: Tensor = model.embeddings(features)
        return tokens

    def finish(self, model: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Run the final norm."""
        normed: Tensor = model.layernorm(hidden)
        return normed

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002 - see Family
        """Return one window of the mel spectrogram."""
        samples: int = extractor.sampling_rate * WINDOW_MS // 1000
        return samples

    def max_samples(self, config: Any, extractor: Any) -> int:
        """Return the wave that fills `max_length` mel frames."""
        hop = extractor.sampling_rate * HOP_MS // 1000
        samples: int = (config.max_length - 1) * hop + self.min_samples(config, extractor)
        return samples

    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:  # noqa: ARG002
        """Return the tokens, which are as many for every wave."""
        rows, columns = _grid(config)
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


def _grid(config: Any) -> tuple[int, int]:
    """Return the rows (frequency) and columns (time) of the patches, which are numbered by rows."""
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
