"""A run that was moved, or is resumed from another folder, finds its relative paths."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.adapters.folder import FACTS, TENSORS
from ossicle.errors import BackboneError, DataError
from ossicle.training import Trained
from ossicle.training.config import TrainConfig
from ossicle.training.folder import SPLIT, VERSIONS
from ossicle.training.run import train

FILES = (TENSORS, FACTS, SPLIT, "log.jsonl", "config.json")


@pytest.fixture
def project(backbone: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory with data and a backbone."""
    folder = tmp_path / "project"
    shutil.copytree(corpus, folder / "tones")
    shutil.copytree(backbone, folder / "models" / "tiny")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def interrupted(
    project: Path,  # noqa: ARG001 - the working directory
    settings: Callable[..., TrainConfig],
    interrupt: Callable[..., None],
) -> TrainConfig:
    """Configuration of an interrupted run in `runs/a` of the project."""
    config = settings(data="audiofolder:tones", backbone="./models/tiny", epochs=2)
    interrupt(config, Path("runs/a"), epoch=2)
    return config


@pytest.mark.parametrize("moved", ["nothing", "run", "project"])
def test_an_interrupted_run_goes_on_from_anywhere(
    moved: str,
    interrupted: TrainConfig,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(interrupted, "runs/whole")
    whole = {name: (project / "runs" / "whole" / name).read_bytes() for name in FILES}
    run = project / "runs" / "a"
    if moved == "run":
        run = run.rename(tmp_path / "elsewhere")
    elif moved == "project":
        run = project.rename(tmp_path / "renamed") / "runs" / "a"
    monkeypatch.chdir(tmp_path)
    train(interrupted, run, resume=True)
    assert {name: (run / name).read_bytes() for name in FILES} == whole
    trained = Trained.open(run)  # the backbone is found again as well
    assert trained.model.backbone.name == "./models/tiny"
    found = trained.evaluate("audiofolder:tones")  # the run's own data: the test recordings alone
    assert len(found["recordings"]) == 6


def test_a_missing_path_is_reported_with_the_folders_searched(
    interrupted: TrainConfig, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(interrupted, "runs/a", resume=True)
    run = project / "runs" / "a"
    moved = tmp_path / "b" / "runs" / "a"
    shutil.copytree(run, moved)
    shutil.rmtree(project / "models")
    shutil.rmtree(project / "tones")
    monkeypatch.chdir(tmp_path)
    places = rf"Looked in '{tmp_path}', '{project}', '{tmp_path / 'b'}'\.$"
    with pytest.raises(BackboneError, match=f"there is no folder './models/tiny'.*{places}"):
        Trained.open(moved)
    (moved / "metrics.json").unlink()
    with pytest.raises(DataError, match=rf"tones does not exist \(reader audiof.*{places}"):
        train(interrupted, moved, resume=True)
    assert (moved / VERSIONS).is_file()
