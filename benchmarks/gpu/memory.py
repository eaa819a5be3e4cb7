"""Peak memory of each variant of a comparison, and what was measured on."""

import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from ossicle import __version__
from speed.bench import Action, Bench, Figures

MIB = 2**20
PACKAGES = ("torch", "transformers", "peft", "accelerate", "numpy")


def compare(bench: Bench, build: Mapping[str, Callable[[], Action]], audio_s: float) -> Figures:
    """Return the ratio, speed and memory of each variant.

    Args:
        bench: How to measure.
        build: Returns each variant's action, by label; the first is the reference.
        audio_s: Seconds of audio that every action processes.
    """
    actions, peaks = {}, {}
    for label, builder in build.items():
        actions[label], peaks[label] = with_peak(bench.device, builder)
    found = with_speed(bench.ratios(actions), audio_s)
    return {label: {**figures, "peak_mib": peaks[label]} for label, figures in found.items()}


def with_speed(found: Figures, audio_s: float) -> Figures:
    """Return results with the seconds of audio that each variant processes per second."""
    return {
        label: {**figures, "audio_s_per_s": audio_s / figures["seconds"]}
        for label, figures in found.items()
    }


def with_peak(device: str, build: Callable[[], Action]) -> tuple[Action, float | None]:
    """Return an action and its peak memory in MiB, as if nothing else were on the GPU.

    It is measured in the second call, when the state of the optimiser is there. None on a CPU,
    whose memory torch does not count.
    """
    on_gpu = device != "cpu"
    before = torch.cuda.memory_allocated() if on_gpu else 0
    action = build()
    action()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    action()
    return action, (torch.cuda.max_memory_allocated() - before) / MIB if on_gpu else None


def about(device: str, seed: int) -> dict[str, Any]:
    """Return the device, the versions, the date and the seed."""
    return {
        "device": "cpu" if device == "cpu" else torch.cuda.get_device_name(),
        "driver": driver(),
        "versions": {
            "ossicle": __version__,
            **{package: version(package) for package in PACKAGES},
            "CUDA": torch.version.cuda,
        },
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
    }


def version(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def driver() -> str | None:
    """Return the version of NVIDIA's driver; None without one."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0].strip()
