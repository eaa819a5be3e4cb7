"""Published settings, precision and trackers by name."""

import pytest
import torch

from ossicle.compute.precision import autocast, check_precision, pick_precision
from ossicle.errors import RunError
from ossicle.tasks import parse_task
from ossicle.training.config import TrainConfig
from ossicle.training.published import PUBLISHED, published
from ossicle.training.schedule import build_schedule
from ossicle.training.tracking import check_trackers


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_make_a_run(name: str) -> None:
    config = TrainConfig(backbone="b", recipe="r", data="d", **published(name))
    build_schedule(config.schedule, config.warmup, 10, 1)
    if config.task:
        parse_task(config.task)


def test_published_settings_are_those_of_the_code() -> None:
    # hparams/train.yaml and main.py: 50 epochs of 32 clips of 500 frames, AdamW (0.9, 0.98), eps
    # 1e-6, decay 0.1 on everything, half a cosine without warm-up, no clipping.
    config = TrainConfig(backbone="b", recipe="r", data="d", **published("ast/esc50"))
    assert (config.epochs, config.batch_size, config.lr, config.max_seconds) == (50, 32, 5e-3, 5.0)
    assert (config.schedule, config.warmup, config.clip) == ("cosine", 0.0, 0.0)
    assert config.optimizer == "adamw(beta2=0.98,eps=1e-6,decay=all)"
    assert config.weight_decay == 0.1


def test_settings_that_are_not_there_are_named() -> None:
    with pytest.raises(RunError, match=r"settings 'ast/esc5'; .* Did you mean 'ast/esc50'"):
        published("ast/esc5")


def test_precision_is_by_name() -> None:
    assert pick_precision("bfloat16", "cpu") == torch.bfloat16
    assert pick_precision("auto", "cpu") in (torch.float32, torch.bfloat16)
    with pytest.raises(RunError, match=r"precision is 'bfloat'; .* Did you mean 'bfloat16'"):
        pick_precision("bfloat", "cpu")
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), torch.float32):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["hubert", "wavlm", "ast", "w2v-bert"])
def test_half_precision_that_is_rounding_alone_is_let_through(build, kind, dtype) -> None:
    backbone = build(kind, stochastic=True).train()
    check_precision(backbone, dtype)
    assert backbone.training  # as it was


def test_half_precision_that_a_device_computes_wrongly_is_refused(build) -> None:
    backbone = build("hubert")

    def wrong(_module: object, _given: object, made: torch.Tensor) -> torch.Tensor:
        return -made if torch.is_autocast_enabled("cpu") else made

    backbone.model.encoder.layer_norm.register_forward_hook(wrong)
    check_precision(backbone, torch.float32)
    with pytest.raises(
        RunError,
        match=r"this cpu computes 'tiny' wrongly in bfloat16: .*\d+% of .* --precision float32",
    ):
        check_precision(backbone, torch.bfloat16)


def test_trackers_are_checked_before_a_run() -> None:
    assert check_trackers("none") == []
    assert check_trackers("tensorboard") == ["tensorboard"]
    with pytest.raises(RunError, match=r"no tracker 'tensorbord'; .* Did you mean 'tensorboard'"):
        check_trackers("tensorbord")
    with pytest.raises(RunError, match="the tracker wandb is not installed; `pip install wandb`"):
        check_trackers("tensorboard,wandb")


def test_superb_s_steps_are_epochs_of_its_corpora() -> None:
    # 200,000 steps of 32 over the 51,094 training recordings of V1, 12 classes: 125 epochs.
    config = TrainConfig(backbone="b", recipe="r", data="d", **published("superb/ks"))
    assert (config.epochs, config.batch_size, config.lr) == (125, 32, 1e-4)
    assert config.warmup * 200_000 == pytest.approx(1400)
