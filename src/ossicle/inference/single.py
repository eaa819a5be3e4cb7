"""One adapted model, run in a given precision, with its frozen part."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.compute.precision import autocast, pick_precision
from ossicle.errors import RunError
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import Outputs
from ossicle.heads.pool import masked_mean


class SingleModel:
    """An adapted model for batches of rows, in training and in inference.

    Attributes:
        model: The model; its active adapter sets are used.
        frozen: The frozen part below these sets, with its cache.
    """

    def __init__(
        self, model: AdaptedModel, frozen: FrozenPart | None = None, precision: str = "float32"
    ) -> None:
        """Prepare a model.

        Args:
            model: The model; its active adapter sets are used.
            frozen: Its frozen part. None: determined here, without a cache.
            precision: Precision of the forward pass: `auto`, `float32`, `bfloat16` or `float16`.
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
        """Return the outputs for a batch in float32, in training or evaluation mode as set."""
        with autocast(self._device, self._dtype):
            outputs = self.frozen.outputs(self.model, rows)
        return outputs.float()

    def forward_with_embeddings(
        self, rows: Sequence[BatchRow]
    ) -> tuple[Outputs, Float[Tensor, "B D"]]:
        """Return `forward`, and the mean over its real frames of what the head reads, by row."""
        with autocast(self._device, self._dtype):
            encoded = self.frozen.encoded(self.model, rows)
            outputs = self.model.apply_head(encoded, [row.text for row in rows])
        return outputs.float(), masked_mean(encoded.hidden.float(), encoded.frame_mask)

    @torch.no_grad()
    def outputs(self, rows: Sequence[BatchRow]) -> list[Outputs]:
        """Return the answers for a batch, of the only member, in evaluation mode."""
        if self.model.training:
            self.model.eval()
        with autocast(self._device, self._dtype):
            encoded = self.frozen.encoded(self.model, rows)
            answers = self.model.answers(encoded, [row.text for row in rows])
        return [answers.float()]

    @torch.no_grad()
    def embeddings(self, rows: Sequence[BatchRow]) -> list[Float[Tensor, "B E"]]:
        """Return the embeddings of a batch by the head of the only member, in evaluation mode.

        Raises:
            RunError: the model has no head.
        """
        if self.model.head is None:
            raise RunError("the model has no head, so a recording has no embedding")
        if self.model.training:
            self.model.eval()
        with autocast(self._device, self._dtype):
            encoded = self.frozen.encoded(self.model, rows)
            made = self.model.head.embedding(encoded.hidden, encoded.frame_mask)
        return [made.float()]
