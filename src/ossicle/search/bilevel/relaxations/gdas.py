"""The relaxation of GDAS: one candidate a step, with the gradient of all.

    s = softmax((a + n) / tau),   n ~ Gumbel(0, 1)
    g = one-hot(argmax s),        dg/da = ds/da

Source: Dong and Yang 2019, https://arxiv.org/abs/1910.04465.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.search.bilevel.options import with_defaults
from ossicle.search.bilevel.relaxations.gumbel_darts import TEMPERATURES, GumbelSoftmax
from ossicle.search.bilevel.relaxations.relaxation import Moment
from ossicle.settings import Setting


class OneHot(GumbelSoftmax):
    """One random gate is 1, the others are 0."""

    name: ClassVar[str] = "gdas"
    options: ClassVar[Mapping[str, Setting]] = (
        with_defaults(order="first", starts_with="weights") | TEMPERATURES
    )

    def gates(self, logits: Float[Tensor, " K"], layer: int, moment: Moment) -> Float[Tensor, " K"]:
        """Return one-hot(argmax s), with the gradient of s."""
        soft = super().gates(logits, layer, moment)
        hard = torch.zeros_like(soft).index_fill(0, soft.argmax(), 1.0)
        return hard + (soft - soft.detach())
