"""DARTS: softmax gates over whole layers, and gates trained through a step of the weights.

Equations: `ossicle.search.bilevel.relaxations.darts`.
Source: Liu et al. 2019, https://arxiv.org/abs/1806.09055
"""

from collections.abc import Mapping
from typing import ClassVar

from ossicle.search.bilevel.relaxations import Softmax
from ossicle.search.bilevel.strategy import Bilevel
from ossicle.settings import Setting


class Darts(Bilevel):
    """DARTS: softmax gates over whole layers, and gates trained through a step of the weights."""

    name: ClassVar[str] = Softmax.name
    about: ClassVar[str] = (
        "DARTS: softmax gates over whole layers, and gates trained through a step of the weights."
    )
    source: ClassVar[str] = "Liu et al. 2019, https://arxiv.org/abs/1806.09055"
    options: ClassVar[Mapping[str, Setting]] = Softmax.options
