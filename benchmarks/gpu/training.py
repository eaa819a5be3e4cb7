"""Training steps of every method, in two sizes and two precisions."""

import copy
import gc
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final

import torch

from gpu.budget import Task
from gpu.memory import compare
from ossicle.backbones import Backbone, load_backbone
from ossicle.methods import METHODS
from speed.bench import Action, Bench, Figures
from speed.ours import adapted, in_precision, our_step
from speed.sizes import QUICK
from speed.theirs import batch, peft_model, peft_step, stock

CLIPS: Final = (4,) * 8  # seconds
DTYPES: Final[dict[str, torch.dtype | None]] = {"bfloat16": torch.bfloat16, "float32": None}
LARGE: Final = "config:hubert-large"
COMMON: Final = ("lora", "bottleneck", "l-adapter", "weighted-sum", "linear", "full@transformer")
ESTIMATE_S: Final = {"base": 4.0, "large": 8.0}  # of one row; building the models comes on top


class Models:
    """A backbone of one size on the device, as transformers and as ossicle have it."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name

    @cached_property
    def stock(self) -> Any:
        """Transformers' model."""
        return stock(self.name, self.bench.device)

    @cached_property
    def backbone(self) -> Backbone:
        """Ossicle's backbone, without adapters."""
        return load_backbone(self.name, device=self.bench.device)


def models(bench: Bench) -> dict[str, Models]:
    """Return the models of each size; they are made when first used."""
    large = QUICK.base if bench.quick else LARGE
    return {"base": Models(bench, bench.sizes.base), "large": Models(bench, large)}


def tasks(bench: Bench, by_size: dict[str, Models]) -> Iterator[Task]:
    """Yield a task for each size, precision and method; the most important first."""
    others = [method.example or name for name, method in METHODS.items()]
    rest = [one for one in others if one not in (*COMMON, "full")]
    for recipes in (COMMON[:1], COMMON[1:], rest):
        for recipe in recipes:
            for size, models_of_size in by_size.items():
                for precision in DTYPES:
                    yield Task(
                        f"HuBERT {size}, {precision}, {recipe}",
                        ESTIMATE_S[size],
                        row(bench, models_of_size, recipe, DTYPES[precision]),
                    )


def row(
    bench: Bench, models: Models, recipe: str, dtype: torch.dtype | None
) -> Callable[[], Figures]:
    """Return what measures a step of a method; for LoRA, peft's too."""

    def measure() -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            variants = builders(bench, models, recipe, dtype, folder)
            audio_s = sum(bench.duration_s(seconds) for seconds in CLIPS)
            found = compare(bench, variants, audio_s)
        gc.collect()  # models refer to themselves; their memory is for the next row
        if bench.device != "cpu":
            torch.cuda.empty_cache()
        return found

    return measure


def builders(
    bench: Bench, models: Models, recipe: str, dtype: torch.dtype | None, folder: str
) -> dict[str, Callable[[], Action]]:
    """Return what builds each variant: the bare forward pass, peft's steps and ossicle's."""
    device, waves = bench.device, bench.noise(*CLIPS)

    def bare() -> Action:
        values = batch(waves, device)
        forward = torch.no_grad()(lambda: models.stock(values))
        return in_precision(forward, device, dtype)

    def theirs(*, freeze: bool) -> Action:
        model = copy.deepcopy(models.stock)
        wrapped = peft_model(models.name, device, None, freeze=freeze, model=model)
        return peft_step(wrapped, waves, device, dtype)

    def ours(folder: str | None) -> Action:
        return our_step(adapted(models.backbone, recipe, device), waves, folder, dtype)

    with_peft = {
        "peft": lambda: theirs(freeze=False),
        "peft, CNN frozen": lambda: theirs(freeze=True),
    }
    return {
        "bare forward": bare,
        **(with_peft if recipe == "lora" else {}),
        "ossicle": lambda: ours(None),
        "ossicle, cached": lambda: ours(folder),
    }
