"""HuBERT, and ContentVec, which is a HuBERT base trained to forget the speaker.

Sources: Hsu et al. 2021, https://arxiv.org/abs/2106.07447; Qian et al. 2022,
https://arxiv.org/abs/2204.09224.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from jaxtyping import Float, Int
from torch import Tensor

from ossicle.anatomy import Anatomy
from ossicle.backbones import speech
from ossicle.backbones.family import Encoded, Family


@final
class Hubert(Family):
    """HuBERT and ContentVec: no quirks."""

    name: ClassVar[str] = "hubert"
    model_type: ClassVar[str] = "hubert"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hubert-base": speech.BASE,
        "hubert-large": {**speech.LARGE, **speech.PRE_NORM},
        "hubert-xlarge": {
            **speech.PRE_NORM,
            "hidden_size": 1280,
            "num_hidden_layers": 48,
            "num_attention_heads": 16,
            "intermediate_size": 5120,
        },
        "contentvec-base": speech.BASE,
        "tiny-hubert": {
            **speech.PRE_NORM,
            "hidden_size": 192,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "intermediate_size": 768,
            "conv_dim": [256, 192, 192],
            "conv_kernel": [400, 4, 4],
            "conv_stride": [80, 2, 2],
            "num_feat_extract_layers": 3,
            "num_conv_pos_embeddings": 64,
            "num_conv_pos_embedding_groups": 16,
            "initializer_range": 0.06,
        },
    }
    extractor: ClassVar[Mapping[str, Any]] = speech.EXTRACTOR

    def describe(self, config: Any) -> Anatomy:
        """Return the sites, which the three speech families share."""
        return speech.describe(self.name, config)

    def encode(
        self, model: Any, values: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> Encoded:
        """Run the model so that padding does not change a row; see `speech.encode`."""
        return speech.encode(model, values, lengths)

    def min_samples(self, config: Any, extractor: Any) -> int:  # noqa: ARG002
        """Return the receptive field of the CNN: 400 samples for every released model."""
        return speech.min_samples(config)

    def tiny(self) -> dict[str, Any]:
        """Return settings for tests."""
        return dict(speech.TINY)
