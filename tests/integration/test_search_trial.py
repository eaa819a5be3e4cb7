"""A search as a trial: its answer is that of a run of its own, and it survives a kill."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ossicle.adapters.folder import TENSORS
from ossicle.progress import Progress, no_progress
from ossicle.search import build_strategy
from ossicle.search.problem import build_problem
from ossicle.search.strategy import Tried
from ossicle.training.config import TrainConfig
from ossicle.training.result import read_result
from ossicle.training.run import train
from ossicle.trials.in_process_engine import InProcessEngine
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.search import RUNNER
from ossicle.trials.search import Course, Trainings, run_courses
from ossicle.trials.trial import Trial
from tones import write_corpus, write_metadata

Settings = Callable[..., TrainConfig]
BUDGET = 1200


class Killed(BaseException):
    """Ends the process, as far as a trial can tell."""


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "tones"
    write_corpus(folder, takes=4)
    return folder


def search_trial(settings: Settings, tones: Path, strategy: str) -> Trial:
    config = settings(data=f"audiofolder:{tones}", recipe="", epochs=1, track="none")
    chosen = {"strategy": strategy, "budget": BUDGET, "candidates": "skip,lora,bias", "trials": 2}
    return Trial(config=config, labels={}, runner="search", settings=chosen)


def searched(trial: Trial, folder: Path, progress: Progress = no_progress) -> Measured:
    RUNNER.run(trial, folder, Kept(), progress)
    found = RUNNER.read(folder)
    assert found is not None
    return found


def test_the_answer_of_a_search_is_that_of_a_run_from_scratch(
    settings: Settings, tones: Path, tmp_path: Path
) -> None:
    trial = search_trial(settings, tones, "random")
    found = searched(trial, tmp_path / "search")
    facts = found.facts
    assert (facts["strategy"], facts["is_control"], facts["cost_epochs"]) == ("random", True, 2)
    assert facts["cost_steps"] == 2 * 2  # eight recordings in batches of four
    assert facts["parameters"] <= facts["budget"] == BUDGET
    assert set(facts["choice"].values()) <= {"skip", "lora", "bias"}
    assert [facts["parameters"], facts["valid"], facts["recipe"]] in facts["front"]
    others = [one for one in (tmp_path / "search/trials").iterdir() if one.name != facts["trial"]]
    assert len(others) == 2
    assert all(read_result(one).test is None for one in others)  # only the answer is tested
    result = train(replace(trial.config, recipe=str(facts["recipe"])), tmp_path / "own")
    assert facts["test"] == result.test_metrics[facts["metric"]] == found.metrics[facts["metric"]]
    inner = tmp_path / "search" / "trials" / str(facts["trial"])
    assert (inner / TENSORS).read_bytes() == (tmp_path / "own" / TENSORS).read_bytes()


@pytest.mark.thorough
def test_a_search_that_is_killed_goes_on_from_what_has_finished(
    settings: Settings, tones: Path, tmp_path: Path
) -> None:
    trial, ended = search_trial(settings, tones, "probe"), 0
    whole = searched(trial, tmp_path / "whole")

    def kill(stage: str, done: int, total: int, **_: float) -> None:
        nonlocal ended
        ended += stage == "search: training" and done == total
        if ended == 2:
            raise Killed

    with pytest.raises(Killed):
        searched(trial, tmp_path / "killed", kill)
    logs = (tmp_path / "killed" / "trials").glob("*/metrics.json")
    before = {one: one.stat().st_mtime_ns for one in logs}
    assert before
    assert RUNNER.read(tmp_path / "killed") is None
    assert searched(trial, tmp_path / "killed").facts == whole.facts
    assert all(one.stat().st_mtime_ns == changed for one, changed in before.items())


@pytest.mark.thorough
def test_proposals_and_scores_do_not_depend_on_test_recordings(
    settings: Settings, tmp_path: Path
) -> None:
    def tried(folder: Path, *, swapped: bool) -> list[Tried]:
        rows = write_corpus(folder, takes=4)
        labels = {"high": "low", "low": "high"} if swapped else {}
        write_metadata(
            folder,
            [
                (n, labels.get(label, label) if side == "test" else label, speaker, side)
                for n, label, speaker, side in rows
            ],
        )
        config = search_trial(settings, folder, "tpe").config
        problem = build_problem(replace(config, epochs=4), ["lora", "bias"], BUDGET, 2)
        course = Course("tpe", build_strategy("tpe(wave=2)", problem))
        engine = InProcessEngine(Kept())
        run_courses(course, (), Trainings(problem=problem, folder=folder / "t", engine=engine))
        return course.tried

    given, swapped = (tried(tmp_path / str(one), swapped=one) for one in (False, True))
    assert [(one.proposal.config.recipe, one.score) for one in given] == [
        (one.proposal.config.recipe, one.score) for one in swapped
    ]
    assert sum(one.epochs for one in given) <= 8
