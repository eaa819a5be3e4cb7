"""Fair-DARTS: sigmoid gates, so that candidates do not compete.

Equations: `ossicle.search.bilevel.relaxations.fair_darts`.
Source: Chu et al. 2020, https://arxiv.org/abs/1911.12126
"""

from collections.abc import Mapping
from typing import ClassVar

from ossicle.search.bilevel.relaxations import Sigmoid
from ossicle.search.bilevel.strategy import Bilevel
from ossicle.settings import Setting


class FairDarts(Bilevel):
    """Fair-DARTS: sigmoid gates, so that candidates do not compete."""

    name: ClassVar[str] = Sigmoid.name
    about: ClassVar[str] = "Fair-DARTS: sigmoid gates, so that candidates do not compete."
    source: ClassVar[str] = "Chu et al. 2020, https://arxiv.org/abs/1911.12126"
    options: ClassVar[Mapping[str, Setting]] = Sigmoid.options
