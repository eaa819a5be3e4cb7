"""Trials that start from the run of another trial: waves, reasons, shards and names."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ossicle.files import write_sealed
from ossicle.progress import Progress
from ossicle.studies.checks import check_trials
from ossicle.studies.record import Record, read_record, write_record
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, Writer
from ossicle.trials.engine import Event, Job, OnEvent
from ossicle.trials.folder import read_outcomes, write_failed
from ossicle.trials.kept import Kept
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Measured
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.runners import RUNNERS
from ossicle.trials.shard import Shard
from ossicle.trials.trial import Trial

SETTINGS = TrainConfig(backbone="tiny-hubert", recipe="lora", data="demo")
NAMES = ("a", "b", "a-child", "b-child", "a-grandchild")


class Fake:
    """Has a result as soon as its folder has a file `done`."""

    name = "fake"
    ignores = frozenset[str]()
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        raise NotImplementedError

    def read(self, folder: Path) -> Measured | None:
        return Measured() if (folder / "done").is_file() else None


@dataclass
class Engine:
    """Finishes every trial at once, or lets it fail."""

    failing: Sequence[str] = ()
    waves: list[list[Job]] = field(default_factory=list)

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        self.waves.append(list(jobs))
        for job in jobs:
            job.folder.mkdir(parents=True, exist_ok=True)
            on_event(Event(name=job.name, what="started"))
            if job.name in self.failing:
                write_failed(job.folder, "the loss is nan")
                on_event(Event(name=job.name, what="failed", reason="the loss is nan"))
            else:
                (job.folder / "failed.json").unlink(missing_ok=True)
                (job.folder / "done").touch()
                on_event(Event(name=job.name, what="finished"))

    @property
    def computed(self) -> list[list[str]]:
        return [[job.name for job in wave] for wave in self.waves]


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """Two trials, a trial after each of them, and one after the first of these."""
    monkeypatch.setitem(RUNNERS, "fake", Fake())
    first, second = (
        Trial(config=replace(SETTINGS, seed=seed), labels={"recipe": "lora"}, runner="fake")
        for seed in range(2)
    )
    children = [replace(first, after=first), replace(second, after=second)]
    return [first, second, *children, replace(first, after=children[0])]


Events = list[tuple[str, str, Standing]]


def run(trials: Sequence[Trial], folder: Path, engine: Engine) -> tuple[list[str], Events]:
    events: Events = []
    found = run_trials(
        trials,
        NAMES,
        folder,
        engine=engine,
        on_event=lambda event, standing: events.append((event.name, event.what, standing)),
    )
    return [one.state for one in found], events


def test_trials_run_in_waves_each_from_the_folder_of_its_parent(
    family: list[Trial], tmp_path: Path
) -> None:
    engine = Engine()
    states, events = run(family, tmp_path, engine)
    assert states == ["finished"] * 5
    assert engine.computed == [["a", "b"], ["a-child", "b-child"], ["a-grandchild"]]
    parents = [[job.trial.config.parent for job in wave] for wave in engine.waves]
    assert parents == [
        [None, None],
        [str(tmp_path / "a"), str(tmp_path / "b")],
        [str(tmp_path / "a-child")],
    ]
    assert (events[-1][2].finished, events[-1][2].total) == (5, 5)
    again = Engine()
    assert run(family, tmp_path, again) == (states, [])
    assert not again.waves


def test_a_study_goes_on_in_the_middle_of_a_chain(family: list[Trial], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "done").touch()
    (tmp_path / "a-child").mkdir()
    write_sealed(tmp_path / "a-child" / CONFIG, SETTINGS.to_dict())
    engine = Engine()
    run(family, tmp_path, engine)
    assert engine.computed == [["b"], ["a-child", "b-child"], ["a-grandchild"]]


def test_what_starts_from_a_failed_trial_has_failed_with_its_reason_and_runs_when_it_succeeds(
    family: list[Trial], tmp_path: Path
) -> None:
    engine = Engine(failing=["a"])
    states, events = run(family, tmp_path, engine)
    assert states == ["failed", "finished", "failed", "finished", "failed"]
    assert engine.computed == [["a", "b"], ["b-child"]]
    said = [(name, what) for name, what, _ in events if what == "failed"]
    assert said == [("a", "failed"), ("a-child", "failed"), ("a-grandchild", "failed")]
    assert (events[-1][2].failed, events[-1][2].finished) == (3, 2)
    outcomes = read_outcomes(family, NAMES, tmp_path)
    reason = "the trial that it starts from has failed: the loss is nan"
    assert [outcomes[2].reason, outcomes[4].reason] == [reason] * 2
    again = Engine()
    assert run(family, tmp_path, again)[0] == ["finished"] * 5
    assert again.computed == [["a"], ["a-child"], ["a-grandchild"]]


def test_what_starts_from_a_trial_that_runs_elsewhere_is_left_to_it(
    family: list[Trial], tmp_path: Path
) -> None:
    with Writer(tmp_path / "a") as writer:
        writer.take()
        engine = Engine()
        states, events = run(family, tmp_path, engine)
    assert engine.computed == [["b"], ["b-child"]]
    assert states == ["running", "finished", "pending", "finished", "pending"]
    assert [name for name, what, _ in events if what == "elsewhere"] == ["a-child", "a-grandchild"]


def test_a_trial_must_come_after_its_parent(family: list[Trial], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not follow the one before it"):
        run_trials(family[2:], NAMES[2:], tmp_path, engine=Engine())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_shard_has_whole_families(count: int) -> None:
    roots = ["a", "b", "a", "c", "b", "a"]
    parts = [Shard(number, count).of(range(6), roots) for number in range(1, count + 1)]
    assert sorted(one for part in parts for one in part) == list(range(6))
    assert {1: [6], 2: [4, 2], 3: [3, 2, 1]}[count] == [len(part) for part in parts]


def test_a_declaration_keeps_what_starts_from_what(family: list[Trial], tmp_path: Path) -> None:
    record = Record(study="methods", options={}, grid={}, command="", trials=family, names=NAMES)
    write_record(tmp_path, record, SETTINGS)
    found = read_record(tmp_path).trials
    assert list(found) == family
    assert found[2].after is found[0]
    assert found[4].after is found[2]


def test_a_name_depends_on_what_the_parent_is_and_not_on_where(backbone: str, corpus: Path) -> None:
    naming = Naming()
    config = TrainConfig(backbone=backbone, recipe="lora", data=f"audiofolder:{corpus}")
    parents = [Trial(config=replace(config, seed=seed), labels={"seed": 0}) for seed in range(2)]
    same = replace(parents[0], labels={})
    trials = [Trial(config=config, labels={}, after=one) for one in (None, *parents, same)]
    first, *others = [naming.name(one) for one in trials]
    assert len({first, *others}) == 3
    assert others[0] == others[2]


def test_what_starts_from_a_trial_that_cannot_run_cannot_run() -> None:
    bad = Trial(config=replace(SETTINGS, recipe="lora[9]"), labels={"recipe": "lora[9]"})
    good = Trial(config=replace(SETTINGS, recipe="lora"), labels={"recipe": "lora"})
    trials = [bad, good, replace(bad, after=bad), replace(good, after=good)]
    checked = check_trials(trials)
    assert checked.trials == (good, trials[3])
    assert checked.parameters[0]
    assert checked.parameters[1] is None  # 'linear' trains nothing, and the stage does
    (_, why), (_, why_child) = checked.refused
    assert why_child == f"the trial that it starts from cannot run: {why}"
