"""Magnitude: the mean size of the weights of a unit. It needs no recordings: a control.

    importance of a unit  =  sum over its weights of  |w_i|

Source: Li et al. 2017, https://arxiv.org/abs/1608.08710, for filters of convolutions.
"""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.pruning.ranking import Ranking
from ossicle.pruning.units import Units
from ossicle.pruning.way import Gradients


class Magnitude(Ranking):
    """The size of weights."""

    name: ClassVar[str] = "magnitude"
    about: ClassVar[str] = "the units with the largest weights; a control"
    source: ClassVar[str] = "Li et al. 2017"

    def scores(
        self,
        units: Units,
        gradients: Gradients,  # noqa: ARG002 - the weights alone decide
        seed: int,  # noqa: ARG002 - as above
    ) -> Float[Tensor, " U"]:
        """Return the sums of |weight|."""
        return units.sums({key: value.abs() for key, value in units.distances().items()})
