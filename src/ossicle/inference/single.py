"""One adapted model, run in a chosen precision and with its frozen part."""

from collections.abc import Sequence

import torch

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.compute.precision import autocast, pick_precision
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import Outputs


class SingleModel:
    """An adapted model that takes batches of rows, in training and in inference.

    Attributes:
        model: The model, with the adapter sets active that are used.
        frozen: What is frozen below the cut of these sets, and its cache.
    """

    def __init__(
        self, model: AdaptedModel, frozen: FrozenPart | None = None, precision: str = "float32"
    ) -> None:
        """Prepare a model.

        Args:
            model: With the adapter sets active that are used.
            frozen: Its frozen part; None: found here, without a cache.
            precision: Of the forward pass: `auto`, `float32`, `bfloat16` or `float16`.
        """
        self.model = model
        self.frozen = frozen or FrozenPart(find_cut(model))
        self._device = next(model.parameters()).device
        self._dtype = pick_precision(precision, str(self._device))

    @property
    def backbone(self) -> Backbone:
        """The backbone of the model."""
        return self.model.backbone

    @property
    def num_members(self) -> int:
        """One: a single model."""
        return 1

    def forward(self, rows: Sequence[BatchRow]) -> Outputs:
        """Return the outputs for a batch in float32, in the mode that the model is in."""
        with autocast(self._device, self._dtype):
            outputs = self.frozen.outputs(self.model, rows)
        return outputs.float()

    @torch.no_grad()
    def outputs(self, rows: Sequence[BatchRow]) -> list[Outputs]:
        """Return the outputs for a batch, of the only member, in evaluation mode."""
        if self.model.training:
            self.model.eval()
        return [self.forward(rows)]
