"""Any recipes on the same recordings: which method is best here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ossicle.reports.parts import Section
from ossicle.studies.study import Study
from ossicle.trials.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Methods(Study):
    """Compares recipes."""

    name: ClassVar[str] = "methods"
    about: ClassVar[str] = "recipes"

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.results import results

        return results(outcomes)
