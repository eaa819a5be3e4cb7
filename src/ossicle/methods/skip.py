"""Skip: a candidate of a mixture that changes nothing.

    y  <-  y

A differentiable search can so choose a layer without an adapter, as Lin et al. 2024 do.

Parameters at one site: 0.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import Site
from ossicle.methods.base import Adapter, Method


@dataclass(frozen=True)
class Skip(Method):
    """It has no settings."""

    name: ClassVar[str] = "skip"
    default_at: ClassVar[tuple[str, ...]] = ("layer",)
    needs_gate: ClassVar[bool] = True
    example: ClassVar[str | None] = "skip(gate=softmax) + bias(gate=softmax)@ffn.out"

    def build(self, site: Site) -> "SkipAdapter":  # noqa: ARG002 - the same at every site
        """Return an adapter without parameters."""
        return SkipAdapter()


class SkipAdapter(Adapter):
    """A module without parameters."""

    def forward(
        self,
        x: Float[Tensor, "B T D_in"],  # noqa: ARG002 - every adapter receives x and y
        y: Float[Tensor, "B T D_out"],
    ) -> Float[Tensor, "B T D_out"]:
        """Return y."""
        return y
