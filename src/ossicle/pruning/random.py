"""Random: any units, drawn by the seed of the run. The control that every other way must beat."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.pruning.ranking import Ranking
from ossicle.pruning.units import Units
from ossicle.pruning.way import Gradients


class Random(Ranking):
    """A random order."""

    name: ClassVar[str] = "random"
    about: ClassVar[str] = "units drawn at random; a control"
    per_parameter: ClassVar[bool] = False

    def scores(
        self,
        units: Units,
        gradients: Gradients,  # noqa: ARG002 - chance alone decides
        seed: int,
    ) -> Float[Tensor, " U"]:
        """Return random numbers from 0 to 1."""
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(sum(group.num_units for group in units.groups), generator=generator)
