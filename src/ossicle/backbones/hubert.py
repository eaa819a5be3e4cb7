"""HuBERT, and ContentVec: a HuBERT base trained to discard speaker information.

Sources: Hsu et al. 2021, https://arxiv.org/abs/2106.07447; Qian et al. 2022,
https://arxiv.org/abs/2204.09224.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from ossicle.backbones.speech import BASE, LARGE, PRE_NORM, SpeechFamily


@final
class Hubert(SpeechFamily):
    """HuBERT and ContentVec."""

    name: ClassVar[str] = "hubert"
    model_type: ClassVar[str] = "hubert"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hubert-base": BASE,
        "hubert-large": {**LARGE, **PRE_NORM},
        "hubert-xlarge": {
            **PRE_NORM,
            "hidden_size": 1280,
            "num_hidden_layers": 48,
            "num_attention_heads": 16,
            "intermediate_size": 5120,
        },
        "contentvec-base": BASE,
        "tiny-hubert": {
            **PRE_NORM,
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
