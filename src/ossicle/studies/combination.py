"""Whether several methods together beat the best single one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ossicle.reports.parts import Section
from ossicle.studies.study import Study
from ossicle.trials.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Combination(Study):
    """Compares the presets of a table of Cappellazzo et al. 2023."""

    name: ClassVar[str] = "combination"
    about: ClassVar[str] = "combinations of adapters, LoRA and prompts"
    source: ClassVar[str] = "Cappellazzo et al. 2023, table VI"
    recipes: ClassVar[tuple[str, ...]] = ("ast/table-6",)

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.results import results

        return results(outcomes)
