"""L-adapters: the output of every layer reaches the head through a small module of its own.

    A_l = LN(act(W_l h_l + b_l))        y  <-  sum_l softmax(w)_l A_l

h_l is the output of layer l; for the last layer, that of the backbone. The modules have neither an
up-projection nor a skip connection, so the input of the head is `width` wide. The input of layer 0
is not read.

Parameters at one site: L * (W * D + 3 * W) + L.

Weights are initialised normal(0, 0.001), biases to zero, norms by torch's default, and w to 1 / L.
A new adapter changes the input of the head.

Sources: Otake et al. 2023, https://arxiv.org/abs/2210.16032, with its reference code; Inoue et al.
2024 (ELP-adapters), https://arxiv.org/abs/2407.21066.
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
        width: Width W of the input of the head.
        activation: `gelu`, `relu`, `silu`, `tanh` or `none`.
    """

    name: ClassVar[str] = "l-adapter"
    size_setting: ClassVar[str | None] = "width"
    layer_logits: ClassVar[str] = "mix"
    zeroing_removes: ClassVar[bool] = False

    width: int = 512
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_positive(width=self.width, most=MAX_WIDTH)
        check_choice("activation", self.activation, ACTIVATIONS)

    def width_for_head(self, width: int) -> int:  # noqa: ARG002 - independent of the backbone's
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
        """Return the weighted sum of the modules' outputs."""
        outputs = [*x.unbind(1)[1:], y]
        # unbound together: the gradient of each weight[l] would be a tensor as large as weight
        parts = (part.unbind(0) for part in (self.weight, self.bias, self.gain, self.shift))
        adapted = []
        for hidden, weight, bias, gain, shift in zip(outputs, *parts, strict=True):
            low = self.activation(F.linear(hidden, weight, bias))
            adapted.append(F.layer_norm(low, low.shape[-1:], gain, shift))
        return torch.einsum("l,lbtw->btw", self.mix.softmax(0), torch.stack(adapted))
