"""DARTS with Gumbel noise, and a temperature that falls.

Equations: `ossicle.search.bilevel.relaxations.gumbel_darts`.
Source: Jang et al. 2017, https://arxiv.org/abs/1611.01144
"""

from collections.abc import Mapping
from typing import ClassVar

from ossicle.search.bilevel.relaxations import GumbelSoftmax
from ossicle.search.bilevel.strategy import Bilevel
from ossicle.settings import Setting


class GumbelDarts(Bilevel):
    """DARTS with Gumbel noise, and a temperature that falls."""

    name: ClassVar[str] = GumbelSoftmax.name
    about: ClassVar[str] = "DARTS with Gumbel noise, and a temperature that falls."
    source: ClassVar[str] = "Jang et al. 2017, https://arxiv.org/abs/1611.01144"
    options: ClassVar[Mapping[str, Setting]] = GumbelSoftmax.options
