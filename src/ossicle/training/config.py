"""The settings of a run: plain data, kept in `config.json`."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import NoneType
from typing import Any, Final, Self, get_args, get_type_hints

from ossicle.errors import RunError, did_you_mean
from ossicle.settings import Setting, check_range, parse
from ossicle.training.schedule import build_schedule

BELOW_1: Final = 0.999999
_ADAM: Final = {
    "beta1": Setting("decay of the mean of gradients", 0.9, low=0, high=BELOW_1),
    "beta2": Setting("decay of the mean of their squares", 0.999, low=0, high=BELOW_1),
    "eps": Setting("added to the root", 1e-8, low=0, high=1),
    "decay": Setting("what weight decay is on", "matrices", ("matrices", "all")),
}
OPTIMIZERS: Final[dict[str, dict[str, Setting]]] = {"adamw": _ADAM, "adam": _ADAM}
HIGHEST: Final = {  # far beyond what anybody means, and well within what arithmetic can hold
    **dict.fromkeys(("epochs", "batch_size", "batch_seconds", "accumulate", "patience"), 10**6),
    "max_seconds": 10**6,
    **dict.fromkeys(("lr", "head_lr", "weight_decay"), 1000),
    "clip": 10**9,
}
_WORDS: Final[dict[type, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}
DEFAULT_EPOCHS: Final = 10
MOST_DEFAULT_EPOCHS: Final = 100
SEEDS: Final = 2**32  # what numpy's generator takes


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the outcome of a run.

    Attributes:
        backbone: A shipped name (`tiny-hubert`), a hub id, a folder or `config:<name>`.
        recipe: A preset, an expression or a recipe file.
        data: Reader and options, e.g. `esc50:PATH?test_fold=5`.
        task: What is to be predicted: one of `ossicle.tasks.TASKS`, with its settings; None: what
            the data suggest.
        head: One of `ossicle.heads.HEADS`; None: the task's first.
        epochs: Times every training recording is seen; None: `DEFAULT_EPOCHS`, or on few recordings
            as many as give the steps that the task needs (`Task.fewest_steps`), up to
            `MOST_DEFAULT_EPOCHS`.
        batch_size: Recordings in a batch.
        batch_seconds: Most seconds of a batch, padding included, instead of `batch_size`.
        accumulate: Batches in a step of the optimiser.
        lr: Learning rate of whatever has none of its own in the recipe, the head included; None:
            each method's and the head's default.
        head_lr: Learning rate of the head; None: `lr`.
        optimizer: One of `OPTIMIZERS`, with its settings.
        weight_decay: On matrices alone, unless the optimiser is told otherwise.
        schedule: How the rate moves after the warm-up: `ossicle.training.schedule`.
        warmup: Fraction of all steps over which the rate rises from 0.
        clip: Longest gradient, all parameters together; 0: any.
        patience: Epochs without a better one after which the run stops; None: never.
        augment: Augmentations of the training recordings, by comma: `ossicle.data.augment`.
        precision: float32, bfloat16, float16 or auto: of the forward pass.
        cache: What the frozen part makes of recordings is kept: auto (where it pays), off, float32
            or float16: `ossicle.frozen.part`.
        compile: Run what lies above the frozen prefix through `torch.compile`.
        track: Where curves are reported to, by comma; none: nowhere.
        max_seconds: Longer recordings are cropped at random in training, and evaluated in windows.
        seed: Of the new parameters, the order, the crops and dropout.
        drop_short: Leave out recordings that have fewer frames than their transcript needs.
        fast: Let exact shortcuts stand in for frozen modules: `ossicle.backbones.fast`.
        stochastic: Keep dropout and SpecAugment of the backbone in training.
        device: `auto`, `cpu`, `cuda`, ...
    """

    backbone: str
    recipe: str
    data: str
    task: str | None = None
    head: str | None = None
    epochs: int | None = None
    batch_size: int = 16
    batch_seconds: float | None = None
    accumulate: int = 1
    lr: float | None = None
    head_lr: float | None = None
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup: float = 0.1
    clip: float = 1.0
    patience: int | None = None
    augment: str = ""
    precision: str = "float32"
    cache: str = "auto"
    compile: bool = False
    track: str = "tensorboard"
    max_seconds: float = 10.0
    seed: int = 0
    drop_short: bool = False
    fast: bool = True
    stochastic: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            _check_type(name, getattr(self, name), get_args(kind) or (kind,))
        counts = ("epochs", "batch_size", "batch_seconds", "accumulate", "patience")
        for name in (*counts, "max_seconds", "lr", "head_lr"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise RunError(f"{name} is {value}; it must be positive")
        for name in ("weight_decay", "clip"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise RunError(f"{name} is {value}; it must be 0 or more")
        if not 0 <= self.seed < SEEDS:
            raise RunError(f"seed is {self.seed}; it must lie from 0 to {SEEDS - 1}")
        if not 0 <= self.warmup < 1:
            raise RunError(f"warmup is {self.warmup}; it is a fraction of all steps, below 1")
        for name, most in HIGHEST.items():
            if (value := getattr(self, name)) is not None:
                check_range(name, value, 0, most)
        parse(self.optimizer, "optimizer", OPTIMIZERS)
        build_schedule(self.schedule, self.warmup, num_steps=1, epoch_steps=1)

    @property
    def num_epochs(self) -> int:
        """Epochs of the run, as far as the settings say."""
        return DEFAULT_EPOCHS if self.epochs is None else self.epochs

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


def _check_type(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise unless a value is of one of the types; a whole number will do for any number."""
    whole = type(value) is int and float in kinds
    if not whole and type(value) not in kinds:
        words = " or ".join(_WORDS[kind] for kind in kinds)
        raise RunError(f"{name} is {value!r:.60}; it must be {words}")
