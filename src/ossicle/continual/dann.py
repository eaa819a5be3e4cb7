"""DANN: embeddings from which a discriminator cannot tell the domains apart.

    loss    <-  loss + mean over both batches of CE(discriminator(reverse(x)), domain)
    reverse     x in the forward pass; the gradient times -lambda in the backward pass
    lambda   =  strength * (2 / (1 + exp(-10 p)) - 1), p the fraction of all steps that are done

x are embeddings of a batch of earlier recordings and of the batch of new ones: the mean over real
frames of what the head reads. The discriminator (a layer of 100 ReLUs and a logit) learns to tell
the domains apart, at full rate; what it reads learns the opposite.

Source: Ganin et al. 2016, https://arxiv.org/abs/1505.07818, sections 4.2 and 5.2.2; the strength,
the largest lambda, is 1 there.
"""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.continual.domains import DomainKeep
from ossicle.continual.keep import Start, Step
from ossicle.settings import Setting

HIDDEN_UNITS = 100
GAMMA = 10.0


class Reverse(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a negative factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        """Return x."""
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient times -factor."""
        return -ctx.factor * gradient, None


class DANN(DomainKeep):
    """Makes domains indistinguishable for a discriminator."""

    name: ClassVar[str] = "dann"
    about: ClassVar[str] = "makes embeddings of earlier and new recordings indistinguishable"
    source: ClassVar[str] = "Ganin et al. 2016, https://arxiv.org/abs/1505.07818"
    setting: ClassVar[tuple[str, Setting]] = (
        "strength",
        Setting("largest factor of the reversed gradient", 1.0, low=0, high=1e6),
    )

    def __init__(self, value: float, start: Start) -> None:
        """Build the discriminator, drawn by the seed."""
        super().__init__(value, start)
        model = start.single.model
        width = model.recipe.seen_by_head(model.backbone.anatomy).width
        with torch.random.fork_rng():
            torch.manual_seed(start.seed)
            hidden, logit = nn.Linear(width, HIDDEN_UNITS), nn.Linear(HIDDEN_UNITS, 1)
        self.discriminator = nn.Sequential(hidden, nn.ReLU(), logit)
        self.to(next(model.parameters()).device)

    def penalty(self, step: Step) -> Float[Tensor, ""]:
        """Return the loss of the discriminator."""
        assert step.embeddings is not None  # `reads_embeddings`
        earlier = self.earlier_embeddings()
        both = torch.cat((earlier, step.embeddings))
        factor = self.value * (2 / (1 + math.exp(-GAMMA * step.progress)) - 1)
        reversed_: Tensor = Reverse.apply(both, factor)  # type: ignore[no-untyped-call] # torch's
        logits = torch.func.functional_call(self.discriminator, self._own(), (reversed_,))
        domains = torch.cat((torch.zeros(len(earlier)), torch.ones(len(step.embeddings))))
        return F.binary_cross_entropy_with_logits(logits[:, 0], domains.to(logits))

    def _own(self) -> dict[str, Tensor]:
        """Return the parameters of the discriminator, which learn in the main process only."""
        is_main = self.start.processes.is_main
        own = self.discriminator.named_parameters()
        return {key: value if is_main else value.detach() for key, value in own}
