"""How the metrics grow with the training recordings, full fine-tuning next to adapters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits
from ossicle.studies.grid import Cell
from ossicle.studies.study import Study
from ossicle.studies.values import OWN, numbers
from ossicle.trials.outcome import Outcome

FRACTIONS = Limits(0, 1, above=True)


@dataclass(frozen=True, kw_only=True)
class DataSize(Study):
    """Trains on nested fractions of the training recordings."""

    name: ClassVar[str] = "data-size"
    about: ClassVar[str] = "fractions of the training recordings"
    source: ClassVar[str] = "Inoue et al. 2024"
    recipes: ClassVar[tuple[str, ...]] = ("full", "linear", "lora", "houlsby")

    train_fraction: Annotated[
        str,
        Help(
            "Fractions of the training recordings of each class, separated by commas. A seed is a "
            "draw, and the draws of a seed are nested.",
            OWN,
        ),
    ] = "0.1,0.25,0.5,1"

    def __post_init__(self) -> None:
        numbers("train_fraction", self.train_fraction, FRACTIONS)

    def cells(self, recipes: Sequence[Cell]) -> list[Cell]:
        """Return each recipe with each fraction."""
        return [
            # All recordings: as in studies without fractions, so that trials can be shared.
            one.with_value("fraction", part, train_fraction=None if part == 1 else part)
            for part in numbers("train_fraction", self.train_fraction, FRACTIONS)
            for one in recipes
        ]

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.plots import curves
        from ossicle.studies.results import results

        plot = partial(
            curves,
            over="fraction",
            title="By fraction of the training recordings",
            axis="fraction of the training recordings",
        )
        return results(outcomes, plots=[plot])
