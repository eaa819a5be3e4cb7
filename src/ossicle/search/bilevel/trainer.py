"""One epoch of bilevel training: in each iteration, a step of the gates and one of the weights.

An epoch is a pass over the half that trains the weights, with as many batches of the other half.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.data import Clips
from ossicle.frozen.batches import Batch, training_batches
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.search.bilevel.halves import Halves
from ossicle.search.bilevel.relaxations import Moment, Relaxation
from ossicle.search.bilevel.steps import as_optimizer, descend, take, unrolled
from ossicle.tasks import Task
from ossicle.training.config import TrainConfig
from ossicle.training.loop import check_finite, plan_epoch, seeded
from ossicle.training.optim import GATES_LR
from ossicle.training.schedule import build_schedule
from ossicle.training.state import State

GATES = "gates/"


@dataclass
class Turn:
    """The batches of one step, and what their recordings are labelled.

    Attributes:
        half: 0: the half for the weights; 1: that for the gates.
        number: Number of the iteration, from 0.
        place: Number of the step in its epoch and the epoch, from 1, for messages.
        batches: The batches, whose gradients are added up.
        labels: The labels of each batch.
        loss: Mean loss when a gradient was last computed.
    """

    half: int
    number: int
    place: tuple[int, int]
    batches: list[Batch]
    labels: list[list[str]]
    loss: float = 0.0

    @property
    def size(self) -> int:
        """Number of recordings."""
        return sum(map(len, self.labels))


class Trainer:
    """Trains the weights and the gates of a mixture in turn.

    Attributes:
        logits: The logits of each searched layer, by its number.
    """

    def __init__(
        self,
        single: SingleModel,
        task: Task,
        halves: Halves,
        config: TrainConfig,
        state: State,
        relaxation: Relaxation,
        progress: Progress,
    ) -> None:
        """Put the gates in a group of their own.

        Args:
            single: The model, whose active set is a mixture.
            task: The task.
            halves: The recordings that train the weights, and those that train the gates.
            config: Settings of the run.
            state: State of the run before its first epoch; its optimiser is changed.
            relaxation: Computes the gates; with the settings of the bilevel training.
            progress: Called after every iteration.
        """
        self._single, self._task, self._halves = single, task, halves
        self._config, self._relaxation, self._progress = config, relaxation, progress
        self._optimizer = state.optimizer
        trainable = single.model.trainable()
        self._gates = [one for key, one in trainable.items() if key.startswith(GATES)]
        self._weights = [one for key, one in trainable.items() if not key.startswith(GATES)]
        self.logits = {
            int(key.rsplit(".", 1)[1]): one
            for key, one in trainable.items()
            if key.startswith(GATES)
        }
        self._step_seconds = state.step_seconds
        group_gates(state.optimizer, self._gates, config, relaxation.values)

    def train_epoch(self, number: int) -> tuple[float, None]:
        """Train for one epoch; return the mean loss of the weights.

        Args:
            number: Number of the epoch, from 1.

        Raises:
            RunError: a loss is no longer finite.
        """
        self._single.model.train()
        steps = self.epoch_steps(number)
        every = self._config.num_epochs * steps
        factor = build_schedule(self._config.schedule, self._config.warmup, every, steps)
        of_weights, of_gates = (self._turns(half, number, steps) for half in (0, 1))
        total, seen = 0.0, 0
        for train, switch in zip(of_weights, of_gates, strict=True):
            begun = time.perf_counter()
            self._set_rates(factor(train.number))
            turns = [self._train_gates, self._train_weights]
            if self._values["starts_with"] == "weights":
                turns.reverse()
            for turn in turns:
                turn(train, switch, every)
            total, seen = total + train.loss * train.size, seen + train.size
            self._step_seconds.append(time.perf_counter() - begun)
            self._progress("training", train.number + 1, every, epoch=number, loss=total / seen)
        self.end_epoch()
        return total / seen, None

    def end_epoch(self) -> None:
        """Let only the candidates act that are best now, as on validation recordings."""
        self._relaxation.end(self.logits)

    def strengths(self) -> dict[str, list[float]]:
        """Return the gates of each layer, without noise, as plain data."""
        with torch.no_grad():
            found = self._relaxation.strengths(self.logits)
        return {str(layer): one.tolist() for layer, one in found.items()}

    def epoch_steps(self, number: int) -> int:
        """Return the number of iterations of an epoch, counted from 1."""
        return -(-len(self._plan(0, number)) // self._config.accumulate)

    @property
    def order(self) -> str:
        """How the gradient of the gates is computed: `second`, `first` or `plain`."""
        return str(self._values["order"])

    @property
    def _values(self) -> Mapping[str, Any]:
        return self._relaxation.values

    def _plan(self, half: int, number: int) -> list[list[int]]:
        rate = self._single.backbone.sample_rate
        return plan_epoch(self._halves[half], self._config, rate, number)

    def _turns(self, half: int, number: int, steps: int) -> Iterator[Turn]:
        """Yield what each step of an epoch trains on; the batches of a half may repeat."""
        clips, size, seed = self._halves[half], self._config.accumulate, self._config.seed
        wanted = len(self._plan(0, number))
        plan = list(islice(cycle(self._plan(half, number)), wanted))
        backbone, frozen = self._single.backbone, self._single.frozen
        batches = training_batches(clips, plan, backbone, frozen, seed=seed, epoch=number)
        for done in range(steps):
            own = list(islice(batches, size))
            labels = [_labels(clips, batch) for batch in own]
            yield Turn(half, (number - 1) * steps + done, (done + 1, number), own, labels)

    def _train_gates(self, train: Turn, switch: Turn, every: int) -> None:
        self._begin(train.number, 0, every)
        gradients = self._gradient_of_gates(train, switch)
        take(self._optimizer, self._gates, gradients, self._config.clip)

    def _train_weights(self, train: Turn, switch: Turn, every: int) -> None:  # noqa: ARG002 - a turn
        self._begin(train.number, 1, every)
        gradients = self._gradients(train, self._weights)
        take(self._optimizer, self._weights, gradients, self._config.clip)

    def _begin(self, number: int, turn: int, every: int) -> None:
        """Let the relaxation draw what is random in a turn."""
        progress = number / max(1, every - 1)
        self._relaxation.begin(Moment(self._config.seed, number, turn, progress), self.logits)

    def _gradient_of_gates(self, train: Turn, switch: Turn) -> list[Tensor]:
        values, weights = self._values, self._weights
        if self.order == "plain":
            return self._gradients(switch, self._gates)
        rates = self._rates()
        if values["virtual"] == "sgd":
            step = descend(weights, rates)
        else:
            step = as_optimizer(self._optimizer, weights, self._config.clip)
        return unrolled(
            lambda wanted: self._gradients(train, wanted),
            lambda wanted: self._gradients(switch, wanted),
            weights,
            self._gates,
            step,
            rates,
            float(values["epsilon"]) if self.order == "second" else None,
        )

    def _gradients(self, turn: Turn, wanted: Sequence[nn.Parameter]) -> list[Tensor]:
        """Return the gradients of the loss of a turn, and of the penalty in that of the gates.

        Dropout is the same each time, so that two gradients differ by the parameters alone.
        """
        penalty = self._relaxation.penalty(self.logits) if turn.half == 1 else None
        parts = [] if penalty is None else [_gradients(penalty, wanted)]
        turn.loss = 0.0
        with seeded(self._config.seed, turn.number, turn.half + 1):
            for batch, labels in zip(turn.batches, turn.labels, strict=True):
                loss = self._task.loss(self._single.forward(batch.rows), labels)
                check_finite("loss", loss, *turn.place)
                share = len(labels) / turn.size
                turn.loss += loss.item() * share
                parts.append(_gradients(loss * share, wanted))
        return [torch.stack(every).sum(0) for every in zip(*parts, strict=True)]

    def _rates(self) -> list[float]:
        """Return the learning rate of each of the weights, as it is now."""
        rate = {
            id(one): float(group["lr"])
            for group in self._optimizer.param_groups
            for one in group["params"]
        }
        return [rate[id(one)] for one in self._weights]

    def _set_rates(self, factor: float) -> None:
        """Set the rates of a step; the schedule is that of the weights."""
        for group in self._optimizer.param_groups:
            constant = "gates" in group and self._values["gates_schedule"] == "constant"
            group["lr"] = group["peak"] * (1.0 if constant else factor)


def group_gates(
    optimizer: torch.optim.Optimizer,
    gates: Sequence[nn.Parameter],
    config: TrainConfig,
    values: Mapping[str, Any],
) -> None:
    """Move the logits to a group of their own, with the settings for gates.

    Adam keeps its state for each parameter, so one optimiser trains both in turn: it leaves
    parameters without a gradient as they are.
    """
    own = {id(one) for one in gates}
    for group in optimizer.param_groups:
        group["params"] = [one for one in group["params"] if id(one) not in own]
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
    about = {
        "params": list(gates),
        "lr": 0.0,
        "peak": float(values["gates_lr"]) or config.lr or GATES_LR,
        "weight_decay": float(values["gates_decay"]),
        "betas": (float(values["gates_beta1"]), float(values["gates_beta2"])),
        "gates": True,
    }
    optimizer.add_param_group(about)


def _labels(clips: Clips, batch: Batch) -> list[str]:
    return [clips.utterances[number].label for number in batch.all_owners]


def _gradients(loss: Tensor, wanted: Sequence[nn.Parameter]) -> list[Tensor]:
    """Return gradients, zero for what a loss does not depend on."""
    found = torch.autograd.grad(loss, list(wanted), allow_unused=True)
    return [
        torch.zeros_like(one) if gradient is None else gradient
        for one, gradient in zip(wanted, found, strict=True)
    ]
