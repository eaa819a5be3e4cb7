"""One epoch, one assessment, one fit: a function each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ossicle.attach.adapted import AdaptedModel
from ossicle.errors import RunError
from ossicle.tasks import Task
from ossicle.training.clips import Clips
from ossicle.training.config import TrainConfig
from ossicle.training.optim import build_optimizer, schedule, set_rates

CLIP_NORM = 1.0


class Progress(Protocol):
    """Is told how far something has come."""

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Take note that `done` of `total` are done; `facts` are worth showing, such as a loss."""


def no_progress(stage: str, done: int, total: int, **facts: float) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: From 1.
        train_loss: Mean over its recordings, while training.
        valid_loss: On the validation recordings, after it.
        valid: Their figures.
        is_best: Whether no epoch before was as good: the primary figure, then the loss.
    """

    number: int
    train_loss: float
    valid_loss: float
    valid: dict[str, Any]
    is_best: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass
class State:
    """Where a run stands between two epochs; with the parameters, all that is needed to go on.

    Attributes:
        optimizer: AdamW with its moments.
        history: The epochs so far.
    """

    optimizer: torch.optim.AdamW
    history: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The best epoch so far."""
        return next(epoch for epoch in reversed(self.history) if epoch.is_best)


@dataclass(frozen=True)
class Assessment:
    """What a model says about some recordings.

    Attributes:
        decoded: For each recording, what the task makes of the output.
        loss: Mean over the recordings.
        figures: Of the task.
    """

    decoded: list[dict[str, Any]]
    loss: float
    figures: dict[str, Any]


def fit(
    model: AdaptedModel,
    task: Task,
    train: Clips,
    valid: Clips,
    config: TrainConfig,
    *,
    progress: Progress = no_progress,
) -> list[Epoch]:
    """Train the current set and leave it as it was after its best epoch.

    Args:
        model: From `attach`.
        task: What the labels mean.
        train: What is learnt from.
        valid: What the best epoch is chosen by.
        config: Epochs, rates, seed; its names of backbone, recipe and data are not used.
        progress: Told of every step.

    Raises:
        RunError: the loss is no longer finite.
    """
    parameters = model.trainable(model.current)
    best: dict[str, Tensor] = {}
    state = State(build_optimizer(model, config))
    for epoch in epochs(model, task, train, valid, config, state, progress=progress):
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
    progress: Progress = no_progress,
) -> Iterator[Epoch]:
    """Train from where the state stands, and yield after every epoch.

    What an epoch does depends on its number, the seed and the state alone, so that a run that is
    interrupted between two epochs goes on as if it had not been.
    """
    for number in range(len(state.history) + 1, config.epochs + 1):
        with _seeded(config.seed, number):
            loss = train_epoch(model, task, train, config, state.optimizer, number, progress)
        found = assess(model, task, valid, config.batch_size, progress=progress, stage="valid")
        primary = {task.primary: found.figures[task.primary]}
        windows = sum(1 for _ in valid.windows())
        progress("valid", windows, windows, loss=found.loss, **primary)
        score = (task.score(found.figures), -found.loss)
        is_best = not state.history or score > _score(task, state.best)
        epoch = Epoch(number, loss, found.loss, found.figures, is_best)
        state.history.append(epoch)
        yield epoch


@contextmanager
def _seeded(seed: int, number: int) -> Iterator[None]:
    """Fix every random draw of an epoch; leave the generators as they were.

    Dropout draws from torch's, transformers' SpecAugment from numpy's global one.
    """
    before = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed * 1_000_003 + number)
        np.random.seed([seed, number])
        try:
            yield
        finally:
            np.random.set_state(before)


def _score(task: Task, epoch: Epoch) -> tuple[float, float]:
    return task.score(epoch.valid), -epoch.valid_loss


def train_epoch(
    model: AdaptedModel,
    task: Task,
    clips: Clips,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    number: int,
    progress: Progress = no_progress,
) -> float:
    """Train on every recording once and return the mean loss; `number` is from 1.

    Raises:
        RunError: the loss is no longer finite.
    """
    model.train()
    device = next(model.parameters()).device
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    num_batches = clips.num_batches(config.batch_size)
    num_steps, total, seen = config.epochs * num_batches, 0.0, 0
    batches = clips.training_batches(
        model.backbone, config.batch_size, seed=config.seed, epoch=number
    )
    for done, batch in enumerate(batches, start=1):
        step = (number - 1) * num_batches + done - 1
        set_rates(optimizer, schedule(step, num_steps, config.warmup))
        optimizer.zero_grad()
        outputs = model.outputs(batch.values.to(device), batch.lengths.to(device))
        loss = task.loss(outputs, [clips.utterances[i].label for i in batch.owners])
        if not bool(loss.isfinite()):
            raise RunError(
                f"the loss is {loss.item()} at step {done} of epoch {number}: the training has "
                "diverged. Start a new run with a lower --lr"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
        total, seen = total + loss.item() * len(batch.owners), seen + len(batch.owners)
        progress("training", step + 1, num_steps, epoch=number, loss=total / seen)
    return total / seen


@torch.no_grad()
def assess(
    model: AdaptedModel,
    task: Task,
    clips: Clips,
    batch_size: int,
    *,
    progress: Progress = no_progress,
    stage: str = "test",
) -> Assessment:
    """Return what the model says about every recording, in their order, and its figures."""
    model.eval()
    device = next(model.parameters()).device
    outputs: list[list[Tensor]] = [[] for _ in clips.utterances]
    rows, total = 0, sum(1 for _ in clips.windows())
    for batch in clips.evaluation_batches(model.backbone, batch_size):
        of_batch = model.outputs(batch.values.to(device), batch.lengths.to(device))
        for owner, row in zip(batch.owners, of_batch, strict=True):
            outputs[owner].append(row.cpu())
        rows += len(batch.owners)
        progress(stage, rows, total)
    combined = [task.combine(of_one) for of_one in outputs]
    labels = [utterance.label for utterance in clips.utterances]
    decoded = [task.decode(output) for output in combined]
    return Assessment(decoded, float(task.loss(combined, labels)), task.figures(labels, decoded))
