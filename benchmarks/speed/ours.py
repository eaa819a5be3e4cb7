"""ossicle's forward passes and training steps."""

import contextlib
import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone, load_backbone
from ossicle.frozen.cache import StateCache, as_numbers
from ossicle.frozen.cut import find_cut, run_to_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import build_head
from ossicle.inference import AdapterBank
from ossicle.recipes.recipe import Recipe
from speed.bench import Action, Wave
from speed.sizes import CLASSES


def adapted(backbone: str | Backbone, recipe: str, device: str) -> AdaptedModel:
    """Return a recipe on a backbone of its own, with a linear head on the mean over time."""
    own, plan = own_backbone(backbone, device), Recipe.parse(recipe)
    with torch.device(device):
        head = build_head("mean", plan.seen_by_head(own.anatomy), CLASSES)
    return attach(own, plan, head)


def own_backbone(backbone: str | Backbone, device: str) -> Backbone:
    """Return a new backbone of a name, or a copy of one."""
    if isinstance(backbone, str):
        return load_backbone(backbone, device=device)
    return copy.deepcopy(backbone)


def forward_pass(name: str, waves: Sequence[Wave], device: str, **options: Any) -> Action:
    """Return ossicle's forward pass without gradients and without any adapter."""
    backbone = load_backbone(name, device=device, **options)
    values, lengths = (part.to(device) for part in backbone.batch(waves))
    return torch.no_grad()(lambda: backbone(values, lengths))


def training_step(
    outputs: Callable[[], Tensor], parameters: Sequence[nn.Parameter], dtype: torch.dtype | None
) -> Action:
    """Return a step with fused AdamW, the optimiser of ossicle and of transformers' trainer.

    Args:
        outputs: The forward pass: (B, C).
        parameters: Parameters to train.
        dtype: Dtype of the forward pass under autocast; None: float32.
    """
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    device = parameters[0].device.type

    def step() -> None:
        optimizer.zero_grad()
        with autocast(device, dtype):
            logits = outputs()
        target = torch.arange(len(logits), device=logits.device) % CLASSES
        nn.functional.cross_entropy(logits.float(), target).backward()
        optimizer.step()

    return step


def autocast(device: str, dtype: torch.dtype | None) -> contextlib.AbstractContextManager[Any]:
    """Return the context of a forward pass; None is float32."""
    return contextlib.nullcontext() if dtype is None else torch.autocast(device, dtype)


def in_precision(action: Action, device: str, dtype: torch.dtype | None) -> Action:
    """Return the same action under autocast."""

    def run() -> None:
        with autocast(device, dtype):
            action()

    return run


def open_cache(model: AdaptedModel, folder: str) -> StateCache:
    """Return the cache of a model's states in a folder; recipes with the same cut share it."""
    facts = {"cut": str(find_cut(model)), "width": model.backbone.anatomy.width}
    return StateCache(Path(folder), 10**12, facts, {})


def fill_cache(model: AdaptedModel, waves: Sequence[Wave], folder: str) -> StateCache:
    """Write the states of waves to a folder in float16, under their numbers."""
    cache, rows = open_cache(model, folder), [model.backbone.row(wave) for wave in waves]
    for number, state in enumerate(run_to_cut(model.backbone, rows, find_cut(model))):
        cache.put(f"{number:032}", as_numbers(state.cpu().numpy(), "float16"), rows[number][1])
    return cache


def our_step(
    model: AdaptedModel,
    waves: Sequence[Wave],
    folder: str | None,
    dtype: torch.dtype | None = None,
) -> Action:
    """Return a step as `ossicle train` takes it: from waves, or from states cached in a folder."""
    cache = None if folder is None else fill_cache(model, waves, folder)
    return step_on_rows(model, [model.backbone.row(wave) for wave in waves], cache, dtype)


def step_on_rows(
    model: AdaptedModel,
    rows: Sequence[Any],
    cache: StateCache | None,
    dtype: torch.dtype | None = None,
) -> Action:
    """Return a step on rows, or on as many numbered entries of a cache."""
    frozen = FrozenPart(find_cut(model), cache, "float16")

    def items() -> list[BatchRow]:
        if cache is None:
            return [BatchRow.of(row) for row in rows]
        found = [cache.get(f"{number:032}") for number in range(len(rows))]
        states = [(torch.from_numpy(one[0]).float(), one[1]) for one in found if one]
        return [BatchRow(None, state, length, None) for state, length in states]

    model.train()

    def outputs() -> Tensor:
        return frozen.outputs(model, items()).values

    return training_step(outputs, list(model.trainable().values()), dtype)


def bank_of(backbone: str | Backbone, recipe: str, count: int, device: str) -> AdapterBank:
    """Return a bank of several adapters of one recipe, each with random weights of its own."""
    model = adapted(backbone, recipe, device)
    bank = AdapterBank(own_backbone(backbone, device))
    for number in range(count):
        tensors = {key: torch.randn_like(value) * 0.02 for key, value in model.trainable().items()}
        bank.add(f"a{number}", model.recipe, "mean", CLASSES, tensors)
    return bank
