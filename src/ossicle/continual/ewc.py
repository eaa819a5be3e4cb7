"""EWC, elastic weight consolidation: parameters that mattered are pulled back to their start.

    loss  <-  loss + strength / 2 * sum_i F_i (w_i - w0_i)^2

w0 are the parameters at the start, F the diagonal of the Fisher information of the earlier stages:
`ossicle.continual.fisher`. Over several stages there is one penalty, around the newest start, with
the sum of all Fisher matrices, as in online EWC with gamma = 1.

Sources: Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796, eq. 3; of the sum over stages,
Schwarz et al. 2018, https://arxiv.org/abs/1805.06370, eq. 9.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.continual.keep import Keep, Start, Step
from ossicle.continual.old import old_answers
from ossicle.settings import Setting


class EWC(Keep):
    """Pulls parameters to the start, each by its Fisher information."""

    name: ClassVar[str] = "ewc"
    about: ClassVar[str] = "pulls parameters to those of the parent run, the more they mattered"
    source: ClassVar[str] = "Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796"
    setting: ClassVar[tuple[str, Setting]] = (
        "strength",
        Setting("factor of half the squared distance", 100.0, low=0, high=1e12),
    )
    reads_source: ClassVar[bool] = True
    needs_fisher: ClassVar[bool] = True

    def __init__(self, value: float, start: Start) -> None:
        super().__init__(value, start)
        assert start.fisher is not None  # `needs_fisher`
        self._shared = start.shared(self.name)
        self._fisher = {key: start.fisher[key] for key in self._shared}

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless something old trains and gives old outputs."""
        start.shared(cls.name)
        old_answers(start.task, start.old_outputs, cls.name)

    def penalty(self, step: Step) -> Float[Tensor, ""]:
        """Return strength / 2 times the squared distance from the start, weighted by F."""
        del step
        start = self.start.tensors
        weighted = [
            (information * (self._shared[key] - start[key]).square()).sum()
            for key, information in self._fisher.items()
        ]
        return self.start.own(self.value / 2 * torch.stack(weighted).sum())
