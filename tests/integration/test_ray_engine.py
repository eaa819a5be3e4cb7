"""Trials on a Ray cluster have the results of the local engine, also when a node is killed."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ossicle.adapters.folder import TENSORS
from ossicle.errors import RunError
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG, PARENT
from ossicle.trials.engine import Event, Job
from ossicle.trials.folder import FAILED
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Outcome
from ossicle.trials.ray_engine import RayEngine
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.trial import BEFORE, Trial

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is missing")
pytestmark = [needs_ray, pytest.mark.slow, pytest.mark.thorough]
CLUSTER = Path(__file__).with_name("ray_cluster.py")
RECIPES = ("lora(dropout=0.3)", "bottleneck")


@dataclass(frozen=True)
class RayCluster:
    process: subprocess.Popen[bytes]
    address: str

    def kill_second_node(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"kill\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Return a cluster that the tests share."""
    with started() as found:
        yield found


@contextmanager
def started() -> Iterator[RayCluster]:
    command = [sys.executable, str(CLUSTER)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        yield RayCluster(process, json.loads(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()


def demo_trials(*, seeds: int = 2, **changes: object) -> list[Trial]:
    given = {"backbone": "tiny-hubert", "data": "demo", "epochs": 3, "device": "cpu", **changes}
    return [
        Trial(
            config=TrainConfig(recipe=recipe, seed=seed, **given),
            labels={"recipe": recipe, "seed": seed},
        )
        for seed in range(seeds)
        for recipe in RECIPES
    ]


def names(trials: list[Trial]) -> list[str]:
    naming = Naming()
    return [naming.name(trial) for trial in trials]


def cells(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    """Return everything that must not depend on the engine: metrics, scores and adapters."""
    found = []
    for one in outcomes:
        assert one.measured is not None, one.reason
        assert one.measured.scores is not None
        adapter = (one.folder / TENSORS).read_bytes()
        scores = one.measured.scores.tobytes()
        found.append((one.name, dict(one.measured.metrics), scores, adapter))
    return found


def test_results_are_those_of_the_local_engine_even_if_a_node_is_killed(tmp_path: Path) -> None:
    trials = demo_trials()
    named = names(trials)
    events: list[Event] = []
    logs: dict[str, str] = {}

    def kill_one(event: Event, standing: Standing) -> None:  # noqa: ARG001
        events.append(event)
        if not logs and event.what == "step":
            running = [tmp_path / "ray" / one.name / LOG for one in events if one.what == "started"]
            if len(running) == 2 and all(log.is_file() for log in running):  # on both nodes
                logs.update({log.parent.name: log.read_text() for log in running})
                cluster.kill_second_node()

    with started() as cluster:
        engine = RayEngine(address=cluster.address)
        by_ray = run_trials(trials, named, tmp_path / "ray", engine=engine, on_event=kill_one)
    lost = [event for event in events if event.what == "restarted"]
    assert len(lost) == 1, "the killed node had one trial"
    assert lost[0].reason is not None
    assert "node" in lost[0].reason or "worker" in lost[0].reason
    local = run_trials(trials, named, tmp_path / "local", engine=LocalEngine())
    assert cells(by_ray) == cells(local)
    after = events[events.index(lost[0]) :]
    trained = [one for one in after if one.name == lost[0].name and one.stage == "training"]
    epochs = [one.facts["epoch"] for one in trained]
    assert min(epochs) > logs[lost[0].name].count("\n"), "finished epochs are not trained again"
    assert not list((tmp_path / "ray").glob(".*")), "the marker is removed"


def test_a_trial_starts_from_the_run_of_another_one(cluster: RayCluster, tmp_path: Path) -> None:
    given = {"train_fraction": 0.1, "cache": "off", "track": "none"}
    first = demo_trials(seeds=1, epochs=1, **given)[0]
    stage = replace(first.config, recipe="linear", parent=BEFORE, freeze="head", epochs=1)
    trials = [first, replace(first, config=stage, after=first)]
    engine = RayEngine(address=cluster.address)
    found = run_trials(trials, names(trials), tmp_path, engine=engine)
    assert [(one.state, one.reason) for one in found] == [("finished", None)] * 2
    kept = found[1].folder / PARENT / TENSORS
    assert kept.read_bytes() == (found[0].folder / TENSORS).read_bytes()


def test_a_trial_that_cannot_run_is_a_row_and_a_node_without_room_is_an_error(
    cluster: RayCluster, tmp_path: Path
) -> None:
    trials = demo_trials(seeds=1, epochs=1)
    nowhere = f"audiofolder:{tmp_path / 'nowhere'}"
    wrong = replace(trials[0], config=replace(trials[0].config, data=nowhere))
    jobs = [
        Job(name=f"{number:016x}", folder=tmp_path / "trials" / f"{number:016x}", trial=trial)
        for number, trial in enumerate((wrong, trials[1]))
    ]
    events: list[Event] = []
    RayEngine(address=cluster.address).run(jobs, events.append)
    ended = {one.name: one for one in events if one.what in ("finished", "failed")}
    assert [ended[job.name].what for job in jobs] == ["failed", "finished"]
    assert "nowhere" in str(ended[jobs[0].name].reason)
    assert (jobs[0].folder / FAILED).is_file()
    with pytest.raises(RunError, match=r"no node .* has 64 CPUs, which a trial takes"):
        RayEngine(address=cluster.address, threads=64).run(jobs[:1], events.append)


@pytest.mark.exhaustive
def test_a_trial_whose_workers_are_killed_three_times_is_a_row_and_the_others_finish(
    cluster: RayCluster, tmp_path: Path
) -> None:
    trials = demo_trials(seeds=1, epochs=2)
    named = names(trials)
    events: list[Event] = []

    def kill(event: Event, standing: Standing) -> None:  # noqa: ARG001
        events.append(event)
        if event.name == named[0] and event.what == "step":  # before it has finished an epoch
            subprocess.run(["pkill", "-KILL", "-x", "-f", f"ray::{named[0]}"], check=False)

    engine = RayEngine(address=cluster.address)
    found = run_trials(trials, named, tmp_path, engine=engine, on_event=kill)
    assert [one.state for one in found] == ["failed", "finished"]
    assert "3 times without a finished epoch in between" in str(found[0].reason)
    of_first = [event.what for event in events if event.name == named[0]]
    assert [what for what in of_first if what != "step"] == [
        "started",
        *["restarted"] * 2,
        "failed",
    ]


def test_an_address_where_no_cluster_is_ends_the_command_within_half_a_minute(
    tmp_path: Path,
) -> None:
    job = Job(name="0" * 16, folder=tmp_path / "trials" / "one", trial=demo_trials(seeds=1)[0])
    started = time.monotonic()
    with pytest.raises(RunError, match=r"no Ray cluster answers at '127\.0\.0\.1:9'"):
        RayEngine(address="127.0.0.1:9").run([job], print)
    assert time.monotonic() - started < 60
    assert not list((tmp_path / "trials").iterdir())
