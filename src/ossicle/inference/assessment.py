"""Decoded answers, loss and metrics of a model on labelled recordings."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ossicle.compute.processes import Processes
from ossicle.data import Clips
from ossicle.frozen.batches import window_batches
from ossicle.heads import Outputs
from ossicle.inference.predictor import Model, combine
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task


@dataclass(frozen=True)
class Assessment:
    """The result of a model on labelled recordings.

    Attributes:
        decoded: The decoded answer for each recording, with the recording's `key`.
        loss: Mean over the recordings; None for a task without a loss on unseen labels.
        metrics: The metrics of the task.
    """

    decoded: list[dict[str, Any]]
    loss: float | None
    metrics: dict[str, Any]


@torch.no_grad()
def assess(
    model: Model,
    task: Task,
    clips: Clips,
    batch_size: int,
    *,
    processes: Processes | None = None,
    progress: Progress = no_progress,
    stage: str = "test",
) -> Assessment:
    """Return the decoded answers for all recordings, in their order, with loss and metrics.

    Args:
        model: The source of outputs.
        task: Combines and decodes them.
        clips: The recordings. One longer than their limit is cut into windows.
        batch_size: Windows at a time.
        processes: The processes that share the batches; all return the same.
        progress: Called after every batch.
        stage: The stage that is reported to it.
    """
    device = next(model.backbone.parameters()).device
    processes = processes or Processes(cpu=device.type == "cpu")
    outputs = _outputs_by_recording(model, clips, batch_size, processes, progress, stage)
    combined = [combine(task, of_members) for of_members in outputs]
    labels = [utterance.label for utterance in clips.utterances]
    pairs = zip(clips.utterances, combined, strict=True)
    decoded = [{**task.decode(output), "key": one.key} for one, output in pairs]
    loss = float(task.loss(Outputs.of(combined), labels)) if task.closed_set else None
    return Assessment(decoded, loss, task.metrics(labels, decoded))


def _outputs_by_recording(
    model: Model,
    clips: Clips,
    batch_size: int,
    processes: Processes,
    progress: Progress,
    stage: str,
) -> list[list[list[Tensor]]]:
    """Return, for every recording and every member, the outputs of all windows."""
    batches = clips.window_batches(batch_size)
    own = processes.own(batches)
    reader = window_batches(clips, own, model.backbone, model.frozen)
    found: list[list[list[Tensor]]] = [
        [[] for _ in range(model.num_members)] for _ in clips.utterances
    ]
    rows, total = 0, sum(len(pieces) for pieces in own)
    for start in range(0, len(batches), processes.count):  # a batch for every process
        batch = next(reader, None)
        members = [] if batch is None else model.outputs(batch.rows)
        for number in range(model.num_members):
            parts = processes.gather_outputs(members[number] if members else None)
            for pieces, outputs in zip(batches[start : start + len(parts)], parts, strict=True):
                for (owner, _), row in zip(pieces, outputs.cpu().rows(), strict=True):
                    found[owner][number].append(row)
        rows += 0 if batch is None else len(batch.owners)
        progress(stage, rows, total)
    return found
