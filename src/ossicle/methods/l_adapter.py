"""L-adapters: every layer's output goes to the head through a small module of its own.

    A_l = LN(act(W_l h_l + b_l))        y  <-  sum_l softmax(w)_l A_l

h_l is what leaves layer l, for the last layer what leaves the transformer. The modules have neither
an up-projection nor a skip, so the frames that the head sees are `width` wide. Of what enters the
first layer nothing is read.

Parameters at one site: L * (W * D + 3 * W) + L.

Weights start normal(0, 0.001), biases zero, the norms as torch's do, and w at 1 / L. What the head
sees is another thing from the start.

Sources: Otake et al. 2023, https://arxiv.org/abs/2210.16032, with its reference code; paper B,
https://arxiv.org/abs/2407.21066.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Site
from ossicle.methods.base import Adapter, check_choice, check_positive
from ossicle.methods.bottleneck import ACTIVATIONS
from ossicle.methods.weighted_sum import ReadsLayers

STD: Final = 1e-3
MAX_WIDTH: Final = 8192


@dataclass(frozen=True)
class LAdapter(ReadsLayers):
    """Settings of the L-adapters of a backbone.

    Attributes:
        width: W, of the frames that the head sees.
        activation: `gelu`, `relu`, `silu`, `tanh` or `none`.
    """

    name: ClassVar[str] = "l-adapter"

    width: int = 512
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_positive(width=self.width, most=MAX_WIDTH)
        check_choice("activation", self.activation, ACTIVATIONS)

    def width_for_head(self, width: int) -> int:  # noqa: ARG002 - whatever the backbone's is
        """Return W."""
        return self.width

    def build(self, site: Site) -> "LAdapterModule":
        """Return one module for all layers."""
        return LAdapterModule(self, self.num_layers(site), site.width_out)


class LAdapterModule(Adapter):
    """`weight` (L, W, D), `bias`, `gain` and `shift` (L, W), `mix` (L,)."""

    def __init__(self, method: LAdapter, num_layers: int, width: int) -> None:
        super().__init__()
        shape = (num_layers, method.width)
        self.activation = ACTIVATIONS[method.activation]()
        self.weight = nn.Parameter(torch.empty(*shape, width))
        self.bias = nn.Parameter(torch.zeros(shape))
        self.gain = nn.Parameter(torch.ones(shape))
        self.shift = nn.Parameter(torch.zeros(shape))
        self.mix = nn.Parameter(torch.full((num_layers,), 1 / num_layers))
        nn.init.normal_(self.weight, std=STD)

    def forward(
        self, x: Float[Tensor, "B L T D"], y: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T W"]:
        """Return the weighted sum of what the modules make of the layers' outputs."""
        outputs = [*x.unbind(1)[1:], y]
        # unbound at once: the gradient of each weight[l] alone would be as large as weight
        parts = (part.unbind(0) for part in (self.weight, self.bias, self.gain, self.shift))
        made = []
        for hidden, weight, bias, gain, shift in zip(outputs, *parts, strict=True):
            low = self.activation(F.linear(hidden, weight, bias))
            made.append(F.layer_norm(low, low.shape[-1:], gain, shift))
        return torch.einsum("l,lbtw->btw", self.mix.softmax(0), torch.stack(made))
