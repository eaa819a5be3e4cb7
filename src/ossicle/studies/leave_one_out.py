"""Which part of a combination matters: all parts, all pairs and triples, each part left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits, check_value
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.studies.values import OWN
from ossicle.trials.outcome import Outcome

PARTS: Final[dict[str, tuple[str, ...]]] = {
    "ser": ("lora", "ba", "ws", "wg"),
    "elp": ("e", "l", "p"),
}
_ELP: Final = {"le": "el", "lp": "lp", "ep": "ep", "elp": "elp"}  # presets, and their parts


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut(Study):
    """Compares a combination of adapters with its parts left out."""

    name: ClassVar[str] = "leave-one-out"
    about: ClassVar[str] = "which parts of a combination of adapters are there"
    source: ClassVar[str] = "Inoue et al. 2024 and Lashkarashvili et al. 2024"

    adapters: Annotated[
        str,
        Help(
            "The combination: ser (LoRA, bottleneck adapters, weighted sum and weighted gate) or "
            "elp (E-, L- and P-adapters).",
            OWN,
        ),
    ] = "ser"

    def __post_init__(self) -> None:
        check_value("adapters", self.adapters, (str,), Limits(choices=tuple(PARTS)))

    def filled(self, grid: Grid) -> Grid:
        """Return the grid with all combinations of two or more parts where no recipes are given."""
        from ossicle.recipes.presets import PRESETS

        if grid.recipes:
            return grid
        if self.adapters == "elp":
            return replace(grid, recipes=tuple(f"elp/{name}" for name in reversed(_ELP)))
        ser = [name for name in PRESETS if name.startswith("ser/") and "+" in name]
        return replace(grid, recipes=tuple(reversed(ser)))

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.results import results

        return results(outcomes)
