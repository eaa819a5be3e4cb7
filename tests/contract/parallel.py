"""Run by test_parallel.py: two processes, half a batch each; a line of JSON for each case."""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from kinds import tiny_backbone
from ossicle.adapters.check import attach
from ossicle.errors import OssicleError
from ossicle.heads import build_head
from ossicle.methods import METHODS
from ossicle.recipes.recipe import Recipe

KINDS = ("hubert", "ast")
PROCESSES = 2
SIZES = (4000, 3000, 2000, 3500)


def gradients(kind: str, expression: str, rank: int) -> tuple[dict, dict]:
    """Return the gradients of two steps in parallel, and of the same in one process."""
    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, size).astype(np.float32) for size in SIZES]
    halves = waves[rank::PROCESSES]
    found = []
    for part in (halves, waves):
        torch.manual_seed(0)
        backbone, recipe = tiny_backbone(kind), Recipe.parse(expression)
        head = build_head("mean", recipe.seen_by_head(backbone.anatomy), 3)
        model = attach(backbone, recipe, head).eval()
        parameters = model.trainable()
        with torch.no_grad():
            for tensor in parameters.values():
                tensor += torch.randn_like(tensor) * 0.1
        wrapped = DistributedDataParallel(model) if part is halves else model
        for _ in range(2):  # a parameter that gets no gradient stops the second
            for tensor in parameters.values():
                tensor.grad = None
            wrapped(*backbone.batch(part)).square().mean().backward()
        found.append({key: tensor.grad for key, tensor in parameters.items()})
    return found[0], found[1]


def run(rank: int, store: str) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=PROCESSES
    )
    for kind in KINDS:
        for name, method in METHODS.items():
            try:
                mine, theirs = gradients(kind, method.example or name, rank)
            except OssicleError:
                continue  # the pair is refused, in both processes alike
            fault = ""
            largest = max(float(gradient.abs().max()) for gradient in theirs.values())
            for key, gradient in theirs.items():
                error = float((mine[key] - gradient).abs().max())
                if not error < 1e-4 * largest:
                    fault = f"the gradient of {key} is off by {error} of {largest}"
            if rank == 0:
                sys.stdout.write(json.dumps({"case": f"{kind} {name}", "fault": fault}) + "\n")
                sys.stdout.flush()
    distributed.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (str(Path(folder) / "store"),), PROCESSES)
