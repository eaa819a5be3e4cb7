"""The relaxation of DARTS.

    g = softmax(a)

Source: Liu et al. 2019, https://arxiv.org/abs/1806.09055, equation 2.
"""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.search.bilevel.options import OPTIONS
from ossicle.search.bilevel.relaxations.relaxation import Moment, Relaxation
from ossicle.settings import Setting


class Softmax(Relaxation):
    """Gates that sum to 1."""

    name: ClassVar[str] = "darts"
    options: ClassVar[Mapping[str, Setting]] = OPTIONS

    def gates(
        self,
        logits: Float[Tensor, " K"],
        layer: int,  # noqa: ARG002 - the same in all layers
        moment: Moment,  # noqa: ARG002 - the same in all steps
    ) -> Float[Tensor, " K"]:
        """Return softmax(a)."""
        return logits.softmax(0)

    def strengths(self, logits: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return softmax(a)."""
        return {layer: one.softmax(0) for layer, one in logits.items()}
