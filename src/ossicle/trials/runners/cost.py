"""Measure what recipes cost: one process, all recipes in turn, against the bare backbone.

Sound is noise, the head is linear on the mean over frames, with 10 outputs. On a CPU one thread
computes, and processor time is measured. The peak memory of each recipe is that of a process of its
own. The bare backbone has no adapter, head or gradient: its training step is its forward pass.

    cost.json    seconds of each round, peak memory, parameters and size of each recipe
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ossicle.adapters.check import attach
from ossicle.adapters.count import tally
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import serialise_with_digest
from ossicle.backbones import Backbone, load_backbone
from ossicle.child import run_child
from ossicle.compute.device import pick_device, threads
from ossicle.compute.precision import autocast, pick_precision
from ossicle.compute.turns import take_turns
from ossicle.errors import OssicleError, RunError
from ossicle.files import write_sealed
from ossicle.heads import build_head
from ossicle.progress import Progress
from ossicle.recipes.recipe import Recipe
from ossicle.training.config import TrainConfig
from ossicle.training.folder import Writer, read_json
from ossicle.training.optim import build_optimizer
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.trial import Label, Trial

RESULT: Final = "cost.json"
CLASSES: Final = 10
ACTIONS: Final = ("step", "latency", "batch")  # what is timed of every recipe
USED: Final = {"backbone", "fast", "stochastic", "device", "precision", "optimizer"}

Action = Callable[[], object]
Load = Callable[..., Backbone]


class Cost:
    """Measures all recipes of a study in one trial.

    Settings of the trial: `recipes`, a JSON object from the name of each recipe to its expression;
    `rounds`; `batch_size`; and `seconds`, the length of a recording.
    """

    name = "cost"
    ignores = frozenset(field.name for field in fields(TrainConfig)) - USED
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Measure anew; what was interrupted left nothing."""
        setup = Setup.of(trial.config, trial.settings)
        with Writer(folder) as writer, threads(1):
            writer.take()
            write_sealed(folder / RESULT, _measure(setup, trial.settings, kept.load, progress))

    def read(self, folder: Path) -> Measured | None:
        """Return the result as `Measured.facts`."""
        return Measured(facts=read_json(folder / RESULT)) if (folder / RESULT).is_file() else None


@dataclass(frozen=True)
class Setup:
    """What all recipes are measured with.

    Attributes:
        config: Settings of the run, as far as `USED` names them.
        device: The device.
        batch_size: Recordings in a batch.
        seconds: Length of a recording.
    """

    config: TrainConfig
    device: str
    batch_size: int
    seconds: float

    @classmethod
    def of(cls, config: TrainConfig, settings: Mapping[str, Label]) -> "Setup":
        """Return the setup of a trial."""
        return cls(
            config,
            pick_device(config.device),
            int(settings["batch_size"]),
            float(settings["seconds"]),
        )

    def load(self, load: Load) -> Backbone:
        """Return the backbone."""
        config = self.config
        return load(
            config.backbone, stochastic=config.stochastic, fast=config.fast, device=self.device
        )

    def batch(self, backbone: Backbone, size: int) -> tuple[Tensor, Tensor]:
        """Return a batch of noise."""
        samples = max(round(self.seconds * backbone.sample_rate), backbone.min_samples)
        noise = np.random.default_rng(0).normal(0, 0.1, (size, samples)).astype(np.float32)
        values, lengths = backbone.batch(list(noise))
        return values.to(self.device), lengths.to(self.device)

    def inference(self, model: nn.Module, backbone: Backbone, size: int) -> Action:
        """Return a forward pass without gradients."""
        inputs, device = self.batch(backbone, size), torch.device(self.device)
        dtype = pick_precision(self.config.precision, self.device)

        @torch.no_grad()
        def infer() -> None:
            model.eval()
            with autocast(device, dtype):
                model(*inputs)

        return infer

    def training_step(self, model: AdaptedModel) -> Action:
        """Return forward pass, backward pass and step of the optimiser, at a learning rate of 0."""
        inputs, device = self.batch(model.backbone, self.batch_size), torch.device(self.device)
        dtype = pick_precision(self.config.precision, self.device)
        target = torch.arange(self.batch_size, device=device) % CLASSES
        optimizer = build_optimizer(model, self.config)

        def step() -> None:
            model.train()
            optimizer.zero_grad()
            with autocast(device, dtype):
                outputs = model(*inputs)
            nn.functional.cross_entropy(outputs.float(), target).backward()
            optimizer.step()

        return step

    def adapted(self, recipe: Recipe, load: Load) -> AdaptedModel:
        """Return the backbone with a recipe and a head."""
        in_place = any(one.method.part == "backbone" for one in recipe.placements)
        backbone = self.load(load_backbone if in_place else load)  # else it shares its parameters
        with torch.random.fork_rng(), torch.device(self.device):
            torch.manual_seed(0)
            head = build_head("mean", recipe.seen_by_head(backbone.anatomy), CLASSES)
        return attach(backbone, recipe, head)


