"""L2-SP: parameters are pulled back to where the parent run ended.

    loss  <-  loss + strength / 2 * sum_i (w_i - w0_i)^2

w0 are the parameters at the start; the sum is over all parameters that train and that the parent
run has. New ones (added placements, a new head, outputs for new labels) have no such point. The
paper pulls them to zero with a second strength; here weight decay does that, as in every run.

Source: Li, Grandvalet and Davoine 2018, https://arxiv.org/abs/1802.01483, eq. 2 (`-SP`).
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.continual.keep import Keep, Start, Step
from ossicle.settings import Setting


class L2SP(Keep):
    """Pulls parameters to the start."""

    name: ClassVar[str] = "l2-sp"
    about: ClassVar[str] = "pulls all parameters equally to those of the parent run"
    source: ClassVar[str] = "Li, Grandvalet and Davoine 2018, https://arxiv.org/abs/1802.01483"
    setting: ClassVar[tuple[str, Setting]] = (
        "strength",
        Setting("factor of half the squared distance", 0.1, low=0, high=1e9),
    )

    def __init__(self, value: float, start: Start) -> None:
        super().__init__(value, start)
        self._shared = start.shared(self.name)

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless something old trains."""
        start.shared(cls.name)

    def penalty(self, step: Step) -> Float[Tensor, ""]:
        """Return strength / 2 times the squared distance from the start."""
        del step
        squares = []
        for key, parameter in self._shared.items():
            change = parameter - self.start.tensors[key]
            rows = self.start.old_rows(key)
            squares.append((change if rows is None else change[rows]).square().sum())
        return self.start.own(self.value / 2 * torch.stack(squares).sum())
