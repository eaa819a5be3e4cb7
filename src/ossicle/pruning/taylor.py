"""Taylor: how much the loss would change without a unit, to first order.

    importance of a unit  =  mean over batches of  (sum over its weights of  g_i w_i)^2

g is the gradient of the loss of a batch of training recordings. The sum is the first-order term of
the loss when all weights of the unit go to zero at once, where contributions of opposite sign
cancel. A product of two matrices counts in both.

Source: Molchanov et al. 2019, https://arxiv.org/abs/1906.10771, with a gate of 1 that
multiplies all weights of a unit.
"""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.pruning.ranking import Ranking
from ossicle.pruning.units import Units
from ossicle.pruning.way import Gradients


class Taylor(Ranking):
    """The squared first-order term of removing a unit."""

    name: ClassVar[str] = "taylor"
    about: ClassVar[str] = "the units whose removal changes the loss most, to first order"
    source: ClassVar[str] = "Molchanov et al. 2019"
    needs_gradients: ClassVar[bool] = True

    def scores(
        self,
        units: Units,
        gradients: Gradients,
        seed: int,  # noqa: ARG002 - nothing is drawn
    ) -> Float[Tensor, " U"]:
        """Return the squared first-order terms, a mean over the batches."""
        return self.mean_over_batches(units, gradients, lambda batch: units.sums(batch).square())
