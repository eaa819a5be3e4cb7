"""How many workers a machine has room for, and how many threads each of them.

A worker needs at most about

    600 MiB                                         Python and its libraries
    + 16 bytes a parameter                          weights, gradients and two moments of AdamW
    + 68 bytes a frame, layer and channel           what the backward pass keeps, for a whole batch

The second line is that of full fine-tuning. The third is the estimate of Korthikanti et al. 2022,
"Reducing Activation Recomputation in Large Transformer Models", equation 1, for float32 and
without attention weights, which scaled dot-product attention does not keep. Adapters need less of
both. The estimate is for choosing a number, not a limit: a worker that needs more gets it.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import torch

from ossicle.backbones import load_backbone
from ossicle.compute.device import pick_device
from ossicle.compute.machine import available_bytes, num_cores
from ossicle.paths import HERE
from ossicle.tasks import writes_text
from ossicle.training.config import TrainConfig

LIBRARIES_BYTES: Final = 600 << 20
PARAMETER_BYTES: Final = 16
ACTIVATION_BYTES: Final = 68
FREE: Final = 0.9  # of the memory that is available now


def choose_workers(configs: Iterable[TrainConfig], places: Sequence[Path] = HERE) -> int:
    """Return the number of workers that cores and memory, or GPUs, have room for; at least one.

    Args:
        configs: Settings of the trials.
        places: Folders to search for relative paths of backbones.

    Raises:
        BackboneError: a backbone cannot be found.
        RunError: a device cannot be used.
    """
    distinct = {(one.backbone, _batch_seconds(one), one.device): one for one in configs}
    if any(pick_device(one.device).startswith("cuda") for one in distinct.values()):
        return max(1, torch.cuda.device_count())
    most = max((worker_bytes(one, places) for one in distinct.values()), default=1)
    free = available_bytes()
    room = num_cores() if free is None else int(FREE * free) // most
    return max(1, min(num_cores(), room))


def choose_threads(workers: int) -> int:
    """Return the threads of each of several workers: OMP_NUM_THREADS, or a share of the cores."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isascii() and chosen.isdigit() and int(chosen):
        return int(chosen)
    return max(1, num_cores() // workers)


def worker_bytes(config: TrainConfig, places: Sequence[Path] = HERE) -> int:
    """Return an estimate of the memory of a worker that trains with these settings.

    Raises:
        BackboneError: the backbone cannot be found.
    """
    writes = writes_text(config.task)
    bare = load_backbone(config.backbone, weights=False, decoder=writes, places=places)
    parameters = sum(parameter.numel() for parameter in bare.parameters())
    seconds = _batch_seconds(config)
    frames = max(1, bare.num_frames(int(config.max_seconds * bare.sample_rate)))
    channels = bare.anatomy.width * bare.anatomy.num_layers
    activations: int = ACTIVATION_BYTES * channels * int(frames * seconds / config.max_seconds)
    return LIBRARIES_BYTES + PARAMETER_BYTES * parameters + activations


def _batch_seconds(config: TrainConfig) -> float:
    """Return the most seconds of sound in a batch."""
    return config.batch_seconds or config.batch_size * config.max_seconds
