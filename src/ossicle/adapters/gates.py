"""Gates: how much each candidate of a mixture contributes, for search and pruning.

Placements with the same gate are the candidates of one mixture. Each layer has one logit for each
candidate, shared by all sites of that candidate in the layer, and zero at first.

    softmax  y <- y + sum_k g_k (f_k(x_k, y) - y)  at each site; g = softmax(logits) over the K
             candidates of the layer
    sigmoid  the same, with g = sigmoid(logits): candidates do not compete
    layers   h <- sum_k g_k layer_k(h), with layer_k the layer with candidate k alone, and
             g = softmax(logits): the whole layer runs on K copies of the batch

`layers` is the mixture of Liu et al. 2019 (DARTS) as the code of Lin et al. 2024 has it. In the
other two the candidates act within one run of the layer, so that each sees what the others at
earlier sites of the layer have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

WHOLE_LAYERS = "layers"


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one candidate in one layer.

    Attributes:
        gates: The logits of the adapter set.
        mixture: Name of the mixture.
        layer: Number of the layer.
        index: Position of the candidate among those of the layer.
    """

    gates: "Gates"
    mixture: str
    layer: int
    index: int

    @property
    def is_of_whole_layers(self) -> bool:
        """Whether the candidate acts in a run of the layer of its own."""
        return self.mixture == WHOLE_LAYERS

    @property
    def logits(self) -> Float[Tensor, " K"]:
        """The logits of all candidates of the layer."""
        return self.gates.logits(self.mixture, self.layer)

    @property
    def weight(self) -> Float[Tensor, ""]:
        """The factor on what the candidate changes."""
        return self.gates.weights(self.mixture, self.layer)[self.index]

    def rows(self, count: int) -> slice:
        """Return the candidate's rows of a batch of `count` rows, K copies one after another."""
        size = count // len(self.logits)
        return slice(self.index * size, (self.index + 1) * size)


def gate_weights(mixture: str, logits: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Return the gates of the candidates of a layer, from their logits."""
    return torch.sigmoid(logits) if mixture == "sigmoid" else torch.softmax(logits, dim=0)


class Gates(nn.Module):
    """The logits of every mixture of an adapter set: a parameter (K,) for each layer."""

    def __init__(self, candidates: Mapping[tuple[str, int], Sequence[int]]) -> None:
        """Create a logit for each candidate in each layer.

        Args:
            candidates: Numbers of the competing placements, by mixture and layer.
        """
        super().__init__()
        self._candidates = {place: list(numbers) for place, numbers in candidates.items()}
        self.mixtures = nn.ModuleDict()
        for (mixture, layer), numbers in self._candidates.items():
            if mixture not in self.mixtures:
                self.mixtures[mixture] = nn.ParameterDict()
            self._layers(mixture)[str(layer)] = nn.Parameter(torch.zeros(len(numbers)))

    def of(self, mixture: str, layer: int, placement: int) -> Gate:
        """Return the gate of a placement in a layer."""
        return Gate(self, mixture, layer, self._candidates[mixture, layer].index(placement))

    def logits(self, mixture: str, layer: int) -> Float[Tensor, " K"]:
        """Return the logits of a layer."""
        found: Tensor = self._layers(mixture)[str(layer)]
        return found

    def weights(self, mixture: str, layer: int) -> Float[Tensor, " K"]:
        """Return the gates of the candidates of a layer, in the order of their placements."""
        return gate_weights(mixture, self.logits(mixture, layer))

    @property
    def runs_by_layer(self) -> dict[int, int]:
        """How often each layer runs, for those with a mixture of whole layers."""
        return {
            layer: len(numbers)
            for (mixture, layer), numbers in self._candidates.items()
            if mixture == WHOLE_LAYERS
        }

    def mixed(self, layer: int, copies: Float[Tensor, "KB ..."]) -> Float[Tensor, "B ..."]:
        """Return the weighted sum of the outputs of a layer for each of its candidates."""
        weights = self.weights(WHOLE_LAYERS, layer).to(copies.dtype)
        by_candidate: Tensor = copies.unflatten(0, (len(weights), -1))
        mixed: Tensor = torch.tensordot(weights, by_candidate, dims=1)
        return mixed

    def _layers(self, mixture: str) -> nn.ParameterDict:
        found = self.mixtures[mixture]
        assert isinstance(found, nn.ParameterDict)
        return found
