"""S3Delta: random sigmoid gates under a budget of parameters.

Equations: `ossicle.search.bilevel.relaxations.s3delta`.
Source: Hu et al. 2022, https://arxiv.org/abs/2206.07382
"""

from collections.abc import Mapping
from typing import ClassVar

from ossicle.search.bilevel.relaxations import UnderBudget
from ossicle.search.bilevel.strategy import Bilevel
from ossicle.settings import Setting


class S3Delta(Bilevel):
    """S3Delta: random sigmoid gates under a budget of parameters."""

    name: ClassVar[str] = UnderBudget.name
    about: ClassVar[str] = "S3Delta: random sigmoid gates under a budget of parameters."
    source: ClassVar[str] = "Hu et al. 2022, https://arxiv.org/abs/2206.07382"
    options: ClassVar[Mapping[str, Setting]] = UnderBudget.options
