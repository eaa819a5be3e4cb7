"""Measure the peak memory of a training step in a process of its own.

    python -m ossicle.trials.runners.cost_memory

It reads one line of JSON, {"config": ..., "settings": ..., "expression": ...}, and writes the peak
in MiB, or null where the system reports none. Without an expression it is that of a forward pass of
the bare backbone. What the process uses before it loads the backbone is subtracted.
"""

import json
import os

import torch
from torch import nn

from ossicle.backbones import load_backbone
from ossicle.child import read_order
from ossicle.compute.memory import PEAK
from ossicle.recipes.recipe import Recipe
from ossicle.training.config import TrainConfig
from ossicle.trials.runners.cost import Setup


def main() -> None:
    """Measure what the parent asks for."""
    order = json.loads(read_order())
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not for the parent
    torch.set_num_threads(1)
    setup = Setup.of(TrainConfig.from_dict(order["config"]), order["settings"])
    PEAK.start()
    before = PEAK.mib(nn.Linear(1, 1)) if setup.device == "cpu" else 0.0
    model: nn.Module
    if order["expression"] is None:
        backbone = setup.load(load_backbone)
        model, action = backbone, setup.inference(backbone, backbone, setup.batch_size)
    else:
        adapted = setup.adapted(Recipe.parse(order["expression"]), load_backbone)
        model, action = adapted, setup.training_step(adapted)
    action()  # allocates the state of the optimiser
    PEAK.start()
    action()
    peak = PEAK.mib(model)
    found = None if peak is None or before is None else round(peak - before, 1)
    output.write(json.dumps(found).encode() + b"\n")
    output.flush()


if __name__ == "__main__":
    main()
