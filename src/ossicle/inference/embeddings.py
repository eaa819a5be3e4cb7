"""Embeddings of recordings: what the last layer of the head reads.

Of a head with an output for each frame, it is the mean over the frames (`Head.embedding`).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.data import Clips, windows
from ossicle.errors import RunError
from ossicle.frozen.batches import window_batches
from ossicle.frozen.part import BatchRow
from ossicle.heads import Head
from ossicle.heads.head import PooledHead
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress


class _EmbeddingHead(Head):
    """A head without its last layer."""

    def __init__(self, head: PooledHead) -> None:
        nn.Module.__init__(self)
        self.head, self.width, self.num_outputs = head, head.width, head.num_outputs

    def forward(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the embedding of each row."""
        return self.head.embedding(hidden, frame_mask)


@runtime_checkable
class Embedder(Protocol):
    """A source of embeddings: `SingleModel`, `Ensemble` or your own class."""

    @property
    def backbone(self) -> Backbone:
        """The backbone, which defines the sample rate and the model input."""

    def embeddings(self, rows: Sequence[BatchRow]) -> list[Float[Tensor, "B E"]]:
        """Return the embeddings of a batch, of every member; a single model has one member."""


def embed_wave(
    model: Embedder, limit: int, wave: Float[np.ndarray, " N"]
) -> list[Float[Tensor, " E"]]:
    """Return the embedding of a recording, of every member: the mean of those of its windows.

    Args:
        model: The source of embeddings.
        limit: Longest window, in samples.
        wave: The recording at the sample rate of the backbone.
    """
    by_window = [
        [of_one[0].cpu() for of_one in model.embeddings([BatchRow.of(row)])]
        for row in (
            model.backbone.row(wave[start:stop]) for start, stop in windows(len(wave), limit)
        )
    ]
    return [torch.stack(of_one).mean(0) for of_one in zip(*by_window, strict=True)]


def embed(
    model: AdaptedModel,
    clips: Clips,
    batch_size: int,
    *,
    precision: str = "float32",
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Return (N, E), the embedding of each recording: the mean of those of its windows.

    Args:
        model: The model; its active adapter sets are used.
        clips: The recordings. One longer than their limit is cut into windows.
        batch_size: Windows at a time.
        precision: Precision of the forward pass.
        progress: Called after every batch, with the stage `embeddings`.

    Raises:
        RunError: the head has an output for each frame, and no embedding of a recording.
    """
    current, head = model.current, model.head
    if not isinstance(head, PooledHead):
        name = "no head" if head is None else f"the head '{head.name}', which works frame by frame"
        raise RunError(f"the model has {name}, so a recording has no embedding")
    single = SingleModel(model, precision=precision)
    current.head = _EmbeddingHead(head)
    try:
        return _mean_over_windows(single, clips, batch_size, progress)
    finally:
        current.head = head


def _mean_over_windows(
    single: SingleModel, clips: Clips, batch_size: int, progress: Progress
) -> NDArray[np.float32]:
    batches = clips.window_batches(batch_size)
    total = sum(map(len, batches))
    sums: dict[int, Tensor] = {}
    counts = torch.zeros(len(clips.utterances))
    for batch in window_batches(clips, batches, single.backbone, single.frozen):
        (outputs,) = single.outputs(batch.rows)
        for owner, row in zip(batch.owners, outputs.cpu().rows(), strict=True):
            sums[owner] = sums[owner] + row if owner in sums else row
            counts[owner] += 1
        progress("embeddings", int(counts.sum()), total)
    made = torch.stack([sums[owner] for owner in range(len(counts))]) / counts[:, None]
    return made.numpy()
