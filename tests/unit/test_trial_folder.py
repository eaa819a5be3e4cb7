"""The state of a trial follows from its files, and a failure is written down."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from here import Here
from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.progress import Progress, no_progress
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, METRICS, Writer
from ossicle.trials import outcome as outcomes
from ossicle.trials.engine import Event, Job
from ossicle.trials.folder import FAILED, read_outcomes, write_failed
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.run_trial import run_trial
from ossicle.trials.runners import RUNNERS
from ossicle.trials.shard import Shard
from ossicle.trials.trial import Trial

CONFIG_OF_ALL = TrainConfig(backbone="tiny-hubert", recipe="linear", data="demo")


class Fake:
    """A runner that fails as it is told, or has the result of its folder."""

    name = "fake"
    ignores = frozenset[str]()
    settings_are_data = False

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:  # noqa: ARG002
        if self.error is not None:
            raise self.error
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "done").touch()

    def read(self, folder: Path) -> Measured | None:
        if not (folder / "done").exists():
            return None
        rows = outcomes.TestRows(keys=("".join("ab"),), speakers=(None,), labels=("x",))
        return Measured(
            task="classification",
            metrics={},
            scores=None,
            predicted=("".join("xy"),),
            rows=rows,
            parameters={},
            adapter_bytes=1,
            train_seconds=1.0,
            step_seconds=None,
            test_seconds=None,
            peak_memory_mib=None,
            best_epoch=1,
            epochs=1,
            split="",
            split_fingerprint={},
            backbone_fingerprint="",
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda error=None: monkeypatch.setitem(RUNNERS, "fake", Fake(error))


def trials(number: int, runner: str = "fake") -> list[Trial]:
    return [
        Trial(config=replace(CONFIG_OF_ALL, seed=seed), labels={"seed": seed}, runner=runner)
        for seed in range(number)
    ]


def only(folder: Path, runner: str = "train") -> Outcome:
    (outcome,) = read_outcomes(trials(1, runner), ["name"], folder)
    return outcome


def test_the_state_of_a_trial_follows_from_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "name"
    assert only(tmp_path).state == "pending"
    folder.mkdir()
    assert only(tmp_path).state == "pending"
    write_sealed(folder / CONFIG, CONFIG_OF_ALL.to_dict())
    assert only(tmp_path).state == "interrupted"
    with Writer(folder) as writer:
        writer.take()
        assert only(tmp_path).state == "running"
    assert only(tmp_path).state == "interrupted"
    write_failed(folder, "the loss is nan")
    assert (only(tmp_path).state, only(tmp_path).reason) == ("failed", "the loss is nan")


def test_a_damaged_result_is_a_failed_trial_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    (tmp_path / "name" / METRICS).write_text('{"test": 1}')
    outcome = only(tmp_path)
    assert outcome.state == "failed"
    assert METRICS in str(outcome.reason)
    assert f"remove '{tmp_path / 'name'}'" in str(outcome.reason)


def test_trials_share_their_test_recordings_and_labels(
    fake: Callable[..., None], tmp_path: Path
) -> None:
    fake()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "done").touch()
    first, second = (one.measured for one in read_outcomes(trials(2), ["a", "b"], tmp_path))
    assert first is not None
    assert second is not None
    assert first.rows is second.rows
    assert first.predicted[0] is second.predicted[0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RunError("the loss is nan; lower --lr"), "the loss is nan; lower --lr"),
        (ZeroDivisionError("division\nby zero"), "ZeroDivisionError: division"),
        (MemoryError(), "MemoryError. Use fewer workers"),
        (RuntimeError("CUDA out of memory. Tried"), "CUDA out of memory. Tried. Use fewer workers"),
    ],
    ids=["ossicle", "bug", "memory", "gpu"],
)
def test_a_failed_trial_is_a_row_with_its_reason_and_is_computed_again(
    fake: Callable[..., None], tmp_path: Path, error: Exception, reason: str
) -> None:
    fake(error)
    (outcome,) = run_trials(trials(1), ["a"], tmp_path, engine=Here())
    assert outcome.state == "failed"
    assert reason in str(outcome.reason)
    details = json.loads((tmp_path / "a" / FAILED).read_text())["details"]
    assert bool(details) is not isinstance(error, RunError)  # a traceback, of a bug
    fake()
    (outcome,) = run_trials(trials(1), ["a"], tmp_path, engine=Here())
    assert (outcome.state, outcome.reason) == ("finished", None)
    assert not (tmp_path / "a" / FAILED).exists()


def test_a_full_disk_ends_the_study_with_one_line(
    fake: Callable[..., None], tmp_path: Path
) -> None:
    wrapped = RunError("'x' cannot be written: No space left on device")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    fake(wrapped)
    with pytest.raises(RunError, match=r"the disk of .* is full\. .*make room, and repeat"):
        run_trials(trials(2), ["a", "b"], tmp_path, engine=Here())
    assert not list(tmp_path.rglob(FAILED))


def test_only_what_is_not_finished_is_computed_and_one_name_once(
    fake: Callable[..., None], tmp_path: Path
) -> None:
    fake()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "done").touch()
    seen: list[tuple[str, str, Standing]] = []

    def note(event: Event, standing: Standing) -> None:
        seen.append((event.name, event.what, standing))

    with Writer(tmp_path / "c") as elsewhere:
        elsewhere.take()
        found = run_trials(trials(4), ["a", "b", "c", "b"], tmp_path, engine=Here(), on_event=note)
    assert [one.state for one in found] == ["finished", "finished", "running", "finished"]
    assert [(name, what) for name, what, _ in seen] == [("b", "started"), ("b", "finished")]
    last = seen[-1][2]
    assert (last.total, last.finished, last.failed, last.running, last.elsewhere) == (3, 2, 0, 0, 1)
    assert last.remaining_s == 0


def test_a_trial_that_another_process_has_taken_meanwhile_is_not_failed(tmp_path: Path) -> None:
    job = Job(name="a", folder=tmp_path / "a", trial=trials(1, "train")[0])
    with Writer(tmp_path / "a") as elsewhere:
        elsewhere.take()
        answer = run_trial(job.to_dict(), Kept(), no_progress)
    assert answer["what"] == "elsewhere"
    assert not list(tmp_path.rglob(FAILED))


def test_shards_share_out_all_trials_interleaved() -> None:
    declared = trials(7)
    parts = [Shard.parse(f"{number}/3").of(declared) for number in (1, 2, 3)]
    seeds = [[trial.config.seed for trial in part] for part in parts]
    assert seeds == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/", "-1/3", "1/2/3"])
def test_a_shard_is_a_number_of_several(text: str) -> None:
    with pytest.raises(RunError, match="expected a number and how many there are, such as 3/16"):
        Shard.parse(text)
