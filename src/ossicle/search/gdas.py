"""GDAS: one randomly drawn candidate in each layer and step.

Equations: `ossicle.search.bilevel.relaxations.gdas`.
Source: Dong and Yang 2019, https://arxiv.org/abs/1910.04465
"""

from collections.abc import Mapping
from typing import ClassVar

from ossicle.search.bilevel.relaxations import OneHot
from ossicle.search.bilevel.strategy import Bilevel
from ossicle.settings import Setting


class Gdas(Bilevel):
    """GDAS: one randomly drawn candidate in each layer and step."""

    name: ClassVar[str] = OneHot.name
    about: ClassVar[str] = "GDAS: one randomly drawn candidate in each layer and step."
    source: ClassVar[str] = "Dong and Yang 2019, https://arxiv.org/abs/1910.04465"
    options: ClassVar[Mapping[str, Setting]] = OneHot.options
