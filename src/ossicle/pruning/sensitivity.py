"""Sensitivity: how much the loss depends on each weight, by gradient times weight.

    importance of a unit  =  sum over its weights of  mean over batches of  |g_i w_i|

g is the gradient of the loss of a batch of training recordings. |g_i w_i| is about how much the
loss of the batch would change if w_i alone were zero; signs do not cancel within a unit.

Sources: Lee et al. 2019 (SNIP), https://arxiv.org/abs/1810.02340, for new networks; Zhang et al.
2023 (AdaLoRA), https://arxiv.org/abs/2303.10512, for adapters in training.
"""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.pruning.ranking import Ranking
from ossicle.pruning.units import Units
from ossicle.pruning.way import Gradients


class Sensitivity(Ranking):
    """Gradient times weight, without its sign."""

    name: ClassVar[str] = "sensitivity"
    about: ClassVar[str] = "the units with the largest sum of |gradient times weight|"
    source: ClassVar[str] = "Lee et al. 2019; Zhang et al. 2023"
    needs_gradients: ClassVar[bool] = True

    def scores(
        self,
        units: Units,
        gradients: Gradients,
        seed: int,  # noqa: ARG002 - nothing is drawn
    ) -> Float[Tensor, " U"]:
        """Return the sums of |gradient times weight|, a mean over the batches."""
        return self.mean_over_batches(
            units, gradients, lambda batch: units.sums({k: one.abs() for k, one in batch.items()})
        )
