"""Weighted sum: what the head sees is a learnt mixture of all layers.

    y  <-  sum_i softmax(w)_i h_i

over L + 1 states: what enters each of the L layers, and what leaves the transformer. `normalise`
puts a LayerNorm without gain and shift on every state, as SUPERB's featurizer may. `gated` is the
other reading of the emotion paper's weighted gate: the states, and not the stream between the
layers, are multiplied by 2 sigmoid(g_i) (see `gate`).

Parameters at one site: L + 1 + gated * (L + 1) * D.

w and g start at zero: the mean of all states. What the head sees is another thing from the start.

Source: Yang et al. 2021 (SUPERB), https://arxiv.org/abs/2105.01051, with the code of s3prl.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class ReadsLayers(Method):
    """A method that makes what the head sees of all layers; a recipe has one of them."""

    default_at: ClassVar[tuple[str, ...]] = ("layers",)

    @property
    def starts_as_identity(self) -> bool:
        """False: what the head sees is another thing."""
        return False

    def check(self, others: Sequence[tuple[Method, tuple[str, ...]]]) -> None:
        """Raise for a second method of this kind."""
        for other, _ in others:
            if isinstance(other, ReadsLayers):
                raise RecipeMismatch(
                    f"'{self.name}' and '{other.name}' exclude each other: each makes alone what "
                    "the head sees; leave one of them out"
                )

    def num_layers(self, site: Site) -> int:
        """Return how many layers the site has.

        Raises:
            RecipeMismatch: the site is another than `layers`.
        """
        if not isinstance(site.entry, tuple):
            raise RecipeMismatch(
                f"'{self.name}' reads all layers and '{site.name}' is one place; put it at layers"
            )
        return len(site.entry)


@dataclass(frozen=True)
class WeightedSum(ReadsLayers):
    """Settings of the weighted sum.

    Attributes:
        normalise: Normalise every state over its channels.
        gated: Gate every state, channel by channel.
    """

    name: ClassVar[str] = "weighted-sum"

    normalise: bool = False
    gated: bool = False

    def build(self, site: Site) -> "WeightedSumAdapter":
        """Return the weights of all states."""
        return WeightedSumAdapter(self, self.num_layers(site) + 1, site.width_out)


class WeightedSumAdapter(Adapter):
    """`weights` (L + 1,), and `gates` (L + 1, D) where gated."""

    def __init__(self, method: WeightedSum, num_states: int, width: int) -> None:
        super().__init__()
        self.normalise = method.normalise
        self.commutes_with_mean = not method.normalise
        self.weights = nn.Parameter(torch.zeros(num_states))
        self.gates = nn.Parameter(torch.zeros(num_states, width)) if method.gated else None

    def forward(
        self, x: Float[Tensor, "B L T D"], y: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        """Return the weighted sum of the states."""
        states = torch.cat((x, y[:, None]), dim=1)  # (B, L + 1, T, D)
        if self.gates is not None:
            states = states * (2 * self.gates.sigmoid())[:, None]
        if self.normalise:
            states = F.layer_norm(states, states.shape[-1:])
        return torch.einsum("l,bltd->btd", self.weights.softmax(0), states)
