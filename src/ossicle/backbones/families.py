"""Every family, one line each, and every named architecture."""

from collections.abc import Mapping
from typing import Any, Final

from ossicle.backbones.ast import AST
from ossicle.backbones.family import Family
from ossicle.backbones.hubert import Hubert
from ossicle.backbones.wav2vec2 import Wav2Vec2
from ossicle.backbones.wavlm import WavLM

FAMILIES: Final[dict[str, Family]] = {
    family.name: family for family in (Wav2Vec2(), Hubert(), WavLM(), AST())
}
NAMED: Final[dict[str, tuple[Family, Mapping[str, Any]]]] = {
    short: (family, settings)
    for family in FAMILIES.values()
    for short, settings in family.named.items()
}
