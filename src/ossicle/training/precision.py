"""Which numbers a forward pass is computed in; parameters and their updates stay in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Final

import torch

from ossicle.errors import RunError, did_you_mean

DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PRECISIONS: Final = (*DTYPES, "auto")


def pick_precision(name: str, device: str) -> torch.dtype:
    """Return the numbers of a run; `auto` is bfloat16 where the device computes it faster.

    Raises:
        RunError: there are no such numbers.
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
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context of a forward pass."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)
