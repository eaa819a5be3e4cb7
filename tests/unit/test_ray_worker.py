"""A node of a Ray cluster that would give other results is refused; the lock of a dead one is not.

These call what runs in Ray's workers, without Ray.
"""

from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest
import torch

from ossicle.training.config import TrainConfig
from ossicle.training.folder import Writer
from ossicle.trials.code import code_version
from ossicle.trials.engine import Job
from ossicle.trials.ray_worker import Board, compute
from ossicle.trials.trial import Trial

NAME = "0123456789abcdef"


def local_board() -> tuple[Board, SimpleNamespace]:
    """Return a board and a handle of it, as Ray would make one."""
    board = Board()
    methods = {"start": board.start, "step": board.step}
    handle = {name: SimpleNamespace(remote=method) for name, method in methods.items()}
    return board, SimpleNamespace(**handle)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "trials" / ".ray-marker"
    marker.parent.mkdir()
    marker.touch()
    return {
        "threads": torch.get_num_threads(),
        "marker": str(marker),
        "code": code_version(),
        "working_directory": str(tmp_path),
        "environment": {},
    }


def order(folder: Path) -> dict[str, object]:
    """Return the order of a trial that fails as soon as it reads its data."""
    config = TrainConfig(backbone="tiny-hubert", recipe="lora", data="audiofolder:gone", epochs=1)
    trial = Trial(config=config, labels={})
    return {"name": NAME, **Job(name=NAME, folder=folder, trial=trial).to_dict()}


def test_a_node_that_does_not_share_the_folder_computes_nothing(
    place: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "trials" / NAME
    elsewhere = {**place, "marker": str(tmp_path / "trials" / ".ray-of-another-disk")}
    board, handle = local_board()
    answer = compute(order(folder), elsewhere, handle, again=False)
    assert answer["what"] == "unfit"
    assert f"does not see the folder '{tmp_path / 'trials'}'" in answer["reason"]
    assert not folder.exists()
    assert board.take() == ([], {})


def test_a_node_with_another_version_computes_nothing(
    place: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "trials" / NAME
    answer = compute(order(folder), {**place, "code": "another"}, local_board()[1], again=False)
    assert answer["what"] == "unfit"
    assert "another version of ossicle, torch, transformers or numpy" in answer["reason"]
    assert not folder.exists()


def test_a_trial_whose_node_has_died_waits_until_the_lock_of_that_node_is_gone(
    place: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "trials" / NAME
    board, handle = local_board()
    with Writer(folder) as died:
        died.take()
        first = compute(order(folder), place, handle, again=False)
        assert first["what"] == "elsewhere"
        timer = Timer(0.2, lambda: died.__exit__(None, None, None))
        timer.start()
        again = compute(order(folder), place, handle, again=True)
        timer.join()
    assert again["what"] == "failed", "it was computed, and its data are not there"
    assert "gone" in again["reason"]
    assert board.take()[0] == [NAME, NAME]
