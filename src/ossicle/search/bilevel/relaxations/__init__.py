"""Ways to compute gates from logits during a search. One file each."""

from collections.abc import Mapping
from typing import Final

from ossicle.search.bilevel.relaxations.darts import Softmax
from ossicle.search.bilevel.relaxations.fair_darts import Sigmoid
from ossicle.search.bilevel.relaxations.gdas import OneHot
from ossicle.search.bilevel.relaxations.gumbel_darts import GumbelSoftmax
from ossicle.search.bilevel.relaxations.relaxation import Choices, Moment, Relaxation
from ossicle.search.bilevel.relaxations.s3delta import UnderBudget

RELAXATIONS: Final[Mapping[str, type[Relaxation]]] = {
    one.name: one for one in (Softmax, OneHot, GumbelSoftmax, Sigmoid, UnderBudget)
}

__all__ = [
    "RELAXATIONS",
    "Choices",
    "GumbelSoftmax",
    "Moment",
    "OneHot",
    "Relaxation",
    "Sigmoid",
    "Softmax",
    "UnderBudget",
]
