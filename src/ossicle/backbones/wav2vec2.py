"""wav2vec 2.0, post-norm (base, large) and pre-norm (large lv60, XLSR).

Source: Baevski et al. 2020, https://arxiv.org/abs/2006.11477.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from jaxtyping import Float, Int
from torch import Tensor

from ossicle.anatomy import Anatomy
from ossicle.backbones import speech
from ossicle.backbones.family import Encoded, Family


@final
class Wav2Vec2(Family):
    """wav2vec 2.0: no quirks."""

    name: ClassVar[str] = "wav2vec2"
    model_type: ClassVar[str] = "wav2vec2"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wav2vec2-base": speech.BASE,
        "wav2vec2-large": speech.LARGE,
        "wav2vec2-large-lv60": {**speech.LARGE, **speech.PRE_NORM},
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
