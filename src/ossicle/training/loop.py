"""Training loop: in every epoch, steps on the training recordings, then validation."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.processes import Processes
from ossicle.continual import Keep, Step, as_finished
from ossicle.data import Clips
from ossicle.errors import RunError
from ossicle.frozen.batches import training_batches
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import Outputs
from ossicle.inference.assessment import assess
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.training.choice import Choice
from ossicle.training.config import MOST_DEFAULT_EPOCHS, TrainConfig
from ossicle.training.optim import set_rates
from ossicle.training.schedule import build_schedule
from ossicle.training.state import Epoch, State

# Trains the epoch of a number, from 1; returns the means of the loss and of what is added to it.
TrainEpoch: TypeAlias = Callable[[int], tuple[float, float | None]]


def fit(
    model: AdaptedModel,
    task: Task,
    train: Clips,
    valid: Clips,
    config: TrainConfig,
    *,
    frozen: FrozenPart | None = None,
    keep: Keep | None = None,
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
        keep: A way to keep what earlier stages have learnt.
        progress: Called after every step.

    Raises:
        RunError: the loss, in training or on the validation recordings, is no longer finite.
    """
    config = with_epochs(config, task, train, model.backbone.sample_rate)
    parameters = model.trainable()
    best: dict[str, Tensor] = {}
    state = State.of(model, config, keep)
    frozen = frozen or FrozenPart(find_cut(model))
    for epoch in epochs(model, task, train, valid, config, state, frozen=frozen, progress=progress):
        if epoch.is_best:
            with as_finished(model, keep):
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
    train_one: TrainEpoch | None = None,
) -> Iterator[Epoch]:
    """Train the remaining epochs, and yield each of them after its validation.

    An epoch depends only on its number, the seed and the state, so a run that was interrupted
    between two epochs continues as if it had not been. `train_one` trains an epoch in another way
    than `train_epoch`.
    """
    processes = processes or Processes(cpu=next(model.parameters()).device.type == "cpu")
    judge = valid_task or task
    choice = Choice.of(judge, [one.label for one in valid.utterances])
    single = SingleModel(model, frozen, config.precision)
    while state.ended_by(config) is None:
        number = len(state.history) + 1
        with seeded(config.seed, number, processes.rank):
            if train_one is not None:
                loss, penalty = train_one(number)
            else:
                loss, penalty = train_epoch(
                    single, task, train, config, state, number, processes, progress
                )
        with as_finished(model, state.keep):
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
        epoch = Epoch(number, loss, found.loss, found.metrics, is_best, penalty)
        state.history.append(epoch)
        yield epoch


@contextmanager
def seeded(seed: int, number: int, rank: int) -> Iterator[None]:
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
    epoch_steps = -(-len(plan_epoch(clips, config, sample_rate, number=1)) // config.accumulate)
    needed = min(MOST_DEFAULT_EPOCHS, -(-task.min_steps // epoch_steps))
    return replace(config, epochs=max(config.num_epochs, needed))


def plan_epoch(clips: Clips, config: TrainConfig, sample_rate: int, number: int) -> list[list[int]]:
    """Return the recordings of each batch of the epoch of a number, from 1."""
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
) -> tuple[float, float | None]:
    """Train on every recording once; return the means of the loss and of what is added to it.

    What a way to keep adds to the loss of the task is None without one. `number` is from 1.

    Raises:
        RunError: the loss is no longer finite.
    """
    single.model.train()
    keep = state.keep
    plan = plan_epoch(clips, config, single.backbone.sample_rate, number)
    epoch_steps = -(-len(plan) // config.accumulate)
    num_steps = config.num_epochs * epoch_steps
    factor = build_schedule(config.schedule, config.warmup, num_steps, epoch_steps)
    batches = training_batches(
        clips,
        plan,
        single.backbone,
        single.frozen,
        seed=config.seed,
        epoch=number,
        own=processes.own,
    )
    if keep is not None:
        keep.begin_epoch(number, [len(batch) for batch in plan])
    total, seen = 0.0, 0
    added: float | None = None
    for done in range(epoch_steps):
        rows = [len(batch) for batch in plan[done * config.accumulate :][: config.accumulate]]
        begun = time.perf_counter()
        step = (number - 1) * epoch_steps + done
        set_rates(state.optimizer, factor(step))
        state.optimizer.zero_grad()
        for size in rows:
            batch = next(batches)
            outputs, embeddings = _forward(single, batch.rows, processes, keep)
            labels = [clips.utterances[i].label for i in batch.all_owners]
            loss = whole = task.loss(outputs, labels)
            check_finite("loss", loss, done + 1, number)
            total, seen = total + loss.item() * size, seen + size
            about = Step(outputs=outputs, embeddings=embeddings, progress=step / num_steps)
            penalty = None if keep is None else keep.penalty(about)
            if penalty is not None:
                check_finite("loss that --keep adds", penalty, done + 1, number)
                added = (added or 0.0) + penalty.item() * size
                whole = loss + penalty
            if batch.rows or whole.requires_grad:
                state.scaler.scale(whole * (size / sum(rows))).backward()
        _update(state, config, processes)
        state.step_seconds.append(time.perf_counter() - begun)
        progress("training", step + 1, num_steps, epoch=number, loss=total / seen)
    return total / seen, None if added is None else added / seen


def _forward(
    single: SingleModel, rows: Sequence[BatchRow], processes: Processes, keep: Keep | None
) -> tuple[Outputs, Tensor | None]:
    """Return the outputs and, for a way that reads them, the embeddings of the whole batch."""
    if keep is not None:
        keep.before(rows)
    if keep is None or not keep.reads_embeddings:
        return processes.whole_batch(single.forward(rows) if rows else None), None
    mine, embeddings = single.forward_with_embeddings(rows) if rows else (None, None)
    of_mine = None if embeddings is None else Outputs(embeddings)
    return processes.whole_batch(mine), processes.whole_batch(of_mine).values


def check_finite(what: str, value: Tensor, step: int, epoch: int) -> None:
    """Raise unless a loss is a finite number.

    Raises:
        RunError: it is NaN or infinite.
    """
    if not np.isfinite(value.item()):
        lower = "--lr, or a lower strength of --keep" if "--keep" in what else "--lr"
        raise RunError(
            f"the {what} is {value.item()} at step {step} of epoch {epoch}: the training has "
            f"diverged. Start a new run with a lower {lower}"
        )


def _update(state: State, config: TrainConfig, processes: Processes) -> None:
    """Take an optimiser step with the summed gradients of all processes."""
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    processes.sum_gradients(parameters)
    state.scaler.unscale_(state.optimizer)
    if config.clip:
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
    state.scaler.step(state.optimizer)
    state.scaler.update()
