"""What every task must do: a new file is tested by existing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.attach.check import attach
from ossicle.attach.recipe import Recipe
from ossicle.backbones import Backbone
from ossicle.data import Utterance
from ossicle.errors import LabelError
from ossicle.heads import build_head
from ossicle.tasks import TASKS, Task
from ossicle.training.clips import Clips
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit

LABELS = ("no", "yes")


@pytest.fixture(params=TASKS.values(), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param.from_dict({"name": request.param.name, "labels": list(LABELS)})


@pytest.fixture
def utterances(tmp_path: Path) -> tuple[Utterance, ...]:
    """Eight recordings of noise; nothing but memory tells their labels apart."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(8):
        file = tmp_path / f"{number}.wav"
        soundfile.write(file, 0.1 * rng.standard_normal(3200 + 160 * number), 16_000)
        made.append(Utterance.of(file, tmp_path, LABELS[number % 2]))
    return tuple(made)


def test_a_task_memorises_eight_utterances(
    task: Task, utterances: tuple[Utterance, ...], build: Callable[..., Backbone]
) -> None:
    backbone = build("hubert")
    head = build_head("meanstd", backbone.anatomy, task.num_outputs)
    model = attach(backbone, Recipe.parse("full"), head)
    clips = Clips(utterances, tuple(3200 + 160 * number for number in range(8)), 16_000)
    settings = {"backbone": "b", "recipe": "full", "data": "d", "lr": 5e-3, "batch_size": 4}
    history = fit(model, task, clips, clips, TrainConfig(**settings, epochs=25))
    assert history[-1].train_loss < history[0].train_loss
    assert max(epoch.valid[task.primary] for epoch in history) == 1.0


def test_a_task_survives_json(task: Task) -> None:
    again = type(task).from_dict(json.loads(json.dumps(task.to_dict())))
    assert again.to_dict() == task.to_dict()
    assert again.num_outputs == task.num_outputs
    assert task.to_dict()["name"] == type(task).name


def test_one_window_says_what_the_recording_says(task: Task) -> None:
    output = torch.randn(task.num_outputs)
    alone, combined = task.decode(output), task.decode(task.combine(output[None]))
    assert combined["label"] == alone["label"]
    assert combined["probs"] == pytest.approx(alone["probs"])


def test_the_order_of_the_windows_does_not_matter(task: Task) -> None:
    windows = torch.randn(5, task.num_outputs)
    torch.testing.assert_close(task.combine(windows), task.combine(windows.flip(0)))


def test_the_loss_is_a_finite_mean_with_a_gradient_for_every_row(task: Task) -> None:
    output = torch.randn(4, task.num_outputs, requires_grad=True)
    labels = [LABELS[number % 2] for number in range(4)]
    loss = task.loss(output, labels)
    rows = [task.loss(row[None], [label]) for row, label in zip(output, labels, strict=True)]
    torch.testing.assert_close(loss, torch.stack(rows).mean())
    (gradient,) = torch.autograd.grad(loss, output)
    assert gradient.isfinite().all()
    assert gradient.any(dim=1).all()


def test_all_right_is_the_best_figure_and_rows_are_drawn_alike(task: Task) -> None:
    labels = [LABELS[number % 2] for number in range(6)]
    wrong = [*labels[:-1], LABELS[0]]
    assert task.figures(labels, labels)[task.primary] == 1.0
    figures = task.figures(labels, wrong)
    assert figures[task.primary] < 1.0
    drawn = task.resampler(labels, wrong)(np.arange(6))
    assert drawn[task.primary] == pytest.approx(figures[task.primary])
    assert json.loads(json.dumps(figures)) == figures


def test_a_label_that_was_not_trained_on_is_an_error(task: Task) -> None:
    with pytest.raises(LabelError, match="'maybe' was not seen in training"):
        task.check_labels(["yes", "maybe"])
