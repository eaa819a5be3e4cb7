"""Registry of all families and of all named architectures."""

from collections.abc import Mapping
from typing import Any, Final

from ossicle.backbones.ast import AST
from ossicle.backbones.data2vec_audio import Data2VecAudio
from ossicle.backbones.family import Family
from ossicle.backbones.hubert import Hubert
from ossicle.backbones.unispeech_sat import UniSpeechSat
from ossicle.backbones.w2v_bert import W2vBert
from ossicle.backbones.wav2vec2 import Wav2Vec2
from ossicle.backbones.wav2vec2_conformer import Wav2Vec2Conformer
from ossicle.backbones.wavlm import WavLM
from ossicle.backbones.whisper import Whisper
from ossicle.backbones.whole_whisper import WholeWhisper

FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Wav2Vec2(),
        Hubert(),
        WavLM(),
        Data2VecAudio(),
        UniSpeechSat(),
        Wav2Vec2Conformer(),
        W2vBert(),
        Whisper(),
        AST(),
    )
}
WITH_DECODER: Final[dict[str, Family]] = {family.name: family for family in (WholeWhisper(),)}
NAMED: Final[dict[str, tuple[Family, Mapping[str, Any]]]] = {
    short: (family, settings)
    for family in FAMILIES.values()
    for short, settings in family.named.items()
}
