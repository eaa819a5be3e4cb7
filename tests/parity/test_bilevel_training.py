"""An epoch of bilevel training against the published procedure, written out on copies of a model.

The procedure of Lin et al. 2024, with two optimisers: copy the model, let a copy of its optimiser
take a step on the batch for the weights, and take the gradient of the gates there.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.frozen.batches import training_batches
from ossicle.inference.single import SingleModel
from ossicle.progress import no_progress
from ossicle.search.bilevel.relaxations import RELAXATIONS
from ossicle.search.bilevel.run import Search
from ossicle.search.bilevel.trainer import Trainer
from ossicle.settings import parse
from ossicle.training.config import TrainConfig
from ossicle.training.loop import plan_epoch
from ossicle.training.prepare import prepare
from ossicle.training.state import State

RATE = 0.01
MIXTURE = (
    "skip(gate=layers:skip) + lora(rank=2, gate=layers:lora) "
    "+ bottleneck(width=4, gate=layers:seq)@ffn"
)


@pytest.fixture
def config(backbone: str, corpus: Path) -> TrainConfig:
    return TrainConfig(
        backbone=backbone,
        recipe=MIXTURE,
        data=f"audiofolder:{corpus}",
        epochs=1,
        batch_size=2,
        lr=RATE,
        optimizer="adam",
        weight_decay=0,
        schedule="constant",
        warmup=0,
        device="cpu",
        cache="off",
    )


def search(config: TrainConfig, text: str) -> Search:
    name, values = parse(text, "strategy", {k: one.options for k, one in RELAXATIONS.items()})
    return Search.of(prepare(config, reads_test=False), name, values, text)


def parts(model: AdaptedModel) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights and the logits."""
    every = model.trainable()
    return (
        [one for key, one in every.items() if not key.startswith("gates/")],
        [one for key, one in every.items() if key.startswith("gates/")],
    )


class Published:
    """The published procedure, with the softmax of the mixture itself."""

    def __init__(self, made: Search) -> None:
        self.made = made
        self.model = copy.deepcopy(made.run.model)
        self.model.current.gates.relaxation = None
        self.model.train()
        weights, gates = parts(self.model)
        self.of_weights = torch.optim.Adam(weights, lr=RATE)
        self.of_gates = torch.optim.Adam(gates, lr=RATE)

    def batches(self, half: int) -> Iterator[tuple[list, list[str]]]:
        clips, run = self.made.halves[half], self.made.run
        plan = plan_epoch(clips, run.config, 16_000, 1)
        for batch in training_batches(
            clips, plan, self.model.backbone, run.frozen, seed=0, epoch=1
        ):
            yield batch.rows, [clips.utterances[number].label for number in batch.owners]

    def gradients(self, model: AdaptedModel, batch, wanted: list[Tensor]) -> tuple[Tensor, ...]:
        rows, labels = batch
        loss = self.made.run.task.loss(SingleModel(model).forward(rows), labels)
        return torch.autograd.grad(loss, wanted)

    def virtual(self, train) -> AdaptedModel:
        """Return a copy of the model after a step on the batch for the weights."""
        model = copy.deepcopy(self.model)
        weights, _ = parts(model)
        optimizer = torch.optim.Adam(weights, lr=RATE)
        optimizer.load_state_dict(copy.deepcopy(self.of_weights.state_dict()))
        self.step(optimizer, weights, self.gradients(model, train, weights))
        return model

    def step(self, optimizer, parameters, gradients) -> None:
        for one, gradient in zip(parameters, gradients, strict=True):
            one.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    def shifted(self, train, direction, size: float) -> tuple[Tensor, ...]:
        """Return the gradient of the gates at weights that are moved by `size` of a direction."""
        model = copy.deepcopy(self.model)
        weights, gates = parts(model)
        with torch.no_grad():
            for one, change in zip(weights, direction, strict=True):
                one += size * change
        return self.gradients(model, train, gates)

    def train_gates(self, train, switch, order: str) -> None:
        weights, gates = parts(self.model)
        if order == "plain":
            found = self.gradients(self.model, switch, gates)
        else:
            moved = self.virtual(train)
            unrolled_weights, unrolled_gates = parts(moved)
            both = self.gradients(moved, switch, [*unrolled_weights, *unrolled_gates])
            direction, found = both[: len(weights)], both[len(weights) :]
        if order == "second":
            size = 0.01 / (torch.cat([one.flatten() for one in direction]).norm() + 1e-6)
            up, down = (self.shifted(train, direction, sign * size) for sign in (1, -1))
            found = [
                one - RATE * (plus - minus) / (2 * size)
                for one, plus, minus in zip(found, up, down, strict=True)
            ]
        self.step(self.of_gates, gates, found)

    def train_weights(self, train) -> None:
        weights, _ = parts(self.model)
        self.step(self.of_weights, weights, self.gradients(self.model, train, weights))

    def train(self, order: str, *, weights_first: bool) -> None:
        for train, switch in zip(self.batches(0), self.batches(1), strict=True):
            if weights_first:
                self.train_weights(train)
            self.train_gates(train, switch, order)
            if not weights_first:
                self.train_weights(train)


@pytest.mark.parametrize(
    ("order", "starts_with"),
    [
        ("second", "gates"),
        pytest.param("first", "weights", marks=pytest.mark.thorough),
        pytest.param("first", "gates", marks=pytest.mark.thorough),
        pytest.param("plain", "gates", marks=pytest.mark.thorough),
    ],
)
def test_an_epoch_is_that_of_the_published_procedure(
    config: TrainConfig, order: str, starts_with: str
) -> None:
    made = search(config, f"darts(order={order},starts_with={starts_with})")
    published = Published(made)
    before = {key: one.detach().clone() for key, one in made.run.model.trainable().items()}
    published.train(order, weights_first=starts_with == "weights")

    run, state = made.run, State.of(made.run.model, made.run.config)
    single = SingleModel(run.model, run.frozen)
    trainer = Trainer(
        single, run.task, made.halves, run.config, state, made.relaxation, no_progress
    )
    trainer.train_epoch(1)
    found, expected = run.model.trainable(), published.model.trainable()
    assert found.keys() == expected.keys()
    for key, one in expected.items():
        torch.testing.assert_close(found[key], one, rtol=1e-3, atol=1e-5, msg=key)
        assert not torch.equal(one, before[key]), key
