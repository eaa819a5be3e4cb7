"""Weighted sum: the head reads a learned mixture of all layers.

    y  <-  sum_i softmax(w)_i h_i

over L + 1 states: the input of each of the L layers, and the output of the backbone. `normalise`
applies a LayerNorm without gain and shift to every state, an option of SUPERB's featurizer. `gated`
is the other reading of the weighted gate of Lashkarashvili et al. 2024: the states of the sum, and
not those between layers, are multiplied by 2 sigmoid(g_i) (see `gate`).

Parameters at one site: L + 1 + gated * (L + 1) * D.

w and g are initialised to zero, that is, the mean of all states. A new adapter changes the input of
the head.

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
from ossicle.errors import MergeError, RecipeMismatch
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class ReadsLayers(Method):
    """A method that computes the input of the head from all layers; at most one in a recipe.

    Attributes:
        layer_logits: Name of the tensor whose softmax weights the states: all L + 1, or those
            without the input of layer 0.
    """

    default_at: ClassVar[tuple[str, ...]] = ("layers",)
    layer_logits: ClassVar[str]

    @property
    def starts_as_identity(self) -> bool:
        """False: it changes the input of the head."""
        return False

    def check(
        self,
        at: tuple[str, ...],  # noqa: ARG002 - all layers, see `num_layers`
        others: Sequence[tuple[Method, tuple[str, ...]]],
    ) -> None:
        """Raise RecipeMismatch for a second such method."""
        for other, _ in others:
            if isinstance(other, ReadsLayers):
                raise RecipeMismatch(
                    f"'{self.name}' and '{other.name}' exclude each other, because each computes "
                    "the input of the head; leave one of them out"
                )

    def num_layers(self, site: Site) -> int:
        """Return the number of layers of the site.

        Raises:
            RecipeMismatch: the site is not `layers`.
        """
        if not isinstance(site.entry, tuple):
            raise RecipeMismatch(
                f"'{self.name}' reads all layers, not '{site.name}' alone; attach it at layers"
            )
        return len(site.entry)


@dataclass(frozen=True)
class WeightedSum(ReadsLayers):
    """Settings of the weighted sum.

    Attributes:
        normalise: Whether to normalise every state over its channels.
        gated: Whether to gate every state, channel by channel.
    """

    name: ClassVar[str] = "weighted-sum"
    layer_logits: ClassVar[str] = "weights"

    normalise: bool = False
    gated: bool = False

    def build(self, site: Site) -> "WeightedSumAdapter":
        """Return the weights of all states."""
        return WeightedSumAdapter(self, self.num_layers(site) + 1, site.width_out)


class WeightedSumAdapter(Adapter):
    """`weights` (L + 1,), and `gates` (L + 1, D) if gated."""

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

    def layer_logits(self) -> Tensor:
        """Return the weights before the softmax.

        Raises:
            MergeError: states are normalised or gated first.
        """
        if self.normalise or self.gates is not None:
            raise MergeError(
                "a weighted sum with normalise=true or gated=true changes every state before it "
                "is summed, and that of transformers does not"
            )
        return self.weights
