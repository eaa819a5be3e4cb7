"""Search for an adapter: which method, in which layers, how large, for given data and budget.

To add a strategy, add its file and an entry of the tuple.
"""

from typing import Any, Final

from ossicle.search.darts import Darts
from ossicle.search.fair_darts import FairDarts
from ossicle.search.gdas import Gdas
from ossicle.search.gumbel_darts import GumbelDarts
from ossicle.search.nsga2 import NSGA2
from ossicle.search.probe import Probe
from ossicle.search.random import Random
from ossicle.search.s3delta import S3Delta
from ossicle.search.strategy import Problem, Strategy
from ossicle.search.tpe import TPE
from ossicle.search.uniform import Uniform
from ossicle.settings import parse

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    strategy.name: strategy
    for strategy in (
        TPE,
        NSGA2,
        Darts,
        Gdas,
        GumbelDarts,
        FairDarts,
        S3Delta,
        Uniform,
        Random,
        Probe,
    )
}
CONTROLS: Final = tuple(name for name, one in STRATEGIES.items() if one.is_control)


def parse_strategy(text: str) -> tuple[type[Strategy], dict[str, Any]]:
    """Return the strategy of an expression such as `darts(order=second)`, and all its settings.

    Raises:
        RunError: there is no such strategy or setting.
    """
    known = {name: one.options for name, one in STRATEGIES.items()}
    name, values = parse(text, "strategy", known)
    return STRATEGIES[name], values


def build_strategy(text: str, problem: Problem) -> Strategy:
    """Return the strategy of an expression for a problem.

    Raises:
        RunError: there is no such strategy or setting.
        SearchError: it cannot search for this.
    """
    strategy, values = parse_strategy(text)
    return strategy(problem, **values)


__all__ = ["CONTROLS", "STRATEGIES", "Problem", "Strategy", "build_strategy", "parse_strategy"]
