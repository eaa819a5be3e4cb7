"""Decoded answers, loss and metrics of a model on labelled recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ossicle.compute.processes import Processes
from ossicle.data import Clips, Utterance
from ossicle.frozen.batches import window_batches
from ossicle.frozen.part import text_of
from ossicle.heads import Outputs
from ossicle.inference.predictor import Group, Model, decide, in_order, outputs_of_wave
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.votes import Vote


@dataclass(frozen=True)
class Assessment:
    """The result of a model on labelled recordings.

    Attributes:
        decoded: The decoded answer for each recording, with the recording's `key`.
        loss: Mean over the recordings; None for a task without a loss on unseen labels, and for a
            vote on decoded texts.
        metrics: The metrics of the task.
    """

    decoded: list[dict[str, Any]]
    loss: float | None
    metrics: dict[str, Any]


def assess(
    model: Model,
    task: Task,
    clips: Clips,
    batch_size: int,
    *,
    vote: Vote | None = None,
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
        vote: How several members decide. None: by the mean of their outputs.
        processes: The processes that share the batches; all return the same.
        progress: Called after every batch.
        stage: The stage that is reported to it.
    """
    outputs = member_outputs(
        model, task, clips, batch_size, processes=processes, progress=progress, stage=stage
    )
    return assess_outputs(task, clips.utterances, outputs, vote)


@torch.no_grad()
def member_outputs(
    model: Model,
    task: Task,
    clips: Clips,
    batch_size: int,
    *,
    processes: Processes | None = None,
    progress: Progress = no_progress,
    stage: str = "test",
) -> list[list[Tensor]]:
    """Return, for each recording, the output of every member, (C,) or (T, C), windows combined.

    Args:
        model: The source of outputs; a single model has one member.
        task: Combines the windows of a long recording.
        clips: The recordings. One longer than their limit is cut into windows.
        batch_size: Windows at a time.
        processes: The processes that share the batches; all return the same.
        progress: Called after every batch.
        stage: The stage that is reported to it.
    """
    device = next(model.backbone.parameters()).device
    processes = processes or Processes(cpu=device.type == "cpu")
    long = [n for n, size in enumerate(clips.sizes) if task.goes_on and size > clips.limit]
    short = sorted(set(range(len(clips.sizes))) - set(long))
    rate = model.backbone.sample_rate
    read = _outputs_by_recording(model, clips.chosen(short), batch_size, processes, progress, stage)
    found = {
        number: [
            task.combine_windows(
                [task.placed(one, 0.0, clips.sizes[number] / rate) for one in rows]
            )
            for rows in of_members
        ]
        for number, of_members in zip(short, read, strict=True)
    }
    found |= _outputs_of_long(model, task, clips, long, processes, progress, stage)
    return [found[number] for number in range(len(clips.sizes))]


def group_outputs(
    groups: Sequence[Group],
    task: Task,
    clips: Sequence[Clips],
    batch_size: int,
    *,
    processes: Processes | None = None,
    progress: Progress = no_progress,
    stage: str = "test",
) -> list[list[Tensor]]:
    """Return, for each recording, the output of every member of all groups, in their order.

    Args:
        groups: The members, by backbone.
        task: Combines the windows of a long recording.
        clips: For each group the same recordings, with their lengths at its sample rate.
        batch_size: Windows at a time.
        processes: The processes that share the batches; all return the same.
        progress: Called after every batch.
        stage: The stage that is reported to it.
    """
    found = [
        member_outputs(
            group.model,
            task,
            of_group,
            batch_size,
            processes=processes,
            progress=progress,
            stage=stage,
        )
        for group, of_group in zip(groups, clips, strict=True)
    ]
    return [in_order(groups, of_recording) for of_recording in zip(*found, strict=True)]


@torch.no_grad()
def assess_outputs(
    task: Task,
    utterances: Sequence[Utterance],
    outputs: Sequence[Sequence[Tensor]],
    vote: Vote | None = None,
    temperature: float | None = None,
) -> Assessment:
    """Return the decisions on recordings, given the outputs of every member for each of them.

    Args:
        task: Decodes the outputs.
        utterances: The recordings.
        outputs: The result of `member_outputs`.
        vote: How several members decide. None: by the mean of their outputs.
        temperature: What the logits that several members decide on are divided by; None: nothing.
    """
    decisions = [decide(task, of_members, vote, temperature) for of_members in outputs]
    labels = [utterance.label for utterance in utterances]
    pairs = zip(utterances, decisions, strict=True)
    decoded = [{**decision.decoded, "key": one.key} for one, decision in pairs]
    combined = [decision.output for decision in decisions if decision.output is not None]
    has_loss = task.closed_set and len(combined) == len(decisions)
    loss = float(task.loss(Outputs.of(combined), labels)) if has_loss else None
    return Assessment(decoded, loss, task.metrics(labels, decoded))


def _outputs_of_long(
    model: Model,
    task: Task,
    clips: Clips,
    long: Sequence[int],
    processes: Processes,
    progress: Progress,
    stage: str,
) -> dict[int, list[Tensor]]:
    """Return the outputs of recordings whose windows follow each other, by number.

    One recording at a time, since each window starts where the one before it has ended.
    """
    found: dict[int, list[Tensor]] = {}
    for number in processes.own(long):
        utterance = clips.utterances[number]
        wave = clips.read((number, (0, clips.sizes[number])), model.backbone.sample_rate)
        found[number] = outputs_of_wave(model, clips.limit, task, wave, text_of(utterance))
        progress(stage, len(found), len(long))
    parts = processes.gather(list(found.items())) if long else []
    return {number: outputs for part in parts for number, outputs in part}


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
