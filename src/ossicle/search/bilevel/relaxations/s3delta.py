"""The relaxation of S3Delta: random gates under a budget of parameters.

    p = sigmoid((a - zeta) / 1),   with zeta so that sum p * parameters = budget
    g = sigmoid(log(u * p / ((1 - u) * (1 - p)))),   u ~ U(0, 1)

zeta is one number for all layers, found by bisection in every step; it has no gradient. Candidates
without parameters, such as `skip`, do not count in the sum. At the end the largest gates are kept
until the budget is used up; further layers are skipped. Source: Hu et al. 2022,
https://arxiv.org/abs/2206.07382, section 3, and the authors' code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor

from ossicle.errors import SearchError
from ossicle.search.bilevel.options import OPTIONS
from ossicle.search.bilevel.relaxations.relaxation import (
    Choices,
    Moment,
    Relaxation,
    random_numbers,
)
from ossicle.settings import Setting

FARTHEST = 100.0  # of zeta from the logits


class UnderBudget(Relaxation):
    """Noisy gates from 0 to 1, whose expected number of parameters is the budget."""

    name: ClassVar[str] = "s3delta"
    options: ClassVar[Mapping[str, Setting]] = OPTIONS | {
        "budget": Setting(
            "parameters that are trained on average; 0: those of the search", 0, low=0
        ),
    }

    def __init__(self, layers: Mapping[int, Choices], values: Mapping[str, Any]) -> None:
        """Keep the candidates and the settings.

        Raises:
            SearchError: the budget is not given.
        """
        super().__init__(layers, values)
        if not values["budget"]:
            raise SearchError("s3delta needs a budget of parameters: s3delta(budget=250000)")
        self._zeta = 0.0

    def begin(self, moment: Moment, logits: Mapping[int, Tensor]) -> None:
        """Begin a step: find zeta."""
        super().begin(moment, logits)
        self._zeta = self.zeta(logits)

    def zeta(self, logits: Mapping[int, Tensor]) -> float:
        """Return the shift at which the expected number of parameters is the budget."""
        every = torch.cat([logits[layer].detach() for layer in self.layers]).double().cpu().numpy()
        counts = np.concatenate([one.counts for one in self.layers.values()])
        budget = float(self.values["budget"])

        def over(zeta: float) -> float:
            return float((expit(every - zeta) * counts).sum()) - budget

        low, high = float(every.min()) - FARTHEST, float(every.max()) + FARTHEST
        return low if over(low) <= 0 else float(brentq(over, low, high))

    def gates(self, logits: Float[Tensor, " K"], layer: int, moment: Moment) -> Float[Tensor, " K"]:
        """Return the binary-concrete gates."""
        drawn = random_numbers(moment, layer).uniform(1e-6, 1 - 1e-6, size=len(logits))
        uniform = torch.from_numpy(drawn).to(logits)
        # log(p / (1 - p)) = a - zeta, because p is a sigmoid
        return (uniform.logit() + logits - self._zeta).sigmoid()

    def strengths(self, logits: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return p."""
        zeta = self.zeta(logits)
        return {layer: (one - zeta).sigmoid() for layer, one in logits.items()}

    def chosen(self, logits: Mapping[int, Tensor]) -> dict[int, int]:
        """Return the largest gate of each layer, or `skip` where the budget is used up."""
        strengths = self.strengths(logits)
        found = {layer: int(one.argmax()) for layer, one in strengths.items()}
        left = float(self.values["budget"])
        for layer in sorted(found, key=lambda layer: -strengths[layer].max().item()):
            choices = self.layers[layer]
            count = choices.counts[found[layer]]
            if count <= left or choices.skip is None:
                left -= count
            else:
                found[layer] = choices.skip
        return found
