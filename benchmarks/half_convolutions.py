"""Which convolutions this processor computes wrongly in bfloat16.

    python benchmarks/half_convolutions.py

Relative error in norm to float32, the largest over lengths; rounding alone is 0.003. torch 2.13 is
wrong for some sizes on CPUs with AMX.
"""

import torch
from torch.nn import functional as F

LENGTHS = (*range(128, 228, 9), 599)
# channels in and out, kernel, stride, groups
SIZES = {
    "CNN of base and large": (512, 512, 3, 2, 1),
    "positions of base": (768, 768, 128, 1, 16),
    "positions of large": (1024, 1024, 128, 1, 16),
    "positions of data2vec": (768, 768, 19, 1, 16),
    "positions of tiny-hubert": (192, 192, 64, 1, 16),
    "depthwise, of conformers": (1024, 1024, 31, 1, 1024),
    "8 channels, kernel 8": (8, 8, 8, 1, 1),
    "12 channels, kernel 8": (12, 12, 8, 1, 1),
}


def error(size: tuple[int, int, int, int, int], length: int) -> float:
    """Return the error of one convolution of noise."""
    channels, out, kernel, stride, groups = size
    wave = torch.randn(1, channels, length)
    weight = torch.randn(out, channels // groups, kernel) / (channels // groups * kernel) ** 0.5
    made = [
        F.conv1d(wave.to(dtype), weight.to(dtype), None, stride, kernel // 2, 1, groups).float()
        for dtype in (torch.float32, torch.bfloat16)
    ]
    return float((made[1] - made[0]).norm() / made[0].norm())


if __name__ == "__main__":
    torch.manual_seed(0)
    print(f"AMX: {torch.cpu._is_amx_tile_supported()}")  # no public query in torch 2.6
    for name, size in SIZES.items():
        print(f"{name:<26} {max(error(size, length) for length in LENGTHS):.3f}")
