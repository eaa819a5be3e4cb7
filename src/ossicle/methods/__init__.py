"""What stands at a site: one file a method."""

from typing import Final

from ossicle.methods.base import Adapter, Method, Thaw, Value
from ossicle.methods.bias import Bias
from ossicle.methods.bottleneck import Bottleneck
from ossicle.methods.full import Full
from ossicle.methods.lora import LoRA
from ossicle.methods.norm import Norm

METHODS: Final[dict[str, type[Method]]] = {
    method.name: method for method in (Bias, Bottleneck, Full, LoRA, Norm)
}

__all__ = [
    "METHODS",
    "Adapter",
    "Bias",
    "Bottleneck",
    "Full",
    "LoRA",
    "Method",
    "Norm",
    "Thaw",
    "Value",
]
