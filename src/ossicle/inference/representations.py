"""Representations of recordings: the hidden states of every layer, averaged over time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ossicle.anatomy import VALUES
from ossicle.backbones import Backbone, PartialForward
from ossicle.compute.precision import autocast, pick_precision
from ossicle.data import Clips
from ossicle.frozen.batches import window_batches
from ossicle.frozen.cut import Row
from ossicle.progress import Progress, no_progress


@torch.no_grad()
def represent(
    backbone: Backbone,
    clips: Clips,
    batch_size: int,
    *,
    precision: str = "float32",
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Return (N, L, D), the output of every layer for each recording, averaged over real frames.

    Tokens that a method adds to the sequence, such as prompts, count as frames.

    Args:
        backbone: The backbone; adapter sets that are active on it act.
        clips: The recordings. Of one longer than their limit, the mean over its windows.
        batch_size: Windows at a time.
        precision: Precision of the forward pass.
        progress: Called after every batch, with the stage `representations`.
    """
    batches = clips.window_batches(batch_size)
    total, done = sum(map(len, batches)), 0
    device = next(backbone.parameters()).device
    dtype = pick_precision(precision, str(device))
    found: list[list[Tensor]] = [[] for _ in clips.utterances]
    for batch in window_batches(clips, batches, backbone):
        rows = [row.model_input for row in batch.rows if row.model_input is not None]
        with autocast(device, dtype):
            means = _layer_means(backbone, rows)
        for owner, row in zip(batch.owners, means.float().cpu(), strict=True):
            found[owner].append(row)
        done += len(rows)
        progress("representations", done, total)
    return torch.stack([torch.stack(rows).mean(0) for rows in found]).numpy()


def _layer_means(backbone: Backbone, rows: list[Row]) -> Tensor:
    """Return the output of every layer for each row, averaged over real frames: (B, L, D)."""
    device = next(backbone.parameters()).device
    values, lengths = (part.to(device) for part in backbone.collate(rows))
    last = backbone.anatomy.num_layers
    partial = backbone.advance(PartialForward(VALUES, values, lengths), last, keep=True)
    mask = backbone.head_mask(partial).to(partial.hidden.dtype)  # (B, T)
    outputs = (*partial.layer_inputs[1:], partial.hidden)  # the output of a layer enters the next
    return torch.stack(
        [(hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True) for hidden in outputs], dim=1
    )
