"""wav2vec 2.0, post-norm (base, large) and pre-norm (large lv60, XLSR).

Source: Baevski et al. 2020, https://arxiv.org/abs/2006.11477.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from ossicle.backbones.speech import BASE, LARGE, PRE_NORM, SpeechFamily


@final
class Wav2Vec2(SpeechFamily):
    """wav2vec 2.0."""

    name: ClassVar[str] = "wav2vec2"
    model_type: ClassVar[str] = "wav2vec2"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wav2vec2-base": BASE,
        "wav2vec2-large": LARGE,
        "wav2vec2-large-lv60": {**LARGE, **PRE_NORM},
    }