def _measure(
    setup: Setup, settings: Mapping[str, Label], load: Load, progress: Progress
) -> dict[str, Any]:
    """Return the result of a trial as plain data."""
    recipes: dict[str, str] = json.loads(str(settings["recipes"]))
    backbone = setup.load(load)
    forward = setup.inference(backbone, backbone, setup.batch_size)
    latency = setup.inference(backbone, backbone, 1)
    actions = {_key("", what): forward for what in ("step", "batch")}
    actions[_key("", "latency")] = latency
    rows: list[dict[str, Any]] = [{"recipe": "", "parameters": None, "bytes": 0}]
    failed = {}
    for label, expression in recipes.items():
        try:
            model = setup.adapted(Recipe.parse(expression), load)
        except OssicleError as error:
            failed[label] = str(error)
            continue
        actions |= {
            _key(label, "step"): setup.training_step(model),
            _key(label, "latency"): setup.inference(model, model.backbone, 1),
            _key(label, "batch"): setup.inference(model, model.backbone, setup.batch_size),
        }
        rows.append({"recipe": label, **_sizes(model)})
    if len(rows) == 1:
        raise RunError(f"no recipe can be measured: {'; '.join(failed.values())}")
    _add_memory(rows, recipes, setup, progress)
    seconds = take_turns(actions, int(settings["rounds"]), setup.device, progress)
    for row in rows:
        row["seconds"] = {what: seconds[_key(row["recipe"], what)] for what in ACTIONS}
    return {"rows": rows, "failed": failed, "device": _device(setup.device)}


def _key(label: str, what: str) -> str:
    return f"{what} {label}"


def _sizes(model: AdaptedModel) -> dict[str, Any]:
    """Return the parameters of a model and the size of its adapter file."""
    tensors = {key: one.detach().cpu().contiguous() for key, one in model.tensors().items()}
    return {
        "parameters": tally(model).to_dict(),
        "bytes": sum(len(part) for part in serialise_with_digest(tensors)),
    }


def _add_memory(
    rows: Sequence[dict[str, Any]], recipes: Mapping[str, str], setup: Setup, progress: Progress
) -> None:
    """Add the peak memory of a training step to each row, from a process of its own."""
    for number, row in enumerate(rows, start=1):
        order = {
            "config": setup.config.to_dict(),
            "settings": {"batch_size": setup.batch_size, "seconds": setup.seconds},
            "expression": recipes.get(row["recipe"]),
        }
        row["peak_mib"] = _peak_of_child(order)
        progress("measuring memory", number, len(rows))


def _peak_of_child(order: Mapping[str, Any]) -> float | None:
    """Return the peak memory in MiB; None if the process was killed, or the system has none."""
    found: list[bytes] = []
    command = [sys.executable, "-m", "ossicle.trials.runners.cost_memory"]
    if run_child(command, json.dumps(order).encode(), found.append) != 0 or not found:
        return None
    peak: float | None = json.loads(found[-1])
    return peak


def _device(device: str) -> str:
    """Return the name of the processor or GPU."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return device
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, one thread"
    return f"{os.uname().machine if hasattr(os, 'uname') else 'CPU'}, one thread"


RUNNER: Final[Runner] = Cost()
