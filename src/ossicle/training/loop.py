"""Training loop: in every epoch, steps on the training recordings, then validation."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.processes import Processes
from ossicle.data import Clips
from ossicle.errors import RunError
from ossicle.frozen.batches import training_batches
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import FrozenPart
from ossicle.inference.assessment import assess
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.training.choice import Choice
from ossicle.training.config import MOST_DEFAULT_EPOCHS, TrainConfig
from ossicle.training.optim import set_rates
from ossicle.training.schedule import build_schedule
from ossicle.training.state import Epoch, State


def fit(
    model: AdaptedModel,
    task: Task,
    train: Clips,
    valid: Clips,
    config: TrainConfig,
    *,
    frozen: FrozenPart | None = None,
    progress: Progress = no_progress,
) -> list[Epoch]:
    """Train the adapters and the head, then restore their parameters of the best epoch.

    Args:
        model: From `attach`.
        task: Task that defines loss and metrics.
        train: Training recordings.
        valid: Validation recordings, by which the best epoch is chosen.
        config: Epochs, learning rates, seed; its backbone, recipe, data and cache are not used.
        frozen: Frozen part of the model, with its cache; None: computed in every epoch.
        progress: Called after every step.

    Raises:
        RunError: the loss, in training or on the validation recordings, is no longer finite.
    """
    config = with_epochs(config, task, train, model.backbone.sample_rate)
    parameters = model.trainable()
    best: dict[str, Tensor] = {}
    state = State.of(model, config)
    frozen = frozen or FrozenPart(find_cut(model))
    for epoch in epochs(model, task, train, valid, config, state, frozen=frozen, progress=progress):
        if epoch.is_best:
            best = {key: value.detach().clone() for key, value in parameters.items()}
    with torch.no_grad():
        for key, value in best.items():
            parameters[key].copy_(value)
    model.eval()
    return state.history


def epochs(
    model: AdaptedModel,
    task: Task,
    train: Clips,
    valid: Clips,
    config: TrainConfig,
    state: State,
    *,
    frozen: FrozenPart,
    valid_task: Task | None = None,
    processes: Processes | None = None,
    progress: Progress = no_progress,
) -> Iterator[Epoch]:
    """Train the remaining epochs, and yield each of them after its validation.

    An epoch depends only on its number, the seed and the state, so a run that was interrupted
    between two epochs continues as if it had not been.
    """
    processes = processes or Processes(cpu=next(model.parameters()).device.type == "cpu")
    judge = valid_task or task
    choice = Choice.of(judge, [one.label for one in valid.utterances])
    single = SingleModel(model, frozen, config.precision)
    while state.ended_by(config) is None:
        number = len(state.history) + 1
        with _seeded(config.seed, number, processes.rank):
            loss = train_epoch(single, task, train, config, state, number, processes, progress)
        found = assess(
            single,
            judge,
            valid,
            config.batch_size,
            processes=processes,
            progress=progress,
            stage="valid",
        )
        if not np.isfinite(found.loss or 0.0):
            raise RunError(
                f"the loss on the validation recordings is {found.loss} after epoch {number}: the "
                "training has diverged. Start a new run with a lower --lr"
            )
        shown = {} if found.loss is None else {"loss": found.loss}
        shown |= {task.primary_metric: found.metrics[task.primary_metric]}
        windows = sum(1 for _ in valid.windows())
        progress("valid", windows, windows, **shown)
        rank = choice.rank(found.metrics, found.loss)
        best = state.best if state.history else None
        is_best = best is None or rank > choice.rank(best.valid, best.valid_loss)
        epoch = Epoch(number, loss, found.loss, found.metrics, is_best)
        state.history.append(epoch)
        yield epoch


@contextmanager
def _seeded(seed: int, number: int, rank: int) -> Iterator[None]:
    """Seed the random generators for an epoch; restore their state afterwards.

    Dropout draws from torch's generator, transformers' SpecAugment from numpy's global one. Each
    process of a run has its own seed, because each has other rows of a batch.
    """
    before = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed * 1_000_003 + number + 7919 * rank)
        np.random.seed([seed, number, rank] if rank else [seed, number])
        try:
            yield
        finally:
            np.random.set_state(before)


def with_epochs(config: TrainConfig, task: Task, clips: Clips, sample_rate: int) -> TrainConfig:
    """Return the configuration with its number of epochs, or a default by the size of the data."""
    if config.epochs is not None:
        return config
    epoch_steps = -(-len(_plan(clips, config, sample_rate, number=1)) // config.accumulate)
    needed = min(MOST_DEFAULT_EPOCHS, -(-task.min_steps // epoch_steps))
    return replace(config, epochs=max(config.num_epochs, needed))


def _plan(clips: Clips, config: TrainConfig, sample_rate: int, number: int) -> list[list[int]]:
    """Return the recordings of each batch of an epoch."""
    seconds = config.batch_seconds
    budget = None if seconds is None else int(seconds * sample_rate)
    return clips.plan(config.batch_size, budget, seed=config.seed, epoch=number)


def train_epoch(
    single: SingleModel,
    task: Task,
    clips: Clips,
    config: TrainConfig,
    state: State,
    number: int,
    processes: Processes,
    progress: Progress = no_progress,
) -> float:
    """Train on every recording once and return the mean loss; `number` is from 1.

    Raises:
        RunError: the loss is no longer finite.
    """
    single.model.train()
    plan = _plan(clips, config, single.backbone.sample_rate, number)
    epoch_steps = -(-len(plan) // config.accumulate)
    factor = build_schedule(
        config.schedule, config.warmup, config.num_epochs * epoch_steps, epoch_steps
    )
    batches = training_batches(
        clips,
        plan,
        single.backbone,
        single.frozen,
        seed=config.seed,
        epoch=number,
        own=processes.own,
    )
    total, seen = 0.0, 0
    for done in range(epoch_steps):
        rows = [len(batch) for batch in plan[done * config.accumulate :][: config.accumulate]]
        begun = time.perf_counter()
        step = (number - 1) * epoch_steps + done
        set_rates(state.optimizer, factor(step))
        state.optimizer.zero_grad()
        for size in rows:
            batch = next(batches)
            mine = single.forward(batch.rows) if batch.rows else None
            labels = [clips.utterances[i].label for i in batch.all_owners]
            loss = task.loss(processes.whole_batch(mine), labels)
            if not np.isfinite(loss.item()):
                raise RunError(
                    f"the loss is {loss.item()} at step {done + 1} of epoch {number}: the training "
                    "has diverged. Start a new run with a lower --lr"
                )
            if batch.rows:
                state.scaler.scale(loss * (size / sum(rows))).backward()
            total, seen = total + loss.item() * size, seen + size
        _update(state, config, processes)
        state.step_seconds.append(time.perf_counter() - begun)
        progress(
            "training", step + 1, config.num_epochs * epoch_steps, epoch=number, loss=total / seen
        )
    return total / seen


def _update(state: State, config: TrainConfig, processes: Processes) -> None:
    """Take an optimiser step with the summed gradients of all processes."""
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    processes.sum_gradients(parameters)
    state.scaler.unscale_(state.optimizer)
    if config.clip:
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
    state.scaler.step(state.optimizer)
    state.scaler.update()
