"""Fixtures: the command line in this process, a tiny backbone, recordings, a finished run."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ossicle.cli.main import main
from ossicle.training.config import TrainConfig
from ossicle.training.run import train


@dataclass(frozen=True)
class Done:
    """Result of a command."""

    status: int
    out: str
    err: str


@pytest.fixture
def ossicle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run a command as a shell would, without the start of a new process."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ossicle", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            status: object = 0
        except SystemExit as end:
            status = end.code or 0
        assert isinstance(status, int)
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, backbone: str, corpus: Path) -> Path:
    """Folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(
        backbone=backbone, recipe="lora", data=str(corpus), epochs=2, batch_size=4, device="cpu"
    )
    train(config, folder)
    return folder
