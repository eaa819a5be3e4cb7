"""A trial: one computation of a study, and what tells it from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ossicle.training.config import TrainConfig

Label: TypeAlias = str | int | float
BEFORE: Final = "the trial before"
# Runners that train the recipe of a trial
TRAINING: Final = ("train", "validated", "outputs", "domains")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One computation of a study.

    Attributes:
        config: Settings of the run.
        labels: What tells the trial from the others of its study, by column, such as `recipe`,
            `seed` and `fold`. They do not decide the outcome and are not part of its name.
        runner: What runs it: an entry of `ossicle.trials.runners.RUNNERS`.
        settings: Settings of the runner, by name; training has none.
        after: The trial whose run it starts from, which comes before it among the trials of a
            study. `config.parent` is `BEFORE`, and the folder of that trial when it runs.
    """

    config: TrainConfig
    labels: Mapping[str, Label]
    runner: str = "train"
    settings: Mapping[str, Label] = field(default_factory=dict)
    after: "Trial | None" = None

    @property
    def depth(self) -> int:
        """Number of trials that it starts from, one after the other."""
        return 0 if self.after is None else self.after.depth + 1


def names_of_parents(trials: Sequence[Trial], names: Sequence[str]) -> list[str | None]:
    """Return the name of the trial that each starts from; None of one that starts from none.

    Args:
        trials: The trials.
        names: The name of each.

    Raises:
        ValueError: a trial starts from one that does not come before it.
    """
    name_of: dict[int, str] = {}
    found: list[str | None] = []
    for trial, name in zip(trials, names, strict=True):
        if trial.after is not None and id(trial.after) not in name_of:
            raise ValueError(f"The trial {dict(trial.labels)} does not follow the one before it.")
        found.append(None if trial.after is None else name_of[id(trial.after)])
        name_of[id(trial)] = name
    return found


def names_of_roots(trials: Sequence[Trial], names: Sequence[str]) -> list[str]:
    """Return the name of the first trial of the chain that each ends, maybe its own.

    Raises:
        ValueError: a trial starts from one that does not come before it.
    """
    root_of: dict[str, str] = {}
    for name, parent in zip(names, names_of_parents(trials, names), strict=True):
        root_of[name] = name if parent is None else root_of[parent]
    return [root_of[name] for name in names]
