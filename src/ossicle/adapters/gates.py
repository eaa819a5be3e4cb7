"""Gates: how much each candidate of a mixture contributes, for search and pruning.

Placements with a gate are the candidates of its mixture; those with the same name after it, such as
`layers:NAME`, are one candidate. Each layer has one logit for each candidate, shared by everything
that the candidate has in the layer, and zero at first.

    softmax  y <- y + sum_k g_k (f_k(x_k, y) - y)  at each site; g = softmax(logits) over the K
             candidates of the layer
    sigmoid  the same, with g = sigmoid(logits): candidates do not compete
    layers   h <- sum_k g_k layer_k(h), with layer_k the layer with candidate k alone, and
             g = softmax(logits): the whole layer runs on K copies of the batch

`layers` is the mixture of Liu et al. 2019 (DARTS) as the code of Lin et al. 2024 has it. In the
other two the candidates act within one run of the layer, so that each sees what the others at
earlier sites of the layer have changed.

While a search runs, `Gates.relaxation` can compute the gates from the logits in another way, such
as with Gumbel noise. They may then have any sum, in all mixtures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ossicle.recipes.mixtures import Candidates

WHOLE_LAYERS = "layers"
Relaxation: TypeAlias = Callable[[Tensor, int], Tensor]


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
    def candidate(self) -> tuple[str, int]:
        """Its mixture, and its position in it."""
        return self.mixture, self.index

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


def gate_weights(mixture: str, logits: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Return the gates of the candidates of a layer, from their logits."""
    return torch.sigmoid(logits) if mixture == "sigmoid" else torch.softmax(logits, dim=0)


class Gates(nn.Module):
    """The logits of every mixture of an adapter set: a parameter (K,) for each layer.

    Attributes:
        candidates: The competing candidates, by mixture and layer.
        mixtures: The logits.
        relaxation: Returns the gates (K,) of a layer from its logits (K,) and its number, in place
            of softmax or sigmoid; not saved. It is called for every candidate at every site, so
            what it draws at random it must keep for a whole step. None: softmax or sigmoid.
    """

    def __init__(self, candidates: Mapping[tuple[str, int], Candidates]) -> None:
        """Create a logit for each candidate in each layer."""
        super().__init__()
        self.candidates = dict(candidates)
        self.relaxation: Relaxation | None = None
        self.mixtures = nn.ModuleDict()
        for (mixture, layer), competing in self.candidates.items():
            if mixture not in self.mixtures:
                self.mixtures[mixture] = nn.ParameterDict()
            self._layers(mixture)[str(layer)] = nn.Parameter(torch.zeros(len(competing)))

    def of(self, mixture: str, layer: int, placement: int) -> Gate:
        """Return the gate of a placement in a layer."""
        competing = enumerate(self.candidates[mixture, layer].values())
        (index,) = (index for index, placements in competing if placement in placements)
        return Gate(self, mixture, layer, index)

    def logits(self, mixture: str, layer: int) -> Float[Tensor, " K"]:
        """Return the logits of a layer."""
        found: Tensor = self._layers(mixture)[str(layer)]
        return found

    def weights(self, mixture: str, layer: int) -> Float[Tensor, " K"]:
        """Return the gates of the candidates of a layer, in their order."""
        logits = self.logits(mixture, layer)
        if self.relaxation is not None:
            return self.relaxation(logits, layer)
        return gate_weights(mixture, logits)

    @property
    def runs_by_layer(self) -> dict[int, int]:
        """How often each layer runs, for those with a mixture of whole layers."""
        return {
            layer: len(competing)
            for (mixture, layer), competing in self.candidates.items()
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
