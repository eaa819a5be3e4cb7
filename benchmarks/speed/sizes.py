"""The architectures that are measured, and tiny ones of the same depth for `--quick`."""

from dataclasses import dataclass
from typing import Final

RATE: Final = 16_000  # Hz
CLASSES: Final = 10
_TINY = "hidden_size=64&num_attention_heads=4&intermediate_size=64"
_TINY_SPEECH = f"{_TINY}&num_conv_pos_embeddings=16"


@dataclass(frozen=True)
class Sizes:
    """Backbones by name, and how long their input is.

    Attributes:
        base: HuBERT base, 12 layers.
        small: HuBERT of 6 layers of 256.
        wavlm: WavLM base.
        large_cnn: One layer above the CNN of the large models, which normalises every frame.
        ast: AST base.
        time_scale: Factor on the duration of every clip.
    """

    base: str
    small: str
    wavlm: str
    large_cnn: str
    ast: str
    time_scale: float


FULL: Final = Sizes(
    base="config:hubert-base",
    small="config:hubert-base?hidden_size=256&num_hidden_layers=6&num_attention_heads=4"
    "&intermediate_size=1024",
    wavlm="config:wavlm-base",
    large_cnn="config:wavlm-large?num_hidden_layers=1",
    ast="config:ast-base",
    time_scale=1.0,
)
QUICK: Final = Sizes(
    base=f"config:tiny-hubert?num_hidden_layers=12&{_TINY_SPEECH}",
    small=f"config:tiny-hubert?{_TINY_SPEECH}",
    wavlm=f"config:wavlm-base?{_TINY_SPEECH}",
    large_cnn=f"config:wavlm-large?num_hidden_layers=1&{_TINY_SPEECH}",
    ast=f"config:ast-base?num_hidden_layers=2&{_TINY}",
    time_scale=0.1,
)


def with_option(name: str, option: str) -> str:
    """Return the name of a backbone with one option more."""
    return f"{name}{'&' if '?' in name else '?'}{option}"
