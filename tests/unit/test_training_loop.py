"""A step has the gradient of all rows, and no epoch repeats the random draws of another."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from kinds import attached, shake
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.data import Utterance, load_utterance
from ossicle.data.clips import Clips
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification, parse_task
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit, with_epochs
from tones import SAMPLE_RATE, short_clips

LABELS = "abcab"
TASK = Classification(["a", "b", "c"])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return short_clips(tmp_path_factory.mktemp("tones"), LABELS)


def first(clips: Clips) -> Clips:
    return Clips(clips.utterances[:1], clips.sizes[:1], clips.limit)


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"backbone": "b", "recipe": "r", "data": "d", "clip": 0.0, **changes})


def adapted(backbone: Backbone, recipe: str) -> AdaptedModel:
    torch.manual_seed(0)
    model = attached(backbone, Recipe.parse(recipe))
    shake(model)
    return model


def test_a_step_of_unequal_batches_has_the_gradient_of_the_mean_over_its_rows(
    build: Callable[..., Backbone], clips: Clips
) -> None:
    """Five rows in batches of four and one: the single row counts a fifth, not a half."""
    model, whole = (adapted(build("hubert"), "lora") for _ in range(2))
    (epoch,) = fit(model, TASK, clips, clips, config(epochs=1, batch_size=4, accumulate=2, lr=1e-9))
    waves = [load_utterance(one, SAMPLE_RATE) for one in clips.utterances]
    targets = torch.tensor(["abc".index(label) for label in LABELS])
    loss = F.cross_entropy(whole(*whole.backbone.batch(waves)), targets)
    loss.backward()
    assert epoch.train_loss == pytest.approx(loss.item(), rel=1e-5)
    expected = whole.trainable()
    for key, parameter in model.trainable().items():
        torch.testing.assert_close(parameter.grad, expected[key].grad, rtol=1e-4, atol=1e-6)


SPEC_AUGMENT = {"mask_time_prob": 0.5, "mask_time_length": 2, "layerdrop": 0.0} | {
    f"{where}_dropout": 0.0 for where in ("hidden", "attention", "activation", "feat_proj", "final")
}


@pytest.mark.parametrize(
    ("recipe", "changed", "is_random"),
    [
        ("lora", {}, False),
        ("lora(dropout=0.5)", {}, True),  # drawn by torch
        ("lora", {"stochastic": True, **SPEC_AUGMENT}, True),  # drawn by numpy
    ],
)
def test_no_epoch_repeats_the_draws_of_another(
    build: Callable[..., Backbone], clips: Clips, recipe: str, changed: dict, is_random: bool
) -> None:
    """One recording in one batch, at a learning rate too small to learn."""
    model, alone = adapted(build("hubert", **changed), recipe), first(clips)
    history = fit(model, TASK, alone, alone, config(epochs=3, batch_size=1, lr=1e-30))
    assert len({epoch.train_loss for epoch in history}) == (3 if is_random else 1)
    assert len({epoch.valid_loss for epoch in history}) == 1


@pytest.mark.parametrize(
    ("task", "recordings", "changes", "epochs"),
    [
        ("asr", 60, {}, 100),  # 4 steps an epoch: 400 steps
        ("asr", 300, {}, 22),  # 19 steps an epoch: 418 steps
        ("phones", 640, {}, 10),  # 40 steps an epoch: the default is enough
        ("asr", 60, {"accumulate": 4}, 100),  # 1 step an epoch, and no more than 100 epochs
        ("asr", 60, {"batch_seconds": 2.0}, 67),  # 10 clips of 0.2 s a batch: 6 steps an epoch
        ("asr", 60, {"epochs": 3}, 3),
        ("classification", 60, {}, 10),
    ],
)
def test_transcription_of_few_recordings_has_more_epochs_by_default(
    task: str, recordings: int, changes: dict, epochs: int
) -> None:
    utterances = tuple(Utterance(f"{n}", Path(f"{n}.wav"), "a") for n in range(recordings))
    clips = Clips(utterances, (3200,) * recordings, 16_000)
    kind, _ = parse_task(task)
    assert with_epochs(config(**changes), kind, clips, SAMPLE_RATE).epochs == epochs
