"""What going on to another domain gains there, and what it costs on the domains before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.settings import Help
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.studies.values import OWN
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Domains(Study):
    """Trains on each domain alone, on all together, and on one after the other in several ways."""

    name: ClassVar[str] = "domains"
    about: ClassVar[str] = "domains, and ways to go on from one to the next"
    source: ClassVar[str] = "Lashkarashvili et al. 2024"
    recipes: ClassVar[tuple[str, ...]] = ("ser/lora+ba+ws+wg",)
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)

    domains: Annotated[
        str,
        Help(
            "Values of the column --by of one --data, separated by commas, each of which is a "
            "domain. Default: each --data is a domain.",
            OWN,
        ),
    ] = ""
    by: Annotated[str, Help("Column of the recordings that tells domains apart.", OWN)] = "domain"
    orders: Annotated[
        str,
        Help(
            "Orders in which the domains are learnt: a number of different ones, beginning with "
            "that of --domains or --data; all; or written out, as in 'a,b,c; c,b,a'.",
            OWN,
        ),
    ] = "1"
    freeze: Annotated[
        str,
        Help(
            "Modules that stay frozen after the first domain, each set of them in turn: all (every "
            "set of the recipe's methods), each (every method alone, and all together), none, or "
            "sets as for `ossicle train`, separated by semicolons: 'lora; lora,bottleneck'.",
            OWN,
        ),
    ] = "all"
    keeps: Annotated[
        str,
        Help(
            "Ways to keep what was learnt, each in turn: all, none, or as for `ossicle train "
            "--keep`, separated by semicolons: 'ewc(strength=100); replay'.",
            OWN,
        ),
    ] = "all"
    common_labels: Annotated[
        bool, Help("Leave out recordings with labels that not all domains have.", OWN)
    ] = False

    def trials(self, grid: Grid) -> list[Trial]:
        """Return the trials, each after the one that it starts from.

        Raises:
            OssicleError: a recipe or the data cannot be read, the domains have other labels, or
                the grid asks for what this study does not have.
        """
        from ossicle.studies.adaptation.plan import declared  # imports torch

        grid = self.filled(grid)
        for name, given in {"folds": grid.folds, "baseline": grid.baselines}.items():
            if given:
                raise RunError(
                    f"the study domains tests on the split of each domain; leave --{name} out"
                )
        if grid.config.parent is not None:
            raise RunError(
                "the study domains trains its first stages itself; leave --from out. --freeze and "
                "--keeps list the ways to go on from them"
            )
        return declared(self, grid)

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.adaptation.report import report_domains

        return report_domains(outcomes)
