"""The interface of a study: the trials that it declares, and the analysis of their results."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ossicle.reports.parts import Section
from ossicle.studies.grid import Grid
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A declared grid of trials and an analysis. Subclasses are frozen dataclasses.

    The fields of a subclass are its options: each has a default, and an annotation that holds its
    help text, as in `TrainConfig`. An option replaces the option of `train` with the same name.

    Attributes:
        name: Its name in `ossicle study NAME`.
        about: What it varies, in one sentence.
        source: The publication whose experiment it follows; empty without one.
        recipes: Recipes that are compared where none are given.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str] = ""
    recipes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def trials(self, grid: Grid) -> list[Trial]:
        """Return the trials, in the order in which they should be run.

        Raises:
            OssicleError: an option is wrong, or no trial is valid; the message gives each reason.
        """

    @abstractmethod
    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict in sentences, and the sections of the report.

        Args:
            outcomes: The outcomes of all trials, in their order; some may be missing or failed.
        """
