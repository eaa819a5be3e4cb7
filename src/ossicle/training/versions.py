"""The software and the machine that a run used, kept in `versions.json`."""

import platform
from importlib import metadata
from typing import Final

import torch

from ossicle import __version__

PACKAGES: Final = (
    *("torch", "transformers", "safetensors", "numpy", "scipy", "scikit-learn"),
    *("soundfile", "soxr"),
)


def versions() -> dict[str, str | int]:
    """Return the versions of packages, the platform and the number of threads."""
    return {
        "ossicle": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
