"""Fixtures for runs of a second: a tiny backbone, 18 recordings of tones, LoRA with dropout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.training.config import TrainConfig
from ossicle.training.run import train


class Interrupted(Exception):
    """Raised to end a run early."""


@pytest.fixture(scope="session")
def settings(backbone: str, corpus: Path) -> Callable[..., TrainConfig]:
    """Return the configuration of a quick run, with changes."""

    def configure(**changes: object) -> TrainConfig:
        given = {
            "backbone": backbone,
            "recipe": "lora(dropout=0.3)",
            "data": f"audiofolder:{corpus}",
            "epochs": 3,
            "batch_size": 4,
            "lr": 0.01,
            "device": "cpu",
        }
        return TrainConfig(**{**given, **changes})

    return configure


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., TrainConfig]
) -> Path:
    """Folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(settings(), folder)
    return folder


@pytest.fixture
def interrupt() -> Callable[..., None]:
    """Train until the second step of an epoch."""

    def run(config: TrainConfig, folder: Path, *, epoch: int, resume: bool = False) -> None:
        reached = 0

        def stop(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
            nonlocal reached
            reached += stage == "training" and facts["epoch"] == epoch
            if reached == 2:
                raise Interrupted

        with pytest.raises(Interrupted):
            train(config, folder, resume=resume, progress=stop)

    return run
