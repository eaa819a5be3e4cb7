"""What a way to keep adds to a step of training."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from kinds import attached, shake
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.continual import KEEPS
from ossicle.data import load_utterance
from ossicle.data.clips import Clips
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit
from ossicle.training.state import State
from stages import start_of
from tones import SAMPLE_RATE, short_clips

LABELS = "abcab"
TASK = Classification(["a", "b", "c"])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return short_clips(tmp_path_factory.mktemp("tones"), LABELS)


def config(**changes: object) -> TrainConfig:
    given = {"backbone": "b", "recipe": "r", "data": "d", "clip": 0.0, "epochs": 1, "lr": 1e-9}
    return TrainConfig(**{**given, **changes})


def adapted(build: Callable[..., Backbone], recipe: str = "lora") -> AdaptedModel:
    torch.manual_seed(0)
    model = attached(build("hubert"), Recipe.parse(recipe))
    shake(model)
    return model


def test_a_penalty_counts_once_in_a_step_of_several_batches(
    build: Callable[..., Backbone], clips: Clips
) -> None:
    """Batches of four and one; 3 (w - w0) is the gradient of L2-SP, and w - w0 is 0.5."""
    model, whole = adapted(build), adapted(build)
    start = start_of(model, TASK)
    for one in (model, whole):
        with torch.no_grad():
            for parameter in one.trainable().values():
                parameter += 0.5
    keep = KEEPS["l2-sp"](3.0, start)
    settings = config(batch_size=4, accumulate=2)
    (epoch,) = fit(model, TASK, clips, clips, settings, keep=keep)
    waves = [load_utterance(one, SAMPLE_RATE) for one in clips.utterances]
    targets = torch.tensor(["abc".index(label) for label in LABELS])
    loss = F.cross_entropy(whole(*whole.backbone.batch(waves)), targets)
    loss.backward()
    assert epoch.train_loss == pytest.approx(loss.item(), rel=1e-4)
    count = sum(parameter.numel() for parameter in whole.trainable().values())
    assert epoch.penalty == pytest.approx(3 / 2 * 0.25 * count, rel=1e-4)
    expected = whole.trainable()
    for key, parameter in model.trainable().items():
        wanted = expected[key].grad + 3 * 0.5
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-5)


def test_without_a_way_to_keep_the_log_has_no_penalty(
    build: Callable[..., Backbone], clips: Clips
) -> None:
    (epoch,) = fit(adapted(build), TASK, clips, clips, config())
    assert epoch.penalty is None
    assert "penalty" not in epoch.to_dict()


def test_interpolated_parameters_are_validated_and_kept_and_training_goes_on_from_its_own(
    build: Callable[..., Backbone], clips: Clips
) -> None:
    model, free = adapted(build), adapted(build)
    start = start_of(model, TASK)
    keep = KEEPS["interpolate"](0.25, start)
    settings = config(epochs=2, lr=1e-3, schedule="constant")
    history = fit(model, TASK, clips, clips, settings, keep=keep)
    free_history = fit(free, TASK, clips, clips, settings)
    assert [one.train_loss for one in history] == [one.train_loss for one in free_history]
    assert [one.valid_loss for one in history] != [one.valid_loss for one in free_history]
    assert history[-1].is_best
    assert free_history[-1].is_best
    trained = free.trainable()
    for key, value in model.trainable().items():
        expected = 0.75 * start.tensors[key] + 0.25 * trained[key]
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("name", ["coral", "dann"])
def test_ways_that_compare_domains_change_the_adapters(
    build: Callable[..., Backbone], clips: Clips, name: str
) -> None:
    """At a rate of nothing the gradients differ by those of the penalty."""
    gradients = []
    for strength in (0.0, 1000.0):
        model = adapted(build)
        keep = KEEPS[name](strength, start_of(model, TASK, source=clips))
        (epoch,) = fit(model, TASK, clips, clips, config(batch_size=3, lr=1e-30), keep=keep)
        assert epoch.penalty is not None
        gradients.append({key: value.grad for key, value in model.trainable().items()})
    for key, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][key]) == key.startswith("head/"), key


def test_a_checkpoint_has_the_discriminator_with_its_moments(
    build: Callable[..., Backbone], clips: Clips, tmp_path: Path
) -> None:
    def begun() -> tuple[AdaptedModel, State]:
        model = adapted(build)
        keep = KEEPS["dann"](1.0, start_of(model, TASK, source=clips))
        return model, State.of(model, config(lr=0.1), keep)

    model, state = begun()
    for parameter in [*model.trainable().values(), *state.keep.parameters()]:
        parameter.grad = torch.ones_like(parameter)
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak"]
    state.optimizer.step()
    write_checkpoint(tmp_path, model, state)
    again, resumed = begun()
    read_checkpoint(tmp_path, again, resumed)
    pairs = zip(state.keep.parameters(), resumed.keep.parameters(), strict=True)
    for mine, theirs in pairs:
        assert torch.equal(mine, theirs)
        moments = state.optimizer.state[mine], resumed.optimizer.state[theirs]
        assert torch.equal(moments[0]["exp_avg"], moments[1]["exp_avg"])
        assert moments[0]["exp_avg"].abs().sum() > 0
