"""A trial: one computation of a study, and what tells it from the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ossicle.training.config import TrainConfig

Label: TypeAlias = str | int | float
TRAINING: Final = ("train", "outputs")  # runners that train the recipe of a trial


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One computation of a study.

    Attributes:
        config: Settings of the run.
        labels: What tells the trial from the others of its study, by column, such as `recipe`,
            `seed` and `fold`. They do not decide the outcome and are not part of its name.
        runner: What runs it: an entry of `ossicle.trials.runners.RUNNERS`.
        settings: Settings of the runner, by name; training has none.
    """

    config: TrainConfig
    labels: Mapping[str, Label]
    runner: str = "train"
    settings: Mapping[str, Label] = field(default_factory=dict)
