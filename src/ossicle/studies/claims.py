"""What four publications claim, asked of one backbone and corpus: a verdict for each claim."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from ossicle.errors import RunError
from ossicle.reports.parts import Section
from ossicle.settings import Help, Limits, check_value
from ossicle.studies.analysis.listed import chosen_claims, content
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.studies.values import OWN, numbers, whole_numbers
from ossicle.training.config import COUNT, RATE
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

SIZES = Limits(choices=("quick", "full"))
PREPARED = {  # settings of a run that the study fills in, and the option that gives them
    **dict.fromkeys(("lr", "epochs"), "settings"),
    **{"shots": "shots", "parent": "from"},
}


@dataclass(frozen=True, kw_only=True)
class Claims(Study):
    """Chooses rate and epochs of each recipe on validation, trains it with all seeds, and judges.

    The first trials choose: they are trained and validated, but not tested. `following` declares
    those with the chosen settings.
    """

    name: ClassVar[str] = "claims"
    about: ClassVar[str] = "what four publications claim of adapters, with a verdict for each claim"
    verb: ClassVar[str] = "Test"
    source: ClassVar[str] = (
        "Lin et al. 2024, Inoue et al. 2024, Lashkarashvili et al. 2024, Cappellazzo et al. 2023"
    )
    without: ClassVar[tuple[str, ...]] = ("recipes", "budget", "baseline", "settings", "shots")
    refusals_are_results: ClassVar[bool] = True
    gathered: ClassVar[tuple[str, ...]] = ("lr", "epochs")
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)
    backbones: ClassVar[tuple[str, ...]] = ("tiny-hubert",)
    data: ClassVar[tuple[str, ...]] = ("demo",)

    only: Annotated[
        str,
        Help(
            "Claims to ask, separated by commas: D3a, D3 for all of D3, D for all of its "
            "publication. Default: all that can be asked.",
            OWN,
        ),
    ] = ""
    size: Annotated[
        str,
        Help(
            "Size of the grid of rates and epochs, and of few-shot, scaling and search: quick or "
            "full.",
            OWN,
        ),
        SIZES,
    ] = "quick"
    lr: Annotated[
        str, Help("Rates to try, separated by commas. Default: those of --size.", OWN)
    ] = ""
    epochs: Annotated[
        str, Help("Numbers of epochs to try, separated by commas. Default: those of --size.", OWN)
    ] = ""
    domains: Annotated[
        str,
        Help(
            "Two data strings with the same labels, separated by a semicolon: the source and the "
            "target domain of claims about adaptation in two stages.",
            OWN,
        ),
    ] = ""

    def __post_init__(self) -> None:
        check_value("size", self.size, (str,), SIZES, RunError)
        chosen_claims(self.only)
        if self.lr:
            numbers("lr", self.lr, RATE)
        if self.epochs:
            whole_numbers("epochs", self.epochs, COUNT)
        if self.domains and len(self.pair) != 2:
            raise RunError(
                f"--domains has {len(self.pair)} data strings; expected two, separated by a "
                "semicolon: the source and the target"
            )
        if len({*self.pair}) == 1:
            raise RunError(
                f"--domains has '{self.pair[0]}' twice; expected two different domains: the source "
                "and the target"
            )

    @property
    def pair(self) -> tuple[str, ...]:
        """The data strings of the source and the target domain; empty without domains."""
        return tuple(one.strip() for one in self.domains.split(";") if one.strip())

    @property
    def own_data(self) -> tuple[str, ...]:
        """The data strings of the domains."""
        return self.pair

    def with_own_data(self, data: Sequence[str]) -> "Claims":
        """Return the study with other domains."""
        return replace(self, domains="; ".join(data))

    def data_used(self, data: Sequence[str]) -> list[str]:
        """Return the domains, after the data of other claims if any are asked."""
        plain = any(one.study != "domains" for one in chosen_claims(self.only))
        return [*(data if plain else ()), *self.pair]

    def filled(self, grid: Grid) -> Grid:
        """Return the grid, which has no recipes.

        Raises:
            RunError: it has recipes, a budget, a baseline, or settings that the study chooses; or
                data or domains of which no claim is asked.
        """
        if grid.recipes:
            raise RunError(
                "the study claims takes its recipes from the claims; leave --recipes out. --only "
                "chooses among claims"
            )
        for option, values in (("budget", grid.budgets), ("baseline", grid.baselines)):
            if values:
                raise RunError(
                    f"the study claims has recipes and budgets of its own; leave --{option} out"
                )
        given = [name for name in PREPARED if getattr(grid.config, name) is not None]
        if given:
            raise RunError(
                f"the study claims sets {given[0]} itself; leave --{PREPARED[given[0]]} out. "
                "--size says how, and --lr and --epochs from which rates and epochs it chooses"
            )
        self._check_used(grid)
        return grid

    def _check_used(self, grid: Grid) -> None:
        """Raise unless claims are asked of the domains, and of the data, that are given."""
        on_domains = [one.study == "domains" for one in chosen_claims(self.only)]
        if self.pair and not any(on_domains):
            raise RunError(
                "--domains is for the claims C4a, C4b and C4c, and --only leaves them out; add C4 "
                "to --only, or leave --domains out"
            )
        if not all(on_domains):
            return
        if grid.data not in ((), self.data):
            raise RunError(
                "the claims of --only are asked of --domains, not of --data; leave --data out, or "
                "add claims to --only"
            )
        if grid.folds is not None:
            raise RunError(
                "the claims of --only are asked of --domains, of which each has its own split; "
                "leave --folds out"
            )

    def remarks(self, grid: Grid) -> list[str]:
        """Return which claims cannot be asked, and whether seeds are too few to decide any."""
        from ossicle.studies.replication.plan import remarks

        return remarks(self, self.filled(grid))

    def trials(self, grid: Grid) -> list[Trial]:
        """Return the trials that need no chosen settings.

        Raises:
            OssicleError: bad input, or no claim can be asked of these data.
        """
        from ossicle.studies.replication.plan import first_trials  # imports torch

        return first_trials(self, self.filled(grid))

    def following(self, grid: Grid, outcomes: Sequence[Outcome]) -> list[Trial]:
        """Return the trials with the settings that earlier ones have chosen."""
        from ossicle.studies.replication.plan import chosen_trials

        return chosen_trials(self, self.filled(grid), outcomes)

    def outlook(self, grid: Grid) -> str:
        """Return how many trials follow."""
        from ossicle.studies.replication.plan import expected

        return expected(self, self.filled(grid))

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdicts and the sections of the report."""
        from ossicle.studies.replication.report import report_claims

        return report_claims(self, outcomes)

    @property
    def grid_of_settings(self) -> tuple[list[float], list[int]]:
        """The rates and the numbers of epochs that are tried."""
        size = content()["sizes"][self.size]
        return (
            list(numbers("lr", self.lr, RATE)) if self.lr else size["rates"],
            list(whole_numbers("epochs", self.epochs, COUNT)) if self.epochs else size["epochs"],
        )
