"""Softmax with Gumbel noise.

    g = softmax((a + n) / tau),   n ~ Gumbel(0, 1),   tau from `tau_first` to `tau_last`

a are the logits. The temperature falls exponentially over the iterations. Source: Jang et al. 2017,
https://arxiv.org/abs/1611.01144.
"""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.search.bilevel.options import OPTIONS
from ossicle.search.bilevel.relaxations.darts import Softmax
from ossicle.search.bilevel.relaxations.relaxation import Moment, gumbel
from ossicle.settings import Setting

TEMPERATURES: dict[str, Setting] = {
    "tau_first": Setting("temperature at the first step", 10.0, low=1e-3, high=1e3),
    "tau_last": Setting("temperature at the last step", 0.1, low=1e-3, high=1e3),
}


class GumbelSoftmax(Softmax):
    """Noisy gates that sum to 1."""

    name: ClassVar[str] = "gumbel-darts"
    options: ClassVar[Mapping[str, Setting]] = OPTIONS | TEMPERATURES

    def gates(self, logits: Float[Tensor, " K"], layer: int, moment: Moment) -> Float[Tensor, " K"]:
        """Return softmax((a + n) / tau)."""
        noise = gumbel(logits, layer, moment)
        return ((logits + noise) / self.temperature(moment)).softmax(0)

    def temperature(self, moment: Moment) -> float:
        """Return tau."""
        first, last = float(self.values["tau_first"]), float(self.values["tau_last"])
        return float(first * (last / first) ** moment.progress)
