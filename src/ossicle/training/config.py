"""The settings of a run: plain data, kept in `config.json`."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from ossicle.errors import RunError, did_you_mean

SEEDS: Final = 2**32  # what numpy's generator takes


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the outcome of a run.

    Attributes:
        backbone: A shipped name (`tiny-hubert`), a hub id, a folder or `config:<name>`.
        recipe: A preset, an expression or a recipe file.
        data: Reader and options, e.g. `esc50:PATH?test_fold=5`.
        task: What is to be predicted: one of `ossicle.tasks.TASKS`.
        head: One of `ossicle.heads.HEADS`; None: the task's first.
        epochs: Times every training recording is seen.
        batch_size: Recordings in a step.
        lr: Learning rate of whatever has none of its own in the recipe, the head included; None:
            each method's default and 1e-3 for the head.
        head_lr: Learning rate of the head; None: `lr`.
        weight_decay: Of AdamW, on matrices alone.
        warmup: Fraction of all steps over which the rate rises from 0; it then falls to 0.
        max_seconds: Longer recordings are cropped at random in training, and evaluated in windows.
        seed: Of the new parameters, the order, the crops and dropout.
        drop_short: Leave out recordings that have fewer frames than their transcript needs.
        stochastic: Keep dropout and SpecAugment of the backbone in training.
        device: `auto`, `cpu`, `cuda`, ...
    """

    backbone: str
    recipe: str
    data: str
    task: str = "classification"
    head: str | None = None
    epochs: int = 10
    batch_size: int = 16
    lr: float | None = None
    head_lr: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_seconds: float = 10.0
    seed: int = 0
    drop_short: bool = False
    stochastic: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "max_seconds", "lr", "head_lr")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise RunError(f"{name} is {value}; it must be positive")
        if not 0 <= self.weight_decay < math.inf:
            raise RunError(f"weight_decay is {self.weight_decay}; it must be 0 or more")
        if not 0 <= self.seed < SEEDS:
            raise RunError(f"seed is {self.seed}; it must lie from 0 to {SEEDS - 1}")
        if not 0 <= self.warmup < 1:
            raise RunError(f"warmup is {self.warmup}; it is a fraction of all steps, below 1")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_dict` described.

        Raises:
            RunError: an unknown or missing entry.
        """
        known = [field.name for field in fields(cls)]
        for key in data:
            if key not in known:
                raise RunError(f"a run has no setting '{key}'.{did_you_mean(key, known)}")
        try:
            return cls(**data)
        except TypeError as error:
            raise RunError(f"the configuration of the run cannot be used: {error}") from error
