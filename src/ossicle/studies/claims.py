"""What four publications claim, asked of one backbone and corpus: a verdict for each claim."""

from collections.abc import Sequence
from dataclasses import dataclass
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
PREPARED = ("lr", "epochs", "shots", "parent")  # settings of a run that the study fills in


@dataclass(frozen=True, kw_only=True)
class Claims(Study):
    """Chooses rate and epochs of each recipe on validation, trains it with all seeds, and judges.

    The first trials choose: they are trained and validated, but not tested. `following` declares
    those with the chosen settings.
    """

    name: ClassVar[str] = "claims"
    about: ClassVar[str] = "what publications claim, with a verdict for each claim"
    source: ClassVar[str] = "claims.toml"
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)
    backbones: ClassVar[tuple[str, ...]] = ("tiny-hubert",)
    data: ClassVar[tuple[str, ...]] = ("demo",)

    only: Annotated[
        str,
        Help(
            "Claims to ask, separated by commas, as in 'A2,D3a'; D3 is all of D3. Default: all "
            "that can be asked.",
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

    @property
    def pair(self) -> tuple[str, ...]:
        """The data strings of the source and the target domain; empty without domains."""
        return tuple(one.strip() for one in self.domains.split(";") if one.strip())

    def filled(self, grid: Grid) -> Grid:
        """Return the grid, which has no recipes.

        Raises:
            RunError: it has recipes, a budget, a baseline, or settings that the study chooses.
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
            option = {"parent": "from", "shots": "shots"}.get(given[0], "settings")
            raise RunError(
                f"the study claims chooses {given[0]} itself; leave --{option} out. --size, or "
                "--lr and --epochs, say what it chooses from"
            )
        return grid

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
