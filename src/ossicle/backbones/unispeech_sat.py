"""UniSpeech-SAT: HuBERT's layers with speaker-aware pretraining; post- and pre-norm.

Source: Chen et al. 2021, https://arxiv.org/abs/2110.05752.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, final

from ossicle.anatomy import Anatomy
from ossicle.backbones.speech import BASE, LARGE, PRE_NORM, SpeechFamily


@final
class UniSpeechSat(SpeechFamily):
    """UniSpeech-SAT; it has a mask embedding even if SpecAugment is off."""

    name: ClassVar[str] = "unispeech-sat"
    model_type: ClassVar[str] = "unispeech-sat"
    named: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "unispeech-sat-base": BASE,
        "unispeech-sat-base-plus": BASE,
        "unispeech-sat-large": {**LARGE, **PRE_NORM},
    }

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of wav2vec 2.0."""
        return replace(super().describe(config), unused=("masked_spec_embed",))
