"""Adapter methods, one file each."""

from typing import Final

from ossicle.methods.adapter_bias import AdapterBias
from ossicle.methods.base import Adapter, Method, TrainInPlace
from ossicle.methods.bias import Bias
from ossicle.methods.bottleneck import Bottleneck
from ossicle.methods.chapter import Chapter
from ossicle.methods.conv_adapter import ConvAdapter
from ossicle.methods.convpass import Convpass
from ossicle.methods.deep_prompt import DeepPrompt
from ossicle.methods.e_adapter import EAdapter
from ossicle.methods.full import Full
from ossicle.methods.gate import Gate
from ossicle.methods.l_adapter import LAdapter
from ossicle.methods.lora import LoRA
from ossicle.methods.moa import MoA
from ossicle.methods.norm import Norm
from ossicle.methods.p_adapter import PAdapter
from ossicle.methods.prefix import Prefix
from ossicle.methods.prompt import Prompt
from ossicle.methods.scale import Scale
from ossicle.methods.skip import Skip
from ossicle.methods.weighted_sum import WeightedSum
from ossicle.settings import Value

METHODS: Final[dict[str, type[Method]]] = {
    method.name: method
    for method in (
        AdapterBias,
        Bias,
        Bottleneck,
        Chapter,
        ConvAdapter,
        Convpass,
        DeepPrompt,
        EAdapter,
        Full,
        Gate,
        LAdapter,
        LoRA,
        MoA,
        Norm,
        PAdapter,
        Prefix,
        Prompt,
        Scale,
        Skip,
        WeightedSum,
    )
}

__all__ = [
    "METHODS",
    "Adapter",
    "AdapterBias",
    "Bias",
    "Bottleneck",
    "Chapter",
    "ConvAdapter",
    "Convpass",
    "DeepPrompt",
    "EAdapter",
    "Full",
    "Gate",
    "LAdapter",
    "LoRA",
    "Method",
    "MoA",
    "Norm",
    "PAdapter",
    "Prefix",
    "Prompt",
    "Scale",
    "Skip",
    "TrainInPlace",
    "Value",
    "WeightedSum",
]
