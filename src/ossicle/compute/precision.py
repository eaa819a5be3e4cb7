"""Precision of the forward pass; parameters and their updates stay in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np
import torch

from ossicle.backbones import Backbone
from ossicle.errors import RunError, did_you_mean

DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PRECISIONS: Final = (*DTYPES, "auto")
ROUNDING: Final = 0.2  # largest relative error from rounding; large models have 0.05


def pick_precision(name: str, device: str) -> torch.dtype:
    """Return the dtype of a precision; `auto` is bfloat16 if the device computes it faster.

    Raises:
        RunError: no precision has this name.
    """
    if name == "auto":
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise RunError(
            f"precision is '{name}'; use {', '.join(PRECISIONS)}.{did_you_mean(name, PRECISIONS)}"
        )
    return DTYPES[name]


def _has_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability()[0] >= 8  # earlier ones emulate it
    if device == "cpu":
        # private: torch 2.6 has no public query of the instructions of a CPU
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def reason_for_precision(device: str) -> str:
    """Return why `pick_precision("auto", device)` returns what it does."""
    has = "has" if _has_bfloat16(device) else "does not have"
    return f"this {device.partition(':')[0]} {has} fast bfloat16"


@torch.no_grad()
def check_precision(backbone: Backbone, dtype: torch.dtype) -> None:
    """Raise if the device computes a backbone wrongly in this precision; tested on 1 s of noise.

    In torch 2.13, bfloat16 convolutions of some small sizes are wrong on CPUs with AMX.

    Raises:
        RunError: the output differs from that in float32 by more than rounding.
    """
    if dtype == torch.float32:
        return
    size = max(backbone.sample_rate, backbone.min_samples)
    wave = np.random.default_rng(0).normal(0, 0.1, size).astype(np.float32)
    device, was_training = next(backbone.parameters()).device, backbone.training
    values, lengths = (part.to(device) for part in backbone.batch([wave]))
    backbone.eval()
    exact = backbone(values, lengths).hidden
    with autocast(device, dtype):
        found = backbone(values, lengths).hidden.float()
    backbone.train(was_training)
    off = float((found - exact).norm() / exact.norm())
    if not off < ROUNDING:
        name = str(dtype).removeprefix("torch.")
        raise RunError(
            f"this {device.type} computes '{backbone.name}' wrongly in {name}: the output differs "
            f"from that in float32 by {off:.0%} of its norm. Use --precision float32"
        )


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context of a forward pass."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)
