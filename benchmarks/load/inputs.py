"""What a server is measured with: recordings of noise, and adapters with random weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch

from ossicle.adapters.saving import save
from ossicle.tasks import Classification
from speed.ours import adapted
from speed.sizes import CLASSES, RATE

RECIPE = "lora"  # of rank 8 at q and v


def write_recordings(folder: Path, seconds: Sequence[float]) -> list[Path]:
    """Write noise of several lengths as WAV files, and return the files."""
    generator = np.random.default_rng(0)
    files = []
    for number, length in enumerate(seconds):
        files.append(folder / f"{number}.wav")
        soundfile.write(files[-1], generator.normal(0, 0.1, int(length * RATE)), RATE)
    return files


def write_adapters(backbone: str, folder: Path, count: int) -> list[Path]:
    """Write adapters that differ in their weights, and return their folders."""
    task = Classification([str(number) for number in range(CLASSES)])
    model = adapted(backbone, RECIPE, "cpu")
    generator = torch.Generator().manual_seed(0)
    folders = [folder / f"a{number}" for number in range(count)]
    for one in folders:
        with torch.no_grad():
            for parameter in model.trainable().values():
                parameter.normal_(0, 0.02, generator=generator)
        save(model, one, task=task.to_dict() | {"max_seconds": 30.0})
    return folders
