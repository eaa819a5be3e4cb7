"""An interrupted run is resumed to the same bits."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import read_tensors
from ossicle.checksums import DIGEST, unseal
from ossicle.errors import AdapterFileError, RunError
from ossicle.files import write_sealed
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, LOG, METRICS, SPLIT, read_json
from ossicle.training.run import train

MEASURED = (
    "train_seconds",
    "test_seconds",
    "peak_memory_mib",
    "cache",
    "first_step_seconds",
    "step_seconds",
    DIGEST,
)  # differ from run to run
KILL = Path(__file__).with_name("kill_runs.py")


def outcome(folder: Path) -> dict[str, Any]:
    """Return everything that must be equal, bit by bit, in two runs with the same settings."""
    metrics = json.loads((folder / METRICS).read_text())
    same = (TENSORS, "recipe.json", LOG, SPLIT, CONFIG)
    return {
        "metrics": {key: value for key, value in metrics.items() if key not in MEASURED},
        "checkpoint": checkpoint_of(folder),
        **{name: (folder / name).read_bytes() for name in same},
    }


def checkpoint_of(folder: Path) -> dict[str, Any]:
    """Return the bytes of every tensor of a checkpoint, and its history without times."""
    tensors, metadata = read_tensors(folder / CHECKPOINT)
    content = {key: value.numpy().tobytes() for key, value in tensors.items()}
    return content | {key: metadata[key] for key in ("history", "scaler")}


def as_in_a_new_process() -> None:
    """Give the global generators an unforeseeable state."""
    torch.seed()
    np.random.seed()


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": "lora(dropout=0.3)@attn.q,ffn.in"},
        {"recipe": "full", "lr": 1e-3},
        {"recipe": "lora(dropout=0.3)", "stochastic": True},
    ],
    ids=["lora with dropout", "full", "dropout and masks in the backbone"],
)
def test_a_resumed_run_ends_in_the_same_bits(
    changes: dict[str, Any],
    settings: Callable[..., TrainConfig],
    interrupt: Callable[..., None],
    tmp_path: Path,
) -> None:
    config = settings(**changes)
    train(config, tmp_path / "whole")
    as_in_a_new_process()
    interrupt(config, tmp_path / "parts", epoch=2)
    as_in_a_new_process()
    interrupt(config, tmp_path / "parts", epoch=3, resume=True)
    as_in_a_new_process()
    before = float(read_tensors(tmp_path / "parts" / CHECKPOINT)[1]["seconds"])
    started = time.perf_counter()
    metrics = train(config, tmp_path / "parts", resume=True)
    assert before < metrics.train_seconds + 0.005  # its last digit is rounded
    assert metrics.train_seconds <= before + time.perf_counter() - started
    assert metrics.train_seconds > before + metrics.step_seconds  # one epoch of steps more
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_one_seed_gives_the_same_bits_and_another_seed_others(
    settings: Callable[..., TrainConfig], finished: Path, tmp_path: Path
) -> None:
    train(settings(), tmp_path / "again")
    train(settings(seed=1), tmp_path / "other")
    assert outcome(tmp_path / "again") == outcome(finished)
    assert (tmp_path / "other" / TENSORS).read_bytes() != (finished / TENSORS).read_bytes()


# Files in the order of their writing: config, split, versions, recipe; in each epoch adapter (here
# both are best so far), log and checkpoint; metrics.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "timed"),
    [
        pytest.param([5, 8], 0, marks=pytest.mark.thorough),
        pytest.param([1, 4, 7, 10, 11], 2, marks=[pytest.mark.thorough, pytest.mark.exhaustive]),
    ],
)
def test_a_run_killed_at_any_moment_leaves_whole_files_and_goes_on_to_the_same_bits(
    settings: Callable[..., TrainConfig], tmp_path: Path, files: list[int], timed: int
) -> None:
    config = settings(epochs=2)
    train(config, tmp_path / "whole")
    expected = outcome(tmp_path / "whole")
    order = {"config": config.to_dict(), "out": str(tmp_path), "files": files, "timed": timed}
    done = subprocess.run(
        [sys.executable, str(KILL)], input=json.dumps(order), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    status_by_folder = json.loads(done.stdout)
    assert len(status_by_folder) == len(files) + timed
    for name, status in status_by_folder.items():
        folder = Path(name)
        assert status == -signal.SIGKILL or "after-time" in name
        check_whole(folder)
        train(config, folder, resume=(folder / CONFIG).is_file())
        assert outcome(folder) == expected, name
        assert not list(folder.glob(".*")), "a part of a file is left over"


def check_whole(folder: Path) -> None:
    """Assert that every file under its final name can be read to its end."""
    for file in folder.glob("[!.]*"):
        if file.name == "tensorboard":
            continue  # lines are added to its file
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".jsonl":
            assert file.read_text().endswith("\n")
            assert all(json.loads(line) for line in file.read_text().splitlines())
        else:
            assert file.suffix == ".safetensors"
            read_tensors(file)
    if (folder / TENSORS).is_file():
        read_folder(folder)


def test_a_finished_run_is_not_trained_again(
    settings: Callable[..., TrainConfig], finished: Path
) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.iterdir()}
    metrics = train(settings(), finished, resume=True)
    assert metrics.to_dict() == unseal(json.loads((finished / METRICS).read_text()))
    assert {file: file.stat().st_mtime_ns for file in finished.iterdir()} == before


def test_a_run_resumes_with_its_own_settings_only(
    settings: Callable[..., TrainConfig], finished: Path
) -> None:
    with pytest.raises(RunError, match=r"has other values of epochs, seed; resume it with its own"):
        train(settings(epochs=9, seed=4), finished, resume=True)


def test_a_run_does_not_go_on_with_other_recordings(
    settings: Callable[..., TrainConfig],
    interrupt: Callable[..., None],
    corpus: Path,
    tmp_path: Path,
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in corpus.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    config = settings(data=f"audiofolder:{moved}")
    interrupt(config, tmp_path / "run", epoch=2)
    first, other = sorted(moved.glob("anna-*.wav"))[:2]
    first.write_bytes(other.read_bytes())
    with pytest.raises(RunError, match=r"are no longer those in .*split\.json.*start a new run"):
        train(config, tmp_path / "run", resume=True)


def test_a_run_resumes_after_the_sentence_about_its_split_was_reworded(
    settings: Callable[..., TrainConfig], interrupt: Callable[..., None], tmp_path: Path
) -> None:
    interrupt(settings(), tmp_path / "run", epoch=2)
    file = tmp_path / "run" / SPLIT
    whole = file.read_bytes()
    write_sealed(file, read_json(file) | {"note": "As an older version worded it."})
    interrupt(settings(), tmp_path / "run", epoch=3, resume=True)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("name", [METRICS, SPLIT, CONFIG, CHECKPOINT])
def test_a_damaged_file_of_a_run_is_named(
    name: str,
    settings: Callable[..., TrainConfig],
    interrupt: Callable[..., None],
    tmp_path: Path,
) -> None:
    interrupt(settings(), tmp_path / "run", epoch=2)
    (tmp_path / "run" / name).write_bytes(b'{"half": ')
    with pytest.raises((RunError, AdapterFileError), match=name):
        train(settings(), tmp_path / "run", resume=True)


def test_files_of_a_killed_start_do_not_block_a_new_one(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    (tmp_path / ".config.json.part").write_text('{"backb')
    assert train(settings(epochs=1), tmp_path).epochs == 1
    assert not list(tmp_path.glob(".*"))
