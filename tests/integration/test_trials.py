"""Trials give the results of `train`, bit by bit, whatever their worker has done before."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import TENSORS
from ossicle.backbones import load_backbone
from ossicle.compute import memory
from ossicle.compute.memory import PeakMemory
from ossicle.progress import no_progress
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG, METRICS, threads_of
from ossicle.training.run import train
from ossicle.trials.engine import Event, Job
from ossicle.trials.kept import Kept
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.run_trial import run_trial
from ossicle.trials.trial import Trial

Settings = Callable[..., TrainConfig]
RECIPES = ("full", "lora(dropout=0.3)", "prefix + weighted-sum")


def trial(config: TrainConfig) -> Trial:
    return Trial(config=config, labels={})


def assert_same(folder: Path, expected: Path) -> None:
    for name in (TENSORS, LOG):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def test_trials_one_after_the_other_in_a_process_equal_runs_of_their_own(
    settings: Settings, tmp_path: Path
) -> None:
    kept = Kept()
    for number, recipe in enumerate(RECIPES):
        config = settings(recipe=recipe, epochs=1, track="none")
        job = Job(name=str(number), folder=tmp_path / str(number), trial=trial(config))
        assert run_trial(job.to_dict(), kept, no_progress)["what"] == "finished"
        if number:  # after another trial
            train(config, tmp_path / f"own-{number}")
            assert_same(job.folder, tmp_path / f"own-{number}")


def test_a_backbone_is_kept_until_its_parameters_or_files_change(backbone: str) -> None:
    kept = Kept()
    first, second = kept.load(backbone), kept.load(backbone)
    weight = next(first.parameters())
    assert next(second.parameters()) is weight
    assert first.model is not second.model
    assert next(kept.load(backbone, fast=False).parameters()) is not weight
    changed = next(kept.load(backbone).parameters())
    with torch.no_grad():
        changed += 1
    again = next(kept.load(backbone).parameters())
    assert torch.equal(again, next(load_backbone(backbone).parameters()))
    again.requires_grad_(True)
    assert not next(kept.load(backbone).parameters()).requires_grad


def test_the_peak_memory_of_a_run_is_not_that_of_the_run_before() -> None:
    peak, model = PeakMemory(), torch.nn.Linear(1, 1)
    peak.start()
    before = peak.mib(model)
    torch.ones(50 << 20).sum()  # 200 MiB
    assert before is not None
    if sys.platform != "linux":
        pytest.skip("other systems do not let a process start its peak anew")
    assert peak.mib(model) >= before + 190
    peak.start()
    assert peak.mib(model) < before + 50


def test_the_peak_memory_of_a_second_run_is_unknown_where_the_peak_cannot_start_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_reset", lambda: False)
    peak, model = PeakMemory(), torch.nn.Linear(1, 1)
    peak.start()
    assert peak.mib(model) is not None
    peak.start()
    assert peak.mib(model) is None


def test_a_trial_whose_data_have_moved_starts_anew(
    settings: Settings, corpus: Path, interrupt: Callable[..., None], tmp_path: Path
) -> None:
    interrupt(settings(epochs=2), tmp_path / "a", epoch=2)
    moved = settings(epochs=2, data=f"audiofolder:{corpus / '..' / corpus.name}")
    job = Job(name="a", folder=tmp_path / "a", trial=trial(moved))
    assert run_trial(job.to_dict(), Kept(), no_progress)["what"] == "finished"


def in_second_epoch(event: Event) -> bool:
    return event.stage == "training" and event.facts["epoch"] == 2


def children() -> list[int]:
    """Return the processes that this one has started and that run."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for file in found for pid in file.read_text().split()]


def run(
    configs: Sequence[TrainConfig], folder: Path, on_event: Callable[[Event, Standing], None]
) -> list[str]:
    names = [f"{number:016x}" for number in range(len(configs))]
    declared = [trial(config) for config in configs]
    return [
        one.state
        for one in run_trials(declared, names, folder, engine=LocalEngine(), on_event=on_event)
    ]


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.mark.thorough
@needs_proc
@pytest.mark.exhaustive
def test_a_worker_that_is_killed_costs_its_running_trial_alone(
    settings: Settings, tmp_path: Path
) -> None:
    configs = [settings(seed=seed, track="none") for seed in range(3)]
    seen: list[tuple[str, str]] = []

    def kill(event: Event, _: Standing) -> None:
        if event.what != "step":
            seen.append((event.name[-1], event.what))
        restarts = seen.count(("0", "restarted")) + seen.count(("1", "restarted"))
        due = in_second_epoch(event) and (
            (event.name[-1] == "0" and restarts == 0) or event.name[-1] == "1"
        )
        if due:
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    assert run(configs, tmp_path / "trials", kill) == ["finished", "failed", "finished"]
    assert [what for name, what in seen if name == "0"] == ["started", "restarted", "finished"]
    assert [what for name, what in seen if name == "1"] == ["started", "restarted", "failed"]
    failed = (tmp_path / "trials" / f"{1:016x}" / "failed.json").read_text()
    assert "status -9 (killed; perhaps memory ran out), for the second time" in failed
    assert "--workers 1" in failed
    assert run(configs, tmp_path / "trials", lambda *_: None) == ["finished"] * 3
    for number, config in enumerate(configs):
        train(config, tmp_path / str(number))
        assert_same(tmp_path / "trials" / f"{number:016x}", tmp_path / str(number))


PARENT = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ossicle.training.config import TrainConfig
from test_trials import children, in_second_epoch, run

def kill(event, _):
    if event.name[-1] == "1" and in_second_epoch(event):
        print(*children(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

configs = [TrainConfig.from_dict(one) for one in json.loads(sys.argv[2])]
run(configs, Path(sys.argv[3]), kill)
"""


@pytest.mark.thorough
@needs_proc
def test_a_study_that_is_killed_goes_on_where_it_was(settings: Settings, tmp_path: Path) -> None:
    configs = [settings(seed=seed, track="none") for seed in range(2)]
    given = json.dumps([config.to_dict() for config in configs])
    folder = tmp_path / "trials"
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parent), given, str(folder)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    (worker,) = map(int, killed.stdout.split())
    before = (folder / f"{0:016x}" / METRICS).stat().st_mtime_ns
    assert not (folder / f"{1:016x}" / METRICS).exists()
    started: list[str] = []
    states = run(
        configs,
        folder,
        lambda event, _: started.append(event.name[-1]) if event.what == "started" else None,
    )
    assert states == ["finished", "finished"]
    assert started == ["1"]
    assert (folder / f"{0:016x}" / METRICS).stat().st_mtime_ns == before
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    for number, config in enumerate(configs):
        train(config, tmp_path / str(number))
        assert_same(folder / f"{number:016x}", tmp_path / str(number))
        assert threads_of(folder / f"{number:016x}") == 1


def test_a_worker_that_cannot_start_is_one_error(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Exception, match="a worker process could not start: it ended with status 1"):
        run([settings()], tmp_path, lambda *_: None)
