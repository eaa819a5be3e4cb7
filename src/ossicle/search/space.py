"""What black-box strategies choose from, with Optuna: a point of the space is a recipe.

    method            a candidate, or two of them together
    sites of NAME     where a candidate is inserted, if its method allows several places
    lowest, highest   the range of layers
    share             of the budget
    rate              factor on the learning rate of each method

Optuna is used by ask and tell. Each wave has a study of its own, which is told all earlier results
and whose sampler is seeded by the problem and the wave. So proposals depend on the results alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final
from warnings import catch_warnings, simplefilter

from ossicle.errors import BudgetError
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.search.candidates import fitted
from ossicle.search.strategy import Candidate, Problem
from ossicle.training.config import TrainConfig

if TYPE_CHECKING:
    from optuna import Study, Trial

LINEARS: Final = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.in", "ffn.out")
SITES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "lora": (("attn.q", "attn.v"), LINEARS[:4], LINEARS[4:], LINEARS),
    "bottleneck": (("ffn",), ("attn",), ("attn", "ffn")),
}
LEAST_SHARE: Final = 0.125
RATES: Final = (0.2, 5.0)
TRIES: Final = 50  # points that are drawn for one that can be trained
JOINED: Final = " + "


class Space:
    """The points that a problem has."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._adapters = {one.name: one for one in problem.candidates if one.recipe.placements}
        pairs = (JOINED.join(pair) for pair in combinations(self._adapters, 2))
        self._methods = [*self._adapters, *pairs]

    def starts(self) -> list[dict[str, Any]]:
        """Return the points that are every candidate in all layers, at the whole budget."""
        top = self._problem.layers - 1
        starts = []
        for name, candidate in self._adapters.items():
            start = {"method": name, "lowest": 0, "highest": top, "share": 1.0, "rate": 1.0}
            places = self._places(candidate)
            starts.append(start | ({_sites_of(name): _text(places[0])} if places[1:] else {}))
        return starts

    def draw(self, study: "Study") -> "tuple[Trial, TrainConfig, dict[int, str]] | None":
        """Return a point that can be trained, with its settings and its choice by layer.

        None: `TRIES` points in a row cannot meet the budget.
        """
        from optuna.trial import TrialState

        for _ in range(TRIES):
            trial = study.ask()
            try:
                return trial, *self._settings(trial)
            except BudgetError:
                study.tell(trial, state=TrialState.FAIL)
        return None

    def _settings(self, trial: "Trial") -> tuple[TrainConfig, dict[int, str]]:
        """Return the settings of a point, and its choice by layer."""
        problem, top = self._problem, self._problem.layers - 1
        method = trial.suggest_categorical("method", self._methods)
        names = str(method).split(JOINED)
        recipes = [self._placed(trial, name) for name in names]
        ends = sorted(trial.suggest_int(name, 0, top) for name in ("lowest", "highest"))
        share = trial.suggest_float("share", LEAST_SHARE, 1.0, log=True)
        rate = trial.suggest_float("rate", *RATES, log=True)
        layers = None if ends == [0, top] else f"{ends[0]}:{ends[1] + 1}"
        placements = [
            replace(one, layers=layers, lr=self._rate(one, rate))
            for recipe in recipes
            for one in recipe.placements
        ]
        recipe = fitted(problem.backbone, Recipe(*placements), round(share * problem.budget))
        choice = dict.fromkeys(range(ends[0], ends[1] + 1), "+".join(names))
        return replace(problem.config, recipe=str(recipe)), choice

    def _placed(self, trial: "Trial", name: str) -> Recipe:
        """Return the recipe of a candidate at the sites of a point."""
        candidate = self._adapters[name]
        places = self._places(candidate)
        if len(places) == 1:
            return candidate.recipe
        at = trial.suggest_categorical(_sites_of(name), [_text(one) for one in places])
        (placement,) = candidate.recipe.placements
        return Recipe(replace(placement, at=tuple(str(at).split(","))))

    def _places(self, candidate: Candidate) -> list[tuple[str, ...]]:
        """Return the sites where a candidate can be inserted, its own first."""
        placements = candidate.recipe.placements
        own = placements[0].at
        if len(placements) > 1 or placements[0].reads is not None:
            return [own]
        known = set(self._problem.backbone.anatomy.site_names)
        others = SITES.get(placements[0].method.name, ())
        return [own, *(at for at in others if at != own and known.issuperset(at))]

    def _rate(self, placement: Placement, factor: float) -> float | None:
        """Return the learning rate of a placement, with three digits; its own for a factor of 1."""
        if factor == 1:
            return placement.lr
        rate = placement.lr or self._problem.config.lr or placement.method.default_lr
        return float(f"{factor * rate:.3g}")


def _sites_of(name: str) -> str:
    return f"sites of {name}"


def _text(sites: Sequence[str]) -> str:
    return ",".join(sites)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Optuna logs, and its warnings of features that may change, from the user."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with catch_warnings():
            simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
