"""The run that a stage starts from: a copy of it is kept in the folder of the new run.

RUN/parent/         adapter.safetensors, recipe.json, config.json, split.json, versions.json and
                    metrics.json of the parent run
RUN/parent/parent/  those of the parent's parent, and so on
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ossicle.training.config import TrainConfig

PARENT: Final = "parent"


@dataclass(frozen=True)
class Parent:
    """A finished run that a stage starts from.

    Attributes:
        folder: Its folder: the original, or the copy in the folder of the new run.
        config: Its settings.
        places: Where relative paths of its data may start.
        earlier: The run that it started from itself; None for a first stage.
    """

    folder: Path
    config: TrainConfig
    places: tuple[Path, ...]
    earlier: "Parent | None" = None

    @property
    def stages(self) -> tuple["Parent", ...]:
        """This run and those before it, the first stage first."""
        return (*(self.earlier.stages if self.earlier else ()), self)
