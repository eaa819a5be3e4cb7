"""Gradients of the loss on training recordings, batch by batch.

The model is in evaluation mode and in float32: dropout would make an importance a random number,
and in float16 the small gradients of single batches vanish.
"""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from ossicle.data import Clips
from ossicle.errors import RunError
from ossicle.frozen.batches import training_batches
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task

STAGE: Final = "importance"


def batch_gradients(
    single: SingleModel,
    task: Task,
    clips: Clips,
    *,
    batch_size: int,
    seed: int,
    progress: Progress = no_progress,
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of the loss of each batch, by key, without those of the head.

    Args:
        single: The model.
        task: The task that it was trained for.
        clips: Its training recordings. Of one longer than their limit, a piece drawn by the seed
            counts.
        batch_size: Recordings in a batch.
        seed: Seed of the order of recordings, and of the pieces.
        progress: Called after every batch, with the stage `importance`.

    Raises:
        RunError: a loss is not finite.
    """
    model = single.model.eval()
    parameters = {k: p for k, p in model.trainable().items() if not k.startswith("head/")}
    plan = clips.plan(batch_size, None, seed=seed, epoch=1)
    batches = training_batches(clips, plan, single.backbone, single.frozen, seed=seed, epoch=1)
    for done, batch in enumerate(batches, start=1):
        labels = [clips.utterances[owner].label for owner in batch.owners]
        loss = task.loss(single.forward(batch.rows), labels)
        if not loss.isfinite():
            raise RunError(
                f"the loss of the run on its training recordings is {loss.item()}, so nothing is "
                "known of what matters; prune a run that has converged"
            )
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        yield {
            key: torch.zeros_like(parameter) if gradient is None else gradient
            for (key, parameter), gradient in zip(parameters.items(), found, strict=True)
        }
        progress(STAGE, done, len(plan))
