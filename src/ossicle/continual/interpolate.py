"""Interpolation between the parameters at the start and those after training (WiSE-FT).

    w  =  (1 - share) * w0 + share * w1

w0 are the parameters that the parent run ended with, w1 those after an epoch of this stage. These
w are validated and saved, and by them the best epoch is chosen; training goes on from w1. Tensors
that the parent run does not have, and outputs for new labels, are those of w1.

Source: Wortsman et al. 2022, https://arxiv.org/abs/2109.01903, eq. 1, which recommends a share of
0.5 where there is nothing to choose it by.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ossicle.continual.keep import Keep, Start
from ossicle.settings import Setting


def interpolated(
    start: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Return (1 - share) * start + share * new for the tensors that both have, else `new`.

    Equal values stay as they are, to the bit; so do all values with a share of 0 or 1.
    """
    return {
        key: torch.lerp(start[key].to(value), value.detach(), share) if key in start else value
        for key, value in new.items()
    }


class Interpolate(Keep):
    """Saves parameters between those at the start and those after training."""

    name: ClassVar[str] = "interpolate"
    about: ClassVar[str] = "saves parameters between the parent run's and the new ones"
    source: ClassVar[str] = "Wortsman et al. 2022, https://arxiv.org/abs/2109.01903"
    setting: ClassVar[tuple[str, Setting]] = (
        "share",
        Setting("share of the new parameters; 0: the parent run's, 1: the new ones", 0.5, (), 0, 1),
    )

    def __init__(self, value: float, start: Start) -> None:
        super().__init__(value, start)
        self._keys = tuple(start.shared(self.name))

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless something old trains."""
        start.shared(cls.name)

    def finished(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the interpolated tensors."""
        shared = {key: tensors[key].detach() for key in self._keys}
        made = interpolated(self.start.tensors, shared, self.value)
        for key, new in shared.items():
            if (rows := self.start.old_rows(key)) is not None:
                made[key] = new.clone().index_copy(
                    0, torch.tensor(rows, device=new.device), made[key][rows]
                )
        return made
