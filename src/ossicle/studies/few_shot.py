"""How many labelled recordings of each class a method needs; seeds are the draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from ossicle.reports.parts import Section
from ossicle.settings import Help
from ossicle.studies.grid import Cell
from ossicle.studies.study import Study
from ossicle.studies.values import OWN, whole_numbers
from ossicle.training.config import COUNT
from ossicle.trials.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class FewShot(Study):
    """Trains on k recordings of each class; the draw of k is part of the draw of 2k."""

    name: ClassVar[str] = "few-shot"
    about: ClassVar[str] = "training recordings of each class"
    source: ClassVar[str] = "Cappellazzo et al. 2023, table II"
    recipes: ClassVar[tuple[str, ...]] = ("ast/table-2",)

    shots: Annotated[
        str,
        Help(
            "Numbers of training recordings of each class, separated by commas. A seed is a draw, "
            "and the draws of a seed are nested.",
            OWN,
        ),
    ] = "1,2,4,8"

    def __post_init__(self) -> None:
        whole_numbers("shots", self.shots, COUNT)

    def cells(self, recipes: Sequence[Cell]) -> list[Cell]:
        """Return each recipe with each number of recordings."""
        shots = whole_numbers("shots", self.shots, COUNT)
        return [one.with_value("shots", k, shots=k) for k in shots for one in recipes]

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.plots import curves
        from ossicle.studies.results import results

        plot = partial(
            curves,
            over="shots",
            title="By training recordings of each class",
            axis="training recordings of each class",
        )
        return results(outcomes, plots=[plot])
