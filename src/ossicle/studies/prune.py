"""What pruning leaves of an adapter, and what it still can do at each size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits, check_value
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.studies.values import OWN, numbers
from ossicle.training.config import COUNT
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

SHARES = Limits(0, 1, above=True, below=True)
UNITS = Limits(choices=("widths", "adapters"))


@dataclass(frozen=True, kw_only=True)
class Prune(Study):
    """Trains each recipe, prunes it in several ways to several sizes, and trains it on."""

    name: ClassVar[str] = "prune"
    about: ClassVar[str] = "ways to prune an adapter, and shares of it to keep"
    recipes: ClassVar[tuple[str, ...]] = ("elp/elp", "ser/lora+ba+ws+wg")
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)

    ways: Annotated[
        str,
        Help(
            "Ways to prune, separated by commas: sensitivity, taylor, gates, magnitude, random.",
            OWN,
        ),
    ] = "taylor,sensitivity,magnitude,random"
    shares: Annotated[str, Help("Shares of the parameters to keep, separated by commas.", OWN)] = (
        "0.5,0.25,0.1"
    )
    unit: Annotated[
        str,
        Help("What is removed: widths (ranks and widths within adapters) or adapters.", OWN),
        UNITS,
    ] = "widths"
    train_on: Annotated[
        int | None,
        Help("Epochs to train on after pruning. Default: as many as before it.", OWN),
        COUNT,
    ] = None

    def __post_init__(self) -> None:
        numbers("shares", self.shares, SHARES)
        check_value("unit", self.unit, (str,), UNITS)

    def trials(self, grid: Grid) -> list[Trial]:
        """Return the trials: each recipe, then what starts from it or is compared with it.

        Raises:
            OssicleError: a recipe, a way to prune or the data cannot be read, or the grid asks for
                what this study does not have.
        """
        from ossicle.studies.pruning.plan import declared  # imports torch

        for name, given in {"budget": grid.budgets, "baseline": grid.baselines}.items():
            if given:
                raise RunError(
                    f"the study prune compares sizes of one adapter; leave --{name} out. --shares "
                    "lists the sizes"
                )
        return declared(self, self.filled(grid))

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.pruning.report import report_pruning

        return report_pruning(outcomes)
